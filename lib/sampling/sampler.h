// From logits to a token. The order is fixed: temperature, top-k, top-p, min-p, then one draw. The random numbers are
// our own (the standard library's distributions differ between machines), so one seed gives one text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace pensee {

struct SamplerSettings {
  float temperature = 0.0f;  // 0: greedy
  int32_t top_k = 0;         // 0: off
  float top_p = 1.0f;        // 1: off
  float min_p = 0.0f;        // 0: off
};

// SplitMix64 (Steele, Lea and Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)

 private:
  uint64_t state_;
};

struct Alternative {
  int32_t token_id;
  float logprob;
};

class Sampler {
 public:
  Sampler(SamplerSettings settings, uint64_t seed, const Kernels& kernels)
      : settings_(settings), random_(seed), kernels_(kernels) {}

  int32_t sample(std::span<const float> logits);

 private:
  struct Candidate {
    float p;
    int32_t id;
  };
  void collect(std::span<const float> logits);

  SamplerSettings settings_;
  Random random_;
  const Kernels& kernels_;
  std::vector<float> probabilities_;
  std::vector<Candidate> candidates_;
};

// Natural logarithm of the softmax's denominator: log-probability = logit - this. `room` is reused between calls.
float log_sum_exp(std::span<const float> logits, const Kernels& kernels, std::vector<float>& room);
// The `count` most probable tokens, best first, ties to the lower id.
std::vector<Alternative> top_alternatives(std::span<const float> logits, float log_denominator, int32_t count);

}  // namespace pensee
