// Q6_K: 256 numbers in 210 bytes, sixteen sub-blocks of 16; x[i] = (d * scale[i / 16]) * (q[i] - 32).
//
//   byte  0                       128              192                208    210
//         +-----------------------+----------------+------------------+------+
//         | n[0] ... n[127]       | h[0] ... h[63] | scale[0] .. [15] | d    |
//         | low four bits         | upper two bits | int8             | half |
//         +-----------------------+----------------+------------------+------+
//
//   Each half of 128 numbers has 64 bytes n, 32 bytes h and 8 scales of its own. Within a half, number 32 g + i
//   (g = 0..3, i = 0..31) takes its low bits from n[32 (g % 2) + i], the low nibble for g < 2 and the high one else,
//   and its upper bits from bits 2 g and 2 g + 1 of h[i].
#include "quants/blocks.h"

namespace pensee::quants {

void decode_q6_k(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 210, out += 256) {
    const float d = load_half(in + 208);
    for (int x = 0; x < 256; ++x) {
      const int half = x / 128, g = x % 128 / 32, i = x % 32;
      const std::byte n = in[64 * half + 32 * (g % 2) + i];
      const int upper = (static_cast<int>(in[128 + 32 * half + i]) >> (2 * g)) & 3;
      const int q = (g < 2 ? low_nibble(n) : high_nibble(n)) + 16 * upper - 32;
      const float scale = d * static_cast<float>(load<int8_t>(in + 192 + x / 16));
      out[x] = scale * static_cast<float>(q);
    }
  }
}

}  // namespace pensee::quants
