// The tables for x86-64 with AVX2, FMA and F16C: Intel from Haswell (2013), AMD from Zen (2017) on; and for those with
// AVX-VNNI, too, which differ in int8 alone.
// clang-format off
#include "kernels/generic/vec_avx2.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
static constexpr RowTable kVnniTable = {&kF32Rows, &kF16Rows, &kBf16Rows, &kAvx2VnniRows, &kInt4Rows};
const Kernels kAvx2Kernels = {PENSEE_GENERIC_KERNELS("avx2", kRows), &kAvx2Tiles};
const Kernels kAvx2VnniKernels = {PENSEE_GENERIC_KERNELS("avx2_vnni", kVnniTable), &kAvx2VnniTiles};
}  // namespace pensee
