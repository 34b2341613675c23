// Dot tiles for aarch64; this file is compiled three times: for ARMv8.0 (Cortex-A53 and A72, Raspberry Pi 4), with
// __ARM_FEATURE_DOTPROD for ARMv8.2 with sdot (Cortex-A55 and A76, Apple A12, Neoverse N1 and later), and with
// __ARM_FEATURE_MATMUL_INT8 for those with smmla as well (Cortex-A510 and A710, Apple A15, Neoverse V1 and later). Four
// q registers hold one word of 16 rows.
//
// int16 activations: smlal, 4 products an instruction; a 16-bit half and its neighbour go into lanes of their own and
// are joined once a group. int8 activations: sdot, 16 products; without it smull and sadalp; smmla, 32 products, where
// two rows of activations meet two rows of weights.
//
// Roofline, one row of activations: smlal binds, 128 of them for 256 bytes (u4), two a cycle at best: 12 GB/s a core
// at 3 GHz, which is what such a core reads. Many rows: 8 operations an instruction, 48 GOPS a core at 3 GHz; sdot
// four times that, smmla eight.
// clang-format off
#include "kernels/generic/vec_neon.h"
// clang-format on

namespace {
constexpr int kFloatBlocks = 1, kFloatTokens = 6;  // 24 of 32 q registers
constexpr int kIntBlocks = 1, kIntTokens = 4;
constexpr int kByteOffset8 = 0;
}  // namespace

#include "kernels/tiles/tile.h"

namespace {

// Four lanes' nibbles 0..3 of each 16-bit half, high bits above them.
template <int kBits>
inline void split(const uint8_t* planes, int w, int quad, int16x8_t* n) {
  const uint16x8_t word = vreinterpretq_u16_u8(vld1q_u8(planes + 64 * w + 16 * quad)), first = vdupq_n_u16(15);
  uint16x8_t u[4] = {vandq_u16(word, first), vandq_u16(vshrq_n_u16(word, 4), first),
                     vandq_u16(vshrq_n_u16(word, 8), first), vshrq_n_u16(word, 12)};
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const uint16x8_t bits = vreinterpretq_u16_u8(vld1q_u8(planes + 256 + 64 * (w / kServed) + 16 * quad));
    const uint16x8_t mask = vdupq_n_u16(((1 << kHigh) - 1) << 4);
    for (int j = 0; j < 4; ++j) {
      const int at = 8 * (j / 2) + 4 * (j % 2) + kHigh * (w % kServed);
      u[j] = vorrq_u16(u[j], vandq_u16(vshlq_u16(bits, vdupq_n_s16(static_cast<int16_t>(4 - at))), mask));
    }
  }
  for (int j = 0; j < 4; ++j) n[j] = vreinterpretq_s16_u16(u[j]);
}

inline int16x4_t pair(const int16_t* q) {  // q[0] q[1] q[0] q[1]
  int32_t x;
  memcpy(&x, q, 4);
  return vreinterpret_s16_s32(vdup_n_s32(x));
}
inline int8x16_t quads(const int8_t* q) {
  int32_t x;
  memcpy(&x, q, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(x));
}

// Sums of four rows, the two halves of each still in lanes of their own: rows 0 and 1, rows 2 and 3.
struct Halves {
  int32x4_t low, high;
};
inline void add_pairs(Halves* sum, int16x8_t n, int16x4_t q) {
  sum->low = vmlal_s16(sum->low, vget_low_s16(n), q);
  sum->high = vmlal_s16(sum->high, vget_high_s16(n), q);
}

// Four rows of a word with int8 activations: low and high nibbles of its bytes.
template <int kBits>
inline void split_bytes(const uint8_t* planes, int w, int quad, int8x16_t* n) {
  const uint8x16_t word = vld1q_u8(planes + 64 * w + 16 * quad);
  uint8x16_t even = vandq_u8(word, vdupq_n_u8(15)), odd = vshrq_n_u8(word, 4);
  if constexpr (kBits > 4) {
    constexpr int kHigh = kBits - 4, kServed = 4 / kHigh;
    const uint8x16_t bits = vld1q_u8(planes + 256 + 64 * (w / kServed) + 16 * quad);
    const uint8x16_t mask = vdupq_n_u8(((1 << kHigh) - 1) << 4);
    const int8_t at = static_cast<int8_t>(kHigh * (w % kServed));
    even = vorrq_u8(even, vandq_u8(vshlq_u8(bits, vdupq_n_s8(static_cast<int8_t>(4 - at))), mask));
    odd = vorrq_u8(odd, vandq_u8(vshlq_u8(bits, vdupq_n_s8(static_cast<int8_t>(-at))), mask));
  }
  n[0] = vreinterpretq_s8_u8(even);
  n[1] = vreinterpretq_s8_u8(odd);
}

// Words [from, to) of four rows.
template <int kBits, int T>
inline void dot_quad(const uint8_t* planes, int from, int to, int quad, const Group16* const* x, int32x4_t* out) {
  Halves sum[T];
  for (int t = 0; t < T; ++t) sum[t] = {vdupq_n_s32(0), vdupq_n_s32(0)};
  for (int w = from; w < to; ++w) {
    if constexpr (kBits == 8) {
      const int16x8_t word = vreinterpretq_s16_u8(vld1q_u8(planes + 64 * w + 16 * quad));
      const int16x8_t even = vshrq_n_s16(vshlq_n_s16(word, 8), 8), odd = vshrq_n_s16(word, 8);
      for (int t = 0; t < T; ++t) {
        add_pairs(&sum[t], even, pair(x[t]->q + 4 * w));
        add_pairs(&sum[t], odd, pair(x[t]->q + 4 * w + 2));
      }
    } else {
      int16x8_t n[4];
      split<kBits>(planes, w, quad, n);
      for (int t = 0; t < T; ++t)
        for (int j = 0; j < 4; ++j) add_pairs(&sum[t], n[j], pair(x[t]->q + 8 * w + 2 * j));
    }
  }
  for (int t = 0; t < T; ++t) out[t] = vaddq_s32(out[t], vpaddq_s32(sum[t].low, sum[t].high));
}

#ifdef __ARM_FEATURE_MATMUL_INT8
// Words [from, to) of four rows against pairs of activation rows. Eight numbers of a row must stand together: those of
// two registers of quadruples, zipped.
template <int kBits, int T>
inline void dot_pairs(const uint8_t* planes, int from, int to, int quad, const Group8* const* x, int32x4_t* out) {
  constexpr int kWords = kBits == 8 ? 2 : 1;  // that hold 8 numbers
  int32x4_t low[T / 2], high[T / 2];          // rows 0 and 1, rows 2 and 3: [row][token]
  for (int p = 0; p < T / 2; ++p) low[p] = high[p] = vdupq_n_s32(0);
  for (int w = from; w < to; w += kWords) {
    int8x16_t n[2];
    if constexpr (kBits == 8) {
      for (int i = 0; i < 2; ++i) n[i] = vreinterpretq_s8_u8(vld1q_u8(planes + 64 * (w + i) + 16 * quad));
    } else {
      split_bytes<kBits>(planes, w, quad, n);
    }
    const int32x4_t even = vreinterpretq_s32_s8(n[0]), odd = vreinterpretq_s32_s8(n[1]);
    const int8x16_t first = vreinterpretq_s8_s32(vzip1q_s32(even, odd));
    const int8x16_t second = vreinterpretq_s8_s32(vzip2q_s32(even, odd));
    for (int p = 0; p < T / 2; ++p) {
      const int at = 8 / kWords * w;
      const int8x16_t q = vcombine_s8(vld1_s8(x[2 * p]->q + at), vld1_s8(x[2 * p + 1]->q + at));
      low[p] = vmmlaq_s32(low[p], first, q);
      high[p] = vmmlaq_s32(high[p], second, q);
    }
  }
  for (int p = 0; p < T / 2; ++p) {
    out[2 * p] = vaddq_s32(out[2 * p], vuzp1q_s32(low[p], high[p]));
    out[2 * p + 1] = vaddq_s32(out[2 * p + 1], vuzp2q_s32(low[p], high[p]));
  }
}
#endif

template <int kBits, int T>
inline void dot_quad(const uint8_t* planes, int from, int to, int quad, const Group8* const* x, int32x4_t* out) {
#ifdef __ARM_FEATURE_MATMUL_INT8
  constexpr int kPaired = T / 2 * 2;
  if constexpr (kPaired > 0) dot_pairs<kBits, kPaired>(planes, from, to, quad, x, out);
#else
  constexpr int kPaired = 0;
#endif
  if constexpr (kPaired == T) return;
  for (int w = from; w < to; ++w) {
    if constexpr (kBits == 8) {
      const int8x16_t word = vreinterpretq_s8_u8(vld1q_u8(planes + 64 * w + 16 * quad));
      for (int t = kPaired; t < T; ++t) out[t] = add_fours(word, quads(x[t]->q + 4 * w), out[t]);
    } else {
      int8x16_t n[2];
      split_bytes<kBits>(planes, w, quad, n);
      for (int t = kPaired; t < T; ++t) {
        out[t] = add_fours(n[0], quads(x[t]->q + 8 * w), out[t]);
        out[t] = add_fours(n[1], quads(x[t]->q + 8 * w + 4), out[t]);
      }
    }
  }
}

template <class Group, int kBits, int B, int T, int kPart>
[[gnu::always_inline]] inline void dot(const uint8_t* planes, int64_t, const RowsOf<Group, T>& x, I (*sums)[T]) {
  static_assert(B == 1);
  constexpr int kWords = (kBits == 8 ? 8 : 4) / parts<kBits>();
  const Group* at[T];
  for (int t = 0; t < T; ++t) at[t] = &x[t];
  for (int quad = 0; quad < 4; ++quad) {
    int32x4_t out[T];
    for (int t = 0; t < T; ++t) out[t] = vdupq_n_s32(at[t]->start[kPart]);
    dot_quad<kBits, T>(planes, kWords * kPart, kWords * (kPart + 1), quad, at, out);
    for (int t = 0; t < T; ++t) sums[0][t].v[quad] = out[t];
  }
}

}  // namespace

namespace pensee {
#if defined(__ARM_FEATURE_MATMUL_INT8)
const TileTable kNeonI8mmTiles =
#elif defined(__ARM_FEATURE_DOTPROD)
const TileTable kNeonDotprodTiles =
#else
const SharedTiles kNeonSharedTiles = PENSEE_SHARED_TILES;
const TileTable kNeonTiles =
#endif
    {&kNeonSharedTiles, kNeonSharedTiles.with_int16, PENSEE_TILES(Group8), kByteOffset8};
}  // namespace pensee
