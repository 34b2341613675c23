// Q5_K: 256 numbers in 176 bytes, eight sub-blocks of 32; x[i] = (d * scale[s]) * q[i] - (dmin * min[s]).
//
//   byte  0      2      4              16              48                           176
//         +------+------+--------------+---------------+------------------------------+
//         | d    | dmin | k[0]..k[11]  | h[0] .. h[31] | n[0] ... n[127]              |
//         | half | half | as in Q4_K   | fifth bits    | nibbles, as in Q4_K          |
//         +------+------+--------------+---------------+------------------------------+
//
//   Number i of sub-block s is its nibble + 16 * bit s of h[i].
#include "quants/blocks.h"

namespace pensee::quants {

void decode_q5_k(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 176, out += 256) {
    const float d = load_half(in);
    const float dmin = load_half(in + 2);
    const std::byte* h = in + 16;
    for (int s = 0; s < 8; ++s) {
      const ScaleAndMin k = unpack_scale_and_min(in + 4, s);
      const float scale = d * static_cast<float>(k.scale);
      const float min = dmin * static_cast<float>(k.min);
      const std::byte* n = in + 48 + 32 * (s / 2);
      for (int i = 0; i < 32; ++i) {
        const int nibble = s % 2 == 0 ? low_nibble(n[i]) : high_nibble(n[i]);
        const int q = nibble + 16 * bit(static_cast<uint32_t>(h[i]), s);
        out[32 * s + i] = scale * static_cast<float>(q) - min;
      }
    }
  }
}

}  // namespace pensee::quants
