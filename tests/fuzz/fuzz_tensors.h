// What the fuzzers of weight files demand of a file that opened: every tensor lies inside it and can be read, and
// names are found. A trap stops the fuzzer; an error Status is a fine answer to any input.
#pragma once

#include <algorithm>
#include <vector>

#include "formats/tensors.h"

namespace pensee::fuzz {

inline void demand(bool condition) {
  if (!condition) __builtin_trap();
}

inline void check(const TensorFile& file, uint64_t size) {
  for (const Tensor& tensor : file.tensors()) {
    demand(tensor.offset <= size && tensor.bytes <= size - tensor.offset);
    demand(file.find(tensor.name) == &tensor);
    demand(tensor.rows() * tensor.cols() == tensor.elements());
    std::vector<float> row(static_cast<size_t>(tensor.cols()));
    for (int64_t r = 0; r < std::min<int64_t>(tensor.rows(), 4); ++r) demand(read_rows_float(tensor, r, 1, row).ok());
    demand(read_rows_float(tensor, tensor.rows() - 1, 1, row).ok());
  }
  demand(!file.why_absent("no such tensor, surely").ok());
}

inline void check_refusal(const Status& status) {
  demand(!status.ok() && status.message().find("fuzzed") != std::string::npos && status.message().size() < 2000);
}

}  // namespace pensee::fuzz
