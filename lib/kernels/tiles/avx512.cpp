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
constexpr int kFloatBlocks = 2, kFloatTokens = 8;  // of 32 zmm
constexpr int kIntBlocks = 2, kIntTokens = 6;      // as many integer and float sums
constexpr int kByteOffset8 = 128;  // made unsigned for vpdpbusd
}  // namespace

#define PENSEE_TILE_STORES
#include "kernels/tiles.h"

namespace {

inline __m512i integers(F shifted) {
  return _mm512_sub_epi32(_mm512_castps_si512(shifted.a), _mm512_set1_epi32(0x4b400000));
}
inline int32_t sum_of(F x) { return _mm512_reduce_add_epi32(integers(x)); }
inline int32_t sum_of(F a, F b) { return _mm512_reduce_add_epi32(_mm512_add_epi32(integers(a), integers(b))); }
// Magnitudes of floats are ordered as their bits are, and what is not finite is above all others.
inline float largest_of(F a, F b, bool* finite) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const uint32_t top = _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a.a), magnitude),
                                                                _mm512_and_si512(_mm512_castps_si512(b.a), magnitude)));
  float x;
  memcpy(&x, &top, 4);
  *finite = top < 0x7f800000;
  return x;
}
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

// Part i of the numbers of word w: for Group16 four or two (i8) vectors of pairs, for Group8 two or one of quadruples.
template <class Group, int kBits>
constexpr int pieces() {
  return (sizeof(Group::q[0]) == 2 ? 4 : 2) / (kBits == 8 ? 2 : 1);
}
template <class Group, int kBits>
[[gnu::always_inline]] inline __m512i piece(const uint8_t* planes, int w, int i) {
  constexpr bool kWide = sizeof(Group::q[0]) == 2;
  const __m512i word = load512(planes + 64 * w);
  const auto at = [](int shift) { return static_cast<unsigned>(shift); };
  if constexpr (kBits == 8) {
    if constexpr (!kWide) return _mm512_xor_si512(word, _mm512_set1_epi8(static_cast<char>(0x80)));
    return _mm512_srai_epi16(i == 0 ? _mm512_slli_epi16(word, 8) : word, 8);
  }
  const __m512i nibble = kWide ? _mm512_set1_epi16(0x0f) : _mm512_set1_epi8(0x0f);
  const __m512i low = _mm512_and_si512(i == 0 ? word : _mm512_srli_epi16(word, at(4 * i)), nibble);
  if constexpr (kBits == 4) return low;
  constexpr int kHigh = kBits - 4, kServed = 4 / (kHigh ? kHigh : 1);
  const __m512i bits = load512(planes + 256 + 64 * (w / kServed));
  const int shift = 4 * i - 4 + kHigh * (w % kServed);  // to the right
  const __m512i high = shift < 0 ? _mm512_slli_epi16(bits, at(-shift)) : _mm512_srli_epi16(bits, at(shift));
  constexpr int kMask = kBits == 5 ? 0x10 : 0x30;
  return masked_or(high, kWide ? _mm512_set1_epi16(kMask) : _mm512_set1_epi8(kMask), low);
}
inline __m512i add_products(const Group16*, __m512i sum, __m512i n, __m512i x) {
  return _mm512_dpwssd_epi32(sum, n, x);
}
inline __m512i add_products(const Group8*, __m512i sum, __m512i n, __m512i x) {
  return _mm512_dpbusd_epi32(sum, n, x);
}

// Each row of activations and row block has one chain of sums, or two where there are few: 8 hide their latency.
template <class Group, int kBits, int B, int T, int kPart>
[[gnu::always_inline]] inline void dot(const uint8_t* planes, int64_t next, const RowsOf<Group, T>& x, I (*sums)[T]) {
  constexpr int kWords = (kBits == 8 ? 8 : 4) / parts<kBits>(), kPieces = pieces<Group, kBits>();
  constexpr int kStep = 4 / static_cast<int>(sizeof(Group::q[0]));  // numbers of a product
  constexpr int kChains = B * T <= 3 ? 2 : 1;
  __m512i sum[kChains][B][T];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
    for (int b = 0; b < B; ++b) {
      sum[0][b][t] = _mm512_set1_epi32(x[t].start[kPart]);
      if constexpr (kChains == 2) sum[1][b][t] = _mm512_setzero_si512();
    }
  }
#pragma GCC unroll 8
  for (int w = kWords * kPart; w < kWords * (kPart + 1); ++w) {
#pragma GCC unroll 4
    for (int i = 0; i < kPieces; ++i) {
      __m512i n[B];
#pragma GCC unroll 2
      for (int b = 0; b < B; ++b) n[b] = piece<Group, kBits>(planes + b * next, w, i);
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) {
        const __m512i numbers = spread(x[t].q + kStep * (kPieces * w + i));
#pragma GCC unroll 2
        for (int b = 0; b < B; ++b) {
          __m512i& chain = sum[w % kChains][b][t];
          chain = add_products(&x[t], chain, n[b], numbers);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
    for (int b = 0; b < B; ++b) {
      sums[b][t] = {kChains == 2 ? _mm512_add_epi32(sum[0][b][t], sum[kChains - 1][b][t]) : sum[0][b][t]};
    }
  }
}

constexpr SharedTiles kShared = PENSEE_SHARED_TILES;

}  // namespace

namespace pensee {
const TileTable kAvx512Tiles = {&kShared, kShared.with_int16, PENSEE_TILES(Group8), kByteOffset8};
const TileTable kAvx512AndBf16Tiles = {&kShared, kShared.with_int16, PENSEE_TILES(Group8), kByteOffset8,
                                       &kAvx512Bf16Tiles};
}  // namespace pensee
