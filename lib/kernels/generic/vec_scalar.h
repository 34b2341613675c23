// vec.h, plain C++: sixteen floats in an array. The oracle of every other vec_<isa>.h and the fallback of CPUs that
// have none of them. Each operation rounds once, exactly as the vector instruction does; fma is fused (slow where the
// CPU lacks it, but right). Numbers that the CPU pair of maxps treats specially (NaN) follow `a > b ? a : b`.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

namespace {

struct F {
  float v[16];
};
struct I {
  int32_t v[16];
};

#define PENSEE_LANES for (int i = 0; i < 16; ++i)

inline uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}
inline float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}
inline float half_bits_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t magnitude = h & 0x7fffu;
  if (magnitude >= 0x7c00)
    return float_of(sign | 0x7f800000 | ((magnitude & 0x3ff) ? 0x400000 | (magnitude & 0x3ff) << 13 : 0));
  if (magnitude >= 0x400) return float_of(sign | ((magnitude << 13) + 0x38000000));
  const float small = static_cast<float>(magnitude) * 5.9604644775390625e-08f;  // 2^-24
  return float_of(sign | bits_of(small));
}
inline uint16_t float_to_half_bits(float x) {  // nearest even
  const uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // the sum lands where one unit is 2^-24, so the FPU rounds for us
    return static_cast<uint16_t>(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000));
  }
  return static_cast<uint16_t>(sign | ((magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13));
}
inline uint16_t float_to_bfloat_bits(float x) {  // nearest even
  const uint32_t u = bits_of(x);
  if ((u & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(u >> 16 | 0x40);
  return static_cast<uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

inline F set1(float x) {
  F r;
  PENSEE_LANES r.v[i] = x;
  return r;
}
inline F load(const float* p) {
  F r;
  PENSEE_LANES r.v[i] = p[i];
  return r;
}
inline void store(float* p, F a) { PENSEE_LANES p[i] = a.v[i]; }
// The first n < 16 lanes; the others are zero, and memory beyond n is not touched.
inline F load_first(const float* p, int64_t n) {
  F r;
  PENSEE_LANES r.v[i] = i < n ? p[i] : 0.0f;
  return r;
}
inline void store_first(float* p, F a, int64_t n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline F load_f16(const uint16_t* p) {
  F r;
  PENSEE_LANES r.v[i] = half_bits_to_float(p[i]);
  return r;
}
// Numbers of e4m3 as halves that have the same exponent field: 2^8 times smaller.
inline F load_e4m3(const uint8_t* p) {
  F r;
  PENSEE_LANES r.v[i] = half_bits_to_float(static_cast<uint16_t>((p[i] & 0x80) << 8 | (p[i] & 0x7f) << 7));
  return r;
}
// Two vectors whose numbers alternate in memory.
inline void load_bf16_pairs(const uint16_t* p, F* even, F* odd) {
  PENSEE_LANES {
    even->v[i] = float_of(static_cast<uint32_t>(p[2 * i]) << 16);
    odd->v[i] = float_of(static_cast<uint32_t>(p[2 * i + 1]) << 16);
  }
}
inline void store_f16(uint16_t* p, F a) { PENSEE_LANES p[i] = float_to_half_bits(a.v[i]); }
inline void store_bf16(uint16_t* p, F a) { PENSEE_LANES p[i] = float_to_bfloat_bits(a.v[i]); }

#define PENSEE_LANEWISE(name, expression) \
  inline F name(F a, F b) {               \
    F r;                                  \
    PENSEE_LANES r.v[i] = expression;     \
    return r;                             \
  }
PENSEE_LANEWISE(add, a.v[i] + b.v[i])
PENSEE_LANEWISE(sub, a.v[i] - b.v[i])
PENSEE_LANEWISE(mul, a.v[i] * b.v[i])
PENSEE_LANEWISE(div, a.v[i] / b.v[i])
PENSEE_LANEWISE(max, a.v[i] > b.v[i] ? a.v[i] : b.v[i])
PENSEE_LANEWISE(min, a.v[i] < b.v[i] ? a.v[i] : b.v[i])
#undef PENSEE_LANEWISE

// a * b + c, rounded once
inline F fma(F a, F b, F c) {
  F r;
  PENSEE_LANES r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return r;
}
inline F abs(F a) {
  F r;
  PENSEE_LANES r.v[i] = float_of(bits_of(a.v[i]) & 0x7fffffff);
  return r;
}
// a < b ? yes : no
inline F if_less(F a, F b, F yes, F no) {
  F r;
  PENSEE_LANES r.v[i] = a.v[i] < b.v[i] ? yes.v[i] : no.v[i];
  return r;
}
// a * 2^n, where the bits of `shifted` are those of 1.5 * 2^23 + n and -126 <= n <= 127
inline F scale_by_power(F a, F shifted) {
  F r;
  PENSEE_LANES r.v[i] = a.v[i] * float_of((bits_of(shifted.v[i]) + 127) << 23);
  return r;
}
// n, where the bits of `shifted` are those of 1.5 * 2^23 + n
inline void store_shifted_int(int32_t* p, F shifted) {
  PENSEE_LANES p[i] = static_cast<int32_t>(bits_of(shifted.v[i]) - 0x4b400000);
}
// The fixed tree: halves onto each other, 8, 4, 2, 1.
inline float sum(F a) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];
  return a.v[0];
}
inline float largest(F a) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a.v[i] = a.v[i] > a.v[i + half] ? a.v[i] : a.v[i + half];
  return a.v[0];
}
inline float fma1(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

inline F to_float(I a) {
  F r;
  PENSEE_LANES r.v[i] = static_cast<float>(a.v[i]);
  return r;
}
inline F load_u8(const uint8_t* p) {
  F r;
  PENSEE_LANES r.v[i] = static_cast<float>(p[i]);
  return r;
}
inline F load_i8(const uint8_t* p) {
  F r;
  PENSEE_LANES r.v[i] = static_cast<float>(static_cast<int8_t>(p[i]));
  return r;
}
// The low or high halves of sixteen bytes, less 8.
inline F load_low4(const uint8_t* p) {
  F r;
  PENSEE_LANES r.v[i] = static_cast<float>((p[i] & 15) - 8);
  return r;
}
inline F load_high4(const uint8_t* p) {
  F r;
  PENSEE_LANES r.v[i] = static_cast<float>((p[i] >> 4) - 8);
  return r;
}

// Lane i and lane i ^ H change places.
template <int H>
inline F swap(F x) {
  F r;
  PENSEE_LANES r.v[i] = x.v[i ^ H];
  return r;
}

constexpr int32_t kBlocks[] = {4, 1};
constexpr int kUnroll = 1;
constexpr int kQuadSums = 1;

// ---- quads.h
struct Pairs {
  uint16_t v[32];
};
inline float bfloat_bits_to_float(uint16_t x) { return float_of(static_cast<uint32_t>(x) << 16); }
inline Pairs load_pairs(const uint8_t* p) {
  Pairs r;
  memcpy(r.v, p, 64);
  return r;
}
inline Pairs spread_pairs(const uint8_t* p) {
  Pairs r;
  for (int i = 0; i < 4; ++i) memcpy(r.v + 8 * i, p, 16);
  return r;
}
inline Pairs set_pairs(uint32_t pair) {
  Pairs r;
  for (int i = 0; i < 16; ++i) memcpy(r.v + 2 * i, &pair, 4);
  return r;
}
inline F dot_pairs(const Pairs& x, const Pairs& y, F sum) {
  const auto add = [&](int at, float s) {
    return fmaf(bfloat_bits_to_float(x.v[at]), bfloat_bits_to_float(y.v[at]), s);
  };
  PENSEE_LANES sum.v[i] = add(2 * i, add(2 * i + 1, sum.v[i]));
  return sum;
}
inline void load_columns(const uint8_t* p, bool two, int begin, int end, Pairs* first, Pairs* second) {
  for (int d = 0; d < 16; ++d) {
    for (int i = 0; i < 4; ++i) {
      uint16_t x = 0;
      if (i >= begin && i < end && (d < 8 || two)) memcpy(&x, p + d / 8 * 64 + 16 * i + d % 8 * 2, 2);
      (i < 2 ? first : second)->v[2 * d + i % 2] = x;
    }
  }
}

struct Bytes {
  uint8_t v[64];
};
using Key = Bytes;
constexpr int kKeyBias = 0;
inline Key load_key(const uint8_t* p) {
  Key r;
  memcpy(r.v, p, 64);
  return r;
}
inline int32_t signed_byte(uint8_t x) { return static_cast<int8_t>(x); }
inline I zero_integers() { return {}; }
inline I dot_key(const Key& key, const uint8_t* q, I sum) {
  for (int i = 0; i < 64; ++i) sum.v[i / 4] += signed_byte(key.v[i]) * signed_byte(q[i % 16]);
  return sum;
}
using Quads = Bytes;
inline Quads load_quads(const uint8_t* p) {
  Quads r;
  for (int i = 0; i < 64; ++i) r.v[i] = p[i % 4 * 16 + i / 4];
  return r;
}
inline I dot_quads(const Quads& values, uint32_t weights, I sum) {
  for (int i = 0; i < 64; ++i) {
    sum.v[i / 4] += signed_byte(values.v[i]) * static_cast<int32_t>(weights >> i % 4 * 8 & 255);
  }
  return sum;
}
inline F floats_of(const int32_t* p, int32_t plus) {
  F r;
  PENSEE_LANES r.v[i] = static_cast<float>(p[i] + plus);
  return r;
}
template <int Q, class V, class T>
inline void store_sums(const V* x, T* out, int64_t stride) {
  for (int i = 0; i < Q; ++i) {
    for (int j = 0; j < 4; ++j) {
      const T* lane = x[i].v + 4 * j;
      out[i * stride + j] = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    }
  }
}

}  // namespace
