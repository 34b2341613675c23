// The table for x86-64 with AVX2 as in avx2.cpp and AVX-VNNI: Intel from Alder Lake (2021), AMD from Zen 5 (2024) on.
// clang-format off
#include "kernels/generic/vec_avx2.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
const Kernels kAvx2VnniKernels = {PENSEE_GENERIC_KERNELS("avx2_vnni"), &kAvx2VnniTiles};
}  // namespace pensee
