// What all ISAs' tiles share: the walk over row blocks and groups, the scales, the float sums, and the quantisers. An
// ISA brings vec.h and
//
//   kIntBlocks, kIntTokens       row blocks that a pass multiplies by many rows of activations, and rows that it takes
//   kFloatBlocks, kFloatTokens   the same for float layouts; its registers hold a sum for each row of each block
//   kByteOffset8                 what dot adds to the weights of i8 layouts for int8 activations
//
//   template <class Group, int kBits, int B, int T, int kPart>
//   void dot(const uint8_t* planes, int64_t next, const RowsOf<Group, T>& x, I (*sums)[T]);
//
// which gives, for a group of B row blocks, `next` bytes apart, and T rows of activations, x[t].start[kPart] and the
// exact sums of q * x: of the whole group, or for kBits == 6 of its first and second half.
#pragma once

#include "kernels/tiles.h"

namespace {

using namespace pensee;

constexpr int64_t kAheadOfOne = 9 << 10;  // bytes, of quantised row blocks that meet one row of activations
constexpr int64_t kFloatAheadOfOne = 4096;
constexpr int kOneTokenBlocks = 2;  // float row blocks that meet one row: alone one waits for its own last sum
constexpr int kOddTokens = 3;       // rows of a pass over a row block that is left alone

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

// Row blocks that are multiplied together.
struct Part {
  const TileArgs& args;
  const uint8_t *scales, *planes;  // of the first; a.block_bytes lead to the next
  int64_t first_output;
  int rows_of_last;
};

// Calls multiply with B row blocks as often as there are, and then with single ones.
template <int B, class Multiply>
inline void walk(const TileArgs& a, const Multiply& multiply) {
  int64_t block = 0;
  const auto part = [&](int64_t count) {
    const int64_t at = block * a.block_bytes;
    block += count;
    return Part{a, a.scales + at, a.planes + at, (block - count) * kTileRows,
                block == a.row_blocks ? a.rows : kTileRows};
  };
  while (block + B <= a.row_blocks) multiply.template operator()<B>(part(B));
  if constexpr (B > 1) {
    while (block < a.row_blocks) multiply.template operator()<1>(part(1));
  }
}

template <int B, int T>
inline void set_zero(F (*total)[T]) {
#pragma GCC unroll 4
  for (int b = 0; b < B; ++b) {
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) total[b][t] = set1(0.0f);
  }
}
// From a copy, which lies in memory: the loop is short, and the sums are registers up to here.
template <int B, int T>
inline void store_totals(const Part& p, int64_t first, const F (*total)[T]) {
  F sums[T][B];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) sums[t][b] = total[b][t];
  }
#pragma GCC unroll 1
  for (int t = 0; t < T; ++t) {
    float* y = p.args.y[first + t] + p.first_output;
    for (int b = 0; b < B - 1; ++b) store(y + b * kTileRows, sums[t][b]);
    float* last = y + (B - 1) * kTileRows;
    p.rows_of_last == kTileRows ? store(last, sums[t][B - 1]) : store_first(last, sums[t][B - 1], p.rows_of_last);
  }
}

// While row blocks are multiplied, those behind them come out of memory: each pass fetches a share of their lines, by
// its rows of activations, evenly from group to group. (In bursts, or left to the hardware, memory idles while later
// passes compute.)
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

inline int64_t groups_of(const TileArgs& a) { return (a.cols + kGroup - 1) / kGroup; }

class Ahead {
 public:
  Ahead(const Part& p, int row_blocks) : groups_(groups_of(p.args)), tokens_(p.args.tokens) {
    const int64_t bytes = row_blocks * p.args.block_bytes;
    at_ = p.scales + bytes;
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

// Multiplies rows of activations from `first` on.
using Pass = void (*)(const Part&, int64_t first, Lines ahead);

// Passes of a kind over kLeast to kMost rows of activations.
template <class Kind, int B, int kLeast, int kMost, int... kT>
struct Passes : Passes<Kind, B, kLeast, kMost - 1, kMost, kT...> {};
template <class Kind, int B, int kLeast, int... kT>
struct Passes<Kind, B, kLeast, kLeast, kT...> {
  static constexpr Pass of[] = {Kind::template pass<B, kLeast>, Kind::template pass<B, kT>...};
};

// Several rows of activations, in passes as even as can be: one or two rows leave a core waiting.
template <class Kind, int B, int kMost>
inline void in_passes(const Part& p) {
  constexpr int kLeast = kMost < 3 ? 1 : 2;  // the halves of four are two
  Ahead ahead(p, B);
  const int64_t tokens = p.args.tokens;
  int64_t t = 0;
  for (int64_t passes = (tokens + kMost - 1) / kMost; passes > 0; --passes) {
    const int64_t count = (tokens - t + passes - 1) / passes;
    Passes<Kind, B, kLeast, kMost>::of[count - kLeast](p, t, ahead.share(count));
    t += count;
  }
}

template <class Group, int kBits, Scales kScales>
struct Quantised {
  template <int B, int T, int kPart>
  [[gnu::always_inline]] static void fold(const uint8_t* planes, int64_t next, const RowsOf<Group, T>& x,
                                          const GroupScale* scale, F (*total)[T]) {
    I sums[B][T];
    dot<Group, kBits, B, T, kPart>(planes, next, x, sums);
#pragma GCC unroll 2
    for (int b = 0; b < B; ++b) {
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) {
        total[b][t] = fma(to_float(sums[b][t]), mul(scale[b].scale[kPart], set1(x[t].scale)), total[b][t]);
      }
    }
  }

  template <int B, int T>
  static void pass(const Part& p, int64_t first, Lines ahead) {
    RowsOf<Group, T> x(p.args, first);
    F total[B][T];
    set_zero<B>(total);
    const uint8_t* planes = p.planes;
    const int64_t groups = p.args.cols / kGroup, next = p.args.block_bytes;
    for (int64_t g = 0; g < groups; ++g) {
      if constexpr (B * T == 1) {
        ahead.fetch<plane_bytes<kBits>() / 64 + 1>();
      } else {
        ahead.fetch();
      }
      GroupScale scale[B];
#pragma GCC unroll 2
      for (int b = 0; b < B; ++b) scale[b] = group_scale<kScales>(p.scales + b * next, g);
      fold<B, T, 0>(planes, next, x, scale, total);
      if constexpr (parts<kBits>() == 2) fold<B, T, 1>(planes, next, x, scale, total);
      if constexpr (kScales == Scales::m || kScales == Scales::k) {
#pragma GCC unroll 2
        for (int b = 0; b < B; ++b) {
#pragma GCC unroll 16
          for (int t = 0; t < T; ++t) total[b][t] = fma(scale[b].min, set1(x[t].scaled_sum), total[b][t]);
        }
      }
      x.next();
      planes += plane_bytes<kBits>();
    }
    store_totals<B>(p, first, total);
  }

  static void tile(const TileArgs& a) {
    if (a.tokens == 1) {
      return walk<1>(a, [&]<int B>(const Part& p) {  // each group knows its lines
        pass<1, 1>(p, 0, {p.scales + (a.block_bytes < kAheadOfOne ? a.block_bytes : kAheadOfOne), 0});
      });
    }
    walk<kIntBlocks>(a, [&]<int B>(const Part& p) {
      in_passes<Quantised, B, B == kIntBlocks ? kIntTokens : kOddTokens>(p);
    });
  }
};

struct Floats {
  float q[kGroup];
};

template <Layout kLayout>
struct Float {
  static constexpr int kStep = kLayout == Layout::bf16 ? 2 : 1;  // columns that are loaded together
  static constexpr int kBytes = kLayout == Layout::f32 ? 64 : kLayout == Layout::f8 ? 16 : 32;  // a column's

  [[gnu::always_inline]] static void load_columns(const uint8_t* at, F scale, F* w) {
    if constexpr (kLayout == Layout::f32) w[0] = load(reinterpret_cast<const float*>(at));
    if constexpr (kLayout == Layout::f16) w[0] = load_f16(halves(at));
    if constexpr (kLayout == Layout::bf16) load_bf16_pairs(halves(at), &w[0], &w[1]);
    if constexpr (kLayout == Layout::f8) w[0] = mul(load_e4m3(at), scale);
  }

  // `count` columns of the kStep at `at`.
  template <int B, int T>
  [[gnu::always_inline]] static void add_columns(const uint8_t* at, int64_t next, const F* scale,
                                                 const RowsOf<Floats, T>& x, int64_t i, int count, F (*total)[T]) {
    F w[B][kStep];
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) load_columns(at + b * next, scale[b], w[b]);
#pragma GCC unroll 2
    for (int j = 0; j < count; ++j) {
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) {
        const F number = set1(x[t].q[i + j]);
#pragma GCC unroll 4
        for (int b = 0; b < B; ++b) total[b][t] = fma(w[b][j], number, total[b][t]);
      }
    }
  }

  template <int B, int T>
  static void pass(const Part& p, int64_t first, Lines ahead) {
    RowsOf<Floats, T> x(p.args, first);
    F total[B][T], scale[B];
    set_zero<B>(total);
    const int64_t next = p.args.block_bytes;
    const uint8_t* planes = p.planes;
    for (int64_t k = 0; k < p.args.cols; k += kGroup) {
      if constexpr (T > 1) ahead.fetch();
      if constexpr (kLayout == Layout::f8) {
        for (int b = 0; b < B; ++b) {
          scale[b] = load(reinterpret_cast<const float*>(p.scales + b * next) + k / kGroup * kTileRows);
        }
      }
      const int64_t count = p.args.cols - k < kGroup ? p.args.cols - k : kGroup;
      int64_t i = 0;
      for (; i + kStep <= count; i += kStep, planes += kStep * kBytes) {
        if constexpr (T == 1) {
          for (int b = 0; b < B; ++b) __builtin_prefetch(planes + b * next + kFloatAheadOfOne);
        }
        add_columns<B>(planes, next, scale, x, i, kStep, total);
      }
      if (i < count) add_columns<B>(planes, next, scale, x, i, 1, total);
      x.next();
    }
    store_totals<B>(p, first, total);
  }
};

// The tile of passes that add up floats.
template <class Kind>
void float_tile(const TileArgs& a) {
  if (a.tokens == 1) {
    return walk<kOneTokenBlocks>(a, [&]<int B>(const Part& p) { Kind::template pass<B, 1>(p, 0, {}); });
  }
  walk<kFloatBlocks>(a, [&]<int B>(const Part& p) {
    in_passes<Kind, B, B == kFloatBlocks ? kFloatTokens : kOddTokens>(p);
  });
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

inline void quantise16(const float* x, int64_t cols, Start start, Group16* out) {
  for (int64_t k = 0; k < cols; k += kGroup, ++out) quantise_group<32767>(x + k, ByteOrder::bytes, start, out);
}

inline void quantise8(const float* x, int64_t cols, ByteOrder order, Start start, Group8* out) {
  for (int64_t k = 0; k < cols; k += kGroup, ++out) quantise_group<127>(x + k, order, start, out);
}

}  // namespace

#define PENSEE_TILES(Group)                                                         \
  {                                                                                 \
    Quantised<Group, 4, Scales::s>::tile, Quantised<Group, 4, Scales::m>::tile,     \
        Quantised<Group, 4, Scales::k>::tile, Quantised<Group, 5, Scales::s>::tile, \
        Quantised<Group, 5, Scales::m>::tile, Quantised<Group, 5, Scales::k>::tile, \
        Quantised<Group, 6, Scales::k6>::tile, Quantised<Group, 8, Scales::s>::tile \
  }
#define PENSEE_SHARED_TILES                                                                  \
  {                                                                                          \
    {float_tile<Float<Layout::f32>>, float_tile<Float<Layout::f16>>,                         \
     float_tile<Float<Layout::bf16>>, float_tile<Float<Layout::f8>>},                        \
        PENSEE_TILES(Group16), quantise16, quantise8                                         \
  }
