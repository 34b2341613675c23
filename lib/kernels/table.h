// What a kernel file may see: the arguments and the table of kernels, in C headers only, and functions that are static,
// so that no inline function compiled for a newer CPU can leak out of a kernel file (house rule 6). Everybody else
// includes kernels/kernels.h.
#pragma once

#include <stdint.h>

namespace pensee {

enum class CacheType : uint8_t { f32, f16, bf16, int8, int4 };
static constexpr bool is_quantised(CacheType t) { return t == CacheType::int8 || t == CacheType::int4; }
// Whether four positions share a vector: see CacheRows.
static constexpr bool is_side_by_side(CacheType t) { return t == CacheType::bf16 || t == CacheType::int8; }

// Positions of a cache page; also the chunk that one attend() call reads.
inline constexpr int32_t kPagePositions = 64;

// The numbers that each position of a page keeps: of one key-value head, or of a latent row.
struct CacheRows {
  CacheType type = CacheType::f32;
  int32_t dim = 0;
  int32_t first = 0;  // numbers that int8 scales apart from those behind them: a latent; dim if there are none behind
};

// How a page keeps the rows of its 64 positions, together a block:
//   f32, f16    [64][dim]
//   bf16, int8  pieces of 16 bytes, those of four positions side by side: one 64-byte vector meets four positions, and
//               turned around it holds four positions of 16 numbers: [16 quads][pieces][4 positions][16 bytes]. Zeros
//               fill up the last piece, and the last one of an int8 row's first part. Behind the pieces of int8: float
//               scales [parts][64].
//   int4        [64][pieces of 20 bytes]: the float that scales 32 numbers, then number i in the low half of byte i,
//               i + 16 in its high half, each 8 too large; zeros fill up the last piece
static constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static constexpr int64_t cache_parts(const CacheRows& r) {
  return r.type == CacheType::int8 && r.first < r.dim ? 2 : 1;
}
static constexpr int64_t cache_pieces(const CacheRows& r) {
  if (r.type == CacheType::bf16) return ceil_div(r.dim, 8);
  if (r.type == CacheType::int8) return ceil_div(r.first, 16) + ceil_div(r.dim - r.first, 16);
  return ceil_div(r.dim, 32);
}
static constexpr int64_t cache_row_bytes(const CacheRows& r) {
  if (r.type == CacheType::f32) return 4 * int64_t{r.dim};
  if (r.type == CacheType::f16) return 2 * int64_t{r.dim};
  if (r.type == CacheType::int4) return 20 * cache_pieces(r);
  return 16 * cache_pieces(r) + (r.type == CacheType::int8 ? 4 * cache_parts(r) : 0);
}
static constexpr int64_t cache_block_bytes(const CacheRows& r) { return kPagePositions * cache_row_bytes(r); }
// Of a query, as attention wants it against such rows: bf16 pieces; int8 pieces, float scale[2], int32 sum[2]; else
// floats.
static constexpr int64_t query_bytes(const CacheRows& r) {
  if (r.type == CacheType::bf16) return 16 * cache_pieces(r);
  if (r.type == CacheType::int8) return 16 * cache_pieces(r) + 16;
  return 4 * int64_t{r.dim};
}

// One chunk of attention: num_q queries against `positions` cached rows that they all share (the heads of one
// key-value head; for latent attention all heads). Updates the running online-softmax state of the segment.
struct AttendArgs {
  const void* q;     // [num_q], each as to_query wrote it, not yet scaled
  int64_t q_stride;  // bytes
  int32_t num_q;
  int32_t value_dim;
  float scale;
  CacheRows key_rows;
  CacheRows value_rows;
  const void* keys;    // blocks
  const void* values;  // may be `keys` (latent): the value is the first value_dim numbers of a row
  int32_t positions;    // 1..kPagePositions
  const int32_t* from;  // [num_q] each query sees rows [from, to) of this chunk; from >= to: none, state stays
  const int32_t* to;
  float* max;     // [num_q] running maximum of the scaled scores; starts at -infinity
  float* sum;     // [num_q] running sum of exp(score - max); starts at 0
  float* acc;     // [num_q, value_dim] running weighted sum of values; starts at 0
  float* scores;  // room for num_q * kPagePositions floats
  // The blocks that the next call reads, or null: fetched into the cache while this one computes.
  const void* next_keys;
  const void* next_values;
};

// What attention does with one type of rows: `count` queries from number `first` on, which see the same positions.
struct RowKernels {
  // scores[q][p] = scale * q . key, for the positions that the queries see; any numbers for others.
  void (*score)(const AttendArgs& args, int32_t first, int32_t count);
  // acc[q] = shrink[q] * acc[q] + the sum over those positions of scores[q][p] * value
  void (*mix)(const AttendArgs& args, int32_t first, int32_t count, const float* shrink);
};

struct Kernels {
  const char* isa;  // "scalar", "avx2", "avx2_vnni", "avx512", "avx512_bf16", "neon", "neon_dotprod", "neon_i8mm"

  // y[n] = x * rsqrt(mean(x^2) + eps) * weight (weight may be null: all ones). y may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, int64_t n);
  // x[n] += y[n]
  void (*add)(float* x, const float* y, int64_t n);
  // x[n] += factor * y[n], fused
  void (*add_scaled)(float* x, const float* y, float factor, int64_t n);
  // y[n] = silu(gate) * up. y may be gate.
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t n);
  // y[n] = 1 / (1 + exp(-x))
  void (*sigmoid)(const float* x, float* y, int64_t n);
  // softmax over n numbers, in place allowed
  void (*softmax)(const float* x, float* y, int64_t n);
  // Rotates dim numbers (dim even) by cos/sin [dim/2]. interleaved: pairs (2i, 2i+1); else (i, i + dim/2).
  // The result lies in the same order as the input.
  void (*rope)(float* x, const float* cos, const float* sin, int64_t dim, bool interleaved);
  // An orthonormal rotation that is its own inverse: Hadamard's, over powers of two up to 128, greatest first. It
  // spreads what sticks out over its neighbours, which quantising wants; scores of two rotated rows stay the same.
  void (*rotate)(float* x, int64_t n);
  // Stores rows.dim floats as the row of position `slot` of a block.
  void (*to_cache)(const float* x, void* block, int64_t slot, const CacheRows& rows);
  // Makes a query of query_bytes(rows) out of rows.dim floats.
  void (*to_query)(const float* x, void* out, const CacheRows& rows);
  void (*attend)(const AttendArgs& args);
  // Joins the state (max2, sum2, acc2) of a later segment into (max, sum, acc) of the earlier ones.
  void (*attend_join)(float* max, float* sum, float* acc, float max2, float sum2, const float* acc2, int64_t value_dim);
  // Index of the largest of n numbers, the first of equals; NaN never wins.
  int64_t (*argmax)(const float* x, int64_t n);

  // The dot tiles of packed layouts: see tiles.h. They belong to backends/native alone.
  const struct TileTable* tiles;
};

extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;        // x86-64 builds only
extern const Kernels kAvx2VnniKernels;    // x86-64 builds only
extern const Kernels kAvx512Kernels;      // x86-64 builds only
extern const Kernels kAvx512Bf16Kernels;  // x86-64 builds only
// bf16 with its dot products, and int8 with AVX-VNNI: all that the last two tables do in their own way.
extern const RowKernels kAvx512Bf16Rows;
extern const RowKernels kAvx2VnniRows;
extern const Kernels kNeonKernels;    // aarch64 builds only, as are the next
extern const Kernels kNeonDotprodKernels;
extern const Kernels kNeonI8mmKernels;

}  // namespace pensee
