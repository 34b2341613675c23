// Attention over one chunk of cached rows, with a running softmax (Milakov and Gimelshein, 2018). Consecutive queries
// that see the same rows go in blocks, so that a cached number is loaded once for all of them; a query's own arithmetic
// does not know its block. Rows that a query must not see may hold anything. Here are the row-major types; bf16 and
// int8, whose products are of pairs and of quadruples, are in quads.h.
//
// Roofline: 2 operations a number, query and pass. With q queries a chunk, bytes are read once from memory; from four
// queries on the multiply-adds bound it (float32: 16 a cycle with AVX2, 32 with AVX-512), before that the memory.
#pragma once

#include "kernels/generic/quads.h"

namespace {

// Sixteen numbers of a cached row from number d (a multiple of 16) on; get_first: the last `lanes` < 16 of them.
template <class Number, F (*load_numbers)(const Number*)>
struct PlainRows {
  static F get(const uint8_t* row, int64_t d) { return load_numbers(reinterpret_cast<const Number*>(row) + d); }
  static F get_first(const uint8_t* row, int64_t d, int64_t lanes) {
    Number room[16] = {};
    memcpy(room, row + d * static_cast<int64_t>(sizeof(Number)), static_cast<size_t>(lanes) * sizeof(Number));
    return load_numbers(room);
  }
};
using RowsF32 = PlainRows<float, load>;
using RowsF16 = PlainRows<uint16_t, load_f16>;
inline F scale_of(const uint8_t* block) {
  float scale;
  memcpy(&scale, block, sizeof(scale));
  return set1(scale);
}
// Pieces are whole, zeros behind the last number.
struct RowsInt4 {
  static F get(const uint8_t* row, int64_t d) {
    const uint8_t* block = row + d / 32 * 20;
    return mul(d % 32 ? load_high4(block + 4) : load_low4(block + 4), scale_of(block));
  }
  static F get_first(const uint8_t* row, int64_t d, int64_t) { return get(row, d); }
};

// scores[q][p] = scale * q . key, for Q queries and the N positions from p on.
template <class Rows, int Q, int N, bool kFetch>
inline void score_positions(const AttendArgs& a, int32_t first, int32_t p) {
  const int64_t key_bytes = cache_row_bytes(a.key_rows), q_stride = a.q_stride / 4;
  const uint8_t* key = bytes_at(a.keys, p * key_bytes);
  const float* q = static_cast<const float*>(a.q) + first * q_stride;
  const int64_t whole = a.key_rows.dim / 16 * 16, rest = a.key_rows.dim - whole;
  F dot[N][Q];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) dot[n][i] = set1(0.0f);
  const int64_t next = next_offset(a.next_keys, a.keys), fetched = fetched_by_scoring(a, key_bytes);
  const int64_t step = 16 * key_bytes / a.key_rows.dim;  // bytes of 16 numbers
  for (int64_t d = 0, at = 0; d < whole; d += 16, at += step) {
    F k[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      k[n] = Rows::get(key + n * key_bytes, d);
      if (kFetch) fetch(key + n * key_bytes + at + (at < fetched ? next : 0));
    }
#pragma GCC unroll 16
    for (int i = 0; i < Q; ++i) {
      const F x = load(q + i * q_stride + d);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) dot[n][i] = fma(x, k[n], dot[n][i]);
    }
  }
  for (int n = 0; n < N; ++n) {
    const F k = rest ? Rows::get_first(key + n * key_bytes, whole, rest) : set1(0.0f);
    for (int i = 0; i < Q; ++i) {
      if (rest) dot[n][i] = fma(load_first(q + i * q_stride + whole, rest), k, dot[n][i]);
      a.scores[int64_t{first + i} * kPagePositions + p + n] = sum(dot[n][i]) * a.scale;
    }
  }
}

template <class Rows, int Q>
inline void score(const AttendArgs& a, int32_t first, int32_t from, int32_t to) {
  if constexpr (Q > 8) {
    score<Rows, Q / 2>(a, first, from, to);
    score<Rows, Q / 2>(a, first + Q / 2, from, to);
  } else {
    constexpr int N = Q * 2 <= kQuadSums ? 2 : 1;
    const bool fetches = a.next_keys && first == 0;  // once for all queries
    int32_t p = from;
    for (; fetches && p + N <= to; p += N) score_positions<Rows, Q, N, true>(a, first, p);
    for (; p + N <= to; p += N) score_positions<Rows, Q, N, false>(a, first, p);
    for (; p < to; ++p) score_positions<Rows, Q, 1, false>(a, first, p);
  }
}

// Turns scores into weights exp(score - max), moves max and sum on, and returns the factor that old sums shrink by.
inline float weigh(float* scores, int32_t count, float* max_state, float* sum_state) {
  F top = set1(-kInfinity);
  each_vector(count, [&](int64_t i, int64_t lanes) { top = max(load_filled(scores + i, lanes, -kInfinity), top); });
  const float chunk = largest(top), old = *max_state;
  const float now = chunk > old ? chunk : old;
  const float shrink = now == old ? 1.0f : exp1(old - now);  // 1 also where nothing was seen
  const F highest = set1(now == -kInfinity ? 0.0f : now);
  F total = set1(0.0f);
  each_vector(count, [&](int64_t i, int64_t lanes) {
    const F e = exp(sub(load_filled(scores + i, lanes, -kInfinity), highest));
    total = add(total, e);
    store_n(scores + i, e, lanes);
  });
  *max_state = now;
  *sum_state = fma1(*sum_state, shrink, sum(total));
  return shrink;
}

// acc[q][d] += sum over positions of weight * value, for Q queries; acc first shrinks when `shrink` is given.
template <class Rows, int Q>
inline void mix_rows(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink) {
  const auto* values = static_cast<const uint8_t*>(a.values);
  float* acc = a.acc + static_cast<int64_t>(first) * a.value_dim;
  const float* weights = a.scores + static_cast<int64_t>(first) * kPagePositions;
  const int64_t value_bytes = cache_row_bytes(a.value_rows), next = next_offset(a.next_values, a.values);
  each_vector(a.value_dim, [&](int64_t d, int64_t lanes) {
    const int64_t fetched = fetched_by_mixing(a, value_bytes, d, a.value_dim);
    F total[Q];
    for (int i = 0; i < Q; ++i) {
      total[i] = load_n(acc + i * a.value_dim + d, lanes);
      if (shrink) total[i] = mul(total[i], set1(shrink[i]));
    }
    const uint8_t* value = values + from * value_bytes;
    for (int32_t p = from; p < to; ++p, value += value_bytes) {
      const F v = lanes == 16 ? Rows::get(value, d) : Rows::get_first(value, d, lanes);
      if (next) fetch(value + fetched + next);
      for (int i = 0; i < Q; ++i) total[i] = fma(set1(weights[i * kPagePositions + p]), v, total[i]);
    }
    for (int i = 0; i < Q; ++i) store_n(acc + i * a.value_dim + d, total[i], lanes);
  });
}

// A few rows at a time: they lie a power of two apart as often as not, and all 64 would fall into few sets of L1.
template <class Rows, int Q>
inline void mix(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink) {
  for (int32_t p = from; p < to; p += 16) {
    mix_rows<Rows, Q>(a, first, p, p + 16 < to ? p + 16 : to, p == from ? shrink : nullptr);
  }
}

template <int Q>
inline void score_by_type(const AttendArgs& a, int32_t first, int32_t from, int32_t to) {
  const CacheType type = a.key_rows.type;
  if (type == CacheType::f32) score<RowsF32, Q>(a, first, from, to);
  if (type == CacheType::f16) score<RowsF16, Q>(a, first, from, to);
  if (type == CacheType::int4) score<RowsInt4, Q>(a, first, from, to);
  if (type == CacheType::bf16) score_bf16<Q>(a, first, from, to);
  if (type == CacheType::int8) score_int8<Q>(a, first, from, to);
}

template <int Q>
inline void mix_by_type(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink) {
  const CacheType type = a.value_rows.type;
  if (type == CacheType::f32) mix<RowsF32, Q>(a, first, from, to, shrink);
  if (type == CacheType::f16) mix<RowsF16, Q>(a, first, from, to, shrink);
  if (type == CacheType::int4) mix<RowsInt4, Q>(a, first, from, to, shrink);
  if (type == CacheType::bf16) mix_bf16<Q>(a, first, from, to, shrink);
  if (type == CacheType::int8) mix_int8<Q>(a, first, from, to, shrink);
}

template <int Q>
void attend_block(const AttendArgs& a, int32_t first) {
  const int32_t from = a.from[first], to = a.to[first];
  score_by_type<Q>(a, first, from, to);
  float shrink[Q];
  for (int32_t i = 0; i < Q; ++i) {
    const int32_t q = first + i;
    shrink[i] = weigh(a.scores + static_cast<int64_t>(q) * kPagePositions + from, to - from, a.max + q, a.sum + q);
  }
  mix_by_type<Q>(a, first, from, to, shrink);
}

// The largest block that fits, and so on. kAttendQueries: what an ISA's registers hold the sums of.
inline int32_t attend_some(const AttendArgs& a, int32_t first, int32_t count) {
  if constexpr (kAttendQueries >= 16) {
    if (count >= 16) return attend_block<16>(a, first), 16;
    if (count >= 12) return attend_block<12>(a, first), 12;
    if (count >= 8) return attend_block<8>(a, first), 8;
  }
  if (count >= 6) return attend_block<6>(a, first), 6;
  if (count >= 4) return attend_block<4>(a, first), 4;
  if (count == 3) return attend_block<3>(a, first), 3;
  if (count == 2) return attend_block<2>(a, first), 2;
  return attend_block<1>(a, first), 1;
}

void attend(const AttendArgs& a) {
  for (int32_t q = 0; q < a.num_q;) {
    int32_t same = 1;
    while (q + same < a.num_q && a.from[q + same] == a.from[q] && a.to[q + same] == a.to[q]) ++same;
    const int32_t end = q + same;
    while (q < end && a.from[q] < a.to[q]) q += attend_some(a, q, end - q);
    q = end;
  }
}

void attend_join(float* max_state, float* sum_state, float* acc, float max2, float sum2, const float* acc2,
                 int64_t value_dim) {
  if (max2 == -kInfinity) return;
  const float now = *max_state > max2 ? *max_state : max2;
  const float keep = exp1(*max_state - now), take = exp1(max2 - now);
  each_vector(value_dim, [&](int64_t d, int64_t lanes) {
    const F scaled = mul(load_n(acc + d, lanes), set1(keep));
    store_n(acc + d, fma(set1(take), load_n(acc2 + d, lanes), scaled), lanes);
  });
  *max_state = now;
  *sum_state = fma1(sum2, take, *sum_state * keep);
}

}  // namespace

// The table of this ISA, all but its tiles.
#define PENSEE_GENERIC_KERNELS(name) \
  name, rms_norm, add_rows, add_scaled, swiglu, sigmoid, softmax, rope, rotate, to_cache, to_query, attend, \
      attend_join, argmax
