// F8_E4M3: 32 numbers in 36 bytes, x[i] = d * q[i]. Files hold the numbers and their scales apart, a scale for 128 by
// 128 numbers (DeepSeek-V3 report, 3.3.2); the reader of safetensors joins them row by row.
//
//   byte  0        4                              36        a number: s eeee fff, exponent bias 7, below 2^-6 denormal,
//         +--------+-------------------------------+        no infinities; all ones is NaN (Micikevicius et al. 2022)
//         | d      | q[0] ... q[31]                |
//         | float  | e4m3                          |
//         +--------+-------------------------------+
#include "quants/blocks.h"

namespace pensee {

// A half whose exponent field has the same bits is 2^8 times smaller, because its bias is 15.
float e4m3_to_float(uint8_t bits) {
  if ((bits & 0x7F) == 0x7F) return std::bit_cast<float>(0x7FC00000u);
  const auto half = static_cast<uint16_t>((bits & 0x80) << 8 | (bits & 0x7F) << 7);
  return 256.0f * half_to_float(half);
}

namespace quants {

void decode_f8_e4m3(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 36, out += 32) {
    const float d = load<float>(in);
    for (int i = 0; i < 32; ++i) out[i] = d * e4m3_to_float(load<uint8_t>(in + 4 + i));
  }
}

}  // namespace quants
}  // namespace pensee
