// What moves logits because of the tokens so far: repetition penalty (Keskar et al. 2019, CTRL), frequency and presence
// penalty (as OpenAI documents them), DRY (Weidmann 2024). Cost: the window that is looked at, not the vocabulary.
#include <algorithm>

#include "sampling/sampler_chain.h"

namespace pensee {
namespace {

std::span<const int32_t> last(std::span<const int32_t> history, int32_t n) {
  return n < 0 ? history : history.last(std::min(history.size(), static_cast<size_t>(n)));
}

}  // namespace

void SamplerChain::penalties(const SamplerSettings& s, Random&) {
  counts_.resize(scores_.size());
  touched_.clear();
  for (const int32_t id : last(history_, s.penalty_last_n)) {
    if (id < 0 || static_cast<size_t>(id) >= scores_.size()) continue;
    if (counts_[static_cast<size_t>(id)]++ == 0) touched_.push_back(id);
  }
  const std::span<float> scores = own_scores();
  for (const int32_t id : touched_) {
    float& x = scores[static_cast<size_t>(id)];
    x = x < 0 ? x * s.repetition_penalty : x / s.repetition_penalty;
    const double count = counts_[static_cast<size_t>(id)];
    x = static_cast<float>(static_cast<double>(x) - count * static_cast<double>(s.frequency_penalty) -
                           static_cast<double>(s.presence_penalty));
    counts_[static_cast<size_t>(id)] = 0;
  }
}

// multiplier * base^(match - allowed), by repeated squaring; it saturates where a float still holds it.
double SamplerChain::dry_penalty(const SamplerSettings& s, int32_t match) const {
  constexpr double most = 1e30;
  double factor = static_cast<double>(s.dry_base), penalty = static_cast<double>(s.dry_multiplier);
  for (int32_t left = match - s.dry_allowed_length; left > 0; left >>= 1) {
    if ((left & 1) != 0) penalty = std::min(penalty * factor, most);
    factor = std::min(factor * factor, most);
  }
  return std::min(penalty, most);
}

// matches_[i]: how many tokens before and at the end of the window equal those before and at i places from its end, at
// most `longest`. This is the Z function (Gusfield 1997) of the reversed window, linear in its length.
void SamplerChain::dry_matches(std::span<const int32_t> window, int32_t longest) {
  reversed_.assign(window.rbegin(), window.rend());
  const auto n = static_cast<int32_t>(reversed_.size());
  const auto at = [&](int32_t i) { return reversed_[static_cast<size_t>(i)]; };
  matches_.assign(reversed_.size(), 0);
  int32_t left = 0, right = 0;  // the match that reaches furthest
  for (int32_t i = 1; i < n; ++i) {
    int32_t length = i < right ? std::min(right - i, matches_[static_cast<size_t>(i - left)]) : 0;
    while (length < longest && i + length < n && at(length) == at(i + length)) ++length;
    matches_[static_cast<size_t>(i)] = length;
    if (i + length > right) {
      left = i;
      right = i + length;
    }
  }
}

// A token that would prolong a repetition loses the more, the longer the repetition already is.
void SamplerChain::dry(const SamplerSettings& s, Random&) {
  const std::span<const int32_t> window = last(history_, s.dry_last_n);
  const auto breaks = [&](int32_t id) { return std::binary_search(s.dry_breakers.begin(), s.dry_breakers.end(), id); };
  int32_t longest = 0;  // a repetition does not reach over a breaker
  for (size_t i = window.size(); i > 0 && !breaks(window[i - 1]); --i) ++longest;
  if (longest == 0) return;
  dry_matches(window, longest);
  counts_.resize(scores_.size());  // here: the longest match before each token
  touched_.clear();
  for (size_t i = 1; i < reversed_.size(); ++i) {
    const int32_t next = reversed_[i - 1], match = matches_[i];
    if (match < std::max(1, s.dry_allowed_length) || next < 0 || static_cast<size_t>(next) >= scores_.size()) continue;
    if (breaks(next)) continue;
    int32_t& most = counts_[static_cast<size_t>(next)];
    if (most == 0) touched_.push_back(next);
    most = std::max(most, match);
  }
  if (touched_.empty()) return;
  const std::span<float> scores = own_scores();
  for (const int32_t id : touched_) {
    float& x = scores[static_cast<size_t>(id)];
    x = static_cast<float>(static_cast<double>(x) - dry_penalty(s, counts_[static_cast<size_t>(id)]));
    counts_[static_cast<size_t>(id)] = 0;
  }
}

}  // namespace pensee
