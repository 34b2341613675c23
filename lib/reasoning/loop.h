// Notices a thought that goes in circles. It does where its last tokens are one text over and over: an n-gram that has
// returned, with all that stands between its occurrences the same, so that `repeats` occurrences lie one after another
// without overlapping. Rows of a table, lines of code and numbered steps share long runs as well, but differ somewhere
// within each: these are no circles. A circle of period p is noticed (repeats - 1) * q + ngram tokens after its begin,
// where q is the first multiple of p that an n-gram fits into, if so many tokens fit the window. A token costs O(1),
// and memory is bounded by the window, whatever the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace pensee {

struct LoopSettings {
  int32_t ngram = 32;     // tokens, at most 4096; 0: never an alarm
  int32_t repeats = 4;    // occurrences that are a circle, the last one included; at least 2
  int32_t window = 2048;  // tokens to look back, at most 2^20; less than ngram * repeats: never an alarm
};

class LoopGuard {
 public:
  explicit LoopGuard(LoopSettings settings = {});

  // The thought's next token. Returns whether it goes in circles now.
  bool push(int32_t token);
  void reset();  // a new thought

 private:
  int32_t token_at(int64_t position) const { return ring_[static_cast<size_t>(position % capacity_)]; }
  int64_t find_period();

  LoopSettings settings_;
  int64_t capacity_;            // of the ring
  int64_t count_ = 0;           // tokens so far
  std::vector<int32_t> ring_;   // the last tokens
  std::vector<uint64_t> hash_;  // of the n-gram that begins at a place; the same index
  uint64_t rolling_ = 0, leaves_ = 1;
  std::unordered_map<uint64_t, int64_t> last_;  // where the last n-gram of a hash begins, within the window
  int64_t period_ = 0;                          // the last run_ tokens equal those so many before; 0: none is known
  int64_t run_ = 0;
};

}  // namespace pensee
