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
// Where `at` of `block` lies in the block of the next call.
inline void fetch_next(const void* next, const void* block, const uint8_t* at) {
  if (next) __builtin_prefetch(static_cast<const uint8_t*>(next) + (at - static_cast<const uint8_t*>(block)), 0, 2);
}
// Quads at once, so that small blocks have sums enough to hide a product's latency.
template <int Q>
constexpr int quads_together() {
  return Q * 4 <= kQuadSums ? 4 : Q * 2 <= kQuadSums ? 2 : 1;
}

template <int Q, int N>
inline void score_bf16_quads(const AttendArgs& a, int32_t first, int32_t quad) {
  const int64_t pieces = cache_pieces(a.key_rows), quad_bytes = pieces * 64;
  const uint8_t *keys = bytes_at(a.keys, quad * quad_bytes), *q = bytes_at(a.q, first * a.q_stride);
  F acc[N][Q];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) acc[n][i] = set1(0.0f);
  for (int64_t c = 0; c < pieces; ++c) {
    Pairs key[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      key[n] = load_pairs(keys + n * quad_bytes + 64 * c);
      fetch_next(a.next_keys, a.keys, keys + n * quad_bytes + 64 * c);
    }
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) {
      const Pairs query = spread_pairs(q + i * a.q_stride + 16 * c);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) acc[n][i] = dot_pairs(key[n], query, acc[n][i]);
    }
  }
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
    store_sums<Q>(acc[n], a.scores + int64_t{first} * kPagePositions + 4 * (quad + n), kPagePositions);
}

template <int Q>
inline void score_bf16(const AttendArgs& a, int32_t first, int32_t from, int32_t to) {
  if constexpr (Q > 8) {
    score_bf16<Q / 2>(a, first, from, to);
    score_bf16<Q / 2>(a, first + Q / 2, from, to);
  } else {
    constexpr int N = quads_together<Q>();
    const int32_t end = (to + 3) / 4;
    int32_t quad = from / 4;
    for (; quad + N <= end; quad += N) score_bf16_quads<Q, N>(a, first, quad);
    for (; quad < end; ++quad) score_bf16_quads<Q, 1>(a, first, quad);
    for (int i = 0; i < Q; ++i) {
      float* scores = a.scores + int64_t{first + i} * kPagePositions;
      for (int32_t p = from / 16 * 16; p < to; p += 16) store(scores + p, mul(load(scores + p), set1(a.scale)));
    }
  }
}

template <int Q, int N>
inline void score_int8_quads(const AttendArgs& a, const uint8_t* keys, int64_t quad_bytes, const uint8_t* q,
                             int64_t pieces, int32_t* out) {
  I acc[N][Q];
  for (int n = 0; n < N; ++n)
    for (int i = 0; i < Q; ++i) acc[n][i] = zero_integers();
  for (int64_t c = 0; c < pieces; ++c) {
    Key key[N];
    for (int n = 0; n < N; ++n) {
      key[n] = load_key(keys + n * quad_bytes + 64 * c);
      fetch_next(a.next_keys, a.keys, keys + n * quad_bytes + 64 * c);
    }
    for (int i = 0; i < Q; ++i)
      for (int n = 0; n < N; ++n) acc[n][i] = dot_key(key[n], q + i * a.q_stride + 16 * c, acc[n][i]);
  }
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) store_sums<Q>(acc[n], out + 4 * n, kPagePositions);
}

template <int Q>
inline void score_int8(const AttendArgs& a, int32_t first, int32_t from, int32_t to) {
  if constexpr (Q > 8) {
    score_int8<Q / 2>(a, first, from, to);
    score_int8<Q / 2>(a, first + Q / 2, from, to);
  } else {
    constexpr int N = quads_together<Q>();
    int32_t sums[2][Q][kPagePositions];
    const CacheRows& rows = a.key_rows;
    const int64_t all = cache_pieces(rows), parts = cache_parts(rows);
    const int64_t begin[3] = {0, ceil_div(rows.first, 16), all};
    const int32_t end = (to + 3) / 4;
    for (int64_t part = 0; part < parts; ++part) {
      const uint8_t* keys = bytes_at(a.keys, begin[part] * 64);
      const uint8_t* q = bytes_at(a.q, first * a.q_stride + begin[part] * 16);
      const int64_t pieces = begin[part + 1] - begin[part];
      int32_t quad = from / 4;
      for (; quad + N <= end; quad += N)
        score_int8_quads<Q, N>(a, keys + quad * all * 64, all * 64, q, pieces, sums[part][0] + 4 * quad);
      for (; quad < end; ++quad)
        score_int8_quads<Q, 1>(a, keys + quad * all * 64, all * 64, q, pieces, sums[part][0] + 4 * quad);
    }
    const float* scales = reinterpret_cast<const float*>(bytes_at(a.keys, all * 16 * kPagePositions));
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
  const int64_t pieces = cache_pieces(a.value_rows), lanes = a.value_dim - d < 16 ? a.value_dim - d : 16;
  const bool two = d / 8 + 1 < pieces;
  float* acc = a.acc + int64_t{first} * a.value_dim + d;
  F total[Q];
  for (int i = 0; i < Q; ++i) total[i] = mul(load_n(acc + i * a.value_dim, lanes), set1(shrink[i]));
  for (int32_t quad = from / 4; quad < (to + 3) / 4; ++quad) {
    // Positions that must not be seen may hold NaN, which a weight of zero does not silence.
    const int32_t begin = from > 4 * quad ? from - 4 * quad : 0, end = to < 4 * quad + 4 ? to - 4 * quad : 4;
    Pairs even, odd;
    const uint8_t* at = bytes_at(a.values, (quad * pieces + d / 8) * 64);
    load_columns(at, two, begin, end, &even, &odd);
    fetch_next(a.next_values, a.values, at);
    fetch_next(a.next_values, a.values, at + 64);
    for (int i = 0; i < Q; ++i) {
      total[i] = dot_pairs(even, set_pairs(pairs[i][2 * quad]), total[i]);
      total[i] = dot_pairs(odd, set_pairs(pairs[i][2 * quad + 1]), total[i]);
    }
  }
  for (int i = 0; i < Q; ++i) store_n(acc + i * a.value_dim, total[i], lanes);
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
  const int64_t pieces = cache_pieces(a.value_rows);
  I total[N][Q];
  for (int n = 0; n < N; ++n)
    for (int i = 0; i < Q; ++i) total[n][i] = zero_integers();
  for (int32_t quad = from / 4; quad < (to + 3) / 4; ++quad) {
    for (int n = 0; n < N; ++n) {
      const uint8_t* at = bytes_at(a.values, (quad * pieces + d / 16 + n) * 64);
      const Quads values = load_quads(at);
      fetch_next(a.next_values, a.values, at);
      for (int i = 0; i < Q; ++i) total[n][i] = dot_quads(values, fours[i][quad], total[n][i]);
    }
  }
  for (int n = 0; n < N; ++n, d += 16) {
    const int64_t lanes = a.value_dim - d < 16 ? a.value_dim - d : 16;
    for (int i = 0; i < Q; ++i) {
      float* acc = a.acc + int64_t{first + i} * a.value_dim + d;
      store_n(acc, fma(to_float(total[n][i]), set1(scale[i]), mul(load_n(acc, lanes), set1(shrink[i]))), lanes);
    }
  }
}

// A chunk's weights, each with its value's scale, are rounded to 255 steps of the largest.
template <int Q>
inline void mix_int8(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink) {
  const int64_t pieces = cache_pieces(a.value_rows);
  const float* scales = reinterpret_cast<const float*>(bytes_at(a.values, pieces * 16 * kPagePositions));
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
  constexpr int N = quads_together<Q>();
  int64_t d = 0;
  for (; d + 16 * N <= a.value_dim; d += 16 * N) mix_int8_columns<Q, N>(a, first, from, to, shrink, fours, scale, d);
  for (; d < a.value_dim; d += 16) mix_int8_columns<Q, 1>(a, first, from, to, shrink, fours, scale, d);
}

}  // namespace
