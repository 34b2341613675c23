// The tile of BF16 weights and BF16 activations, for x86-64 with AVX-512 as in avx512.cpp and BF16: Intel from Cooper
// Lake (2020), AMD from Zen 4 (2022) on.
//
// Roofline: one vdpbf16ps a cycle (two on Zen 5) is 64 operations; 16 sums hide its latency, two loaded weights meet
// eight rows. One row of activations: memory binds.
// clang-format off
#include "kernels/generic/vec_avx512.h"
// clang-format on

namespace {
constexpr int kFloatBlocks = 2, kFloatTokens = 8;
constexpr int kIntBlocks = 2, kIntTokens = 6;
}  // namespace

#include "kernels/generic/lanes.h"
#include "kernels/tiles/tile.h"

namespace {

struct Bf16 {
  template <int B, int T>
  static void pass(const Part& p, int64_t first, Lines ahead) {
    RowsOf<GroupBf16, T> x(p.args, first);
    F total[B][T];
    set_zero<B>(total);
    const int64_t next = p.args.block_bytes;
    const uint8_t* planes = p.planes;
    for (int64_t left = (p.args.cols + 1) / 2; left > 0; left -= kGroup / 2) {
      if constexpr (T > 1) ahead.fetch();
      const int64_t count = left < kGroup / 2 ? left : kGroup / 2;
      for (int64_t i = 0; i < count; ++i, planes += 64) {
        Pairs w[B];
#pragma GCC unroll 2
        for (int b = 0; b < B; ++b) {
          if constexpr (T == 1) __builtin_prefetch(planes + b * next + kFloatAheadOfOne);
          w[b] = load_pairs(planes + b * next);
        }
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) {
          const Pairs numbers = set_pairs(x[t].pairs[i]);
#pragma GCC unroll 2
          for (int b = 0; b < B; ++b) total[b][t] = dot_pairs(w[b], numbers, total[b][t]);
        }
      }
      x.next();
    }
    store_totals<B>(p, first, total);
  }
};

void round_row(const float* x, int64_t cols, GroupBf16* out) { to_bf16(x, cols, reinterpret_cast<uint8_t*>(out), 16); }

}  // namespace

namespace pensee {
const Bf16Tiles kAvx512Bf16Tiles = {float_tile<Bf16>, round_row};
}  // namespace pensee
