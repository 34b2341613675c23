// vec.h for x86-64 with AVX2, FMA and F16C: sixteen floats in two ymm registers.
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

namespace {

struct F {
  __m256 a, b;
};
// Of 32-bit numbers: see vec_avx512.h.
typedef int32_t Int32x8 __attribute__((vector_size(32)));
struct HalfOfI {
  Int32x8 a;
  HalfOfI() = default;
  HalfOfI(__m256i x) : a(reinterpret_cast<Int32x8>(x)) {}
  operator __m256i() const { return reinterpret_cast<__m256i>(a); }
};
struct I {
  HalfOfI a, b;
};

inline F set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, F x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
inline __m256i lanes_below(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline F load_first(const float* p, int64_t n) {
  if (n <= 8) return {_mm256_maskload_ps(p, lanes_below(n)), _mm256_setzero_ps()};
  return {_mm256_loadu_ps(p), _mm256_maskload_ps(p + 8, lanes_below(n - 8))};
}
inline void store_first(float* p, F x, int64_t n) {
  if (n <= 8) {
    _mm256_maskstore_ps(p, lanes_below(n), x.a);
    return;
  }
  _mm256_storeu_ps(p, x.a);
  _mm256_maskstore_ps(p + 8, lanes_below(n - 8), x.b);
}

inline __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline __m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline F load_f16(const uint16_t* p) { return {_mm256_cvtph_ps(load128(p)), _mm256_cvtph_ps(load128(p + 8))}; }
inline F load_e4m3(const uint8_t* p) {
  const __m256i w = _mm256_cvtepu8_epi16(load128(p));
  const __m256i sign = _mm256_and_si256(_mm256_slli_epi16(w, 8), _mm256_set1_epi16(static_cast<int16_t>(0x8000)));
  const __m256i h = _mm256_or_si256(sign, _mm256_and_si256(_mm256_slli_epi16(w, 7), _mm256_set1_epi16(0x3f80)));
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(h)), _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
}
// Two vectors whose numbers alternate in memory.
inline void load_bf16_pairs(const uint16_t* p, F* even, F* odd) {
  const __m256i x = load256(p), y = load256(p + 16), upper = _mm256_set1_epi32(static_cast<int>(0xffff0000));
  *even = {_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(y, 16))};
  *odd = {_mm256_castsi256_ps(_mm256_and_si256(x, upper)), _mm256_castsi256_ps(_mm256_and_si256(y, upper))};
}
inline void store_f16(uint16_t* p, F x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}
inline __m256i round_bf16(__m256 x) {  // in the lower halves
  const __m256i u = _mm256_castps_si256(x), upper = _mm256_srli_epi32(u, 16);
  const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd), 16);
  const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
inline void store_bf16(uint16_t* p, F x) {
  const __m256i packed = _mm256_packus_epi32(round_bf16(x.a), round_bf16(x.b));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}

inline F add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline F sub(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline F mul(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline F div(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline F max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline F min(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline F fma(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
inline F abs(F x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
inline F if_less(F x, F y, F yes, F no) {
  return {_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}
inline __m256 power_of_two(__m256 shifted) {
  const __m256i n = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(n, 23));
}
inline F scale_by_power(F x, F shifted) {
  return {_mm256_mul_ps(x.a, power_of_two(shifted.a)), _mm256_mul_ps(x.b, power_of_two(shifted.b))};
}
inline void store_shifted_int(int32_t* p, F shifted) {
  const __m256i magic = _mm256_set1_epi32(0x4b400000);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_sub_epi32(_mm256_castps_si256(shifted.a), magic));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), _mm256_sub_epi32(_mm256_castps_si256(shifted.b), magic));
}
inline float sum(F x) {
  const __m256 y = _mm256_add_ps(x.a, x.b);
  __m128 z = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  z = _mm_add_ps(z, _mm_movehl_ps(z, z));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
inline float largest(F x) {
  const __m256 y = _mm256_max_ps(x.a, x.b);
  __m128 z = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  z = _mm_max_ps(z, _mm_movehl_ps(z, z));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}
inline float fma1(float x, float y, float z) { return __builtin_fmaf(x, y, z); }

inline F to_float(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
inline __m128i load64(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
inline F load_u8(const uint8_t* p) {
  return to_float({_mm256_cvtepu8_epi32(load64(p)), _mm256_cvtepu8_epi32(load64(p + 8))});
}
inline F load_i8(const uint8_t* p) {
  return to_float({_mm256_cvtepi8_epi32(load64(p)), _mm256_cvtepi8_epi32(load64(p + 8))});
}
// The low or high halves of sixteen bytes, less 8.
inline F load_halves(__m128i x) {
  x = _mm_sub_epi8(_mm_and_si128(x, _mm_set1_epi8(15)), _mm_set1_epi8(8));
  return to_float({_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(x, x))});
}
inline F load_low4(const uint8_t* p) { return load_halves(load128(p)); }
inline F load_high4(const uint8_t* p) { return load_halves(_mm_srli_epi16(load128(p), 4)); }

// Lane i and lane i ^ H change places.
template <int H>
inline F swap(F x) {
  if constexpr (H == 1) return {_mm256_permute_ps(x.a, 0xb1), _mm256_permute_ps(x.b, 0xb1)};
  if constexpr (H == 2) return {_mm256_permute_ps(x.a, 0x4e), _mm256_permute_ps(x.b, 0x4e)};
  if constexpr (H == 4) return {_mm256_permute2f128_ps(x.a, x.a, 1), _mm256_permute2f128_ps(x.b, x.b, 1)};
  if constexpr (H == 8) return {x.b, x.a};
}

constexpr int32_t kBlocks[] = {6, 4, 3, 2, 1};
constexpr int kUnroll = 16;
constexpr int kQuadSums = 6;

// ---- quads.h
struct Pairs {
  __m256i a, b;
};
inline Pairs load_pairs(const uint8_t* p) { return {load256(p), load256(p + 32)}; }
inline Pairs spread_pairs(const uint8_t* p) {
  const __m256i x = _mm256_broadcastsi128_si256(load128(p));
  return {x, x};
}
inline Pairs set_pairs(uint32_t pair) {
  const __m256i x = _mm256_set1_epi32(static_cast<int>(pair));
  return {x, x};
}
inline __m256 odd_of(__m256i x) {
  return _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
}
inline __m256 even_of(__m256i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16)); }
inline F dot_pairs(Pairs x, Pairs y, F sum) {
  const __m256 a = _mm256_fmadd_ps(odd_of(x.a), odd_of(y.a), sum.a);
  const __m256 b = _mm256_fmadd_ps(odd_of(x.b), odd_of(y.b), sum.b);
  return {_mm256_fmadd_ps(even_of(x.a), even_of(y.a), a), _mm256_fmadd_ps(even_of(x.b), even_of(y.b), b)};
}
inline __m256i join128(__m128i low, __m128i high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}
inline void load_columns(const uint8_t* p, bool two, int begin, int end, Pairs* first, Pairs* second) {
  const __m128i zero = _mm_setzero_si128();
  __m128i x[4], y[4];  // of each position
  for (int i = 0; i < 4; ++i) {
    const bool seen = i >= begin && i < end;
    x[i] = seen ? load128(p + 16 * i) : zero;
    y[i] = seen && two ? load128(p + 64 + 16 * i) : zero;
  }
  first->a = join128(_mm_unpacklo_epi16(x[0], x[1]), _mm_unpackhi_epi16(x[0], x[1]));
  first->b = join128(_mm_unpacklo_epi16(y[0], y[1]), _mm_unpackhi_epi16(y[0], y[1]));
  second->a = join128(_mm_unpacklo_epi16(x[2], x[3]), _mm_unpackhi_epi16(x[2], x[3]));
  second->b = join128(_mm_unpacklo_epi16(y[2], y[3]), _mm_unpackhi_epi16(y[2], y[3]));
}

using Key = Pairs;
inline I zero_integers() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
#ifdef __AVXVNNI__
constexpr int kKeyBias = 128;  // vpdpbusd wants one side unsigned
inline Key load_key(const uint8_t* p) {
  const __m256i bias = _mm256_set1_epi8(static_cast<char>(0x80));
  return {_mm256_xor_si256(load256(p), bias), _mm256_xor_si256(load256(p + 32), bias)};
}
inline __m256i add_fours(__m256i x, __m256i y, __m256i sum) { return _mm256_dpbusd_avx_epi32(sum, x, y); }
#else
constexpr int kKeyBias = 0;
inline Key load_key(const uint8_t* p) { return load_pairs(p); }
// |x| <= 127, so that a pair's sum fits into 16 bits.
inline __m256i add_fours(__m256i x, __m256i y, __m256i sum) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#endif
inline I dot_key(Key key, const uint8_t* q, I sum) {
  const __m256i query = _mm256_broadcastsi128_si256(load128(q));
  return {add_fours(key.a, query, sum.a), add_fours(key.b, query, sum.b)};
}
// A piece of four positions turned around: first fours of numbers, then each four of fours within its half.
inline void turn_quads(const uint8_t* p, __m256i* fours) {
  const __m256i places = _mm256_set_epi32(7, 3, 5, 1, 6, 2, 4, 0);
  const __m128i turn = _mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  const __m256i turned = _mm256_broadcastsi128_si256(turn);
  const __m256i x01 = _mm256_permutevar8x32_epi32(load256(p), places);
  const __m256i x23 = _mm256_permutevar8x32_epi32(load256(p + 32), places);
  fours[0] = _mm256_shuffle_epi8(_mm256_unpacklo_epi64(x01, x23), turned);
  fours[1] = _mm256_shuffle_epi8(_mm256_unpackhi_epi64(x01, x23), turned);
}
#ifdef __AVXVNNI__
struct Quads {
  __m256i fours[2];
};
inline Quads load_quads(const uint8_t* p) {
  Quads r;
  turn_quads(p, r.fours);
  return r;
}
inline I dot_quads(const Quads& values, uint32_t weights, I sum) {
  const __m256i w = _mm256_set1_epi32(static_cast<int>(weights));
  return {_mm256_dpbusd_avx_epi32(sum.a, w, values.fours[0]), _mm256_dpbusd_avx_epi32(sum.b, w, values.fours[1])};
}
#else
// Bytes 0 and 2 of each four as int16, then 1 and 3: products with weights up to 255 want 32 bits.
struct Quads {
  __m256i even[2], odd[2];
};
inline Quads load_quads(const uint8_t* p) {
  __m256i fours[2];
  turn_quads(p, fours);
  Quads r;
  for (int i = 0; i < 2; ++i) {
    r.even[i] = _mm256_srai_epi16(_mm256_slli_epi16(fours[i], 8), 8);
    r.odd[i] = _mm256_srai_epi16(fours[i], 8);
  }
  return r;
}
inline I dot_quads(const Quads& values, uint32_t weights, I sum) {
  const __m256i w = _mm256_set1_epi32(static_cast<int>(weights));
  const __m256i w02 = _mm256_and_si256(w, _mm256_set1_epi16(0xff)), w13 = _mm256_srli_epi16(w, 8);
  const auto four = [&](int i, __m256i s) {
    const __m256i part = _mm256_add_epi32(s, _mm256_madd_epi16(values.even[i], w02));
    return _mm256_add_epi32(part, _mm256_madd_epi16(values.odd[i], w13));
  };
  return {four(0, sum.a), four(1, sum.b)};
}
#endif
inline F floats_of(const int32_t* p, int32_t plus) {
  const __m256i more = _mm256_set1_epi32(plus);
  return to_float({_mm256_add_epi32(load256(p), more), _mm256_add_epi32(load256(p + 8), more)});
}
template <int Q>
inline void store_sums(const F* x, float* out, int64_t stride) {
  const auto quarters = [](__m256 v) {
    const __m256 halves = _mm256_add_ps(v, _mm256_permute_ps(v, 0x4e));
    return _mm256_add_ps(halves, _mm256_permute_ps(halves, 0xb1));
  };
  for (int i = 0; i < Q; ++i, out += stride) {
    const __m256 a = quarters(x[i].a), b = quarters(x[i].b);
    out[0] = _mm256_cvtss_f32(a);
    out[1] = _mm_cvtss_f32(_mm256_extractf128_ps(a, 1));
    out[2] = _mm256_cvtss_f32(b);
    out[3] = _mm_cvtss_f32(_mm256_extractf128_ps(b, 1));
  }
}
template <int Q>
inline void store_sums(const I* x, int32_t* out, int64_t stride) {
  const auto quarters = [](__m256i v) {
    const __m256i halves = _mm256_add_epi32(v, _mm256_shuffle_epi32(v, 0x4e));
    return _mm256_add_epi32(halves, _mm256_shuffle_epi32(halves, 0xb1));
  };
  for (int i = 0; i < Q; ++i, out += stride) {
    const __m256i a = quarters(x[i].a), b = quarters(x[i].b);
    out[0] = _mm256_extract_epi32(a, 0);
    out[1] = _mm256_extract_epi32(a, 4);
    out[2] = _mm256_extract_epi32(b, 0);
    out[3] = _mm256_extract_epi32(b, 4);
  }
}

}  // namespace
