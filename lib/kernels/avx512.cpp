// The tables for x86-64 with AVX-512 F, BW, VL, DQ and VNNI: Intel from Cascade Lake (2019), AMD from Zen 4 (2022) on;
// and for those with BF16, too, which differ in bf16 rows alone.
// clang-format off
#include "kernels/generic/vec_avx512.h"
// clang-format on
#include "kernels/generic/attend.h"
#include "kernels/tiles.h"

namespace pensee {
static constexpr RowTable kBf16Table = {&kF32Rows, &kF16Rows, &kAvx512Bf16Rows, &kInt8Rows, &kInt4Rows};
const Kernels kAvx512Kernels = {PENSEE_GENERIC_KERNELS("avx512", kRows), &kAvx512Tiles};
const Kernels kAvx512Bf16Kernels = {PENSEE_GENERIC_KERNELS("avx512_bf16", kBf16Table), &kAvx512AndBf16Tiles};
}  // namespace pensee
