// The tunings that are compiled in: where `auto` with exact off leaves native when nobody measured.
//
// One was measured, on a shared AMD EPYC of the Zen 5 class (AVX-512 with VNNI and BF16; 2 vCPUs, 2 threads), by
//
//   python3 tests/bench/make_shapes.py --dir DIR v3-layers-q8_0
//   python3 tests/bench/requantise.py DIR/v3-layers-q8_0.gguf --dir DIR bf16          (and each other type)
//   pensee bench --tune DIR/v3-layers-q8_0-bf16.gguf
//
// BF16: oneDNN multiplies by BF16 dot products at 500 to 950 GFLOPS, native in float32 at 430 to 530. F32 and F16:
// oneDNN is slower.
// Integers: native int8 reaches 1000 to 1400 GOPS, int16 650 to 800, both beyond all others. OpenBLAS is never fastest.
// Where the CPU has no BF16 dot products nothing was measured, and all stays native.
#include "backends/tuned/tuning.h"

namespace pensee {

const Tuning& default_tuning(std::string_view isa) {
  static const Tuning none, avx512_bf16{{{StoredType::bf16, Activations::int16, "onednn", 4}}};
  return isa == "avx512_bf16" ? avx512_bf16 : none;
}

}  // namespace pensee
