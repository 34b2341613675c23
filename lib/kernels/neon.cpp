// The tables for aarch64: every CPU, and those whose tiles may use sdot (ARMv8.2 with dotprod). The other kernels are
// the same.
// clang-format off
#include "kernels/generic/vec_neon.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
const Kernels kNeonKernels = {PENSEE_GENERIC_KERNELS("neon"), &kNeonTiles};
const Kernels kNeonDotprodKernels = {PENSEE_GENERIC_KERNELS("neon_dotprod"), &kNeonDotprodTiles};
}  // namespace pensee
