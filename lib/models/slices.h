// A pass cut by rows. Where the weights that a row meets fit a core's caches, a matrix is multiplied in the time that
// it takes to hand half of it to another thread. Then each thread takes some of the rows through all layers by itself,
// and the threads meet only where rows of one sequence follow each other: a slice attends in a layer once the slices
// before it have written their rows of that layer. A row's bits do not depend on the rows beside it (house rule 7), so
// nothing shows but the time.
#pragma once

#include <algorithm>

#include "models/model.h"

namespace pensee {

// Some rows of a pass as a pass of their own.
struct Slice {
  Batch batch;
  int64_t first_row = 0;         // in the whole batch
  int64_t first_logits_row = 0;  // in the whole batch's logits
  int64_t logits_rows() const { return static_cast<int64_t>(batch.rows_with_logits.size()); }
};

// Longer passes give each thread enough of every matrix.
inline constexpr int64_t kSlicedRowsMax = 64;

// How many slices a pass over `rows` rows is cut into; 1: it stays whole.
int64_t slices_of(const Model& model, int64_t rows, int threads);

// Of a matrix that lies in a cache, times rows: what is multiplied in the time it takes to hand half of it to another
// thread. 0 for models whose weights come from memory.
int64_t alone_bytes(const Model& model);

bool run_slices(const Batch& batch, int64_t slices, size_t scratch_bytes, Compute& compute,
                bool (*run)(void* user, const Slice& slice, Compute& compute), void* user) noexcept;

// Calls run(slice, compute) for each slice of a pass, each with bytes_of(model, rows, logits_rows, context, threads) of
// scratch; false: one of them was false.
template <class Bytes, class F>
bool each_slice(const Model& model, const Batch& batch, Compute& compute, Bytes&& bytes_of, F&& run) noexcept {
  const int threads = compute.pool.threads();
  const bool whole = batch.trace.expert_ids || batch.trace.weights || batch.replay.expert_ids;  // counted by row
  const int64_t slices = whole ? 1 : slices_of(model, batch.rows(), threads);
  if (slices == 1) {
    Slice all;
    all.batch = batch;
    Compute own = compute;
    own.alone_bytes = alone_bytes(model);
    return run(all, own);
  }
  int64_t context = 0;
  for (const Run& r : batch.runs) context = std::max<int64_t>(context, r.first_position + r.rows);
  const int64_t rows = (batch.rows() + slices - 1) / slices;
  const size_t bytes = bytes_of(model, rows, rows, context, threads);
  const auto call = [](void* user, const Slice& slice, Compute& own) { return (*static_cast<F*>(user))(slice, own); };
  return run_slices(batch, slices, bytes, compute, call, &run);
}

// What that takes from the scratch at most; never less for more rows.
template <class Bytes>
size_t sliced_scratch_bytes(const Model& model, int64_t rows, int64_t logits_rows, int64_t context, int threads,
                            Bytes&& bytes_of) {
  const size_t whole = bytes_of(model, rows, logits_rows, context, threads);
  const int64_t sliced = std::min(rows, kSlicedRowsMax), slices = slices_of(model, sliced, threads);
  if (slices == 1) return whole;
  const int64_t each = (sliced + slices - 1) / slices;
  return std::max(whole, static_cast<size_t>(slices) * Scratch::rounded(bytes_of(model, each, each, context, threads)));
}

}  // namespace pensee
