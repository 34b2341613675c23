// F32, F16 and BF16: a block is one number.
//
//   F32   s eeeeeeee fffffffffffffffffffffff
//   F16   s eeeee ffffffffff                    exponent bias 15; below 2^-14 denormal
//   BF16  s eeeeeeee fffffff                    the upper half of an F32
//
// Conversions work on bits, not with the CPU's instructions, so that every ISA and every rounding mode agree; they
// keep a NaN's upper payload bits and never make an infinity of it.
#include <bit>

#include "quants/blocks.h"

namespace pensee {

float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u;
  const uint32_t fraction = bits & 0x3FFu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float size = static_cast<float>(fraction) * 0x1p-24f;  // exact, zero included
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(size));
}

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t size = bits & 0x7FFFFFFFu;
  if (size > 0x7F800000u) {
    const uint32_t payload = (size >> 13) & 0x3FFu;
    return static_cast<uint16_t>(sign | 0x7C00u | (payload ? payload : 1u));
  }
  if (size >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);  // from 65520 on, the tie included
  if (size >= 0x38800000u) {                                              // 2^-14: a normal half
    const uint32_t odd = (size >> 13) & 1u;
    return static_cast<uint16_t>(sign | ((size - (112u << 23) + 0xFFFu + odd) >> 13));
  }
  if (size <= 0x33000000u) return static_cast<uint16_t>(sign);  // up to 2^-25, which ties to zero
  const uint32_t shift = 126u - (size >> 23);                   // 14 to 24: the result counts units of 2^-24
  const uint32_t significand = (size & 0x7FFFFFu) | 0x800000u;
  const uint32_t odd = (significand >> shift) & 1u;
  return static_cast<uint16_t>(sign | ((significand + (1u << (shift - 1)) - 1u + odd) >> shift));
}

float bfloat_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t float_to_bfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);  // a quiet NaN
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

namespace quants {

void decode_f32(const std::byte* in, float* out, int64_t blocks) {
  if (blocks > 0) std::memcpy(out, in, static_cast<size_t>(blocks) * sizeof(float));
}

void decode_f16(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t i = 0; i < blocks; ++i) out[i] = load_half(in + 2 * i);
}

void decode_bf16(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t i = 0; i < blocks; ++i) out[i] = bfloat_to_float(load<uint16_t>(in + 2 * i));
}

}  // namespace quants
}  // namespace pensee
