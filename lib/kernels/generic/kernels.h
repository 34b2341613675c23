// The kernels whose instruction set does not matter, written once over vec.h (16 lanes: one zmm, two ymm, four NEON
// registers, or an array) and compiled once an ISA: <isa>.cpp includes its vec_<isa>.h, then this file, and defines
// its table. Sums run over 16 lanes in order and end in vec.h's fixed tree; a tail shorter than 16 is a vector filled
// with zeros (or with what the operation ignores); multiply-adds are fused: so all ISAs agree bit for bit.
#pragma once

#include "kernels/generic/lanes.h"

namespace {

// e^x within 1 unit in the last place or two: 2^n * e^r, |r| <= ln(2)/2, a polynomial of degree 6 fitted to e^r.
// Below -87.33 it is 0, above 88.37 infinity, NaN stays NaN.
inline F exp(F x) {
  const F low = set1(-87.33f), high = set1(88.37f), magic = set1(12582912.0f);
  const F in_range = min(high, max(low, x));  // operand order keeps NaN
  const F shifted = fma(in_range, set1(1.44269504f), magic);
  const F n = sub(shifted, magic);
  F r = fma(n, set1(-0.693145752f), in_range);
  r = fma(n, set1(-1.42860677e-6f), r);
  F p = set1(1.38888889e-3f);
  p = fma(p, r, set1(8.33333333e-3f));
  p = fma(p, r, set1(4.16666667e-2f));
  p = fma(p, r, set1(1.66666667e-1f));
  p = fma(p, r, set1(0.5f));
  p = fma(p, r, set1(1.0f));
  p = fma(p, r, set1(1.0f));
  p = scale_by_power(p, shifted);
  p = if_less(x, low, set1(0.0f), p);
  return if_less(high, x, set1(kInfinity), p);
}
inline float exp1(float x) {
  float room[16];
  store(room, exp(set1(x)));
  return room[0];
}
inline F logistic(F x) { return div(set1(1.0f), add(set1(1.0f), exp(sub(set1(0.0f), x)))); }

void rms_norm(const float* x, const float* weight, float eps, float* y, int64_t n) {
  F squares = set1(0.0f);
  each_vector(n, [&](int64_t i, int64_t lanes) {
    const F v = load_n(x + i, lanes);
    squares = fma(v, v, squares);
  });
  const F factor = set1(1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(n) + eps));
  each_vector(n, [&](int64_t i, int64_t lanes) {
    F v = mul(load_n(x + i, lanes), factor);
    if (weight) v = mul(v, load_n(weight + i, lanes));
    store_n(y + i, v, lanes);
  });
}

void add_rows(float* x, const float* y, int64_t n) {
  each_vector(
      n, [&](int64_t i, int64_t lanes) { store_n(x + i, add(load_n(x + i, lanes), load_n(y + i, lanes)), lanes); });
}

void add_scaled(float* x, const float* y, float factor, int64_t n) {
  each_vector(n, [&](int64_t i, int64_t lanes) {
    store_n(x + i, fma(set1(factor), load_n(y + i, lanes), load_n(x + i, lanes)), lanes);
  });
}

void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  each_vector(n, [&](int64_t i, int64_t lanes) {
    const F g = load_n(gate + i, lanes);
    store_n(y + i, mul(mul(g, logistic(g)), load_n(up + i, lanes)), lanes);
  });
}

void sigmoid(const float* x, float* y, int64_t n) {
  each_vector(n, [&](int64_t i, int64_t lanes) { store_n(y + i, logistic(load_n(x + i, lanes)), lanes); });
}

void softmax(const float* x, float* y, int64_t n) {
  F top = set1(-kInfinity);
  each_vector(n, [&](int64_t i, int64_t lanes) { top = max(load_filled(x + i, lanes, -kInfinity), top); });
  const F highest = set1(largest(top));
  F total = set1(0.0f);
  each_vector(n, [&](int64_t i, int64_t lanes) {
    const F e = exp(sub(load_filled(x + i, lanes, -kInfinity), highest));
    total = add(total, e);
    store_n(y + i, e, lanes);
  });
  const F factor = set1(1.0f / sum(total));
  each_vector(n, [&](int64_t i, int64_t lanes) { store_n(y + i, mul(load_n(y + i, lanes), factor), lanes); });
}

void rope(float* x, const float* cos, const float* sin, int64_t dim, bool interleaved) {
  const int64_t half = dim / 2;
  if (interleaved) {
    for (int64_t i = 0; i < half; ++i) {
      const float a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = fma1(a, cos[i], -(b * sin[i]));
      x[2 * i + 1] = fma1(b, cos[i], a * sin[i]);
    }
    return;
  }
  each_vector(half, [&](int64_t i, int64_t lanes) {
    const F a = load_n(x + i, lanes), b = load_n(x + half + i, lanes);
    const F c = load_n(cos + i, lanes), s = load_n(sin + i, lanes);
    const F zero = set1(0.0f);
    store_n(x + i, fma(a, c, sub(zero, mul(b, s))), lanes);
    store_n(x + half + i, fma(b, c, mul(a, s)), lanes);
  });
}

// One step of a Hadamard transform inside a vector: sums where bit H of the lane is clear, differences where it is set.
template <int H>
inline F butterfly(F x) {
  alignas(64) static const float kSigns[16] = {1, H & 1 ? -1.0f : 1, H & 2 ? -1.0f : 1, H & 3 ? -1.0f : 1,
                                               H & 4 ? -1.0f : 1, H & 5 ? -1.0f : 1, H & 6 ? -1.0f : 1,
                                               H & 7 ? -1.0f : 1, H & 8 ? -1.0f : 1, H & 9 ? -1.0f : 1,
                                               H & 10 ? -1.0f : 1, H & 11 ? -1.0f : 1, H & 12 ? -1.0f : 1,
                                               H & 13 ? -1.0f : 1, H & 14 ? -1.0f : 1, H & 15 ? -1.0f : 1};
  return fma(x, load(kSigns), swap<H>(x));
}

// Kept in registers; block is 16 to 128.
template <int kBlock>
inline void rotate_block(float* x, float norm) {
  constexpr int kVectors = kBlock / 16;
  F v[kVectors];
#pragma GCC unroll kUnroll
  for (int i = 0; i < kVectors; ++i) v[i] = butterfly<8>(butterfly<4>(butterfly<2>(butterfly<1>(load(x + 16 * i)))));
#pragma GCC unroll kUnroll
  for (int half = 1; half < kVectors; half *= 2) {
#pragma GCC unroll kUnroll
    for (int i = 0; i < kVectors; ++i) {
      if (i & half) continue;
      const F a = v[i], b = v[i + half];
      v[i] = add(a, b);
      v[i + half] = sub(a, b);
    }
  }
#pragma GCC unroll kUnroll
  for (int i = 0; i < kVectors; ++i) store(x + 16 * i, mul(v[i], set1(norm)));
}

// Sums and differences alone, each rounded once: whatever a compiler makes of the loops, the bits are the same.
void rotate(float* x, int64_t n) {
  for (; n >= 128; n -= 128, x += 128) rotate_block<128>(x, 0.0883883476f);
  if (n >= 64) rotate_block<64>(x, 0.125f), n -= 64, x += 64;
  if (n >= 32) rotate_block<32>(x, 0.176776695f), n -= 32, x += 32;
  if (n >= 16) rotate_block<16>(x, 0.25f), n -= 16, x += 16;
  for (int64_t block = 8; n > 0; block /= 2) {
    if (n < block) continue;
    const float norm = block == 8 ? 0.353553391f : block == 4 ? 0.5f : block == 2 ? 0.707106781f : 1.0f;
    for (int64_t half = 1; half < block; half *= 2) {
      for (int64_t i = 0; i < block; ++i) {
        if (i & half) continue;
        const float a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
    for (int64_t i = 0; i < block; ++i) x[i] *= norm;
    n -= block;
    x += block;
  }
}

void to_int4(const float* x, uint8_t* out, int64_t n) {
  for (int64_t i = 0; i < n; i += 32, out += 20) {
    int32_t numbers[32];
    const Rounding rounding = rounding_of(x + i, n - i < 32 ? n - i : 32, 7.0f);
    round_some(x + i, n - i, rounding, numbers);
    round_some(x + i + 16, n - i - 16, rounding, numbers + 16);
    memcpy(out, &rounding.scale, sizeof(float));
    for (int j = 0; j < 16; ++j) out[4 + j] = static_cast<uint8_t>((numbers[j] + 8) | (numbers[j + 16] + 8) << 4);
  }
}

// Pieces of 16 numbers, `step` bytes apart. Returns their scale, and in *total the sum of the integers.
inline float to_int8(const float* x, int64_t n, uint8_t* out, int64_t step, int32_t* total) {
  const Rounding rounding = rounding_of(x, n, 127.0f);
  *total = 0;
  for (int64_t i = 0; i < n; i += 16, out += step) {
    int32_t numbers[16];
    round_some(x + i, n - i, rounding, numbers);
    for (int j = 0; j < 16; ++j) {
      out[j] = static_cast<uint8_t>(numbers[j]);
      *total += numbers[j];
    }
  }
  return rounding.scale;
}

void to_cache(const float* x, void* block, int64_t slot, const CacheRows& rows) {
  uint8_t* at = static_cast<uint8_t*>(block);
  const int64_t n = rows.dim, pieces = cache_pieces(rows);
  if (is_side_by_side(rows.type)) {
    uint8_t* piece = at + slot / 4 * pieces * 64 + slot % 4 * 16;
    if (rows.type == CacheType::bf16) return to_bf16(x, n, piece, 64);
    float* scales = reinterpret_cast<float*>(at + pieces * 16 * kPagePositions);
    int32_t total;
    scales[slot] = to_int8(x, rows.first, piece, 64, &total);
    if (cache_parts(rows) == 1) return;
    piece += ceil_div(rows.first, 16) * 64;
    scales[kPagePositions + slot] = to_int8(x + rows.first, n - rows.first, piece, 64, &total);
    return;
  }
  at += slot * cache_row_bytes(rows);
  if (rows.type == CacheType::int4) return to_int4(x, at, n);
  if (rows.type == CacheType::f32) {
    memcpy(at, x, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  uint16_t* halves = reinterpret_cast<uint16_t*>(at);
  each_vector(n, [&](int64_t i, int64_t lanes) {
    uint16_t room[16];
    uint16_t* to = lanes == 16 ? halves + i : room;
    store_f16(to, load_n(x + i, lanes));
    if (lanes < 16) memcpy(halves + i, room, static_cast<size_t>(lanes) * sizeof(uint16_t));
  });
}

void to_query(const float* x, void* out, const CacheRows& rows) {
  uint8_t* at = static_cast<uint8_t*>(out);
  if (rows.type == CacheType::bf16) return to_bf16(x, rows.dim, at, 16);
  if (rows.type == CacheType::int8) {
    QueryScales scales = {};
    scales.scale[0] = to_int8(x, rows.first, at, 16, &scales.sum[0]);
    at += ceil_div(rows.first, 16) * 16;
    scales.scale[1] = to_int8(x + rows.first, rows.dim - rows.first, at, 16, &scales.sum[1]);
    at += ceil_div(rows.dim - rows.first, 16) * 16;
    memcpy(at, &scales, sizeof(scales));
    return;
  }
  memcpy(out, x, static_cast<size_t>(rows.dim) * sizeof(float));
}

int64_t argmax(const float* x, int64_t n) {
  int64_t best = 0;
  float top = -kInfinity;
  bool found = false;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] > top || (!found && x[i] == x[i])) {
      top = x[i];
      best = i;
      found = true;
    }
  }
  return best;
}

}  // namespace
