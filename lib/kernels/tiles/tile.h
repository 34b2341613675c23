// What all ISAs' tiles share: the walk over groups, the scales, the float sums, and the quantisers. An ISA brings
// vec.h, kFloatTokens and kIntTokens (rows of activations that its registers hold at once), and
//
//   template <class Group, int kBits, int T, int kPart>
//   void dot(const uint8_t* planes, const RowsOf<Group, T>& x, I* sums);
//
// which gives, for a group of T rows of activations, x[t].start[kPart] and the exact sums of q * x: of the whole group,
// or for kBits == 6 of its first and second half. kByteOffset8 is what dot adds to the weights of i8 layouts for int8
// activations.
#pragma once

#include "kernels/tiles.h"

namespace {

using namespace pensee;

constexpr int kAhead = 4096;             // bytes, of float layouts
constexpr int64_t kAheadOfOne = 9 << 10;  // of quantised ones that meet one row of activations

enum class Scales { s, m, k, k6 };

template <int kBits>
constexpr int plane_bytes() {
  return kBits == 8 ? 512 : 256 + 64 * (kBits - 4);
}
template <int kBits>
constexpr int parts() {
  return kBits == 6 ? 2 : 1;
}

struct GroupScale {
  F scale[2];
  F min;
};

inline const uint16_t* halves(const uint8_t* p) { return reinterpret_cast<const uint16_t*>(p); }

template <Scales kScales>
inline GroupScale group_scale(const uint8_t* scales, int64_t group) {
  GroupScale g;
  if constexpr (kScales == Scales::s) {
    g.scale[0] = load_f16(halves(scales + group * 32));
  } else if constexpr (kScales == Scales::m) {
    g.scale[0] = load_f16(halves(scales + group * 64));
    g.min = load_f16(halves(scales + group * 64 + 32));
  } else if constexpr (kScales == Scales::k) {
    const uint8_t* super = scales + group / 8 * 320;
    const uint8_t* entry = super + 64 + group % 8 * 32;
    g.scale[0] = mul(load_f16(halves(super)), load_u8(entry));
    g.min = mul(load_f16(halves(super + 32)), load_u8(entry + 16));
  } else {
    const uint8_t* super = scales + group / 8 * 288;
    const uint8_t* entry = super + 32 + group % 8 * 32;
    const F d = load_f16(halves(super));
    g.scale[0] = mul(d, load_i8(entry));
    g.scale[1] = mul(d, load_i8(entry + 16));
  }
  return g;
}

// T rows at one distance. Every third one has a pointer, and x86-64 reaches the two behind it by base + stride and
// base + 2 stride: twelve pointers would not fit its registers.
template <class X, int T>
struct RowsOf {
  const uint8_t* third[(T + 2) / 3];
  int64_t stride;
  RowsOf(const TileArgs& a, int64_t first) : stride(a.x_stride) {
    for (int i = 0; i < T; i += 3) third[i / 3] = static_cast<const uint8_t*>(a.x) + (first + i) * stride;
  }
  const X& operator[](int t) const { return *reinterpret_cast<const X*>(third[t / 3] + t % 3 * stride); }
  void next() {
    for (const uint8_t*& p : third) p += sizeof(X);
  }
};

template <class Group, int T>
inline void add_scaled_sums(const I* sums, F scale, const RowsOf<Group, T>& x, F* total) {
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) total[t] = fma(to_float(sums[t]), mul(scale, set1(x[t].scale)), total[t]);
}
template <class Group, int T>
inline void add_minima(F minimum, const RowsOf<Group, T>& x, F* total) {
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) total[t] = fma(minimum, set1(x[t].scaled_sum), total[t]);
}
template <int T>
inline void store_totals(const TileArgs& a, int64_t first, int offset, int rows, const F* total) {
  for (int t = 0; t < T; ++t) {
    float* y = a.y[first + t] + offset;
    rows == kTileRows ? store(y, total[t]) : store_first(y, total[t], rows);
  }
}

template <class Group, int kBits, int T, int kPart>
inline void fold(const uint8_t* planes, const RowsOf<Group, T>& x, const GroupScale& scale, F* total) {
  I sums[T];
  dot<Group, kBits, T, kPart>(planes, x, sums);
  add_scaled_sums(sums, scale.scale[kPart], x, total);
}

// While a row block, or a pair, is multiplied, the one behind it comes out of memory: each pass over it fetches a share
// of those lines, by its rows of activations, evenly from group to group. (In bursts, or left to the hardware, memory
// idles while later passes compute.)
struct Lines {
  const uint8_t* at;
  int64_t a_group;
  void fetch() {
    for (int64_t i = 0; i < a_group; ++i, at += 64) __builtin_prefetch(at);
  }
  template <int kCount>
  void fetch() {
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) __builtin_prefetch(at + 64 * i);
    at += 64 * kCount;
  }
};

template <int kBits>
inline int64_t block_bytes(const TileArgs& a) {
  return a.planes - a.scales + a.cols / kGroup * plane_bytes<kBits>();
}

template <int kBits>
class Ahead {
 public:
  Ahead(const TileArgs& a, int row_blocks) : groups_(a.cols / kGroup), tokens_(a.tokens) {
    const int64_t bytes = row_blocks * block_bytes<kBits>(a);
    at_ = a.scales + bytes;
    lines_ = (bytes / 64 + groups_ - 1) / groups_;
  }
  Lines share(int64_t tokens) {
    const Lines share = {at_, (lines_ * tokens + tokens_ - 1) / tokens_};
    at_ += 64 * groups_ * share.a_group;
    lines_ -= share.a_group;
    tokens_ -= tokens;
    return share;
  }

 private:
  int64_t groups_;
  const uint8_t* at_;
  int64_t lines_, tokens_;  // left
};

template <class Group, int kBits, Scales kScales, int T>
inline void quantised_block(const TileArgs& a, int64_t first, Lines ahead) {
  RowsOf<Group, T> x(a, first);
  F total[T];
  for (int t = 0; t < T; ++t) total[t] = set1(0.0f);
  const uint8_t* planes = a.planes;
  const int64_t groups = a.cols / kGroup;
  for (int64_t g = 0; g < groups; ++g) {
    if constexpr (T == 1) {
      ahead.fetch<plane_bytes<kBits>() / 64 + 1>();
    } else {
      ahead.fetch();
    }
    const GroupScale scale = group_scale<kScales>(a.scales, g);
    fold<Group, kBits, T, 0>(planes, x, scale, total);
    if constexpr (parts<kBits>() == 2) fold<Group, kBits, T, 1>(planes, x, scale, total);
    if constexpr (kScales == Scales::m || kScales == Scales::k) add_minima(scale.min, x, total);
    x.next();
    planes += plane_bytes<kBits>();
  }
  store_totals<T>(a, first, 0, a.rows, total);
}

#ifdef PENSEE_TILE_PAIRS  // the ISA has a dot_two: dot for two row blocks
constexpr bool kTilePairs = true;
template <class Group, int kBits, int T, int kPart>
inline void fold_two(const uint8_t* planes, int64_t second, const RowsOf<Group, T>& x, const GroupScale* scale,
                     F (*total)[T]) {
  I sums[2][T];
  dot_two<Group, kBits, T, kPart>(planes, second, x, sums);
  add_scaled_sums(sums[0], scale[0].scale[kPart], x, total[0]);
  add_scaled_sums(sums[1], scale[1].scale[kPart], x, total[1]);
}

template <class Group, int kBits, Scales kScales, int T>
inline void two_blocks(const TileArgs& a, int64_t first, Lines ahead) {
  RowsOf<Group, T> x(a, first);
  F total[2][T];
  for (int t = 0; t < T; ++t) total[0][t] = total[1][t] = set1(0.0f);
  const uint8_t* planes = a.planes;
  const int64_t groups = a.cols / kGroup;
  for (int64_t g = 0; g < groups; ++g) {
    ahead.fetch();
    const GroupScale scale[2] = {group_scale<kScales>(a.scales, g), group_scale<kScales>(a.scales + a.second, g)};
    fold_two<Group, kBits, T, 0>(planes, a.second, x, scale, total);
    if constexpr (parts<kBits>() == 2) fold_two<Group, kBits, T, 1>(planes, a.second, x, scale, total);
    if constexpr (kScales == Scales::m || kScales == Scales::k) {
      add_minima(scale[0].min, x, total[0]);
      add_minima(scale[1].min, x, total[1]);
    }
    x.next();
    planes += plane_bytes<kBits>();
  }
  store_totals<T>(a, first, 0, kTileRows, total[0]);
  store_totals<T>(a, first, kTileRows, a.rows, total[1]);
}

// In passes of up to 6 rows, as even as can be: one or two leave a core waiting.
template <class Group, int kBits, Scales kScales>
inline void quantised_pair(const TileArgs& a) {
  constexpr decltype(&two_blocks<Group, kBits, kScales, 1>) passes_of[] = {
      two_blocks<Group, kBits, kScales, 1>, two_blocks<Group, kBits, kScales, 2>, two_blocks<Group, kBits, kScales, 3>,
      two_blocks<Group, kBits, kScales, 4>, two_blocks<Group, kBits, kScales, 5>, two_blocks<Group, kBits, kScales, 6>};
  Ahead<kBits> ahead(a, 2);
  int64_t t = 0;
  for (int64_t passes = (a.tokens + 5) / 6; passes > 0; --passes) {
    const int64_t count = (a.tokens - t + passes - 1) / passes;
    passes_of[count - 1](a, t, ahead.share(count));
    t += count;
  }
}
#else
constexpr bool kTilePairs = false;
#endif

template <class Group, int kBits, Scales kScales>
void quantised(const TileArgs& a) {
#ifdef PENSEE_TILE_PAIRS
  if (a.second) return quantised_pair<Group, kBits, kScales>(a);
#endif
  if (a.tokens == 1) {
    const int64_t bytes = block_bytes<kBits>(a);
    return quantised_block<Group, kBits, kScales, 1>(
        a, 0, {a.scales + (bytes < kAheadOfOne ? bytes : kAheadOfOne), 0});  // each group knows its lines
  }
  Ahead<kBits> ahead(a, 1);
  int64_t t = 0;
  const auto pass = [&](auto block, int64_t count) {
    for (; t + count <= a.tokens; t += count) block(a, t, ahead.share(count));
  };
  pass(quantised_block<Group, kBits, kScales, kIntTokens>, kIntTokens);
  if constexpr (kIntTokens > 8) pass(quantised_block<Group, kBits, kScales, 8>, 8);
  if constexpr (kIntTokens > 4) pass(quantised_block<Group, kBits, kScales, 4>, 4);
  pass(quantised_block<Group, kBits, kScales, 2>, 2);
  pass(quantised_block<Group, kBits, kScales, 1>, 1);
}

template <Layout kLayout, int T>
inline void float_block(const TileArgs& a, int64_t first) {
  const float* x[T];
  F total[T];
  for (int t = 0; t < T; ++t) {
    x[t] = reinterpret_cast<const float*>(static_cast<const uint8_t*>(a.x) + (first + t) * a.x_stride);
    total[t] = set1(0.0f);
  }
  if constexpr (kLayout == Layout::bf16) {
    const uint16_t* w = halves(a.planes);
    F even, odd;
    int64_t k = 0;
    for (; k + 2 <= a.cols; k += 2, w += 2 * kTileRows) {
      if constexpr (T == 1) __builtin_prefetch(reinterpret_cast<const uint8_t*>(w) + kAhead);
      load_bf16_pairs(w, &even, &odd);
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) {
        total[t] = fma(even, set1(x[t][k]), total[t]);
        total[t] = fma(odd, set1(x[t][k + 1]), total[t]);
      }
    }
    if (k < a.cols) {
      load_bf16_pairs(w, &even, &odd);
      for (int t = 0; t < T; ++t) total[t] = fma(even, set1(x[t][k]), total[t]);
    }
  } else if constexpr (kLayout == Layout::f8) {
    for (int64_t k = 0; k < a.cols; k += 4) {
      const uint8_t* four = a.planes + k * kTileRows;
      if constexpr (T == 1) __builtin_prefetch(four + kAhead);
      const F scale = load(reinterpret_cast<const float*>(a.scales) + k / kGroup * kTileRows);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const F w = mul(load_e4m3(four + i * kTileRows), scale);
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) total[t] = fma(w, set1(x[t][k + i]), total[t]);
      }
    }
  } else {
    for (int64_t k = 0; k < a.cols; ++k) {
      F w;
      if constexpr (T == 1) __builtin_prefetch(a.planes + k * kTileRows * (kLayout == Layout::f32 ? 4 : 2) + kAhead);
      if constexpr (kLayout == Layout::f32) w = load(reinterpret_cast<const float*>(a.planes) + k * kTileRows);
      if constexpr (kLayout == Layout::f16) w = load_f16(halves(a.planes) + k * kTileRows);
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) total[t] = fma(w, set1(x[t][k]), total[t]);
    }
  }
  for (int t = 0; t < T; ++t) {
    float* y = a.y[first + t];
    a.rows == kTileRows ? store(y, total[t]) : store_first(y, total[t], a.rows);
  }
}

template <Layout kLayout>
void floats(const TileArgs& a) {
  int64_t t = 0;
  for (; t + kFloatTokens <= a.tokens; t += kFloatTokens) float_block<kLayout, kFloatTokens>(a, t);
  for (; t + 3 <= a.tokens; t += 3) float_block<kLayout, 3>(a, t);
  for (; t < a.tokens; ++t) float_block<kLayout, 1>(a, t);
}

#ifndef PENSEE_TILE_STORES  // an ISA may bring its own: 32 integers, each behind a magic number (store_shifted_int)
inline int32_t sum_of(F x) {
  int32_t q[16], sum = 0;
  store_shifted_int(q, x);
  for (int i = 0; i < 16; ++i) sum += q[i];
  return sum;
}
inline int32_t sum_of(F a, F b) { return sum_of(a) + sum_of(b); }
// The largest magnitude, and whether all are finite.
inline float largest_of(F a, F b, bool* finite) {
  const F zero = set1(0.0f);
  *finite = sum(fma(b, zero, mul(a, zero))) == 0.0f;
  return largest(max(abs(a), abs(b)));
}
inline void store_numbers(F a, F b, ByteOrder, int16_t* out) {
  int32_t q[kGroup];
  store_shifted_int(q, a);
  store_shifted_int(q + 16, b);
  for (int i = 0; i < kGroup; ++i) out[i] = static_cast<int16_t>(q[i]);
}
inline void store_numbers(F a, F b, ByteOrder order, int8_t* out) {
  int32_t q[kGroup];
  store_shifted_int(q, a);
  store_shifted_int(q + 16, b);
  // Bytes 0..3 of a word's low nibbles are nibbles 0, 2, 4, 6; of its high ones 1, 3, 5, 7.
  const int kNibbles[8] = {0, 4, 1, 5, 2, 6, 3, 7}, kBytes[8] = {0, 2, 1, 3, 4, 6, 5, 7};
  const int* from = order == ByteOrder::bytes ? kBytes : kNibbles;
  for (int i = 0; i < kGroup; ++i) out[i] = static_cast<int8_t>(q[i / 8 * 8 + from[i % 8]]);
}
#endif

// Rounds a group to integers of at most kLimit in magnitude, nearest even.
template <int kLimit, class Group>
inline void quantise_group(const float* x, ByteOrder order, Start start, Group* out) {
  const F a = load(x), b = load(x + 16), zero = set1(0.0f);
  bool finite;
  const float top = largest_of(a, b, &finite);
  const bool usable = finite && top > 1e-30f;
  const F inverse = set1(usable ? static_cast<float>(kLimit) / top : 0.0f), magic = set1(12582912.0f);
  const F qa = fma(usable ? a : zero, inverse, magic), qb = fma(usable ? b : zero, inverse, magic);
  store_numbers(qa, qb, order, out->q);
  const int32_t all = sum_of(qa, qb), second = start.halves ? sum_of(qb) : 0;
  out->scale = usable ? top / static_cast<float>(kLimit) : finite ? 0.0f : __builtin_nanf("");
  out->start[0] = -start.offset * (all - second);
  out->start[1] = -start.offset * second;
  out->scaled_sum = out->scale * static_cast<float>(all);
}

void quantise16(const float* x, int64_t cols, Start start, Group16* out) {
  for (int64_t k = 0; k < cols; k += kGroup, ++out) quantise_group<32767>(x + k, ByteOrder::bytes, start, out);
}

void quantise8(const float* x, int64_t cols, ByteOrder order, Start start, Group8* out) {
  for (int64_t k = 0; k < cols; k += kGroup, ++out) quantise_group<127>(x + k, order, start, out);
}

}  // namespace

#define PENSEE_TILES(Group)                                                                           \
  {                                                                                                   \
    floats<Layout::f32>, floats<Layout::f16>, floats<Layout::bf16>, floats<Layout::f8>,               \
        quantised<Group, 4, Scales::s>, quantised<Group, 4, Scales::m>, quantised<Group, 4, Scales::k>, \
        quantised<Group, 5, Scales::s>, quantised<Group, 5, Scales::m>, quantised<Group, 5, Scales::k>, \
        quantised<Group, 6, Scales::k6>, quantised<Group, 8, Scales::s>                               \
  }
#define PENSEE_TILE_TABLE \
  { PENSEE_TILES(Group16), PENSEE_TILES(Group8), quantise16, quantise8, kByteOffset8, kTilePairs }
