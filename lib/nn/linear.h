// Linear maps. A Linear is a stack of packed weights that read the same input and write neighbouring columns (q, k
// and v; gate and up): one weight where their stored types agree, several where a file mixes types. A bias that is
// absent is a step that is skipped.
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.h"
#include "base/view.h"

namespace pensee {

struct Linear {
  std::vector<std::unique_ptr<PackedWeight>> parts;
  std::vector<float> bias;  // empty or [rows]
  int64_t rows = 0;         // outputs, of all parts together
  int64_t cols = 0;         // inputs

  uint64_t bytes() const;
  size_t scratch_bytes(int64_t x_rows, int64_t slots) const;
  bool many_at_once() const;  // whether several threads may multiply with it, each with a scratch of its own
};

// y [n, rows] = x [n, cols] W^T + bias
void multiply(const Linear& linear, View x, MutableView y, Compute& compute) noexcept;
// Each slot meets the matrix of its group: see Groups. No bias.
void multiply_grouped(const Linear& linear, const Groups& groups, View x, MutableView y, Compute& compute) noexcept;

// y [n, rows] taken from the scratch.
MutableView project(const Linear& linear, View x, Compute& compute) noexcept;

// RMS norm of every row (Zhang and Sennrich 2019); weight has x.cols numbers.
void norm_rows(View x, const std::vector<float>& weight, float eps, MutableView y, Compute& compute) noexcept;
void add_rows(MutableView x, View y, Compute& compute) noexcept;

}  // namespace pensee
