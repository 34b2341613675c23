// One panel shape on oneDNN: how its weights lie, and primitives that multiply it with 1 to 128 rows. Primitives are
// made for a fixed list of row counts, so that nothing is compiled or can fail inside a forward pass; between two of
// them the larger runs on rows that nobody reads.
#pragma once

#include <vector>

#include "backends/onednn/onednn_api.h"

namespace pensee::onednn {

// Where an element of a blocked matrix lies: outer strides, then blocks within blocks, the innermost last.
struct Blocks {
  int64_t strides[2] = {};
  int count = 0;
  int64_t sizes[DNNL_MAX_NDIMS] = {};
  int64_t dims[DNNL_MAX_NDIMS] = {};  // which of the two dimensions each block cuts

  int64_t offset(int64_t k, int64_t n) const;  // in elements
};

class Matmul {
 public:
  // Weights [cols, count] of `type` (dnnl_f32 or dnnl_bf16); x has the same type, results are float.
  static Result<std::shared_ptr<const Matmul>> make(std::shared_ptr<const Api> api, int64_t cols, int64_t count,
                                                    dnnl_data_type_t type);

  size_t weight_bytes() const { return weight_bytes_; }
  size_t scratch_bytes() const { return scratch_bytes_; }

  // Rows [count, cols] one after another, of this type -> the blocked layout. Takes any thread.
  Status pack(const void* plain, void* packed) const;
  // out [n, count] = x [n, cols] * weights; x is readable and out writable up to 128 rows. When oneDNN fails (it wants
  // some hundred bytes of memory for a call), plain loops do the work.
  void multiply(const void* x, const void* packed, int64_t n, float* out, void* scratch) const noexcept;
  float element(const void* packed, int64_t k, int64_t n) const noexcept;

 private:
  struct Sized {  // for one number of rows
    int64_t rows;
    Desc x, out, scratch;
    Primitive primitive;
  };
  Matmul(std::shared_ptr<const Api> api, int64_t cols, int64_t count, dnnl_data_type_t type);
  Status prepare();
  Result<PrimitiveDesc> describe(const Sized& sized, const_dnnl_memory_desc_t weights) const;
  Result<Sized> sized(int64_t rows) const;
  Status find_blocks();
  bool run(const Sized& sized, const void* x, const void* packed, float* out, void* scratch) const noexcept;
  Status failed(const char* what) const;

  std::shared_ptr<const Api> api_;
  int64_t cols_, count_;
  dnnl_data_type_t type_;
  Desc plain_, weights_;
  Primitive reorder_;
  Blocks blocks_;
  size_t weight_bytes_ = 0, scratch_bytes_ = 0;
  std::vector<Sized> sizes_;  // ascending rows
};

}  // namespace pensee::onednn
