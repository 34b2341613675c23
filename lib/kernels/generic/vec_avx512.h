// vec.h for x86-64 with AVX-512 F, BW, VL and DQ: sixteen floats in one zmm register.
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

namespace {

struct F {
  __m512 a;
};
// Of 32-bit numbers: sums that a loop keeps as __m512i, of 64-bit ones, GCC 12 copies before and after each addition.
typedef int32_t Int32x16 __attribute__((vector_size(64)));
struct I {
  Int32x16 a;
  I() = default;
  I(__m512i x) : a(reinterpret_cast<Int32x16>(x)) {}
  operator __m512i() const { return reinterpret_cast<__m512i>(a); }
};

inline F set1(float x) { return {_mm512_set1_ps(x)}; }
inline F load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F x) { _mm512_storeu_ps(p, x.a); }
inline __mmask16 lanes_below(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
inline F load_first(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(lanes_below(n), p)}; }
inline void store_first(float* p, F x, int64_t n) { _mm512_mask_storeu_ps(p, lanes_below(n), x.a); }

inline __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline __m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline __m512i load512(const void* p) { return _mm512_loadu_si512(p); }
inline F load_f16(const uint16_t* p) { return {_mm512_cvtph_ps(load256(p))}; }
inline F load_e4m3(const uint8_t* p) {
  const __m256i w = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i sign = _mm256_and_si256(_mm256_slli_epi16(w, 8), _mm256_set1_epi16(static_cast<int16_t>(0x8000)));
  const __m256i h = _mm256_or_si256(sign, _mm256_and_si256(_mm256_slli_epi16(w, 7), _mm256_set1_epi16(0x3f80)));
  return {_mm512_cvtph_ps(h)};
}
// Two vectors whose numbers alternate in memory.
inline void load_bf16_pairs(const uint16_t* p, F* even, F* odd) {
  const __m512i x = load512(p);
  *even = {_mm512_castsi512_ps(_mm512_slli_epi32(x, 16))};
  *odd = {_mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(0xffff0000))))};
}
inline void store_f16(uint16_t* p, F x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
}
inline void store_bf16(uint16_t* p, F x) {
  const __m512i u = _mm512_castps_si512(x.a), upper = _mm512_srli_epi32(u, 16);
  const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  __m512i r = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd), 16);
  r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(x.a, x.a, _CMP_UNORD_Q), upper, _mm512_set1_epi32(0x40));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(r));
}

inline F add(F x, F y) { return {_mm512_add_ps(x.a, y.a)}; }
inline F sub(F x, F y) { return {_mm512_sub_ps(x.a, y.a)}; }
inline F mul(F x, F y) { return {_mm512_mul_ps(x.a, y.a)}; }
inline F div(F x, F y) { return {_mm512_div_ps(x.a, y.a)}; }
inline F max(F x, F y) { return {_mm512_max_ps(x.a, y.a)}; }
inline F min(F x, F y) { return {_mm512_min_ps(x.a, y.a)}; }
inline F fma(F x, F y, F z) { return {_mm512_fmadd_ps(x.a, y.a, z.a)}; }
inline F abs(F x) { return {_mm512_abs_ps(x.a)}; }
inline F if_less(F x, F y, F yes, F no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.a, y.a, _CMP_LT_OQ), no.a, yes.a)};
}
inline F scale_by_power(F x, F shifted) {
  const __m512i n = _mm512_add_epi32(_mm512_castps_si512(shifted.a), _mm512_set1_epi32(127));
  return {_mm512_mul_ps(x.a, _mm512_castsi512_ps(_mm512_slli_epi32(n, 23)))};
}
inline void store_shifted_int(int32_t* p, F shifted) {
  _mm512_storeu_si512(p, _mm512_sub_epi32(_mm512_castps_si512(shifted.a), _mm512_set1_epi32(0x4b400000)));
}
inline __m256 lower(__m512 x) { return _mm512_castps512_ps256(x); }
inline __m256 upper(__m512 x) { return _mm512_extractf32x8_ps(x, 1); }
inline float sum(F x) {
  const __m256 y = _mm256_add_ps(lower(x.a), upper(x.a));
  __m128 z = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  z = _mm_add_ps(z, _mm_movehl_ps(z, z));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
inline float largest(F x) {
  const __m256 y = _mm256_max_ps(lower(x.a), upper(x.a));
  __m128 z = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  z = _mm_max_ps(z, _mm_movehl_ps(z, z));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}
inline float fma1(float x, float y, float z) { return __builtin_fmaf(x, y, z); }

inline F to_float(I x) { return {_mm512_cvtepi32_ps(x)}; }
inline F load_u8(const uint8_t* p) { return to_float(_mm512_cvtepu8_epi32(load128(p))); }
inline F load_i8(const uint8_t* p) { return to_float(_mm512_cvtepi8_epi32(load128(p))); }
// The low or high halves of sixteen bytes, less 8.
inline F load_halves(__m128i x) {
  x = _mm_sub_epi8(_mm_and_si128(x, _mm_set1_epi8(15)), _mm_set1_epi8(8));
  return to_float(_mm512_cvtepi8_epi32(x));
}
inline F load_low4(const uint8_t* p) { return load_halves(load128(p)); }
inline F load_high4(const uint8_t* p) { return load_halves(_mm_srli_epi16(load128(p), 4)); }

// Lane i and lane i ^ H change places.
template <int H>
inline F swap(F x) {
  if constexpr (H == 1) return {_mm512_permute_ps(x.a, 0xb1)};
  if constexpr (H == 2) return {_mm512_permute_ps(x.a, 0x4e)};
  if constexpr (H == 4) return {_mm512_shuffle_f32x4(x.a, x.a, 0xb1)};
  if constexpr (H == 8) return {_mm512_shuffle_f32x4(x.a, x.a, 0x4e)};
}

constexpr int32_t kBlocks[] = {16, 8, 6, 4, 3, 2, 1};
constexpr int kUnroll = 16;
constexpr int kQuadSums = 16;

// ---- quads.h
struct Pairs {
  __m512i a;
};
inline Pairs load_pairs(const uint8_t* p) { return {load512(p)}; }
inline Pairs spread_pairs(const uint8_t* p) { return {_mm512_broadcast_i32x4(load128(p))}; }
inline Pairs set_pairs(uint32_t pair) { return {_mm512_set1_epi32(static_cast<int>(pair))}; }
#ifdef __AVX512BF16__
inline F dot_pairs(Pairs x, Pairs y, F sum) {
  return {_mm512_dpbf16_ps(sum.a, reinterpret_cast<__m512bh>(x.a), reinterpret_cast<__m512bh>(y.a))};
}
#else
inline F dot_pairs(Pairs x, Pairs y, F sum) {
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  const auto odd = [&](Pairs v) { return _mm512_castsi512_ps(_mm512_and_si512(v.a, high)); };
  const auto even = [](Pairs v) { return _mm512_castsi512_ps(_mm512_slli_epi32(v.a, 16)); };
  return {_mm512_fmadd_ps(even(x), even(y), _mm512_fmadd_ps(odd(x), odd(y), sum.a))};
}
#endif
// Of positions [begin, end), zeros of the others; `two`: there is a second piece.
inline void load_columns(const uint8_t* p, bool two, int begin, int end, Pairs* first, Pairs* second) {
  const auto lanes = static_cast<__mmask16>((0xffffu << 4 * begin) & (0xffffu >> (16 - 4 * end)));
  const __m512i x = _mm512_maskz_loadu_epi32(lanes, p);
  const __m512i y = two ? _mm512_maskz_loadu_epi32(lanes, p + 64) : _mm512_setzero_si512();
  // Word 8 i + d of x or y is number d of position i.
  const __m512i of01 = _mm512_set_epi16(47, 39, 46, 38, 45, 37, 44, 36, 43, 35, 42, 34, 41, 33, 40, 32,  //
                                        15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
  *first = {_mm512_permutex2var_epi16(x, of01, y)};
  *second = {_mm512_permutex2var_epi16(x, _mm512_add_epi16(of01, _mm512_set1_epi16(16)), y)};
}

using Key = Pairs;
constexpr int kKeyBias = 128;  // vpdpbusd wants one side unsigned
inline Key load_key(const uint8_t* p) {
  return {_mm512_xor_si512(load512(p), _mm512_set1_epi8(static_cast<char>(0x80)))};
}
inline I zero_integers() { return {_mm512_setzero_si512()}; }
inline I dot_key(Key key, const uint8_t* q, I sum) {
  return {_mm512_dpbusd_epi32(sum, key.a, _mm512_broadcast_i32x4(load128(q)))};
}
using Quads = Pairs;
inline Quads load_quads(const uint8_t* p) {
  const __m512i fours = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  const __m512i turned = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
  return {_mm512_shuffle_epi8(_mm512_permutexvar_epi32(fours, load512(p)), turned)};
}
inline I dot_quads(Quads values, uint32_t weights, I sum) {
  return {_mm512_dpbusd_epi32(sum, _mm512_set1_epi32(static_cast<int>(weights)), values.a)};
}
inline F floats_of(const int32_t* p, int32_t plus) {
  return {_mm512_cvtepi32_ps(_mm512_add_epi32(load512(p), _mm512_set1_epi32(plus)))};
}

inline __m512 plus(__m512 x, __m512 y) { return _mm512_add_ps(x, y); }
inline __m512 plus_integers(__m512 x, __m512 y) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_castps_si512(y)));
}
// out[i * stride + j] = quarter j of x[i], added up. Four at a time, their quarters are turned around while they add.
template <int Q, __m512 (*add_lanes)(__m512, __m512), class Get>
inline void store_sums_of(Get x, float* out, int64_t stride) {
  constexpr int kFours = Q / 4 * 4;
  const __m512i turn = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  for (int i = 0; i < kFours; i += 4) {
    const __m512 ab = add_lanes(_mm512_unpacklo_ps(x(i), x(i + 1)), _mm512_unpackhi_ps(x(i), x(i + 1)));
    const __m512 cd = add_lanes(_mm512_unpacklo_ps(x(i + 2), x(i + 3)), _mm512_unpackhi_ps(x(i + 2), x(i + 3)));
    const __m512d ab2 = _mm512_castps_pd(ab), cd2 = _mm512_castps_pd(cd);
    const __m512 all = add_lanes(_mm512_castpd_ps(_mm512_unpacklo_pd(ab2, cd2)),
                                 _mm512_castpd_ps(_mm512_unpackhi_pd(ab2, cd2)));
    const __m512 rows = _mm512_permutexvar_ps(turn, all);
    _mm_storeu_ps(out + i * stride, _mm512_castps512_ps128(rows));
    _mm_storeu_ps(out + (i + 1) * stride, _mm512_extractf32x4_ps(rows, 1));
    _mm_storeu_ps(out + (i + 2) * stride, _mm512_extractf32x4_ps(rows, 2));
    _mm_storeu_ps(out + (i + 3) * stride, _mm512_extractf32x4_ps(rows, 3));
  }
  for (int i = kFours; i < Q; ++i) {
    const __m512 halves = add_lanes(x(i), _mm512_permute_ps(x(i), 0x4e));
    const __m512 sums = add_lanes(halves, _mm512_permute_ps(halves, 0xb1));
    _mm_storeu_ps(out + i * stride, _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, sums)));
  }
}
template <int Q>
inline void store_sums(const F* x, float* out, int64_t stride) {
  store_sums_of<Q, plus>([&](int i) { return x[i].a; }, out, stride);
}
template <int Q>
inline void store_sums(const I* x, int32_t* out, int64_t stride) {
  store_sums_of<Q, plus_integers>([&](int i) { return _mm512_castsi512_ps(x[i]); }, reinterpret_cast<float*>(out),
                                  stride);
}

}  // namespace
