// Scores and sums over blocks of bf16 and int8 (table.h: pieces of 16 bytes, those of four positions side by side).
// bf16 multiplies pairs, int8 quadruples, each summed by one instruction where the ISA has it. An ISA's vec.h brings:
//
//   Pairs   32 bf16: load_pairs (64 bytes), spread_pairs (16 bytes to each quarter), set_pairs (one pair everywhere),
//           load_columns (two pieces of four positions turned around: numbers 0..15 of positions 0 and 1, of 2 and 3)
//   F dot_pairs(a, b, sum)   lane i: fma(a[2 i], b[2 i], fma(a[2 i + 1], b[2 i + 1], sum))
//   Key     64 int8: load_key. dot_key(key, 16 bytes of a query, sum) adds up (key + kKeyBias) * query by fours
//   Quads   a piece of four positions turned around: load_quads. dot_quads(quads, 4 unsigned weights, sum)
//   store_sums   adds up the quarters of a vector, (0 + 2) + (1 + 3): the sums of four positions
//   integers     floats_of(p, plus) 16 int32 as floats, zero_integers
//
// vdpbf16ps takes numbers below 1.2e-38 for zero; emulations do not. No sum that holds a normal number can tell.
//
// Roofline with AVX-512, two products a cycle: 64 (bf16) or 128 (int8) multiply-adds a cycle; a latent row of 576 + 512
// numbers and 16 heads takes 272 or 136 cycles a position. Turning around costs one or two shuffles a vector, which
// all queries of a block share.
#pragma once

#include "kernels/generic/lanes.h"

namespace {

inline const uint8_t* bytes_at(const void* p, int64_t offset) { return static_cast<const uint8_t*>(p) + offset; }
// How far the block of the next call lies from this one's. Without a next one it is 0, and this block is fetched: a
// branch would cost more. A block that holds keys and values is fetched half while scoring, half while mixing.
inline int64_t next_offset(const void* next, const void* block) {
  return next ? static_cast<const uint8_t*>(next) - static_cast<const uint8_t*>(block) : 0;
}
inline void fetch(const uint8_t* at) { __builtin_prefetch(at, 0, 2); }
// Of the `whole` pieces or bytes of a row: those that scoring fetches, and that which mixing does at `column` of `of`.
inline int64_t fetched_by_scoring(const AttendArgs& a, int64_t whole) { return a.keys == a.values ? whole / 2 : whole; }
inline int64_t fetched_by_mixing(const AttendArgs& a, int64_t whole, int64_t column, int64_t of) {
  const int64_t first = a.keys == a.values ? whole / 2 : 0;
  return first + column * (whole - first) / of;
}

// Attention is compiled for blocks of kBlocks queries, largest first (vec.h): what an ISA's registers hold the sums of.
constexpr int kMostQueries = kBlocks[0];
inline int32_t block_of(int32_t count) {
  for (const int32_t block : kBlocks)
    if (count >= block) return block;
  return 0;
}
// Calls body<Q>() for Q == count, one of kBlocks.
template <int kIndex = 0, class Body>
inline void with_block(int32_t count, Body body) {
  if constexpr (kIndex < static_cast<int>(sizeof(kBlocks) / sizeof(*kBlocks))) {
    if (count == kBlocks[kIndex]) return body.template operator()<kBlocks[kIndex]>();
    with_block<kIndex + 1>(count, body);
  }
}
// Of a block, as many as leave room in registers for the sums of more than one position or column.
inline int32_t part_of(int32_t count) { return count > 8 ? 8 : count; }

// Quads at once, so that small blocks have sums enough to hide a product's latency.
template <int Q>
constexpr int quads_together() {
  return Q * 4 <= kQuadSums ? 4 : Q * 2 <= kQuadSums ? 2 : 1;
}

// How a type's keys meet 16 bytes of a query.
struct Bf16Keys {
  using Sum = F;
  static Sum zero() { return set1(0.0f); }
  static Pairs load(const uint8_t* p) { return load_pairs(p); }
  static Sum dot(Pairs key, const uint8_t* q, Sum sum) { return dot_pairs(key, spread_pairs(q), sum); }
};
struct Int8Keys {
  using Sum = I;
  static Sum zero() { return zero_integers(); }
  static Key load(const uint8_t* p) { return load_key(p); }
  static Sum dot(Key key, const uint8_t* q, Sum sum) { return dot_key(key, q, sum); }
};

// What N quads and Q queries add up to. Of the next block, `next` bytes on, `fetched` pieces are fetched.
template <class Keys, int Q, int N, class Number>
[[gnu::noinline]] void add_up(const uint8_t* keys, int64_t quad_bytes, const uint8_t* q, int64_t q_stride,
                              int64_t pieces, int64_t next, int64_t fetched, Number* out) {
  typename Keys::Sum acc[N][Q];
#pragma GCC unroll kUnroll
  for (int n = 0; n < N; ++n)
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i) acc[n][i] = Keys::zero();
  for (int64_t c = 0; c < pieces; ++c) {
    decltype(Keys::load(keys)) key[N];
#pragma GCC unroll kUnroll
    for (int n = 0; n < N; ++n) {
      key[n] = Keys::load(keys + n * quad_bytes + 64 * c);
      fetch(keys + n * quad_bytes + 64 * c + (c < fetched ? next : 0));
    }
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i)
#pragma GCC unroll kUnroll
      for (int n = 0; n < N; ++n) acc[n][i] = Keys::dot(key[n], q + i * q_stride + 16 * c, acc[n][i]);
  }
#pragma GCC unroll kUnroll
  for (int n = 0; n < N; ++n) store_sums<Q>(acc[n], out + 4 * n, kPagePositions);
}

// The same for pieces [begin, end) of a block of queries and all quads that its positions lie in: out [count,
// kPagePositions]. Quads are rounded to whole N: what nobody sees may be added up.
template <class Keys, class Number>
inline void add_up_pieces(const AttendArgs& a, int32_t first, int32_t count, int64_t begin, int64_t end, Number* out) {
  const int64_t pieces = cache_pieces(a.key_rows), quad_bytes = pieces * 64;
  const int64_t next = next_offset(a.next_keys, a.keys), fetched = fetched_by_scoring(a, pieces) - begin;
  with_block(part_of(count), [&]<int Q>() {
    constexpr int N = quads_together<Q>();
    for (int32_t quad = a.from[first] / 4 / N * N; 4 * quad < a.to[first]; quad += N)
      for (int32_t i = 0; i < count; i += Q) {
        add_up<Keys, Q, N>(bytes_at(a.keys, quad * quad_bytes + begin * 64), quad_bytes,
                           bytes_at(a.q, (first + i) * a.q_stride + begin * 16), a.q_stride, end - begin, next,
                           i ? 0 : fetched, out + int64_t{i} * kPagePositions + 4 * quad);
      }
  });
}

inline void score_bf16(const AttendArgs& a, int32_t first, int32_t count) {
  const int32_t from = a.from[first] / 16 * 16, to = a.to[first];
  float* out = a.scores + int64_t{first} * kPagePositions;
  add_up_pieces<Bf16Keys>(a, first, count, 0, cache_pieces(a.key_rows), out);
  const F scale = set1(a.scale);
  for (int32_t i = 0; i < count; ++i, out += kPagePositions)
    for (int32_t p = from; p < to; p += 16) store(out + p, mul(load(out + p), scale));
}

inline void score_int8(const AttendArgs& a, int32_t first, int32_t count) {
  int32_t sums[2][kMostQueries][kPagePositions];
  const int32_t from = a.from[first] / 16 * 16, to = a.to[first];
  const F scale = set1(a.scale);
  const CacheRows& rows = a.key_rows;
  const int64_t all = cache_pieces(rows), parts = cache_parts(rows), next = next_offset(a.next_keys, a.keys);
  const int64_t begin[3] = {0, ceil_div(rows.first, 16), all};
  for (int64_t part = 0; part < parts; ++part) {
    add_up_pieces<Int8Keys>(a, first, count, begin[part], begin[part + 1], sums[part][0]);
  }
  const float* scales = reinterpret_cast<const float*>(bytes_at(a.keys, all * 16 * kPagePositions));
  for (int64_t i = 0; i < parts * kPagePositions; i += 16) fetch(bytes_at(scales + i, next));
  for (int32_t i = 0; i < count; ++i) {
    QueryScales query;
    memcpy(&query, bytes_at(a.q, (first + i) * a.q_stride + all * 16), sizeof(query));
    float* scores = a.scores + int64_t{first + i} * kPagePositions;
    for (int32_t p = from; p < to; p += 16) {
      F score = mul(floats_of(sums[0][i] + p, -kKeyBias * query.sum[0]), mul(load(scales + p), set1(query.scale[0])));
      if (parts == 2) {
        score = fma(floats_of(sums[1][i] + p, -kKeyBias * query.sum[1]),
                    mul(load(scales + kPagePositions + p), set1(query.scale[1])), score);
      }
      store(scores + p, mul(score, scale));
    }
  }
}

// The weights of a query, zero for what it must not see.
inline void only_seen(const AttendArgs& a, int32_t query, int32_t from, int32_t to, float* weights) {
  const float* all = a.scores + int64_t{query} * kPagePositions;
  for (int32_t p = 0; p < kPagePositions; ++p) weights[p] = p < from || p >= to ? 0.0f : all[p];
}

inline void copy_rows(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t n, int32_t rows) {
  for (int32_t i = 0; i < rows; ++i) memcpy(to + i * to_stride, from + i * from_stride, static_cast<size_t>(n) * 4);
}
// Calls body(d, acc, stride) for every kColumns numbers of the value, from number d on: query i's sums are at acc +
// i * stride. The last ones, if fewer, are in a room of their own.
template <int kColumns, class Body>
inline void each_columns(const AttendArgs& a, int32_t first, int32_t count, Body body) {
  const int64_t dim = a.value_dim;
  float room[kMostQueries * kColumns];
  for (int64_t d = 0; d < dim; d += kColumns) {
    float* acc = a.acc + first * dim + d;
    const bool whole = dim - d >= kColumns;
    if (!whole) copy_rows(acc, dim, room, kColumns, dim - d, count);
    body(d, whole ? acc : room, whole ? dim : kColumns);
    if (!whole) copy_rows(room, kColumns, acc, dim, dim - d, count);
  }
}

// 16 numbers of the value, from number d on, of Q queries.
template <int Q>
[[gnu::noinline]] void mix_bf16_columns(const AttendArgs& a, int32_t first, const float* shrink,
                             const uint32_t (*pairs)[kPagePositions / 2], int64_t d, float* acc, int64_t stride) {
  const int32_t from = a.from[first], to = a.to[first];
  const int64_t pieces = cache_pieces(a.value_rows), columns = ceil_div(a.value_dim, 8);
  const bool two = d / 8 + 1 < pieces;
  const uint8_t* next = bytes_at(a.values, next_offset(a.next_values, a.values));
  const int64_t fetched[2] = {fetched_by_mixing(a, pieces, d / 8, columns),
                              fetched_by_mixing(a, pieces, d / 8 + 1, columns)};
  F total[Q];
#pragma GCC unroll kUnroll
  for (int i = 0; i < Q; ++i) total[i] = mul(load(acc + i * stride), set1(shrink[i]));
  for (int32_t quad = from / 4; quad < (to + 3) / 4; ++quad) {
    // Positions that must not be seen may hold NaN, which a weight of zero does not silence.
    const int32_t begin = from > 4 * quad ? from - 4 * quad : 0, end = to < 4 * quad + 4 ? to - 4 * quad : 4;
    Pairs even, odd;
    load_columns(bytes_at(a.values, (quad * pieces + d / 8) * 64), two, begin, end, &even, &odd);
    for (const int64_t piece : fetched) fetch(next + (quad * pieces + piece) * 64);
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i) {
      total[i] = dot_pairs(even, set_pairs(pairs[i][2 * quad]), total[i]);
      total[i] = dot_pairs(odd, set_pairs(pairs[i][2 * quad + 1]), total[i]);
    }
  }
#pragma GCC unroll kUnroll
  for (int i = 0; i < Q; ++i) store(acc + i * stride, total[i]);
}

inline void mix_bf16(const AttendArgs& a, int32_t first, int32_t count, const float* shrink) {
  const int32_t from = a.from[first], to = a.to[first];
  uint32_t pairs[kMostQueries][kPagePositions / 2];
  for (int32_t i = 0; i < count; ++i) {
    float weights[kPagePositions];
    uint16_t rounded[kPagePositions];
    only_seen(a, first + i, from, to, weights);
    for (int p = 0; p < kPagePositions; p += 16) store_bf16(rounded + p, load(weights + p));
    memcpy(pairs[i], rounded, sizeof(rounded));
  }
  with_block(count, [&]<int Q>() {
    each_columns<16>(a, first, Q, [&](int64_t d, float* acc, int64_t stride) {
      mix_bf16_columns<Q>(a, first, shrink, pairs, d, acc, stride);
    });
  });
}

// N times 16 numbers of the value, from number d on, of Q queries. There may be fewer: what is read behind the last
// piece of a quad are the next one's, or the block's scales.
template <int Q, int N>
[[gnu::noinline]] void mix_int8_columns(const AttendArgs& a, int32_t first, const float* shrink,
                             const uint32_t (*fours)[kPagePositions / 4], const float* scale, int64_t d, float* acc,
                             int64_t stride) {
  const int32_t from = a.from[first], to = a.to[first];
  const int64_t pieces = cache_pieces(a.value_rows);
  const uint8_t* next = bytes_at(a.values, next_offset(a.next_values, a.values));
  int64_t fetched[N];
#pragma GCC unroll kUnroll
  for (int n = 0; n < N; ++n) fetched[n] = fetched_by_mixing(a, pieces, d / 16 + n, ceil_div(a.value_dim, 16));
  I total[N][Q];
#pragma GCC unroll kUnroll
  for (int n = 0; n < N; ++n)
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i) total[n][i] = zero_integers();
  for (int32_t quad = from / 4; quad < (to + 3) / 4; ++quad) {
#pragma GCC unroll kUnroll
    for (int n = 0; n < N; ++n) {
      const Quads values = load_quads(bytes_at(a.values, (quad * pieces + d / 16 + n) * 64));
      fetch(next + (quad * pieces + fetched[n]) * 64);
#pragma GCC unroll kUnroll
      for (int i = 0; i < Q; ++i) total[n][i] = dot_quads(values, fours[i][quad], total[n][i]);
    }
  }
#pragma GCC unroll kUnroll
  for (int n = 0; n < N; ++n)
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i) {
      float* at = acc + i * stride + 16 * n;
      store(at, fma(to_float(total[n][i]), set1(scale[i]), mul(load(at), set1(shrink[i]))));
    }
}

// A chunk's weights, each with its value's scale, are rounded to 255 steps of the largest.
inline void mix_int8(const AttendArgs& a, int32_t first, int32_t count, const float* shrink) {
  const int32_t from = a.from[first], to = a.to[first];
  const int64_t pieces = cache_pieces(a.value_rows);
  const float* scales = reinterpret_cast<const float*>(bytes_at(a.values, pieces * 16 * kPagePositions));
  const int64_t next = a.keys == a.values ? 0 : next_offset(a.next_values, a.values);
  for (int64_t i = 0; i < kPagePositions; i += 16) fetch(bytes_at(scales + i, next));
  uint32_t fours[kMostQueries][kPagePositions / 4];
  float scale[kMostQueries];
  for (int32_t i = 0; i < count; ++i) {
    float weights[kPagePositions];
    uint8_t rounded[kPagePositions];
    only_seen(a, first + i, from, to, weights);
    for (int32_t p = from; p < to; ++p) weights[p] *= scales[p];
    const Rounding rounding = rounding_of(weights, kPagePositions, 255.0f);
    scale[i] = rounding.scale;
    for (int p = 0; p < kPagePositions; p += 16) {
      int32_t numbers[16];
      round_some(weights + p, 16, rounding, numbers);
      for (int j = 0; j < 16; ++j) rounded[p + j] = static_cast<uint8_t>(numbers[j]);
    }
    memcpy(fours[i], rounded, sizeof(rounded));
  }
  with_block(part_of(count), [&]<int Q>() {
    constexpr int N = quads_together<Q>();
    each_columns<16 * N>(a, first, count, [&](int64_t d, float* acc, int64_t stride) {
      for (int32_t i = 0; i < count; i += Q) {
        mix_int8_columns<Q, N>(a, first + i, shrink + i, fours + i, scale + i, d, acc + i * stride, stride);
      }
    });
  });
}

}  // namespace
