// Q5_0: 32 numbers in 22 bytes, x[i] = d * (q[i] - 16). Q5_1: in 24 bytes, x[i] = d * q[i] + m.
//
//   Q5_0  byte  0      2        6                      22
//               +------+--------+-----------------------+
//               | d    | h      | n[0] ... n[15]        |     q[i] = nibble i + 16 * bit i of h; the nibbles
//               | half | uint32 |                       |     lie as in Q4_0: q[i] low, q[i + 16] high
//               +------+--------+-----------------------+
//   Q5_1  byte  0      2      4        8                    24
//               +------+------+--------+---------------------+
//               | d    | m    | h      | n[0] ... n[15]      |
//               | half | half | uint32 |                     |
//               +------+------+--------+---------------------+
#include "quants/blocks.h"

namespace pensee::quants {

void decode_q5_0(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 22, out += 32) {
    const float d = load_half(in);
    const uint32_t h = load<uint32_t>(in + 2);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(low_nibble(in[6 + i]) + 16 * bit(h, i) - 16);
      out[i + 16] = d * static_cast<float>(high_nibble(in[6 + i]) + 16 * bit(h, i + 16) - 16);
    }
  }
}

void decode_q5_1(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 24, out += 32) {
    const float d = load_half(in);
    const float m = load_half(in + 2);
    const uint32_t h = load<uint32_t>(in + 4);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(low_nibble(in[8 + i]) + 16 * bit(h, i)) + m;
      out[i + 16] = d * static_cast<float>(high_nibble(in[8 + i]) + 16 * bit(h, i + 16)) + m;
    }
  }
}

}  // namespace pensee::quants
