#include "sampling/sampler_chain.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pensee {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The largest number, -infinity if there is none; the lanes let the compiler use vectors.
float largest(std::span<const float> x) {
  float lanes[16];
  std::fill(lanes, lanes + 16, -kInfinity);
  size_t i = 0;
  for (; i + 16 <= x.size(); i += 16) {
    for (size_t j = 0; j < 16; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  }
  for (; i < x.size(); ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  return *std::max_element(lanes, lanes + 16);
}

// Natural logarithm of a positive number in basic arithmetic, so that its bits are the same everywhere:
// ln m = 2 artanh((m - 1) / (m + 1)), whose series gains 1.5 digits a term for m between sqrt(1/2) and sqrt(2).
double natural_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // exact
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double t = (m - 1) / (m + 1), t2 = t * t;
  double series = 0;
  for (int k = 23; k > 0; k -= 2) series = series * t2 + 1.0 / k;
  return 2 * t * series + exponent * 0.69314718055994531;
}

// The sum of f(x) over 8 lanes, which are joined in order: not one long chain of additions.
template <class F>
double sum_of(std::span<const float> x, F f) {
  double lanes[8] = {};
  for (size_t i = 0; i < x.size(); ++i) lanes[i % 8] += f(static_cast<double>(x[i]));
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

int32_t best_token(std::span<const float> scores) {
  const float top = largest(scores);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == top) return static_cast<int32_t>(i);
  }
  return 0;  // no numbers at all
}

void SamplerChain::start(std::span<const float> logits, std::span<const int32_t> history,
                         std::span<const uint32_t> allowed) {
  scores_ = logits;
  history_ = history;
  allowed_ = allowed;
  scale_ = 1;
  whole_ = 1;
  worst_ = {0.0f, -1};
  tempered_ = listed_ = classed_ = ranked_ = fresh_ = settled_ = false;
  if (allowed.empty()) return;
  const std::span<float> scores = own_scores();
  for (size_t i = 0; i < scores.size(); i += 32) {
    const uint32_t bits = i / 32 < allowed.size() ? allowed[i / 32] : 0;
    if (bits == ~0u) continue;
    const size_t end = std::min<size_t>(32, scores.size() - i);
    for (size_t j = 0; j < end; ++j) scores[i + j] = (bits >> j & 1u) != 0 ? scores[i + j] : -kInfinity;
  }
}

void SamplerChain::add_bias(const SamplerSettings& s) {
  const std::span<float> scores = own_scores();
  for (const auto& [id, bias] : s.logit_bias) {
    if (id < 0 || static_cast<size_t>(id) >= scores.size()) continue;
    float& x = scores[static_cast<size_t>(id)];
    x = bias == -kInfinity ? bias : x + bias;
  }
}

std::span<float> SamplerChain::own_scores() {
  if (scores_.data() != own_.data()) {
    own_.assign(scores_.begin(), scores_.end());
    scores_ = own_;
  }
  if (scale_ != 1) {
    for (float& x : own_) x *= scale_;
    scale_ = 1;
  }
  fresh_ = ranked_ = false;
  return own_;
}

void SamplerChain::run(const SamplerRow& row, const SamplerSettings& s, Random& random) {
  if (row.lists && classed_) collect();
  (this->*row.run)(s, random);
}

void SamplerChain::settle_for(int32_t id) {
  list_.assign(1, {1.0f, id});
  listed_ = ranked_ = fresh_ = settled_ = true;
  whole_ = 1;
}

bool SamplerChain::probabilities() {
  if (settled_) return false;
  if (fresh_) return true;
  if (listed_) {
    list_weigh();
    return !settled_;
  }
  probabilities_.resize(scores_.size());
  const float* from = scores_.data();
  if (scale_ != 1) {
    for (size_t i = 0; i < scores_.size(); ++i) probabilities_[i] = scores_[i] * scale_;
    from = probabilities_.data();
  }
  kernels_.softmax(from, probabilities_.data(), static_cast<int64_t>(scores_.size()));
  find_tops();
  fresh_ = true;
  whole_ = 1;
  if (!std::isfinite(probabilities_[0])) settle_for(best());  // one NaN makes all of them NaN
  return !settled_;
}

void SamplerChain::list_weigh() {
  weights_.resize(list_.size());
  int32_t top = list_.front().id;
  for (size_t i = 0; i < list_.size(); ++i) {
    const int32_t id = list_[i].id;
    weights_[i] = scores_[static_cast<size_t>(id)] * scale_;
    if (score(id) > score(top) || (score(id) == score(top) && id < top)) top = id;
  }
  kernels_.softmax(weights_.data(), weights_.data(), static_cast<int64_t>(weights_.size()));
  size_t kept = 0;
  for (size_t i = 0; i < list_.size(); ++i) {
    if (weights_[i] > 0) list_[kept++] = {weights_[i], list_[i].id};
  }
  if (kept == 0) return settle_for(top);
  list_.resize(kept);
  fresh_ = true;
  ranked_ = false;
  weigh();
}

void SamplerChain::temperature(const SamplerSettings& s, Random&) {
  scale_ *= 1.0f / s.temperature;
  tempered_ = true;
  fresh_ = ranked_ = false;
}

// Tang et al. 2024: what lies at most n standard deviations of the logits below the best.
void SamplerChain::top_n_sigma(const SamplerSettings& s, Random&) {
  if (settled_) return;
  weights_.clear();
  for (const Token& t : list_) {
    if (listed_) weights_.push_back(scores_[static_cast<size_t>(t.id)]);
  }
  for (const float x : scores_) {
    if (!listed_ && x > -kInfinity) weights_.push_back(x);
  }
  if (weights_.empty()) return;
  const auto count = static_cast<double>(weights_.size());
  const double top = *std::max_element(weights_.begin(), weights_.end());
  const double mean = sum_of(weights_, [](double x) { return x; }) / count;
  const double sigma = std::sqrt(sum_of(weights_, [&](double x) { return (x - mean) * (x - mean); }) / count);
  const double least = top - static_cast<double>(s.top_n_sigma) * sigma;
  if (listed_) {
    std::erase_if(list_, [&](const Token& t) { return score(t.id) < least; });
    if (fresh_) weigh();
    return;
  }
  list_.clear();
  for (size_t i = 0; i < scores_.size(); ++i) {
    if (static_cast<double>(scores_[i]) >= least) list_.push_back({0.0f, static_cast<int32_t>(i)});
  }
  listed_ = true;
  ranked_ = fresh_ = false;
  if (list_.empty()) settle_for(best());  // infinite logits
}

// Before temperature by logits, since what has no weight yet may gain some; after it by probabilities.
void SamplerChain::top_k(const SamplerSettings& s, Random&) {
  const auto k = static_cast<size_t>(s.top_k);
  if (!listed_ && !tempered_) {
    if (k >= scores_.size()) return;
    collect_top(scores_, -kInfinity, k);
    fresh_ = false;
    if (list_.empty()) settle_for(best());
    return;
  }
  if (!probabilities()) return;
  if (!listed_) {
    collect_top(probabilities_, 0.0f, k);
  } else {
    rank();
    if (k < list_.size()) list_.resize(k);
  }
  weigh();
}

// Holtzman et al. 2020. Of a whole vocabulary, tokens that are each rarer than (1 - p) / vocabulary weigh less than
// 1 - p together: the nucleus cannot need them.
void SamplerChain::top_p(const SamplerSettings& s, Random&) {
  if (!probabilities()) return;
  classify((1.0f - s.top_p) / static_cast<float>(scores_.size()));
  cut(static_cast<double>(s.top_p) * whole_, 0.0f);
}

// Nguyen et al. 2024: what is at least min_p times as probable as the best.
void SamplerChain::min_p(const SamplerSettings& s, Random&) {
  if (!probabilities()) return;
  if (listed_) rank();
  const float least = s.min_p * (listed_ ? list_.front().p : largest(tops_));
  classify(std::nextafter(least, 0.0f));
  cut(whole_, least);
}

// Meister et al. 2023: tokens whose information is nearest to the entropy, until they weigh typical_p. With
// -ln p = ln Z - x the distance |-ln p - H| is |E[x] - x|: no logarithm. Equal distances stay or go together.
void SamplerChain::typical_p(const SamplerSettings& s, Random&) {
  if (!probabilities()) return;
  if (!listed_) collect();
  const auto x = [&](const Token& t) { return score(t.id) * static_cast<double>(scale_); };
  double sum = 0, mean = 0;
  for (const Token& t : list_) {
    sum += static_cast<double>(t.p);
    mean += static_cast<double>(t.p) * x(t);
  }
  mean /= sum;
  std::vector<Token> nearest(list_.size()), room;  // p: minus the distance, id: place in the list
  for (size_t i = 0; i < list_.size(); ++i) {
    nearest[i] = {static_cast<float>(-std::abs(mean - x(list_[i]))), static_cast<int32_t>(i)};
  }
  sort_tokens(nearest, room);
  const double mass = static_cast<double>(s.typical_p) * sum;
  double before = 0;
  size_t last = 0;
  while (last + 1 < nearest.size()) {
    before += static_cast<double>(list_[static_cast<size_t>(nearest[last].id)].p);
    if (before >= mass) break;
    ++last;
  }
  const float least = nearest[last].p;
  std::erase_if(list_, [&](const Token& t) { return static_cast<float>(-std::abs(mean - x(t))) < least; });
  weigh();
}

// Weidmann 2024, exclude top choices: with the given probability, of the tokens at or above the threshold all go but
// the least probable. Always takes one random number, so what it finds does not shift those after it.
void SamplerChain::xtc(const SamplerSettings& s, Random& random) {
  const bool acts = random.unit() < static_cast<double>(s.xtc_probability);
  if (!acts || !probabilities()) return;
  const double threshold = static_cast<double>(s.xtc_threshold) * whole_;
  const auto chosen = [&](float p) { return p > 0 && static_cast<double>(p) >= threshold; };
  if (listed_) {
    room_ = list_;
  } else {
    gather(std::nextafter(static_cast<float>(threshold), 0.0f), 2.0f, room_);
  }
  std::erase_if(room_, [&](const Token& t) { return !chosen(t.p); });
  if (room_.size() < 2) return;
  const Token kept = *std::max_element(room_.begin(), room_.end(), better);  // max of "better": the worst
  if (!listed_) collect();
  std::erase_if(list_, [&](const Token& t) { return t.id != kept.id && chosen(t.p); });
  weigh();
}

bool SamplerChain::any_allowed() const {
  const size_t n = scores_.size();
  for (size_t w = 0; w < std::min(allowed_.size(), (n + 31) / 32); ++w) {
    const uint32_t in_vocabulary = n - w * 32 >= 32 ? ~0u : (1u << (n - w * 32)) - 1;
    if ((allowed_[w] & in_vocabulary) != 0) return true;
  }
  return false;
}

int32_t SamplerChain::best() const {
  const int32_t id = best_token(scores_);
  if (allowed_.empty() || allows(static_cast<size_t>(id))) return id;
  for (size_t i = 0; i < scores_.size(); ++i) {  // none that is allowed is above -infinity
    if (allows(i)) return static_cast<int32_t>(i);
  }
  return -1;
}

int32_t SamplerChain::draw(Random& random) {
  if (!probabilities()) return list_.front().id;
  classify(0.0f);
  if (!listed_) return draw_long(random);
  cut(whole_, 0.0f);
  double at = random.unit() * whole_;
  for (const Token& t : list_) {
    at -= static_cast<double>(t.p);
    if (at < 0) return t.id;
  }
  return list_.back().id;
}

// Basu et al. 2021, Mirostat 2.0: tokens of more than mu bits of surprise go, and mu follows the surprise of what
// comes, both under the distribution before the cut. surprise = -log2 p = (ln Z - x) / ln 2.
int32_t SamplerChain::draw_mirostat(const SamplerSettings& s, double& mu, Random& random) {
  if (!probabilities()) return list_.front().id;
  constexpr double ln2 = 0.69314718055994531;
  const float top = largest(tops_);
  const double scale = static_cast<double>(scale_);
  const int32_t best_id = best();
  const double log_sum = score(best_id) * scale - natural_log(static_cast<double>(top));
  const auto surprise = [&](int32_t id) { return (log_sum - score(id) * scale) / ln2; };
  collect();
  std::erase_if(list_, [&](const Token& t) { return t.id != best_id && surprise(t.id) > mu; });
  weigh();
  const int32_t token = draw(random);
  mu -= static_cast<double>(s.mirostat_eta) * (surprise(token) - static_cast<double>(s.mirostat_tau));
  return token;
}

namespace {

using S = SamplerSettings;
constexpr SamplerRow kTable[] = {
    {SamplerKind::penalties, "penalties", false, true,
     [](const S& s) {
       return s.penalty_last_n != 0 &&
              (s.repetition_penalty != 1 || s.frequency_penalty != 0 || s.presence_penalty != 0);
     },
     &SamplerChain::penalties},
    {SamplerKind::dry, "dry", false, true, [](const S& s) { return s.dry_multiplier > 0 && s.dry_last_n != 0; },
     &SamplerChain::dry},
    {SamplerKind::temperature, "temperature", false, true, [](const S& s) { return s.temperature > 0; },
     &SamplerChain::temperature},
    {SamplerKind::top_n_sigma, "top_n_sigma", true, true, [](const S& s) { return s.top_n_sigma > 0; },
     &SamplerChain::top_n_sigma},
    {SamplerKind::top_k, "top_k", true, true, [](const S& s) { return s.top_k > 0; }, &SamplerChain::top_k},
    {SamplerKind::top_p, "top_p", true, false, [](const S& s) { return s.top_p < 1; }, &SamplerChain::top_p},
    {SamplerKind::min_p, "min_p", true, false, [](const S& s) { return s.min_p > 0; }, &SamplerChain::min_p},
    {SamplerKind::typical_p, "typical_p", true, true, [](const S& s) { return s.typical_p < 1; },
     &SamplerChain::typical_p},
    {SamplerKind::xtc, "xtc", true, false, [](const S& s) { return s.xtc_probability > 0 && s.xtc_threshold <= 0.5f; },
     &SamplerChain::xtc},
};

}  // namespace

std::span<const SamplerRow> sampler_table() { return kTable; }

const SamplerRow* find_sampler(SamplerKind kind) {
  for (const SamplerRow& row : kTable) {
    if (row.kind == kind) return &row;
  }
  return nullptr;
}

}  // namespace pensee
