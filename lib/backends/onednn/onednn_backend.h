// The oneDNN backend: weights are decoded when they are packed and lie in the blocked layout that oneDNN prefers on
// this CPU. It pays for prompts and large batches, from about 32 rows that meet the same matrix.
//
// Everything is computed in float, whatever the CPU: 4 bytes a weight, whatever the stored type (Q4_K grows sevenfold).
// With BackendOptions::exact off, BF16 weights stay BF16, 2 bytes each, where the CPU multiplies BF16 itself (AVX-512
// BF16, AMX): activations are then rounded to BF16 as well, to three digits; sums are float.
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
