// What one forward pass works on: rows of many sequences, mixed freely. A run is a stretch of consecutive positions
// of one sequence; a token being decoded is a run of one row, a chunk of a prompt a longer one. Nothing below asks
// which of the two it is.
#pragma once

#include <cstdint>
#include <span>

#include "backends/backend.h"
#include "base/view.h"
#include "cache/cache.h"

namespace pensee {

struct Run {
  CacheSequence* sequence = nullptr;  // its pages reach first_position + rows
  int32_t first_row = 0;
  int32_t rows = 0;
  int32_t first_position = 0;
};

// Experts by row and layer: [rows, moe_layers, num_experts_per_tok], rows as in the batch, mixtures counted from the
// first. What is set is filled by the pass: the ids best first, and the weights that the experts' outputs got.
struct RoutingTrace {
  int32_t* expert_ids = nullptr;
  float* weights = nullptr;
};

// Of the same shape: experts to be taken instead of those that the router would choose. Their weights come from this
// pass's own scores, so only the choice is replaced ("routing replay": a policy is trained on the experts that it
// sampled with). Where the first id is -1, the router chooses. The caller has checked them: check_replay.
struct RoutingReplay {
  const int32_t* expert_ids = nullptr;
};

struct Batch {
  std::span<const Run> runs;
  std::span<const int32_t> token_ids;         // one a row
  std::span<const int32_t> positions;         // one a row
  std::span<const int32_t> rows_with_logits;  // ascending
  std::span<const int32_t> rows_with_hidden;  // of decode: ascending
  MutableView hidden;                         // [rows_with_hidden, hidden_size]: what the head reads, for draft
  RoutingTrace trace;
  RoutingReplay replay;
  bool (*cancelled)(void* user) = nullptr;  // asked between layers
  void* cancelled_user = nullptr;
  // Called in each layer when these rows are in the cache and before they attend: see models/slices.h.
  void (*appended)(void* user, int32_t layer) = nullptr;
  void* appended_user = nullptr;

  int64_t rows() const { return static_cast<int64_t>(token_ids.size()); }
};

// What every block of a layer receives beside its input.
struct Pass {
  const Batch& batch;
  Compute& compute;
  View rope_cos;  // [rows, rope_dim / 2]
  View rope_sin;

  Scratch& scratch() const { return compute.scratch; }
  const Kernels& kernels() const { return compute.kernels; }
};

// Calls f(row) for rows [0, rows); over the pool when the work is worth waking it (cost: numbers touched a row).
template <class F>
void for_rows(Compute& compute, int64_t rows, int64_t cost, F&& f) noexcept {
  constexpr int64_t worth_a_task = 16384;
  const int64_t rows_a_task = cost >= worth_a_task ? 1 : (worth_a_task + cost - 1) / (cost > 0 ? cost : 1);
  if (rows <= rows_a_task) {
    for (int64_t row = 0; row < rows; ++row) f(row);
    return;
  }
  compute.pool.run((rows + rows_a_task - 1) / rows_a_task, [&](int64_t task, int) {
    const int64_t end = (task + 1) * rows_a_task < rows ? (task + 1) * rows_a_task : rows;
    for (int64_t row = task * rows_a_task; row < end; ++row) f(row);
  });
}

}  // namespace pensee
