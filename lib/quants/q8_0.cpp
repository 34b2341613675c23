// Q8_0: 32 numbers in 34 bytes, x[i] = d * q[i].
//
//   byte  0      2                              34
//         +------+-------------------------------+
//         | d    | q[0] ... q[31]                |
//         | half | int8                          |
//         +------+-------------------------------+
#include "quants/blocks.h"

namespace pensee::quants {

void decode_q8_0(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 34, out += 32) {
    const float d = load_half(in);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(load<int8_t>(in + 2 + i));
  }
}

}  // namespace pensee::quants
