// Q4_0: 32 numbers in 18 bytes, x[i] = d * (q[i] - 8). Q4_1: in 20 bytes, x[i] = d * q[i] + m.
//
//   Q4_0  byte  0      2                        18
//               +------+-------------------------+
//               | d    | n[0] ... n[15]          |      byte n[i] holds q[i] in its low nibble
//               | half |                         |      and q[i + 16] in its high nibble
//               +------+-------------------------+
//   Q4_1  byte  0      2      4                      20
//               +------+------+-----------------------+
//               | d    | m    | n[0] ... n[15]        |
//               | half | half |                       |
//               +------+------+-----------------------+
#include "quants/blocks.h"

namespace pensee::quants {

void decode_q4_0(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 18, out += 32) {
    const float d = load_half(in);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(low_nibble(in[2 + i]) - 8);
      out[i + 16] = d * static_cast<float>(high_nibble(in[2 + i]) - 8);
    }
  }
}

void decode_q4_1(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 20, out += 32) {
    const float d = load_half(in);
    const float m = load_half(in + 2);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(low_nibble(in[4 + i])) + m;
      out[i + 16] = d * static_cast<float>(high_nibble(in[4 + i])) + m;
    }
  }
}

}  // namespace pensee::quants
