#include "models/slices.h"

#include <algorithm>
#include <atomic>

namespace pensee {
namespace {

constexpr uint64_t kCachedBytes = 4 << 20;  // of weights, that a core reads again and again without much waiting
constexpr uint64_t kWorthBytes = 512 << 10;  // for less no thread is woken
constexpr int64_t kSlicesMax = 16;

// The rows of `from`, which ascend, that lie in [first, last), counted from `first`.
std::span<const int32_t> rows_between(std::span<const int32_t> from, int64_t first, int64_t last, int32_t* room) {
  const auto begin = std::lower_bound(from.begin(), from.end(), first), end = std::lower_bound(begin, from.end(), last);
  int32_t* filled = std::transform(begin, end, room, [&](int32_t row) { return row - static_cast<int32_t>(first); });
  return {room, filled};
}

struct Cut {
  struct Part {
    Slice slice;
    const Part* before = nullptr;        // the first part that holds earlier rows of this one's first run
    std::atomic<int32_t> appended = 0;  // layers whose rows are in the cache
  };
  Part parts[kSlicesMax];
  Run runs[kSlicedRowsMax + kSlicesMax];
  int32_t logits[kSlicedRowsMax], hidden[kSlicedRowsMax];

  Cut(const Batch& batch, int64_t count) {
    Run* next_run = runs;
    int32_t *next_logits = logits, *next_hidden = hidden;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t first = batch.rows() * i / count, last = batch.rows() * (i + 1) / count;
      const auto offset = static_cast<size_t>(first), rows = static_cast<size_t>(last - first);
      Part& part = parts[i];
      part.slice.first_row = first;
      Batch& own = part.slice.batch;
      own = batch;
      own.token_ids = batch.token_ids.subspan(offset, rows);
      own.positions = batch.positions.subspan(offset, rows);
      own.rows_with_logits = rows_between(batch.rows_with_logits, first, last, next_logits);
      part.slice.first_logits_row = next_logits - logits;
      next_logits += own.rows_with_logits.size();
      own.rows_with_hidden = rows_between(batch.rows_with_hidden, first, last, next_hidden);
      own.hidden = batch.hidden.slice(next_hidden - hidden, std::ssize(own.rows_with_hidden));
      next_hidden += own.rows_with_hidden.size();
      own.runs = runs_between(batch.runs, static_cast<int32_t>(first), static_cast<int32_t>(last), next_run);
      next_run += own.runs.size();
      part.before = &part;
      while (part.before > parts && continues(part.before->slice.batch, (part.before - 1)->slice.batch)) --part.before;
      own.appended = wait_for_rows_before;
      own.appended_user = &part;
    }
  }

  static std::span<const Run> runs_between(std::span<const Run> from, int32_t first, int32_t last, Run* room) {
    Run* filled = room;
    for (const Run& run : from) {
      const int32_t begin = std::max(run.first_row, first), end = std::min(run.first_row + run.rows, last);
      if (begin >= end) continue;
      *filled++ = {run.sequence, begin - first, end - begin, run.first_position + begin - run.first_row};
    }
    return {room, filled};
  }

  static bool continues(const Batch& later, const Batch& earlier) {
    return later.runs.front().sequence == earlier.runs.back().sequence;
  }

  // Slices are begun in order and wait for earlier ones alone, so one of them can always go on.
  static void wait_for_rows_before(void* user, int32_t layer) {
    auto& part = *static_cast<Part*>(user);
    part.appended.store(layer + 1, std::memory_order_release);
    for (const Part* p = part.before; p != &part; ++p) {
      spin_until([&] { return p->appended.load(std::memory_order_acquire) > layer; });
    }
  }
};

}  // namespace

int64_t alone_bytes(const Model& m) { return m.facts.active_weight_bytes <= kCachedBytes ? 256 << 10 : 0; }

int64_t slices_of(const Model& m, int64_t rows, int threads) {
  const uint64_t bytes = m.facts.active_weight_bytes;
  const bool fits = bytes >= kWorthBytes && bytes <= kCachedBytes && m.head().many_at_once();
  if (!fits || rows > kSlicedRowsMax) return 1;
  return std::clamp<int64_t>(rows, 1, std::min<int64_t>(threads, kSlicesMax));
}

bool run_slices(const Batch& batch, int64_t slices, size_t scratch_bytes, Compute& compute,
                bool (*run)(void* user, const Slice& slice, Compute& compute), void* user) noexcept {
  Scratch::Scope scope(compute.scratch);
  Cut cut(batch, slices);
  const auto bytes = static_cast<int64_t>(Scratch::rounded(scratch_bytes));
  auto* room = compute.scratch.take<std::byte>(bytes * slices);
  std::atomic<bool> all = true;
  compute.pool.run(slices, [&](int64_t i, int) {
    Cut::Part& part = cut.parts[i];
    Scratch own(room + i * bytes, static_cast<size_t>(bytes));
    Compute alone = {compute.pool, own, compute.kernels};
    if (!run(user, part.slice, alone)) all = false;
    part.appended = INT32_MAX;  // nobody waits for what was cancelled
  });
  return all;
}

}  // namespace pensee
