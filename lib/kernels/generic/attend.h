// Attention over one chunk of cached rows, with a running softmax (Milakov and Gimelshein, 2018). Consecutive queries
// that see the same rows go in blocks, so that a cached number is loaded once for all of them; a query's own arithmetic
// does not know its block. Rows that a query must not see may hold anything. Here are the row-major types; bf16 and
// int8, whose products are of pairs and of quadruples, are in quads.h.
//
// Roofline: 2 operations a number, query and pass. With q queries a chunk, bytes are read once from memory; from four
// queries on the multiply-adds bound it (float32: 16 a cycle with AVX2, 32 with AVX-512), before that the memory.
#pragma once

#include "kernels/generic/kernels.h"
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

// scores[q][p] = scale * q . key, for Q queries and the N positions from p on; kFetch: of the next block, too, fetches
// what fetched_by_scoring says.
template <class Rows, int Q, int N, bool kFetch>
[[gnu::noinline]] void score_positions(const AttendArgs& a, int32_t first, int32_t p) {
  const int64_t key_bytes = cache_row_bytes(a.key_rows), q_stride = a.q_stride / 4;
  const uint8_t* key = bytes_at(a.keys, p * key_bytes);
  const float* q = static_cast<const float*>(a.q) + first * q_stride;
  const int64_t whole = a.key_rows.dim / 16 * 16, rest = a.key_rows.dim - whole;
  F dot[N][Q];
#pragma GCC unroll kUnroll
  for (int n = 0; n < N; ++n)
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i) dot[n][i] = set1(0.0f);
  const int64_t next = next_offset(a.next_keys, a.keys), fetched = fetched_by_scoring(a, key_bytes);
  const int64_t step = 16 * key_bytes / a.key_rows.dim;  // bytes of 16 numbers
  for (int64_t d = 0, at = 0; d < whole; d += 16, at += step) {
    F k[N];
#pragma GCC unroll kUnroll
    for (int n = 0; n < N; ++n) {
      k[n] = Rows::get(key + n * key_bytes, d);
      if (kFetch) fetch(key + n * key_bytes + at + (at < fetched ? next : 0));
    }
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i) {
      const F x = load(q + i * q_stride + d);
#pragma GCC unroll kUnroll
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

// Positions are rounded to whole N: what nobody sees may be scored. The next block is fetched once for all queries.
template <class Rows>
void score_rows(const AttendArgs& a, int32_t first, int32_t count) {
  with_block(part_of(count), [&]<int Q>() {
    constexpr int N = Q * 2 <= kQuadSums ? 2 : 1;
    for (int32_t i = first; i < first + count; i += Q) {
      const auto some = i == 0 && a.next_keys ? score_positions<Rows, Q, N, true> : score_positions<Rows, Q, N, false>;
      for (int32_t p = a.from[first] / N * N; p < a.to[first]; p += N) some(a, i, p);
    }
  });
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

// acc[q][d] += sum over positions [from, to) of weight * value, for `lanes` columns from d on and Q queries; acc first
// shrinks when `shrink` is given.
template <class Rows, int Q, bool kWhole>
inline void mix_columns(const AttendArgs& a, int32_t first, int32_t from, int32_t to, const float* shrink, int64_t d) {
  const int64_t value_bytes = cache_row_bytes(a.value_rows), next = next_offset(a.next_values, a.values);
  const int64_t fetched = fetched_by_mixing(a, value_bytes, d, a.value_dim), lanes = kWhole ? 16 : a.value_dim - d;
  float* acc = a.acc + static_cast<int64_t>(first) * a.value_dim + d;
  const float* weights = a.scores + static_cast<int64_t>(first) * kPagePositions;
  F total[Q];
#pragma GCC unroll kUnroll
  for (int i = 0; i < Q; ++i) {
    total[i] = load_n(acc + i * a.value_dim, lanes);
    if (shrink) total[i] = mul(total[i], set1(shrink[i]));
  }
  const uint8_t* value = bytes_at(a.values, from * value_bytes);
  for (int32_t p = from; p < to; ++p, value += value_bytes) {
    const F v = kWhole ? Rows::get(value, d) : Rows::get_first(value, d, lanes);
    fetch(value + fetched + next);
#pragma GCC unroll kUnroll
    for (int i = 0; i < Q; ++i) total[i] = fma(set1(weights[i * kPagePositions + p]), v, total[i]);
  }
#pragma GCC unroll kUnroll
  for (int i = 0; i < Q; ++i) store_n(acc + i * a.value_dim, total[i], lanes);
}

// A few rows at a time: they lie a power of two apart as often as not, and all 64 would fall into few sets of L1.
template <class Rows>
void mix_rows(const AttendArgs& a, int32_t first, int32_t count, const float* shrink) {
  const int32_t end = a.to[first];
  with_block(count, [&]<int Q>() {
    for (int32_t from = a.from[first]; from < end; from += 16) {
      const int32_t to = from + 16 < end ? from + 16 : end;
      const float* now = from == a.from[first] ? shrink : nullptr;
      int64_t d = 0;
      for (; d + 16 <= a.value_dim; d += 16) mix_columns<Rows, Q, true>(a, first, from, to, now, d);
      for (int i = 0; i < Q && d < a.value_dim; ++i) {
        mix_columns<Rows, 1, false>(a, first + i, from, to, now ? now + i : nullptr, d);
      }
    }
  });
}

// A type's functions each (table.h: RowKernels), in the order of CacheType.
struct RowTable {
  const RowKernels* of[5];
};
constexpr RowKernels kF32Rows = {score_rows<RowsF32>, mix_rows<RowsF32>};
constexpr RowKernels kF16Rows = {score_rows<RowsF16>, mix_rows<RowsF16>};
constexpr RowKernels kBf16Rows = {score_bf16, mix_bf16};
constexpr RowKernels kInt8Rows = {score_int8, mix_int8};
constexpr RowKernels kInt4Rows = {score_rows<RowsInt4>, mix_rows<RowsInt4>};
constexpr RowTable kRows = {&kF32Rows, &kF16Rows, &kBf16Rows, &kInt8Rows, &kInt4Rows};

template <const RowTable& kTable>
void attend(const AttendArgs& a) {
  const RowKernels& keys = *kTable.of[static_cast<int>(a.key_rows.type)];
  const RowKernels& values = *kTable.of[static_cast<int>(a.value_rows.type)];
  for (int32_t q = 0; q < a.num_q;) {
    int32_t same = 1;
    while (q + same < a.num_q && a.from[q + same] == a.from[q] && a.to[q + same] == a.to[q]) ++same;
    const int32_t end = q + same, from = a.from[q], to = a.to[q];
    if (from >= to) q = end;
    while (q < end) {
      const int32_t count = block_of(end - q);
      keys.score(a, q, count);
      float shrink[kMostQueries];
      for (int32_t i = 0; i < count; ++i) {
        float* scores = a.scores + static_cast<int64_t>(q + i) * kPagePositions + from;
        shrink[i] = weigh(scores, to - from, a.max + q + i, a.sum + q + i);
      }
      values.mix(a, q, count, shrink);
      q += count;
    }
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

// The table of this ISA, all but its tiles. rows: a RowTable.
#define PENSEE_GENERIC_KERNELS(name, rows) \
  name, rms_norm, add_rows, add_scaled, swiglu, sigmoid, softmax, rope, rotate, to_cache, to_query, attend<rows>, \
      attend_join, argmax
