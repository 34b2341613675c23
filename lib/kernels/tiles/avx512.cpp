// Dot tiles for x86-64 with AVX-512 F, BW, VL, DQ and VNNI: Intel from Cascade Lake (2019) and Ice Lake on, AMD from
// Zen 4 (2022) on. One zmm holds one word of all 16 rows.
//
// int16 activations: vpdpwssd, 32 products and their sum an instruction. int8 activations: vpdpbusd, 64 products; 8-bit
// weights become unsigned by adding 128, which is taken off again through what the sums start with. int32 holds
// everything: 32 * 255 * 127, and 32 * 63 * 32767.
//
// Roofline, one row of activations: about 45 instructions for 256 bytes (u4, int16); at 3 GHz and two a cycle a core
// could read 34 GB/s, so memory binds. Many rows: one vpdpwssd a cycle (two on server cores) is 64 operations, 190 to
// 380 GOPS a core at 3 GHz; vpdpbusd twice that.
// clang-format off
#include "kernels/generic/vec_avx512.h"
// clang-format on

namespace {
constexpr int kFloatTokens = 12;  // of 32 zmm
constexpr int kIntTokens = 12;    // as many integer and float sums
constexpr int kByteOffset8 = 128;  // made unsigned for vpdpbusd
}  // namespace

#define PENSEE_TILE_STORES
#include "kernels/tiles.h"

namespace {

inline __m512i integers(F shifted) {
  return _mm512_sub_epi32(_mm512_castps_si512(shifted.a), _mm512_set1_epi32(0x4b400000));
}
inline int32_t sum_of(F x) { return _mm512_reduce_add_epi32(integers(x)); }
inline void store_numbers(F a, F b, pensee::ByteOrder, int16_t* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi32_epi16(integers(a)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), _mm512_cvtepi32_epi16(integers(b)));
}
// Orders as in tile.h.
inline void store_numbers(F a, F b, pensee::ByteOrder order, int8_t* out) {
  const __m128i from = order == pensee::ByteOrder::bytes
                           ? _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15)
                           : _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  const auto put = [&](F x, int8_t* to) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(_mm512_cvtepi32_epi8(integers(x)), from));
  };
  put(a, out);
  put(b, out + 16);
}

}  // namespace

#include "kernels/tiles/tile.h"

namespace {

inline __m512i spread(const void* p) {  // 4 bytes into every lane
  int32_t x;
  memcpy(&x, p, 4);
  return _mm512_set1_epi32(x);
}
// (a & mask) | b
inline __m512i masked_or(__m512i a, __m512i mask, __m512i b) { return _mm512_ternarylogic_epi32(a, mask, b, 0xea); }

template <int kBits, int T>
inline void add_word(const uint8_t* planes, int w, const RowsOf<Group16, T>& x, __m512i* sum) {
  const __m512i nibble = _mm512_set1_epi16(0x0f), word = load512(planes + 64 * w);
  __m512i n[4] = {_mm512_and_si512(word, nibble), _mm512_and_si512(_mm512_srli_epi16(word, 4), nibble),
                  _mm512_and_si512(_mm512_srli_epi16(word, 8), nibble), _mm512_srli_epi16(word, 12)};
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const __m512i bits = load512(planes + 256 + 64 * (w / kServed)), mask = _mm512_set1_epi16(kBits == 5 ? 0x10 : 0x30);
    const unsigned at = static_cast<unsigned>(kHigh * (w % kServed));
    n[0] = masked_or(_mm512_slli_epi16(bits, 4 - at), mask, n[0]);
    n[1] = masked_or(_mm512_srli_epi16(bits, at), mask, n[1]);
    n[2] = masked_or(_mm512_srli_epi16(bits, 4 + at), mask, n[2]);
    n[3] = masked_or(_mm512_srli_epi16(bits, 8 + at), mask, n[3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) sum[t] = _mm512_dpwssd_epi32(sum[t], n[i], spread(x[t].q + 8 * w + 2 * i));
  }
}

template <int T>
inline void add_bytes(const uint8_t* planes, int w, const RowsOf<Group16, T>& x, __m512i* sum) {
  const __m512i word = load512(planes + 64 * w);
  const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(word, 8), 8), odd = _mm512_srai_epi16(word, 8);
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) sum[t] = _mm512_dpwssd_epi32(sum[t], even, spread(x[t].q + 4 * w));
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) sum[t] = _mm512_dpwssd_epi32(sum[t], odd, spread(x[t].q + 4 * w + 2));
}

template <int kBits, int T>
inline void add_word(const uint8_t* planes, int w, const RowsOf<Group8, T>& x, __m512i* sum) {
  const __m512i nibble = _mm512_set1_epi8(0x0f), word = load512(planes + 64 * w);
  __m512i even = _mm512_and_si512(word, nibble), odd = _mm512_and_si512(_mm512_srli_epi16(word, 4), nibble);
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const __m512i bits = load512(planes + 256 + 64 * (w / kServed)), mask = _mm512_set1_epi8(kBits == 5 ? 0x10 : 0x30);
    const unsigned at = static_cast<unsigned>(kHigh * (w % kServed));
    even = masked_or(_mm512_slli_epi16(bits, 4 - at), mask, even);
    odd = masked_or(_mm512_srli_epi16(bits, at), mask, odd);
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) sum[t] = _mm512_dpbusd_epi32(sum[t], even, spread(x[t].q + 8 * w));
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) sum[t] = _mm512_dpbusd_epi32(sum[t], odd, spread(x[t].q + 8 * w + 4));
}

template <int T>
inline void add_bytes(const uint8_t* planes, int w, const RowsOf<Group8, T>& x, __m512i* sum) {
  const __m512i word = _mm512_xor_si512(load512(planes + 64 * w), _mm512_set1_epi8(static_cast<char>(0x80)));
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) sum[t] = _mm512_dpbusd_epi32(sum[t], word, spread(x[t].q + 4 * w));
}

// Each row of activations has one chain of sums: 12 rows hide its latency. One or two rows take a second chain.
template <class Group, int kBits, int T, int kPart>
inline void dot(const uint8_t* planes, const RowsOf<Group, T>& x, I* sums) {
  constexpr int kWords = (kBits == 8 ? 8 : 4) / parts<kBits>();
  __m512i sum[2][T];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
    sum[0][t] = _mm512_set1_epi32(x[t].start[kPart]);
    sum[1][t] = _mm512_setzero_si512();
  }
#pragma GCC unroll 8
  for (int w = kWords * kPart; w < kWords * (kPart + 1); ++w) {
    __m512i* chain = sum[T <= 2 ? w % 2 : 0];
    if constexpr (kBits == 8) {
      add_bytes<T>(planes, w, x, chain);
    } else {
      add_word<kBits, T>(planes, w, x, chain);
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) sums[t] = {T <= 2 ? _mm512_add_epi32(sum[0][t], sum[1][t]) : sum[0][t]};
}

}  // namespace

namespace pensee {
const TileTable kAvx512Tiles = PENSEE_TILE_TABLE;
}  // namespace pensee
