// vec.h for aarch64 (NEON is part of it): sixteen floats in four q registers.
#pragma once

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

namespace {

struct F {
  float32x4_t v[4];
};
struct I {
  int32x4_t v[4];
};

#define PENSEE_QUADS(expression)                   \
  F r;                                             \
  for (int i = 0; i < 4; ++i) r.v[i] = expression; \
  return r

inline F set1(float x) { PENSEE_QUADS(vdupq_n_f32(x)); }
inline F load(const float* p) { PENSEE_QUADS(vld1q_f32(p + 4 * i)); }
inline void store(float* p, F x) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.v[i]);
}
inline F load_first(const float* p, int64_t n) {
  float room[16] = {};
  memcpy(room, p, static_cast<size_t>(n) * sizeof(float));
  return load(room);
}
inline void store_first(float* p, F x, int64_t n) {
  float room[16];
  store(room, x);
  memcpy(p, room, static_cast<size_t>(n) * sizeof(float));
}
inline F load_f16(const uint16_t* p) { PENSEE_QUADS(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)))); }
inline F load_e4m3(const uint8_t* p) {
  F r;
  const uint8x16_t all = vld1q_u8(p);
  const uint16x8_t wide[2] = {vmovl_u8(vget_low_u8(all)), vmovl_u8(vget_high_u8(all))};
  for (int i = 0; i < 2; ++i) {
    const uint16x8_t sign = vandq_u16(vshlq_n_u16(wide[i], 8), vdupq_n_u16(0x8000));
    const uint16x8_t h = vorrq_u16(sign, vandq_u16(vshlq_n_u16(wide[i], 7), vdupq_n_u16(0x3f80)));
    r.v[2 * i] = vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(h)));
    r.v[2 * i + 1] = vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(h)));
  }
  return r;
}
// Two vectors whose numbers alternate in memory.
inline void load_bf16_pairs(const uint16_t* p, F* even, F* odd) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t x = vreinterpretq_u32_u16(vld1q_u16(p + 8 * i));
    even->v[i] = vreinterpretq_f32_u32(vshlq_n_u32(x, 16));
    odd->v[i] = vreinterpretq_f32_u32(vandq_u32(x, vdupq_n_u32(0xffff0000u)));
  }
}
inline void store_f16(uint16_t* p, F x) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.v[i])));
}
inline void store_bf16(uint16_t* p, F x) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t u = vreinterpretq_u32_f32(x.v[i]), top = vshrq_n_u32(u, 16);
    const uint32x4_t odd = vandq_u32(top, vdupq_n_u32(1));
    const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(vaddq_u32(u, vdupq_n_u32(0x7fff)), odd), 16);
    const uint32x4_t quiet = vorrq_u32(top, vdupq_n_u32(0x40));
    vst1_u16(p + 4 * i, vmovn_u32(vbslq_u32(vceqq_f32(x.v[i], x.v[i]), rounded, quiet)));
  }
}

inline F add(F x, F y) { PENSEE_QUADS(vaddq_f32(x.v[i], y.v[i])); }
inline F sub(F x, F y) { PENSEE_QUADS(vsubq_f32(x.v[i], y.v[i])); }
inline F mul(F x, F y) { PENSEE_QUADS(vmulq_f32(x.v[i], y.v[i])); }
inline F div(F x, F y) { PENSEE_QUADS(vdivq_f32(x.v[i], y.v[i])); }
// Not vmaxq: NaN must behave as `x > y ? x : y` says.
inline F max(F x, F y) { PENSEE_QUADS(vbslq_f32(vcgtq_f32(x.v[i], y.v[i]), x.v[i], y.v[i])); }
inline F min(F x, F y) { PENSEE_QUADS(vbslq_f32(vcltq_f32(x.v[i], y.v[i]), x.v[i], y.v[i])); }
inline F fma(F x, F y, F z) { PENSEE_QUADS(vfmaq_f32(z.v[i], x.v[i], y.v[i])); }
inline F abs(F x) { PENSEE_QUADS(vabsq_f32(x.v[i])); }
inline F if_less(F x, F y, F yes, F no) { PENSEE_QUADS(vbslq_f32(vcltq_f32(x.v[i], y.v[i]), yes.v[i], no.v[i])); }
inline float32x4_t power_of_two(float32x4_t shifted) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vreinterpretq_s32_f32(shifted), vdupq_n_s32(127)), 23));
}
inline F scale_by_power(F x, F shifted) { PENSEE_QUADS(vmulq_f32(x.v[i], power_of_two(shifted.v[i]))); }
inline void store_shifted_int(int32_t* p, F shifted) {
  for (int i = 0; i < 4; ++i)
    vst1q_s32(p + 4 * i, vsubq_s32(vreinterpretq_s32_f32(shifted.v[i]), vdupq_n_s32(0x4b400000)));
}
inline float sum(F x) {
  const float32x4_t y = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
  const float32x2_t z = vadd_f32(vget_low_f32(y), vget_high_f32(y));
  return vget_lane_f32(z, 0) + vget_lane_f32(z, 1);
}
inline float32x4_t larger(float32x4_t x, float32x4_t y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }
inline float largest(F x) {
  const float32x4_t y = larger(larger(x.v[0], x.v[2]), larger(x.v[1], x.v[3]));
  const float a = vgetq_lane_f32(y, 0), b = vgetq_lane_f32(y, 1), c = vgetq_lane_f32(y, 2), d = vgetq_lane_f32(y, 3);
  const float even = a > c ? a : c, odd = b > d ? b : d;
  return even > odd ? even : odd;
}
inline float fma1(float x, float y, float z) { return __builtin_fmaf(x, y, z); }

inline F to_float(I x) { PENSEE_QUADS(vcvtq_f32_s32(x.v[i])); }
inline F load_u8(const uint8_t* p) {
  const uint8x16_t x = vld1q_u8(p);
  const uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_u8(vget_high_u8(x));
  return {{vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(low))),
           vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(high)))}};
}
inline F widen_i8(int8x16_t x) {
  const int16x8_t low = vmovl_s8(vget_low_s8(x)), high = vmovl_s8(vget_high_s8(x));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
inline F load_i8(const uint8_t* p) { return widen_i8(vreinterpretq_s8_u8(vld1q_u8(p))); }
// The low or high halves of sixteen bytes, less 8.
inline F load_halves(uint8x16_t x) { return widen_i8(vsubq_s8(vreinterpretq_s8_u8(x), vdupq_n_s8(8))); }
inline F load_low4(const uint8_t* p) { return load_halves(vandq_u8(vld1q_u8(p), vdupq_n_u8(15))); }
inline F load_high4(const uint8_t* p) { return load_halves(vshrq_n_u8(vld1q_u8(p), 4)); }

// Lane i and lane i ^ H change places.
template <int H>
inline F swap(F x) {
  if constexpr (H == 1) { PENSEE_QUADS(vrev64q_f32(x.v[i])); }
  if constexpr (H == 2) { PENSEE_QUADS(vextq_f32(x.v[i], x.v[i], 2)); }
  if constexpr (H == 4 || H == 8) { PENSEE_QUADS(x.v[i ^ H / 4]); }
}

constexpr int32_t kBlocks[] = {6, 4, 3, 2, 1};
constexpr int kUnroll = 16;
constexpr int kQuadSums = 4;

// ---- quads.h
struct Pairs {
  uint16x8_t v[4];
};
inline uint16x8_t load_words(const uint8_t* p) { return vreinterpretq_u16_u8(vld1q_u8(p)); }
inline Pairs load_pairs(const uint8_t* p) {
  return {{load_words(p), load_words(p + 16), load_words(p + 32), load_words(p + 48)}};
}
inline Pairs spread_pairs(const uint8_t* p) {
  const uint16x8_t x = load_words(p);
  return {{x, x, x, x}};
}
inline Pairs set_pairs(uint32_t pair) {
  const uint16x8_t x = vreinterpretq_u16_u32(vdupq_n_u32(pair));
  return {{x, x, x, x}};
}
inline float32x4_t odd_of(uint16x8_t x) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_u16(x), vdupq_n_u32(0xffff0000)));
}
inline float32x4_t even_of(uint16x8_t x) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_u16(x), 16)); }
inline F dot_pairs(const Pairs& x, const Pairs& y, F sum) {
  for (int i = 0; i < 4; ++i) {
    sum.v[i] = vfmaq_f32(sum.v[i], odd_of(x.v[i]), odd_of(y.v[i]));
    sum.v[i] = vfmaq_f32(sum.v[i], even_of(x.v[i]), even_of(y.v[i]));
  }
  return sum;
}
inline void load_columns(const uint8_t* p, bool two, int begin, int end, Pairs* first, Pairs* second) {
  const uint16x8_t zero = vdupq_n_u16(0);
  for (int half = 0; half < 2; ++half) {
    uint16x8_t x[4];  // of each position
    for (int i = 0; i < 4; ++i) {
      const bool seen = i >= begin && i < end && (half == 0 || two);
      x[i] = seen ? load_words(p + 64 * half + 16 * i) : zero;
    }
    first->v[2 * half] = vzip1q_u16(x[0], x[1]);
    first->v[2 * half + 1] = vzip2q_u16(x[0], x[1]);
    second->v[2 * half] = vzip1q_u16(x[2], x[3]);
    second->v[2 * half + 1] = vzip2q_u16(x[2], x[3]);
  }
}

inline int32x4_t add_fours(int8x16_t x, int8x16_t y, int32x4_t sum) {
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_s32(sum, x, y);
#else
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y)));
  const int32x4_t high = vpaddlq_s16(vmull_s8(vget_high_s8(x), vget_high_s8(y)));
  return vaddq_s32(sum, vpaddq_s32(low, high));
#endif
}
inline int8x16_t load_bytes(const uint8_t* p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
struct Key {
  int8x16_t v[4];
};
constexpr int kKeyBias = 0;
inline Key load_key(const uint8_t* p) {
  return {{load_bytes(p), load_bytes(p + 16), load_bytes(p + 32), load_bytes(p + 48)}};
}
inline I zero_integers() {
  const int32x4_t zero = vdupq_n_s32(0);
  return {{zero, zero, zero, zero}};
}
inline I dot_key(const Key& key, const uint8_t* q, I sum) {
  const int8x16_t query = load_bytes(q);
  for (int i = 0; i < 4; ++i) sum.v[i] = add_fours(key.v[i], query, sum.v[i]);
  return sum;
}
// Weights less 128 are signed; what that takes off comes back as 128 times the sum of the values.
struct Quads {
  int8x16_t v[4];
  int32x4_t sum128[4];
};
inline Quads load_quads(const uint8_t* p) {
  const int8x16_t x0 = load_bytes(p), x1 = load_bytes(p + 16), x2 = load_bytes(p + 32), x3 = load_bytes(p + 48);
  const int16x8_t low01 = vreinterpretq_s16_s8(vzip1q_s8(x0, x1)), high01 = vreinterpretq_s16_s8(vzip2q_s8(x0, x1));
  const int16x8_t low23 = vreinterpretq_s16_s8(vzip1q_s8(x2, x3)), high23 = vreinterpretq_s16_s8(vzip2q_s8(x2, x3));
  Quads r = {{vreinterpretq_s8_s16(vzip1q_s16(low01, low23)), vreinterpretq_s8_s16(vzip2q_s16(low01, low23)),
              vreinterpretq_s8_s16(vzip1q_s16(high01, high23)), vreinterpretq_s8_s16(vzip2q_s16(high01, high23))},
             {}};
  for (int i = 0; i < 4; ++i) r.sum128[i] = vshlq_n_s32(add_fours(r.v[i], vdupq_n_s8(1), vdupq_n_s32(0)), 7);
  return r;
}
inline I dot_quads(const Quads& values, uint32_t weights, I sum) {
  const int8x16_t w = vreinterpretq_s8_u32(vdupq_n_u32(weights ^ 0x80808080));
  for (int i = 0; i < 4; ++i) sum.v[i] = add_fours(values.v[i], w, vaddq_s32(sum.v[i], values.sum128[i]));
  return sum;
}
inline F floats_of(const int32_t* p, int32_t plus) {
  PENSEE_QUADS(vcvtq_f32_s32(vaddq_s32(vld1q_s32(p + 4 * i), vdupq_n_s32(plus))));
}
template <int Q>
inline void store_sums(const F* x, float* out, int64_t stride) {
  for (int i = 0; i < Q; ++i) {
    for (int j = 0; j < 4; ++j) {
      const float32x2_t halves = vadd_f32(vget_low_f32(x[i].v[j]), vget_high_f32(x[i].v[j]));
      out[i * stride + j] = vget_lane_f32(vpadd_f32(halves, halves), 0);
    }
  }
}
template <int Q>
inline void store_sums(const I* x, int32_t* out, int64_t stride) {
  for (int i = 0; i < Q; ++i)
    for (int j = 0; j < 4; ++j) out[i * stride + j] = vaddvq_s32(x[i].v[j]);
}

#undef PENSEE_QUADS

}  // namespace
