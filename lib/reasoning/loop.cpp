#include "reasoning/loop.h"

#include <algorithm>
#include <utility>

namespace pensee {
namespace {

// The base of the rolling hash, which is a polynomial modulo 2^64. A period that a hash suggests counts only as far as
// the tokens themselves bear it out.
constexpr uint64_t kBase = 0x9e3779b97f4a7c15;

uint64_t digit(int32_t token) { return uint64_t{static_cast<uint32_t>(token)} + 1; }

}  // namespace

LoopGuard::LoopGuard(LoopSettings settings) : settings_(settings) {
  settings_.ngram = std::clamp(settings_.ngram, 0, 4096);
  settings_.repeats = std::max(settings_.repeats, 2);
  settings_.window = std::clamp(settings_.window, 1, 1 << 20);
  capacity_ = std::max(settings_.window, settings_.ngram) + 1;
  if (int64_t{settings_.ngram} * settings_.repeats > settings_.window) settings_.ngram = 0;
  if (settings_.ngram == 0) return;
  ring_.resize(static_cast<size_t>(capacity_));
  hash_.resize(static_cast<size_t>(capacity_));
  for (int32_t i = 0; i < settings_.ngram; ++i) leaves_ *= kBase;
}

void LoopGuard::reset() {
  count_ = period_ = run_ = 0;
  rolling_ = 0;
  last_.clear();
}

// How far back the last n-gram occurred before; 0: not in the window.
int64_t LoopGuard::find_period() {
  const int64_t n = settings_.ngram, begin = count_ - n;
  if (begin < 0) return 0;
  if (const int64_t out = count_ - settings_.window - 1; out >= 0) {  // left the window with this token
    const auto found = last_.find(hash_[static_cast<size_t>(out % capacity_)]);
    if (found != last_.end() && found->second <= out) last_.erase(found);
  }
  hash_[static_cast<size_t>(begin % capacity_)] = rolling_;
  const auto [entry, fresh] = last_.try_emplace(rolling_, begin);
  const int64_t before = std::exchange(entry->second, begin);
  if (fresh) return 0;
  for (int64_t i = 0; i < n; ++i) {
    if (token_at(before + i) != token_at(begin + i)) return 0;
  }
  return begin - before;
}

bool LoopGuard::push(int32_t token) {
  const int64_t n = settings_.ngram;
  if (n == 0) return false;
  rolling_ = rolling_ * kBase + digit(token);
  if (count_ >= n) rolling_ -= digit(token_at(count_ - n)) * leaves_;
  const bool goes_on = period_ > 0 && token_at(count_ - period_) == token;
  ring_[static_cast<size_t>(count_ % capacity_)] = token;
  ++count_;
  const int64_t distance = find_period();
  if (goes_on) {
    ++run_;
  } else {
    period_ = distance;
    run_ = distance > 0 ? n : 0;
  }
  if (period_ == 0) return false;
  const int64_t step = (n + period_ - 1) / period_ * period_;
  const int64_t needed = (settings_.repeats - 1) * step + n;
  return needed <= settings_.window && run_ + period_ >= needed;
}

}  // namespace pensee
