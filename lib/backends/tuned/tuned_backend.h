// Native, and beside it another backend for the weights that a tuning names: each multiplication goes to the one that
// is faster for its number of rows (grouped: rows a matrix on average). What `auto` is with BackendOptions::exact off;
// with exact on, `auto` is native.
//
// A weight that the tuning names lies in memory twice, once packed by each backend; all others cost nothing. Packed
// files hold native's form alone, and a weight that is adopted from one stays native, since it is there to be shared.
//
// A row's bits then depend on how many rows it came with: identical tokens are not promised.
#pragma once

#include "backends/backend.h"

namespace pensee {

Result<std::unique_ptr<Backend>> make_auto_backend(const BackendOptions& options);

}  // namespace pensee
