// The oneDNN backend: weights are decoded when they are packed and lie in the blocked layout that oneDNN prefers on
// this CPU. It pays for prompts and large batches, from about 32 rows that meet the same matrix.
//
// BF16 weights stay BF16 where the CPU multiplies BF16 itself (AVX-512 BF16, AMX); activations are then rounded to
// BF16 as well and sums are float. Everything else is computed in float. Memory: 2 bytes a weight for BF16 on such
// CPUs, else 4 bytes, whatever the stored type: Q4_K grows sevenfold.
//
// Results are close to native's, not equal: oneDNN chooses by shape and by CPU.
//
// Nothing can fail once a weight is packed: its primitives are made then, for a fixed set of row counts. oneDNN's own
// threads are not used (foreign/panels.h); OpenMP's thread count is set to 1 on our threads while they compute, and
// back afterwards.
#pragma once

#include "backends/backend.h"

namespace pensee {

Result<std::unique_ptr<Backend>> make_onednn_backend(const BackendOptions& options);

}  // namespace pensee
