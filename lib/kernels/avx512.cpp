// The table for x86-64 with AVX-512 F, BW, VL, DQ and VNNI: Intel from Cascade Lake (2019), AMD from Zen 4 (2022) on.
// clang-format off
#include "kernels/generic/vec_avx512.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
const Kernels kAvx512Kernels = {PENSEE_GENERIC_KERNELS("avx512"), &kAvx512Tiles};
}  // namespace pensee
