// Attention to int8 rows for x86-64 with AVX2 as in avx2.cpp and AVX-VNNI: Intel from Alder Lake (2021), AMD from Zen 5
// (2024) on.
// clang-format off
#include "kernels/generic/vec_avx2.h"
// clang-format on
#include "kernels/generic/quads.h"

namespace pensee {
const RowKernels kAvx2VnniRows = {score_int8, mix_int8};
}  // namespace pensee
