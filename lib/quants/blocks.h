// What the stored types' files share: reading little-endian fields from unaligned bytes, and the names of the decoders
// that the table in quants.cpp lists. Private to quants/. A decoder multiplies and adds in float, in the order that
// ggml's reference does, so that results are equal bit by bit; nothing may be fused (the build says -ffp-contract=off).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quants/quants.h"

namespace pensee::quants {

static_assert(std::endian::native == std::endian::little, "stored blocks are little-endian; so must the CPU be");

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

inline float load_half(const std::byte* p) { return half_to_float(load<uint16_t>(p)); }
inline int low_nibble(std::byte b) { return static_cast<int>(b) & 15; }
inline int high_nibble(std::byte b) { return static_cast<int>(b) >> 4; }
inline int bit(uint32_t bits, int index) { return static_cast<int>((bits >> index) & 1); }

// Q4_K and Q5_K share the packing of their eight 6-bit scales and minima; q4_k.cpp draws it.
struct ScaleAndMin {
  int scale;
  int min;
};
ScaleAndMin unpack_scale_and_min(const std::byte* scales, int sub_block);

void decode_f32(const std::byte* in, float* out, int64_t blocks);
void decode_f16(const std::byte* in, float* out, int64_t blocks);
void decode_bf16(const std::byte* in, float* out, int64_t blocks);
void decode_q8_0(const std::byte* in, float* out, int64_t blocks);
void decode_q4_0(const std::byte* in, float* out, int64_t blocks);
void decode_q4_1(const std::byte* in, float* out, int64_t blocks);
void decode_q5_0(const std::byte* in, float* out, int64_t blocks);
void decode_q5_1(const std::byte* in, float* out, int64_t blocks);
void decode_q4_k(const std::byte* in, float* out, int64_t blocks);
void decode_q5_k(const std::byte* in, float* out, int64_t blocks);
void decode_q6_k(const std::byte* in, float* out, int64_t blocks);
void decode_f8_e4m3(const std::byte* in, float* out, int64_t blocks);

}  // namespace pensee::quants
