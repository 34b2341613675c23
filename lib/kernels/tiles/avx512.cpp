// Dot tiles for x86-64 with AVX-512 F, BW, VL, DQ and VNNI: Intel from Cascade Lake (2019) and Ice Lake on, AMD from
// Zen 4 (2022) on. One zmm holds one word of all 16 rows.
//
// int16 activations: vpdpwssd, 32 products and their sum an instruction; nibbles are masked where they stand, as in
// avx2.cpp. int8 activations: vpdpbusd, 64 products; 8-bit weights become unsigned by adding 128, which is taken off
// again through the sum of the activations. int32 holds everything: 32 * 255 * 127, and 32 * 63 * 16 * 32767 < 2^31.
//
// Roofline, one row of activations: about 45 instructions for 256 bytes (u4, int16); at 3 GHz and two a cycle a core
// could read 34 GB/s, so memory binds. Many rows: one vpdpwssd a cycle (two on server cores) is 64 operations, 190 to
// 380 GOPS a core at 3 GHz; vpdpbusd twice that.
// clang-format off
#include "kernels/generic/vec_avx512.h"
// clang-format on

namespace {
constexpr int kFloatTokens = 12;  // of 32 zmm
constexpr int kIntTokens = 8;     // 16 accumulators
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

inline int32_t all_of(const int32_t* sum, int part, int parts_of_group) {
  return parts_of_group == 2 ? sum[part] : sum[0] + sum[1];
}

template <int kBits, int T>
inline void add_word(const uint8_t* planes, int w, const Group16* const* x, __m512i* low, __m512i* high) {
  const __m512i first = _mm512_set1_epi16(0x000f), second = _mm512_set1_epi16(0x00f0);
  const __m512i word = load512(planes + 64 * w), upper_half = _mm512_srli_epi16(word, 8);
  __m512i n0 = _mm512_and_si512(word, first), n1 = _mm512_and_si512(word, second);
  __m512i n2 = _mm512_and_si512(upper_half, first), n3 = _mm512_and_si512(upper_half, second);
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const __m512i bits = load512(planes + 256 + 64 * (w / kServed));
    const __m512i even = _mm512_set1_epi16(kBits == 5 ? 0x10 : 0x30),
                  odd = _mm512_set1_epi16(kBits == 5 ? 0x100 : 0x300);
    const unsigned at = static_cast<unsigned>(kHigh * (w % kServed));
    const __m512i h01 = _mm512_slli_epi16(bits, 4 - at), h23 = _mm512_srli_epi16(bits, 4 + at);
    n0 = masked_or(h01, even, n0);
    n1 = masked_or(h01, odd, n1);
    n2 = masked_or(h23, even, n2);
    n3 = masked_or(h23, odd, n3);
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const int16_t* q = x[t]->q + 8 * w;
    low[t] = _mm512_dpwssd_epi32(low[t], n0, spread(q));
    high[t] = _mm512_dpwssd_epi32(high[t], n1, spread(q + 2));
    low[t] = _mm512_dpwssd_epi32(low[t], n2, spread(q + 4));
    high[t] = _mm512_dpwssd_epi32(high[t], n3, spread(q + 6));
  }
}

template <int T>
inline void add_bytes(const uint8_t* planes, int w, const Group16* const* x, __m512i* low, __m512i* high) {
  const __m512i word = load512(planes + 64 * w);
  const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(word, 8), 8), odd = _mm512_srai_epi16(word, 8);
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const int16_t* q = x[t]->q + 4 * w;
    low[t] = _mm512_dpwssd_epi32(low[t], even, spread(q));
    high[t] = _mm512_dpwssd_epi32(high[t], odd, spread(q + 2));
  }
}

template <int kBits, int T>
inline void add_word(const uint8_t* planes, int w, const Group8* const* x, __m512i* low, __m512i* high) {
  const __m512i first = _mm512_set1_epi8(0x0f), word = load512(planes + 64 * w);
  __m512i even = _mm512_and_si512(word, first), odd = _mm512_and_si512(_mm512_srli_epi16(word, 4), first);
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const __m512i bits = load512(planes + 256 + 64 * (w / kServed)), mask = _mm512_set1_epi8(kBits == 5 ? 0x10 : 0x30);
    const unsigned at = static_cast<unsigned>(kHigh * (w % kServed));
    even = masked_or(_mm512_slli_epi16(bits, 4 - at), mask, even);
    odd = masked_or(_mm512_srli_epi16(bits, at), mask, odd);
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const int8_t* q = x[t]->q + 8 * w;
    low[t] = _mm512_dpbusd_epi32(low[t], even, spread(q));
    high[t] = _mm512_dpbusd_epi32(high[t], odd, spread(q + 4));
  }
}

template <int T>
inline void add_bytes(const uint8_t* planes, int w, const Group8* const* x, __m512i* low, __m512i* high) {
  const __m512i word = _mm512_xor_si512(load512(planes + 64 * w), _mm512_set1_epi8(static_cast<char>(0x80)));
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    __m512i* sum = w % 2 ? high : low;
    sum[t] = _mm512_dpbusd_epi32(sum[t], word, spread(x[t]->q + 4 * w));
  }
}

inline constexpr bool is_bytes(const Group16*) { return false; }
inline constexpr bool is_bytes(const Group8*) { return true; }

template <class Group, int kBits, int kOffset, int T>
inline void dot(const uint8_t* planes, const Group* const* x, I* sums) {
  constexpr int kParts = parts<kBits>();
  constexpr bool kInt8 = is_bytes(static_cast<const Group*>(nullptr));
  constexpr int kTaken = kInt8 && kBits == 8 ? 128 : kOffset;
#pragma GCC unroll 2
  for (int part = 0; part < kParts; ++part) {
    __m512i low[T], high[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      low[t] = _mm512_set1_epi32(kTaken ? -kTaken * all_of(x[t]->sum, part, kParts) : 0);
      high[t] = _mm512_setzero_si512();
    }
    if constexpr (kBits == 8) {
#pragma GCC unroll 8
      for (int w = 0; w < 8; ++w) add_bytes<T>(planes, w, x, low, high);
    } else {
#pragma GCC unroll 4
      for (int w = 4 / kParts * part; w < 4 / kParts * (part + 1); ++w) add_word<kBits, T>(planes, w, x, low, high);
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const __m512i rest = kInt8 || kBits == 8 ? high[t] : _mm512_srai_epi32(high[t], 4);
      sums[t * kParts + part] = {_mm512_add_epi32(low[t], rest)};
    }
  }
}

}  // namespace

namespace pensee {
const TileTable kAvx512Tiles = PENSEE_TILE_TABLE;
}  // namespace pensee
