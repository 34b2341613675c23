// The native backend: our own kernels over our own packed layouts. It keeps the promise of identical tokens.
#pragma once

#include "backends/backend.h"

namespace pensee {

Result<std::unique_ptr<Backend>> make_native_backend(const BackendOptions& options);

}  // namespace pensee
