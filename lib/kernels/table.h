// What a kernel file may see: the arguments and the table of kernels, in C headers only, so that no inline function
// compiled for a newer CPU can leak out of a kernel file (house rule 6). Everybody else includes kernels/kernels.h.
#pragma once

#include <stdint.h>

namespace pensee {

// int8 and int4: blocks of 32 numbers behind the float that scales them, the last one filled up with zeros.
//   int8  scale, 32 signed bytes                                           36 bytes
//   int4  scale, 16 bytes: number i in the low half of byte i, i + 16 in    20 bytes
//         its high half, each 8 too large
enum class CacheType : uint8_t { f32, f16, bf16, int8, int4 };
inline constexpr int64_t kCacheBlock = 32;
constexpr bool is_quantised(CacheType t) { return t == CacheType::int8 || t == CacheType::int4; }
constexpr int64_t cache_row_bytes(CacheType t, int64_t numbers) {
  const int64_t blocks = (numbers + kCacheBlock - 1) / kCacheBlock;
  if (t == CacheType::int8) return blocks * 36;
  if (t == CacheType::int4) return blocks * 20;
  return numbers * (t == CacheType::f32 ? 4 : 2);
}

// Positions of a cache page; also the chunk that one attend() call reads. A segment is the fixed number of positions
// whose chunks are joined one after another before segments are joined in order.
inline constexpr int32_t kPagePositions = 64;
inline constexpr int32_t kSegmentPositions = 512;

// One chunk of attention: num_q queries against `positions` cached rows that they all share (the heads of one
// key-value head; for latent attention all heads). Updates the running online-softmax state of the segment.
struct AttendArgs {
  const float* q;  // [num_q, key_dim], row stride q_stride; not yet scaled
  int64_t q_stride;
  int32_t num_q;
  int32_t key_dim;
  int32_t value_dim;
  float scale;
  CacheType key_type;
  CacheType value_type;
  const void* keys;    // [positions, key_dim], a row each key_stride bytes
  const void* values;  // [positions, value_dim], a row each value_stride bytes; may overlap keys (latent)
  int64_t key_stride;
  int64_t value_stride;
  int32_t positions;    // 1..kPagePositions
  const int32_t* from;  // [num_q] each query sees rows [from, to) of this chunk; from >= to: none, state stays
  const int32_t* to;
  float* max;     // [num_q] running maximum of the scaled scores; starts at -infinity
  float* sum;     // [num_q] running sum of exp(score - max); starts at 0
  float* acc;     // [num_q, value_dim] running weighted sum of values; starts at 0
  float* scores;  // room for num_q * kPagePositions floats
};

struct Kernels {
  const char* isa;  // "scalar", "avx2", "avx512", "neon", "neon_dotprod", "neon_i8mm"

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
  // Stores n floats as a cache row, cache_row_bytes(type, n) long.
  void (*to_cache)(const float* x, void* out, CacheType type, int64_t n);
  void (*attend)(const AttendArgs& args);
  // Joins the state (max2, sum2, acc2) of a later segment into (max, sum, acc) of the earlier ones.
  void (*attend_join)(float* max, float* sum, float* acc, float max2, float sum2, const float* acc2, int64_t value_dim);
  // Index of the largest of n numbers, the first of equals; NaN never wins.
  int64_t (*argmax)(const float* x, int64_t n);

  // The dot tiles of packed layouts: see tiles.h. They belong to backends/native alone.
  const struct TileTable* tiles;
};

extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;    // x86-64 builds only
extern const Kernels kAvx512Kernels;  // x86-64 builds only
extern const Kernels kNeonKernels;    // aarch64 builds only, as are the next
extern const Kernels kNeonDotprodKernels;
extern const Kernels kNeonI8mmKernels;

}  // namespace pensee
