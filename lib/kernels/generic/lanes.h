// What all kernels over vec.h share: loops over vectors of 16 lanes and a shorter last one, and rounding.
#pragma once

#include "kernels/table.h"

namespace {

using namespace pensee;

const float kInfinity = __builtin_inff();

// Calls body(first, lanes) for each vector of n numbers; lanes is 16 but for the last.
template <class Body>
inline void each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, int64_t{16});
  if (i < n) body(i, n - i);
}
inline F load_n(const float* p, int64_t lanes) { return lanes == 16 ? load(p) : load_first(p, lanes); }
inline void store_n(float* p, F a, int64_t lanes) { lanes == 16 ? store(p, a) : store_first(p, a, lanes); }
// Lanes beyond `lanes` become `fill`.
inline F load_filled(const float* p, int64_t lanes, float fill) {
  if (lanes == 16) return load(p);
  float room[16];
  for (int i = 0; i < 16; ++i) room[i] = i < lanes ? p[i] : fill;
  return load(room);
}

// How n numbers become integers of at most `top` in magnitude. Not finite, or too large to add up: the scale is NaN, so
// that nobody mistakes them for numbers.
struct Rounding {
  float scale;
  float inverse;
  bool finite;
};
inline Rounding rounding_of(const float* x, int64_t n, float top) {
  F most = set1(0.0f), total = set1(0.0f);
  each_vector(n, [&](int64_t i, int64_t lanes) {
    const F magnitude = abs(load_n(x + i, lanes));
    most = max(magnitude, most);
    total = add(total, magnitude);
  });
  const float highest = largest(most);
  const bool finite = sum(total) <= 3.4e38f, usable = finite && highest > 1e-30f;
  return {usable ? highest / top : finite ? 0.0f : __builtin_nanf(""), usable ? top / highest : 0.0f, finite};
}
// Up to 16 numbers, nearest even; zeros behind them.
inline void round_some(const float* x, int64_t n, const Rounding& r, int32_t* out) {
  const F v = !r.finite || n <= 0 ? set1(0.0f) : n < 16 ? load_first(x, n) : load(x);
  store_shifted_int(out, fma(v, set1(r.inverse), set1(12582912.0f)));
}

// Pieces of 8 numbers, `step` bytes apart.
inline void to_bf16(const float* x, int64_t n, uint8_t* out, int64_t step) {
  for (int64_t i = 0; i < n; i += 16) {
    uint16_t room[16];
    store_bf16(room, load_n(x + i, n - i < 16 ? n - i : 16));
    memcpy(out + i / 8 * step, room, 16);
    if (n - i > 8) memcpy(out + (i / 8 + 1) * step, room + 8, 16);
  }
}

// What follows the pieces of an int8 query.
struct QueryScales {
  float scale[2];
  int32_t sum[2];
};

}  // namespace
