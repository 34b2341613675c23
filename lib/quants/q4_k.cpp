// Q4_K: 256 numbers in 144 bytes, eight sub-blocks of 32; x[i] = (d * scale[s]) * q[i] - (dmin * min[s]).
//
//   byte  0      2      4              16                            144
//         +------+------+--------------+------------------------------+
//         | d    | dmin | k[0]..k[11]  | n[0] ... n[127]              |
//         | half | half | 6-bit pairs  | nibbles                      |
//         +------+------+--------------+------------------------------+
//
//   n[32 c + i], c = 0..3: the low nibble is number i of sub-block 2 c, the high nibble number i of sub-block 2 c + 1.
//
//   k, with s = 0..3 (bits, highest first; S = scale, M = min):
//     k[s]      S[s+4]:54  S[s]:543210
//     k[s + 4]  M[s+4]:54  M[s]:543210
//     k[s + 8]  M[s+4]:3210  S[s+4]:3210
#include "quants/blocks.h"

namespace pensee::quants {

ScaleAndMin unpack_scale_and_min(const std::byte* scales, int sub_block) {
  const auto k = [scales](int i) { return static_cast<int>(scales[i]); };
  if (sub_block < 4) return {k(sub_block) & 63, k(sub_block + 4) & 63};
  const int s = sub_block - 4;
  return {(k(s + 8) & 15) | ((k(s) >> 6) << 4), (k(s + 8) >> 4) | ((k(s + 4) >> 6) << 4)};
}

void decode_q4_k(const std::byte* in, float* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 144, out += 256) {
    const float d = load_half(in);
    const float dmin = load_half(in + 2);
    for (int s = 0; s < 8; ++s) {
      const ScaleAndMin k = unpack_scale_and_min(in + 4, s);
      const float scale = d * static_cast<float>(k.scale);
      const float min = dmin * static_cast<float>(k.min);
      const std::byte* n = in + 16 + 32 * (s / 2);
      for (int i = 0; i < 32; ++i) {
        const int q = s % 2 == 0 ? low_nibble(n[i]) : high_nibble(n[i]);
        out[32 * s + i] = scale * static_cast<float>(q) - min;
      }
    }
  }
}

}  // namespace pensee::quants
