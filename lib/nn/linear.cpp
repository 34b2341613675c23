#include "nn/linear.h"

#include <algorithm>

#include "nn/batch.h"

namespace pensee {

uint64_t Linear::bytes() const {
  uint64_t sum = bias.size() * sizeof(float);
  for (const auto& part : parts) sum += part->bytes;
  return sum;
}

size_t Linear::scratch_bytes(int64_t x_rows, int64_t slots) const {
  size_t most = 0;
  for (const auto& part : parts) most = std::max(most, part->scratch_bytes(x_rows, slots));
  return most;
}

bool Linear::many_at_once() const {
  return std::all_of(parts.begin(), parts.end(), [](const auto& part) { return part->many_at_once(); });
}

void multiply(const Linear& linear, View x, MutableView y, Compute& compute) noexcept {
  int64_t first = 0;
  for (const auto& part : linear.parts) {
    part->multiply(x, y.columns(first, part->rows), compute);
    first += part->rows;
  }
  if (linear.bias.empty()) return;
  for_rows(compute, y.rows, y.cols, [&](int64_t r) { compute.kernels.add(y.row(r), linear.bias.data(), y.cols); });
}

void multiply_grouped(const Linear& linear, const Groups& groups, View x, MutableView y, Compute& compute) noexcept {
  int64_t first = 0;
  for (const auto& part : linear.parts) {
    part->multiply_grouped(groups, x, y.columns(first, part->rows), compute);
    first += part->rows;
  }
}

MutableView project(const Linear& linear, View x, Compute& compute) noexcept {
  MutableView y = compute.scratch.matrix(x.rows, linear.rows);
  multiply(linear, x, y, compute);
  return y;
}

void norm_rows(View x, const std::vector<float>& weight, float eps, MutableView y, Compute& compute) noexcept {
  const float* w = weight.empty() ? nullptr : weight.data();
  for_rows(compute, x.rows, x.cols, [&](int64_t r) { compute.kernels.rms_norm(x.row(r), w, eps, y.row(r), x.cols); });
}

void add_rows(MutableView x, View y, Compute& compute) noexcept {
  for_rows(compute, x.rows, x.cols, [&](int64_t r) { compute.kernels.add(x.row(r), y.row(r), x.cols); });
}

}  // namespace pensee
