// Views: non-owning matrices of float rows, the only shape in which activations travel. Row r starts at
// data + r * stride; cols <= stride. A view never owns; the scratch arena or the caller does.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace pensee {

template <class T>
struct BasicView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  BasicView() = default;
  BasicView(T* d, int64_t r, int64_t c) : data(d), rows(r), cols(c), stride(c) {}
  BasicView(T* d, int64_t r, int64_t c, int64_t s) : data(d), rows(r), cols(c), stride(s) {}
  template <class U>
  requires(sizeof(T (*)[]) == sizeof(U(*)[]) && requires(U * u, T* t) { t = u; }) BasicView(const BasicView<U>& o)
      : data(o.data), rows(o.rows), cols(o.cols), stride(o.stride) {}

  T* row(int64_t r) const {
    PENSEE_DCHECK(r >= 0 && r < rows);
    return data + r * stride;
  }
  // Columns [first, first + count) of every row.
  BasicView columns(int64_t first, int64_t count) const {
    PENSEE_DCHECK(first >= 0 && first + count <= cols);
    return BasicView(data + first, rows, count, stride);
  }
  BasicView slice(int64_t first, int64_t count) const {
    PENSEE_DCHECK(first >= 0 && first + count <= rows);
    return BasicView(data + first * stride, count, cols, stride);
  }
};

using View = BasicView<const float>;
using MutableView = BasicView<float>;

}  // namespace pensee
