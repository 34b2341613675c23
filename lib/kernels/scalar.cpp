// Plain C++: the oracle of all other tables, and the fallback of CPUs that have none of theirs.
// clang-format off
#include "kernels/generic/vec_scalar.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
const Kernels kScalarKernels = {PENSEE_GENERIC_KERNELS("scalar", kRows), &kScalarTiles};
}  // namespace pensee
