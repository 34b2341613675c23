// Dot tiles for x86-64 with AVX2 (Haswell 2013 and later; AMD from Excavator, fast from Zen on).
//
// int16 activations: vpmaddwd, 16 products an instruction. Nibbles are masked where they stand: the first and third
// of a 16-bit half at bit 0, the second and fourth at bit 4, whose sums are 16 times too large and are shifted back
// once a group. int32 holds them: 32 * 63 * 16 * 32767 < 2^31.
// int8 activations: vpmaddubsw, 32 products an instruction into int16, which holds what is added before it is widened:
// 4-bit 15 * 127 * 2 * 8 = 30480, 5-bit 31 * 127 * 2 * 4 = 31496, 6-bit 63 * 127 * 2 * 2 = 32004, 8-bit (magnitudes
// times activations that carry the sign) 128 * 127 * 2 = 32512.
//
// With AVX-VNNI (avx2_vnni.cpp) vpdpwssd and vpdpbusd add what they multiply into 32 bits.
//
// Roofline, one row of activations: about 70 vector instructions for 512 bytes of 8 rows x 8 words (u4, int16), so a
// core at 3.4 GHz and 3 instructions a cycle reads up to 25 GB/s; memory binds. Many rows: 2 vpmaddwd a cycle are 64
// operations, 218 GOPS a core at 3.4 GHz; of five instructions a product (load, multiply, add) half of that is reached.
// clang-format off
#include "kernels/generic/vec_avx2.h"
// clang-format on

namespace {
constexpr int kFloatBlocks = 1, kFloatTokens = 6;  // 12 accumulators of 16 ymm
constexpr int kIntBlocks = 1, kIntTokens = 4;      // 8 accumulators, one half of the rows at a time
constexpr int kByteOffset8 = 0;
}  // namespace

#define PENSEE_TILE_STORES
#include "kernels/tiles.h"

namespace {

inline __m256i integers(__m256 shifted) {
  return _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(0x4b400000));
}
inline int32_t sum_of(__m256i x) {
  __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_add_epi32(y, _mm_shuffle_epi32(y, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(y, _mm_shuffle_epi32(y, 0xb1)));
}
inline __m256i joined(F x) { return _mm256_add_epi32(integers(x.a), integers(x.b)); }
inline int32_t sum_of(F x) { return sum_of(joined(x)); }
inline int32_t sum_of(F x, F y) { return sum_of(_mm256_add_epi32(joined(x), joined(y))); }
// Magnitudes of floats are ordered as their bits are, and what is not finite is above all others.
inline float largest_of(F x, F y, bool* finite) {
  const auto magnitude = [](__m256 v) {
    return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
  };
  const __m256i top8 = _mm256_max_epi32(_mm256_max_epi32(magnitude(x.a), magnitude(x.b)),
                                        _mm256_max_epi32(magnitude(y.a), magnitude(y.b)));
  __m128i top = _mm_max_epi32(_mm256_castsi256_si128(top8), _mm256_extracti128_si256(top8, 1));
  top = _mm_max_epi32(top, _mm_shuffle_epi32(top, 0x4e));
  top = _mm_max_epi32(top, _mm_shuffle_epi32(top, 0xb1));
  *finite = _mm_cvtsi128_si32(top) < 0x7f800000;
  return _mm_cvtss_f32(_mm_castsi128_ps(top));
}
inline void store_numbers(F x, F y, pensee::ByteOrder, int16_t* out) {
  const auto put = [&](F v, int16_t* to) {  // packing goes by halves
    const __m256i packed = _mm256_packs_epi32(integers(v.a), integers(v.b));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xd8));
  };
  put(x, out);
  put(y, out + 16);
}
// Orders as in tile.h.
inline void store_numbers(F x, F y, pensee::ByteOrder order, int8_t* out) {
  const __m256i words = _mm256_packs_epi16(_mm256_packs_epi32(integers(x.a), integers(x.b)),
                                           _mm256_packs_epi32(integers(y.a), integers(y.b)));
  const __m256i in_order = _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const __m128i from = order == pensee::ByteOrder::bytes
                           ? _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15)
                           : _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm256_shuffle_epi8(in_order, _mm256_broadcastsi128_si256(from)));
}

}  // namespace

#include "kernels/tiles/tile.h"

namespace {

inline __m256i twice(const void* p) {  // 4 bytes into every lane
  int32_t x;
  memcpy(&x, p, 4);
  return _mm256_set1_epi32(x);
}

// The same pointer, but the compiler cannot know: else it keeps 64 broadcasts of the first half of the rows on the
// stack for the second, where loading them anew is free.
template <class T>
inline const T* forget(const T* p) {
  asm volatile("" : "+r"(p));
  return p;
}

// sum + pairs of 16-bit products, and sum + quadruples of products of an unsigned by a signed byte, which AVX-VNNI has.
inline __m256i add_pairs(__m256i sum, __m256i x, __m256i y) {
#ifdef __AVXVNNI__
  return _mm256_dpwssd_avx_epi32(sum, x, y);
#else
  return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
#endif
}

// High bits of word w, moved so that those of the pair of nibbles 0 and 1 (2 and 3) stand above them.
template <int kBits>
inline __m256i mask_even() {
  return _mm256_set1_epi16(kBits == 5 ? 0x10 : 0x30);
}
template <int kBits>
inline __m256i mask_odd() {
  return _mm256_set1_epi16(kBits == 5 ? 0x100 : 0x300);
}

template <int kBits, int T>
inline void add_word(const uint8_t* planes, int w, const Group16* const* x, __m256i* low, __m256i* high) {
  const __m256i first = _mm256_set1_epi16(0x000f), second = _mm256_set1_epi16(0x00f0);
  const __m256i word = load256(planes + 64 * w), upper = _mm256_srli_epi16(word, 8);
  __m256i n0 = _mm256_and_si256(word, first), n1 = _mm256_and_si256(word, second);
  __m256i n2 = _mm256_and_si256(upper, first), n3 = _mm256_and_si256(upper, second);
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const __m256i bits = load256(planes + 256 + 64 * (w / kServed));
    const int at = kHigh * (w % kServed);
    const __m256i h01 = _mm256_slli_epi16(bits, 4 - at), h23 = _mm256_srli_epi16(bits, 4 + at);
    n0 = _mm256_or_si256(n0, _mm256_and_si256(h01, mask_even<kBits>()));
    n1 = _mm256_or_si256(n1, _mm256_and_si256(h01, mask_odd<kBits>()));
    n2 = _mm256_or_si256(n2, _mm256_and_si256(h23, mask_even<kBits>()));
    n3 = _mm256_or_si256(n3, _mm256_and_si256(h23, mask_odd<kBits>()));
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const int16_t* q = x[t]->q + 8 * w;
    low[t] = add_pairs(low[t], n0, twice(q));
    high[t] = add_pairs(high[t], n1, twice(q + 2));
    low[t] = add_pairs(low[t], n2, twice(q + 4));
    high[t] = add_pairs(high[t], n3, twice(q + 6));
  }
}

template <int T>
inline void add_bytes(const uint8_t* planes, int w, const Group16* const* x, __m256i* low, __m256i* high) {
  const __m256i word = load256(planes + 64 * w);
  const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(word, 8), 8), odd = _mm256_srai_epi16(word, 8);
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const int16_t* q = x[t]->q + 4 * w;
    low[t] = add_pairs(low[t], even, twice(q));
    high[t] = add_pairs(high[t], odd, twice(q + 2));
  }
}

// Rows 8 h .. 8 h + 7; planes already point at them.
template <int kBits, int T, int kPart>
[[gnu::always_inline]] inline void dot_half(const uint8_t* planes, const Group16* const* x, HalfOfI* out) {
  __m256i low[T], high[T];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    low[t] = _mm256_set1_epi32(x[t]->start[kPart]);
    high[t] = _mm256_setzero_si256();
  }
  if constexpr (kBits == 8) {
#pragma GCC unroll 8
    for (int w = 0; w < 8; ++w) add_bytes<T>(planes, w, x, low, high);
  } else {
    constexpr int kWords = 4 / parts<kBits>();
#pragma GCC unroll 4
    for (int w = kWords * kPart; w < kWords * (kPart + 1); ++w) add_word<kBits, T>(planes, w, x, low, high);
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const __m256i rest = kBits == 8 ? high[t] : _mm256_srai_epi32(high[t], 4);
    out[t] = _mm256_add_epi32(low[t], rest);
  }
}

inline __m256i widen(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

// Of `sums`, 32 bits, with AVX-VNNI; else of 16-bit sums of pairs.
inline __m256i add_bytes(__m256i sums, __m256i x, __m256i y) {
#ifdef __AVXVNNI__
  return _mm256_dpbusd_avx_epi32(sums, x, y);
#else
  return _mm256_add_epi16(sums, _mm256_maddubs_epi16(x, y));
#endif
}

template <int kBits, int T>
inline void add_word(const uint8_t* planes, int w, const Group8* const* x, __m256i* sums) {
  const __m256i first = _mm256_set1_epi8(0x0f);
  const __m256i word = load256(planes + 64 * w);
  __m256i even = _mm256_and_si256(word, first), odd = _mm256_and_si256(_mm256_srli_epi16(word, 4), first);
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const __m256i bits = load256(planes + 256 + 64 * (w / kServed)), mask = _mm256_set1_epi8(kBits == 5 ? 0x10 : 0x30);
    const int at = kHigh * (w % kServed);
    even = _mm256_or_si256(even, _mm256_and_si256(_mm256_slli_epi16(bits, 4 - at), mask));
    odd = _mm256_or_si256(odd, _mm256_and_si256(_mm256_srli_epi16(bits, at), mask));
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const int8_t* q = x[t]->q + 8 * w;
    sums[t] = add_bytes(sums[t], even, twice(q));
    sums[t] = add_bytes(sums[t], odd, twice(q + 4));
  }
}

template <int kBits, int T, int kPart>
[[gnu::always_inline]] inline void dot_half(const uint8_t* planes, const Group8* const* x, HalfOfI* out) {
  __m256i sums[T];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) sums[t] = _mm256_set1_epi32(x[t]->start[kPart]);
  if constexpr (kBits == 8) {
#pragma GCC unroll 8
    for (int w = 0; w < 8; ++w) {
      const __m256i word = load256(planes + 64 * w), magnitude = _mm256_abs_epi8(word);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const __m256i signed_x = _mm256_sign_epi8(twice(x[t]->q + 4 * w), word);
#ifdef __AVXVNNI__
        sums[t] = _mm256_dpbusd_avx_epi32(sums[t], magnitude, signed_x);
#else
        sums[t] = _mm256_add_epi32(sums[t], widen(_mm256_maddubs_epi16(magnitude, signed_x)));
#endif
      }
    }
  } else {
    constexpr int kWords = 4 / parts<kBits>();
#ifdef __AVXVNNI__
#pragma GCC unroll 4
    for (int w = kWords * kPart; w < kWords * (kPart + 1); ++w) add_word<kBits, T>(planes, w, x, sums);
#else
    constexpr int kTogether = kBits == 4 ? 4 : kBits == 5 ? 2 : 1;  // words before int16 is full
#pragma GCC unroll 4
    for (int w = kWords * kPart; w < kWords * (kPart + 1); w += kTogether) {
      __m256i pairs[T];
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) pairs[t] = _mm256_setzero_si256();
#pragma GCC unroll 4
      for (int i = 0; i < kTogether; ++i) add_word<kBits, T>(planes, w + i, x, pairs);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) sums[t] = _mm256_add_epi32(sums[t], widen(pairs[t]));
    }
#endif
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) out[t] = sums[t];
}

template <class Group, int kBits, int B, int T, int kPart>
[[gnu::always_inline]] inline void dot(const uint8_t* planes, int64_t, const RowsOf<Group, T>& x, I (*sums)[T]) {
  static_assert(B == 1);
  HalfOfI half[2][T];
  if constexpr (sizeof(Group::q[0]) == 1 || T == 1) {
    const Group *at[T], *again[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) at[t] = (&x[t]);
    dot_half<kBits, T, kPart>(planes, at, half[0]);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) again[t] = forget(&x[t]);
    dot_half<kBits, T, kPart>(planes + 32, again, half[1]);
  } else {  // a loop that stays one, for the size of the code
    const uint8_t* end = forget(planes + 64);
    for (HalfOfI* out = half[0]; planes != end; planes += 32, out += T) {
      const Group* at[T];
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) at[t] = forget(&x[t]);
      dot_half<kBits, T, kPart>(planes, at, out);
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) sums[0][t] = {half[0][t], half[1][t]};
}

#ifdef __AVXVNNI__
constexpr Tile kWithInt16[] = PENSEE_TILES(Group16);
#endif

}  // namespace

namespace pensee {
#ifdef __AVXVNNI__
const TileTable kAvx2VnniTiles = {&kAvx2SharedTiles, kWithInt16, PENSEE_TILES(Group8), kByteOffset8};
#else
const SharedTiles kAvx2SharedTiles = PENSEE_SHARED_TILES;
const TileTable kAvx2Tiles = {&kAvx2SharedTiles, kAvx2SharedTiles.with_int16, PENSEE_TILES(Group8), kByteOffset8};
#endif
}  // namespace pensee
