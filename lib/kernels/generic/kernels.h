// The kernels whose instruction set does not matter, written once over vec.h (16 lanes: one zmm, two ymm, four NEON
// registers, or an array) and compiled once an ISA: <isa>.cpp includes its vec_<isa>.h, then this file, and defines
// its table. Sums run over 16 lanes in order and end in vec.h's fixed tree; a tail shorter than 16 is a vector filled
// with zeros (or with what the operation ignores); multiply-adds are fused: so all ISAs agree bit for bit.
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

// Sums and differences alone, each rounded once: whatever a compiler makes of the loops, the bits are the same.
void rotate(float* x, int64_t n) {
  for (int64_t block = 128; n > 0; block /= 2) {
    float norm = 1.0f;  // 1 / sqrt(block)
    for (int64_t i = block; i >= 4; i /= 4) norm *= 0.5f;
    if (block == 128 || block == 32 || block == 8 || block == 2) norm *= 0.70710678f;
    for (; n >= block; n -= block, x += block) {
      for (int64_t half = 1; half < block; half *= 2) {
        for (int64_t i = 0; i < block; i += 2 * half) {
          for (int64_t j = i; j < i + half; ++j) {
            const float a = x[j], b = x[j + half];
            x[j] = a + b;
            x[j + half] = a - b;
          }
        }
      }
      for (int64_t i = 0; i < block; ++i) x[i] *= norm;
    }
  }
}

// A block's numbers as integers up to `top` in magnitude, and their scale. Not finite, or too large to add up: the
// scale is NaN, so that nobody mistakes them for numbers.
inline float quantise_block(const float* x, int64_t n, float top, int32_t* out) {
  float room[kCacheBlock] = {};
  memcpy(room, x, static_cast<size_t>(n) * sizeof(float));
  const F first = load(room), second = load(room + 16);
  const float most = largest(max(abs(first), abs(second)));
  const bool finite = sum(add(abs(first), abs(second))) <= 3.4e38f;
  const float inverse = finite && most > 1e-30f ? top / most : 0.0f;
  const F magic = set1(12582912.0f), zero = set1(0.0f);
  store_shifted_int(out, fma(finite ? first : zero, set1(inverse), magic));
  store_shifted_int(out + 16, fma(finite ? second : zero, set1(inverse), magic));
  return finite ? (inverse > 0.0f ? most / top : 0.0f) : __builtin_nanf("");
}

void to_quants(const float* x, uint8_t* out, CacheType type, int64_t n) {
  for (int64_t i = 0; i < n; i += kCacheBlock) {
    int32_t numbers[kCacheBlock];
    const int64_t count = n - i < kCacheBlock ? n - i : kCacheBlock;
    const float scale = quantise_block(x + i, count, type == CacheType::int8 ? 127.0f : 7.0f, numbers);
    memcpy(out, &scale, sizeof(scale));
    out += sizeof(scale);
    if (type == CacheType::int8) {
      for (int j = 0; j < kCacheBlock; ++j) *out++ = static_cast<uint8_t>(numbers[j]);
    } else {
      for (int j = 0; j < 16; ++j) *out++ = static_cast<uint8_t>((numbers[j] + 8) | (numbers[j + 16] + 8) << 4);
    }
  }
}

void to_cache(const float* x, void* out, CacheType type, int64_t n) {
  if (type == CacheType::f32) {
    memcpy(out, x, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  if (is_quantised(type)) return to_quants(x, static_cast<uint8_t*>(out), type, n);
  uint16_t* halves = static_cast<uint16_t*>(out);
  each_vector(n, [&](int64_t i, int64_t lanes) {
    uint16_t room[16];
    uint16_t* to = lanes == 16 ? halves + i : room;
    const F v = load_n(x + i, lanes);
    type == CacheType::f16 ? store_f16(to, v) : store_bf16(to, v);
    if (lanes < 16) memcpy(halves + i, room, static_cast<size_t>(lanes) * sizeof(uint16_t));
  });
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
