// The table for x86-64 with AVX-512 as in avx512.cpp and BF16: Intel from Cooper Lake (2020), AMD from Zen 4 (2022) on.
// clang-format off
#include "kernels/generic/vec_avx512.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
const Kernels kAvx512Bf16Kernels = {PENSEE_GENERIC_KERNELS("avx512_bf16"), &kAvx512Tiles};
}  // namespace pensee
