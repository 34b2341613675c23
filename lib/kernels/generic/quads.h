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

#include "kernels/generic/kernels.h"

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
// Quads at once, so that small blocks have sums enough to hide a product's latency.
template <int Q>
constexpr int quads_together() {
  return Q * 4 <= kQuadSums ? 4 : Q * 2 <= kQuadSums ? 2 : 1;
}

// Of a block of Q queries, as many as leave room in registers for their sums.
template <int Q>
constexpr int queries_together() {
  return Q > 8 ? Q / 2 : Q;
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
inline void add_up(const uint8_t* keys, int64_t quad_bytes, const uint8_t* q, int64_t q_stride, int64_t pieces,
                   int64_t next, int64_t fetched, Number* out) {
  typename Keys::Sum acc[N][Q];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) acc[n][i] = Keys::zero();
  for (int64_t c = 0; c < pieces; ++c) {
    decltype(Keys::load(keys)) key[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      key[n] = Keys::load(keys + n * quad_bytes + 64 * c);
      fetch(keys + n * quad_bytes + 64 * c + (c < fetched ? next : 0));
    }
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i)
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) acc[n][i] = Keys::dot(key[n], q + i * q_stride + 16 * c, acc[n][i]);
  }
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) store_sums<Q>(acc[n], out + 4 * n, kPagePositions);
}

// The same for pieces [begin, end) of all quads that positions [from, to) lie in: out [Q, kPagePositions].
template <class Keys, int Q, class Number>
inline void add_up_pieces(const AttendArgs& a, int32_t first, int32_t from, int32_t to, int64_t begin, int64_t end,
                          Number* out) {
  constexpr int H = queries_together<Q>(), N = quads_together<H>();
  const int64_t pieces = cache_pieces(a.key_rows), quad_bytes = pieces * 64;
  const int64_t next = next_offset(a.next_keys, a.keys), fetched = fetched_by_scoring(a, pieces) - begin;
  const auto some = [&]<int M>(int32_t quad) {
    for (int i = 0; i < Q; i += H) {
      add_up<Keys, H, M>(bytes_at(a.keys, quad * quad_bytes + begin * 64), quad_bytes,
                         bytes_at(a.q, (first + i) * a.q_stride + begin * 16), a.q_stride, end - begin, next,
                         i ? 0 : fetched, out + int64_t{i} * kPagePositions + 4 * quad);
    }
  };
  const int32_t last = (to + 3) / 4;
  int32_t quad = from / 4;
  for (; quad + N <= last; quad += N) some.template operator()<N>(quad);
  for (; quad < last; ++quad) some.template operator()<1>(quad);
}

template <int Q>
inline void score_bf16(const AttendArgs& a, int32_t first, int32_t from, int32_t to) {
  float* out = a.scores + int64_t{first} * kPagePositions;
  add_up_pieces<Bf16Keys, Q>(a, first, from, to, 0, cache_pieces(a.key_rows), out);
  for (int i = 0; i < Q; ++i) {
    float* scores = out + int64_t{i} * kPagePositions;
    for (int32_t p = from / 16 * 16; p < to; p += 16) store(scores + p, mul(load(scores + p), set1(a.scale)));
  }
}

template <int Q>
inline void score_int8(const AttendArgs& a, int32_t first, int32_t from, int32_t to) {
  int32_t sums[2][Q][kPagePositions];
  const CacheRows& rows = a.key_rows;
  const int64_t all = cache_pieces(rows), parts = cache_parts(rows), next = next_offset(a.next_keys, a.keys);
  const int64_t begin[3] = {0, ceil_div(rows.first, 16), all};
  for (int64_t part = 0; part < parts; ++part) {
    add_up_pieces<Int8Keys, Q>(a, first, from, to, begin[part], begin[part + 1], sums[part][0]);
  }
  const float* scales = reinterpret_cast<const float*>(bytes_at(a.keys, all * 16 * kPagePositions));
  for (int64_t i = 0; i < parts * kPagePositions; i += 16) fetch(bytes_at(scales + i, next));
  for (int i = 0; i < Q; ++i) {
    QueryScales query;
    memcpy(&query, bytes_at(a.q, (first + i) * a.q_stride + all * 16), sizeof(query));
    float* scores = a.scores + int64_t{first + i} * kPagePositions;
    for (int32_t p = from / 16 * 16; p < to; p += 16) {
      F score = mul(floats_of(sums[0][i] + p, -kKeyBias * query.sum[0]), mul(load(scales + p), set1(query.scale[0])));
      if (parts == 2) {
        score = fma(floats_of(sums[1][i] + p, -kKeyBias * query.sum[1]),
                    mul(load(scales + kPagePositions + p), set1(query.scale[1])), score);
      }
      store(scores + p, mul(score, set1(a.scale)));
    }
  }
}

// The weights of a query, zero for what it must not see.
inline void only_seen(const AttendArgs& a, int32_t query, int32_t from, int32_t to, float* weights) {
  const float* all = a.scores + int64_t{query} * kPagePositions;
  for (int32_t p = 0; p < kPagePositions; ++p) weights[p] = p < from || p >= to ? 0.0f : all[p];
}

// 16 numbers of the value, from number d on, of Q queries.
template <int Q>
inline void mix_bf16_columns(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink,
                             const uint32_t (*pairs)[kPagePositions / 2], int64_t d) {
  const int64_t dim = a.value_dim, pieces = cache_pieces(a.value_rows), lanes = dim - d < 16 ? dim - d : 16;
  const bool two = d / 8 + 1 < pieces;
  const int64_t columns = ceil_div(dim, 8);
  const uint8_t* next = bytes_at(a.values, next_offset(a.next_values, a.values));
  const int64_t fetched[2] = {fetched_by_mixing(a, pieces, d / 8, columns),
                              fetched_by_mixing(a, pieces, d / 8 + 1, columns)};
  float* acc = a.acc + first * dim + d;
  F total[Q];
#pragma GCC unroll 16
  for (int i = 0; i < Q; ++i) total[i] = mul(load_n(acc + i * dim, lanes), set1(shrink[i]));
  for (int32_t quad = from / 4; quad < (to + 3) / 4; ++quad) {
    // Positions that must not be seen may hold NaN, which a weight of zero does not silence.
    const int32_t begin = from > 4 * quad ? from - 4 * quad : 0, end = to < 4 * quad + 4 ? to - 4 * quad : 4;
    Pairs even, odd;
    load_columns(bytes_at(a.values, (quad * pieces + d / 8) * 64), two, begin, end, &even, &odd);
    for (const int64_t piece : fetched) fetch(next + (quad * pieces + piece) * 64);
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) {
      total[i] = dot_pairs(even, set_pairs(pairs[i][2 * quad]), total[i]);
      total[i] = dot_pairs(odd, set_pairs(pairs[i][2 * quad + 1]), total[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Q; ++i) store_n(acc + i * dim, total[i], lanes);
}

template <int Q>
inline void mix_bf16(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink) {
  uint32_t pairs[Q][kPagePositions / 2];
  for (int i = 0; i < Q; ++i) {
    float weights[kPagePositions];
    uint16_t rounded[kPagePositions];
    only_seen(a, first + i, from, to, weights);
    for (int p = 0; p < kPagePositions; p += 16) store_bf16(rounded + p, load(weights + p));
    memcpy(pairs[i], rounded, sizeof(rounded));
  }
  for (int64_t d = 0; d < a.value_dim; d += 16) mix_bf16_columns<Q>(a, first, from, to, shrink, pairs, d);
}

// N times 16 numbers of the value, from number d on, of Q queries.
template <int Q, int N>
inline void mix_int8_columns(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink,
                             const uint32_t (*fours)[kPagePositions / 4], const float* scale, int64_t d) {
  const int64_t dim = a.value_dim, pieces = cache_pieces(a.value_rows);
  const uint8_t* next = bytes_at(a.values, next_offset(a.next_values, a.values));
  int64_t fetched[N];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) fetched[n] = fetched_by_mixing(a, pieces, d / 16 + n, ceil_div(dim, 16));
  I total[N][Q];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) total[n][i] = zero_integers();
  for (int32_t quad = from / 4; quad < (to + 3) / 4; ++quad) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      const Quads values = load_quads(bytes_at(a.values, (quad * pieces + d / 16 + n) * 64));
      fetch(next + (quad * pieces + fetched[n]) * 64);
#pragma GCC unroll 16
      for (int i = 0; i < Q; ++i) total[n][i] = dot_quads(values, fours[i][quad], total[n][i]);
    }
  }
  float* acc = a.acc + first * dim + d;
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) {
    const int64_t rest = dim - d - 16 * n, lanes = rest < 16 ? rest : 16;
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) {
      float* at = acc + i * dim + 16 * n;
      store_n(at, fma(to_float(total[n][i]), set1(scale[i]), mul(load_n(at, lanes), set1(shrink[i]))), lanes);
    }
  }
}

// A chunk's weights, each with its value's scale, are rounded to 255 steps of the largest.
template <int Q>
inline void mix_int8(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink) {
  const int64_t pieces = cache_pieces(a.value_rows);
  const float* scales = reinterpret_cast<const float*>(bytes_at(a.values, pieces * 16 * kPagePositions));
  const int64_t next = a.keys == a.values ? 0 : next_offset(a.next_values, a.values);
  for (int64_t i = 0; i < kPagePositions; i += 16) fetch(bytes_at(scales + i, next));
  uint32_t fours[Q][kPagePositions / 4];
  float scale[Q];
  for (int i = 0; i < Q; ++i) {
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
  constexpr int H = queries_together<Q>(), N = quads_together<H>();
  int64_t d = 0;
  for (; d + 16 * N <= a.value_dim; d += 16 * N)
    for (int i = 0; i < Q; i += H) mix_int8_columns<H, N>(a, first + i, from, to, shrink + i, fours + i, scale + i, d);
  for (; d < a.value_dim; d += 16) mix_int8_columns<Q, 1>(a, first, from, to, shrink, fours, scale, d);
}

}  // namespace
