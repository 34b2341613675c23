// The BLAS backend: weights stay as they are stored, a panel at a time is decoded to float and met by OpenBLAS's
// sgemm. It is the float reference and the most widely ported backend, not the fastest: a multiplication decodes the
// whole weight whatever the number of rows. Memory: the stored bytes, and for each thread one decoded panel of at
// most 256 rows in the scratch; F32 weights are used in place.
//
// Results are close to native's, not equal: OpenBLAS sums in an order that depends on the shape and on the CPU.
//
// OpenBLAS's number of threads belongs to the process. While a multiplication runs it is 1 (our own pool cuts the
// work), and afterwards what it was before: another user of the same copy of OpenBLAS sees that, and nothing else.
#pragma once

#include "backends/backend.h"

namespace pensee {

Result<std::unique_ptr<Backend>> make_blas_backend(const BackendOptions& options);

}  // namespace pensee
