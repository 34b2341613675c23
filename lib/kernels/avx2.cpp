// The table for x86-64 with AVX2, FMA and F16C: Intel from Haswell (2013), AMD from Zen (2017) on.
// clang-format off
#include "kernels/generic/vec_avx2.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
const Kernels kAvx2Kernels = {PENSEE_GENERIC_KERNELS("avx2"), &kAvx2Tiles};
}  // namespace pensee
