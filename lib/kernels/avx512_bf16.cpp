// Attention to bf16 rows for x86-64 with AVX-512 as in avx512.cpp and BF16: Intel from Cooper Lake (2020), AMD from
// Zen 4 (2022) on.
// clang-format off
#include "kernels/generic/vec_avx512.h"
// clang-format on
#include "kernels/generic/quads.h"

namespace pensee {
const RowKernels kAvx512Bf16Rows = {score_bf16, mix_bf16};
}  // namespace pensee
