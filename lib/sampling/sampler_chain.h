// Inside the sampler: the tokens that are left, and the table of what may be done to them.
//
// Logits always stay one row, [vocab]. Until something takes tokens away the whole vocabulary is left ("dense", with a
// row of probabilities); from then on a list names the tokens that are. Where many are left of those that a nucleus or
// a bound takes off at the end, the row stays, with the worst token that is left and the weights of classes of like
// probability. Probabilities are made when a sampler asks for them, by one softmax over what is left, and kept as they
// are when tokens go: whole_ is what those left weigh. Nothing here sorts a vocabulary where a part will do.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "sampling/sampler.h"

namespace pensee {

// The token with the largest score, the first of equals; NaN never wins.
int32_t best_token(std::span<const float> scores);

class SamplerChain {
 public:
  explicit SamplerChain(const Kernels& kernels) : kernels_(kernels) {}

  void start(std::span<const float> logits, std::span<const int32_t> history, std::span<const uint32_t> allowed);
  void add_bias(const SamplerSettings& s);

  bool any_allowed() const;

  void run(const SamplerRow& row, const SamplerSettings& s, Random& random);

  // The samplers of the table.
  void penalties(const SamplerSettings& s, Random& random);
  void dry(const SamplerSettings& s, Random& random);
  void temperature(const SamplerSettings& s, Random& random);
  void top_n_sigma(const SamplerSettings& s, Random& random);
  void top_k(const SamplerSettings& s, Random& random);
  void top_p(const SamplerSettings& s, Random& random);
  void min_p(const SamplerSettings& s, Random& random);
  void typical_p(const SamplerSettings& s, Random& random);
  void xtc(const SamplerSettings& s, Random& random);

  // The ways to end; each gives a token that is allowed.
  int32_t best() const;
  int32_t draw(Random& random);
  int32_t draw_mirostat(const SamplerSettings& s, double& mu, Random& random);

 private:
  struct Token {
    float p;
    int32_t id;
  };
  static constexpr size_t kLong = 512;  // from here on lists are sorted by digits, and dense rows not at all
  // A function object: sorting calls it a lot, and a pointer would not be inlined.
  static constexpr auto better = [](const Token& a, const Token& b) {
    return a.p > b.p || (a.p == b.p && a.id < b.id);
  };

  bool allows(size_t id) const { return id / 32 < allowed_.size() && (allowed_[id / 32] >> (id % 32) & 1u) != 0; }
  double score(int32_t id) const { return static_cast<double>(scores_[static_cast<size_t>(id)]); }
  std::span<float> own_scores();  // to be changed
  bool probabilities();           // makes them; false: the logits are no numbers, and one token was chosen
  void list_weigh();
  void settle_for(int32_t id);
  void find_tops();
  void gather(float low, float high, std::vector<Token>& to) const;  // dense: what is left with low <= p < high, by id
  void collect();                                                    // dense -> list
  void collect_top(std::span<const float> keys, float above, size_t count);
  void classify(float floor);  // dense, of which only p > floor matters -> a list if few are left, else classes
  void rank();   // the list best first
  void weigh();  // whole_ = what the ranked list weighs
  void cut(double nucleus, float least);
  void cut_long(double nucleus, float least);
  int32_t draw_long(Random& random);
  struct Place {
    size_t of;      // the class
    double before;  // what those before it weigh
  };
  Place enter_class(double mass, float least);
  static void sort_tokens(std::vector<Token>& tokens, std::vector<Token>& room);  // best first
  double dry_penalty(const SamplerSettings& s, int32_t match) const;
  void dry_matches(std::span<const int32_t> window, int32_t longest);

  const Kernels& kernels_;
  std::span<const float> scores_;  // the caller's logits, or ours once something changed them
  std::span<const int32_t> history_;
  std::span<const uint32_t> allowed_;
  float scale_ = 1;        // 1 / temperature; not yet in scores_
  bool tempered_ = false;  // temperature has run
  bool listed_ = false;    // list_ names what is left; else it is what of the row is not behind worst_
  bool classed_ = false;   // dense, and class_weights_ tell what that weighs
  bool ranked_ = false;    // list_ is best first
  bool fresh_ = false;     // probabilities are those of the scores
  bool settled_ = false;   // list_ holds the one token that logits which are no numbers leave
  double whole_ = 1;
  Token worst_ = {0.0f, -1};  // at first: all but p = 0
  std::vector<float> own_, probabilities_, tops_, weights_;
  std::vector<double> class_weights_;
  std::vector<Token> list_, room_, spare_;
  std::vector<int32_t> counts_, touched_, reversed_, matches_;  // counts_ [vocab] is zero between uses
};

// A row of the table. The rows stand in the default order.
struct SamplerRow {
  SamplerKind kind;
  std::string_view name;
  bool truncates;  // takes tokens away: greedy and mirostat do without
  bool lists;      // wants what others left as a list
  bool (*on)(const SamplerSettings&);
  void (SamplerChain::*run)(const SamplerSettings&, Random&);
};
std::span<const SamplerRow> sampler_table();
const SamplerRow* find_sampler(SamplerKind kind);  // null: unknown

}  // namespace pensee
