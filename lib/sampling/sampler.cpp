#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>

namespace pensee {

uint64_t Random::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Candidates best first. Under top-p, tokens that are each rarer than (1 - top_p) / vocabulary weigh less than
// 1 - top_p together: the nucleus cannot need them, so they are not sorted. (Under top-k as well, the nucleus is one of
// the k, whose weight together is needed: then all are candidates.)
void Sampler::collect(std::span<const float> logits) {
  probabilities_.resize(logits.size());
  const float inverse = 1.0f / settings_.temperature;
  for (size_t i = 0; i < logits.size(); ++i) probabilities_[i] = logits[i] * inverse;
  const auto n = static_cast<int64_t>(logits.size());
  kernels_.softmax(probabilities_.data(), probabilities_.data(), n);
  const bool prune = settings_.top_p < 1.0f && settings_.top_k == 0;
  const float floor = prune ? (1.0f - settings_.top_p) / static_cast<float>(n) : 0.0f;
  candidates_.clear();
  for (size_t i = 0; i < probabilities_.size(); ++i) {
    if (probabilities_[i] > floor) candidates_.push_back({probabilities_[i], static_cast<int32_t>(i)});
  }
  const auto better = [](const Candidate& a, const Candidate& b) { return a.p > b.p || (a.p == b.p && a.id < b.id); };
  const auto k = static_cast<size_t>(settings_.top_k);
  if (k > 0 && k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + settings_.top_k, candidates_.end(), better);
    candidates_.resize(k);
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

int32_t Sampler::sample(std::span<const float> logits) {
  const auto greedy = [&] {
    return static_cast<int32_t>(kernels_.argmax(logits.data(), static_cast<int64_t>(logits.size())));
  };
  if (settings_.temperature <= 0.0f) return greedy();
  collect(logits);
  if (candidates_.empty()) return greedy();  // logits that are no numbers
  double total = settings_.top_k == 0 ? 1.0 : 0.0;
  if (settings_.top_k != 0) {
    for (const Candidate& c : candidates_) total += static_cast<double>(c.p);
  }
  size_t kept = 0;
  double sum = 0;
  const double nucleus = static_cast<double>(settings_.top_p) * total;
  const float least = settings_.min_p * candidates_.front().p;
  while (kept < candidates_.size() && (kept == 0 || (sum < nucleus && candidates_[kept].p >= least))) {
    sum += static_cast<double>(candidates_[kept++].p);
  }
  double at = random_.unit() * sum;
  for (size_t i = 0; i < kept; ++i) {
    at -= static_cast<double>(candidates_[i].p);
    if (at < 0) return candidates_[i].id;
  }
  return candidates_[kept - 1].id;
}

// The largest probability is exp(0) / sum: so the vectorised softmax gives the sum as well.
float log_sum_exp(std::span<const float> logits, const Kernels& kernels, std::vector<float>& room) {
  const auto n = static_cast<int64_t>(logits.size());
  const auto best = static_cast<size_t>(kernels.argmax(logits.data(), n));
  if (!std::isfinite(logits[best])) return logits[best];
  room.resize(logits.size());
  kernels.softmax(logits.data(), room.data(), n);
  return logits[best] - std::log(room[best]);
}

std::vector<Alternative> top_alternatives(std::span<const float> logits, float log_denominator, int32_t count) {
  std::vector<int32_t> ids(logits.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  const auto logit = [&](int32_t id) { return logits[static_cast<size_t>(id)]; };
  const auto rank = [&](int32_t id) { return logit(id) == logit(id) ? logit(id) : -INFINITY; };  // NaN has no order
  const auto wanted = std::min<std::ptrdiff_t>(count, static_cast<std::ptrdiff_t>(ids.size()));
  std::partial_sort(ids.begin(), ids.begin() + wanted, ids.end(),
                    [&](int32_t a, int32_t b) { return rank(a) > rank(b) || (rank(a) == rank(b) && a < b); });
  std::vector<Alternative> out;
  for (std::ptrdiff_t i = 0; i < wanted; ++i) {
    const int32_t id = ids[static_cast<size_t>(i)];
    out.push_back({id, logit(id) - log_denominator});
  }
  return out;
}

}  // namespace pensee
