// From logits to a token: one table of samplers (sampler_chain.cpp), run in a default order or in the caller's.
//
// Logit bias and the mask of allowed tokens always come first. Then the order: by default penalties and DRY, which move
// logits; temperature; then what takes tokens away (top-n-sigma, top-k, top-p, min-p, typical-p, XTC); then one draw.
// Temperature comes before the truncations, as in transformers; `order` chooses otherwise, and a kind that it does not
// name does not run. Two settings replace the truncations: temperature 0 is greedy (the best token after bias,
// penalties and DRY), and mirostat 2 has its own cut.
//
// One seed gives one text on every machine: the random numbers are our own, exponentials come from the kernels (equal
// bits on all of them), and no function of libm decides. Ties go to the lower id. Logits that are no numbers still
// give a token.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"

namespace pensee {

enum class SamplerKind : int32_t {
  penalties = 1,  // repetition, frequency, presence
  dry = 2,
  temperature = 3,
  top_n_sigma = 4,
  top_k = 5,
  top_p = 6,
  min_p = 7,
  typical_p = 8,
  xtc = 9,
};

struct SamplerSettings {
  float temperature = 0.0f;    // 0: greedy
  int32_t top_k = 0;           // 0: off
  float top_p = 1.0f;          // 1: off
  float min_p = 0.0f;          // 0: off
  float typical_p = 1.0f;      // 1: off
  float top_n_sigma = 0.0f;    // 0: off
  float xtc_probability = 0;   // 0: off
  float xtc_threshold = 0.1f;  // above 0.5: off
  float dry_multiplier = 0;    // 0: off
  float dry_base = 1.75f;
  int32_t dry_allowed_length = 2;                     // longest repetition without a penalty
  int32_t dry_last_n = -1;                            // tokens looked at; -1: all, 0: off
  std::vector<int32_t> dry_breakers;                  // tokens that end a repetition
  float repetition_penalty = 1.0f;                    // 1: off; CTRL's: positive logits are divided, others multiplied
  float frequency_penalty = 0.0f;                     // OpenAI's: taken off a logit for each time that its token came
  float presence_penalty = 0.0f;                      // OpenAI's: taken off once if its token came
  int32_t penalty_last_n = -1;                        // tokens looked at; -1: all, 0: off
  int32_t mirostat = 0;                               // 0 or 2
  float mirostat_tau = 5.0f;                          // wanted surprise, bits a token
  float mirostat_eta = 0.1f;                          // learning rate
  std::vector<std::pair<int32_t, float>> logit_bias;  // added to the logit; -infinity bans the token
  std::vector<SamplerKind> order;                     // empty: the default order
};

// Whether each setting is in its range and each id below vocab_size; the error names the field.
Status check(const SamplerSettings& settings, int32_t vocab_size);
// The names that `order` has in text: "penalties", "top_k" ... Of an unknown kind: empty.
std::string_view sampler_name(SamplerKind kind);
Result<SamplerKind> sampler_kind(std::string_view name);

// SplitMix64 (Steele, Lea and Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)

 private:
  uint64_t state_;
};

// The seed of sample `index` out of several from one seed: of index 0 the seed itself; never 0 for another.
uint64_t sample_seed(uint64_t seed, int32_t index);

struct Alternative {
  int32_t token_id;
  float logprob;
};

class SamplerChain;  // sampler_chain.h
struct SamplerRow;

class Sampler {
 public:
  Sampler(const SamplerSettings& settings, uint64_t seed, const Kernels& kernels);
  Sampler(Sampler&&) noexcept;
  ~Sampler();

  // Other settings from the next token on (a thought's, then an answer's). The random stream goes on, and so does
  // mirostat's state unless its settings changed.
  void set(const SamplerSettings& settings);

  // The next token, called once for each.
  //   logits   [vocab]
  //   history  the tokens so far, prompt included, latest last: what penalties and DRY look at
  //   allowed  bit i of word i / 32: whether token i may come (a constraint); empty: all may; bits that are missing
  //            count as 0
  // -1 if no token may come.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> history = {},
                 std::span<const uint32_t> allowed = {});

 private:
  SamplerSettings settings_;
  Random random_;
  std::unique_ptr<SamplerChain> chain_;
  std::vector<const SamplerRow*> plan_;  // what runs with these settings, in order
  double mu_ = 0;                        // mirostat's
};

// Natural logarithm of the softmax's denominator: log-probability = logit - this. `room` is reused between calls.
float log_sum_exp(std::span<const float> logits, const Kernels& kernels, std::vector<float>& room);
// The `count` most probable tokens, best first, ties to the lower id.
std::vector<Alternative> top_alternatives(std::span<const float> logits, float log_denominator, int32_t count);

}  // namespace pensee
