// Plain C++: the oracle of all other tables, and the fallback of CPUs that have none of theirs.
#include "kernels/generic/attend.h"
#include "kernels/generic/kernels.h"
#include "kernels/generic/vec_scalar.h"

namespace pensee {
const Kernels kScalarKernels = {PENSEE_GENERIC_KERNELS("scalar"), nullptr};
}  // namespace pensee
