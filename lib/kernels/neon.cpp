// The tables for aarch64: every CPU, those whose tiles may use sdot (ARMv8.2 with dotprod), and those with smmla, of
// i8mm. The other kernels are the same.
// clang-format off
#include "kernels/generic/vec_neon.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
const Kernels kNeonKernels = {PENSEE_GENERIC_KERNELS("neon", kRows), &kNeonTiles};
const Kernels kNeonDotprodKernels = {PENSEE_GENERIC_KERNELS("neon_dotprod", kRows), &kNeonDotprodTiles};
const Kernels kNeonI8mmKernels = {PENSEE_GENERIC_KERNELS("neon_i8mm", kRows), &kNeonI8mmTiles};
}  // namespace pensee
