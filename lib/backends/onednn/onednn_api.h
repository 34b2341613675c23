// The functions of oneDNN's C interface that we call, found in the loaded library, and owners for its handles. The C
// interface, because the C++ one throws.
#pragma once

#include <oneapi/dnnl/dnnl.h>

#include <memory>
#include <utility>

#include "backends/foreign/library.h"
#include "base/status.h"

namespace pensee::onednn {

#define PENSEE_ONEDNN_FUNCTIONS(each) \
  each(version)                       \
  each(get_effective_cpu_isa)         \
  each(engine_create)                 \
  each(engine_destroy)                \
  each(stream_create)                 \
  each(stream_destroy)                \
  each(memory_desc_create_with_strides) \
  each(memory_desc_create_with_tag)   \
  each(memory_desc_clone)             \
  each(memory_desc_query)             \
  each(memory_desc_get_size)          \
  each(memory_desc_destroy)           \
  each(memory_create)                 \
  each(memory_destroy)                \
  each(primitive_attr_create)         \
  each(primitive_attr_set_scratchpad_mode) \
  each(primitive_attr_destroy)        \
  each(matmul_primitive_desc_create)  \
  each(reorder_primitive_desc_create) \
  each(primitive_desc_query_md)       \
  each(primitive_desc_destroy)        \
  each(primitive_create)              \
  each(primitive_execute)             \
  each(primitive_destroy)

struct Api {
#define PENSEE_ONEDNN_MEMBER(name) decltype(&::dnnl_##name) name = nullptr;
  PENSEE_ONEDNN_FUNCTIONS(PENSEE_ONEDNN_MEMBER)
#undef PENSEE_ONEDNN_MEMBER

  static Result<std::shared_ptr<const Api>> load();

  explicit Api(Library from) : library(std::move(from)), openmp(library) {}
  ~Api();
  Library library;
  OpenMp openmp;
  dnnl_engine_t engine = nullptr;
};

// Owns a handle of oneDNN's; `destroy` is the member of Api that gives it back.
template <class Handle, auto destroy>
class Owned {
 public:
  explicit Owned(const Api& api) : api_(&api) {}
  Owned(Owned&& other) noexcept : api_(other.api_), handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    if (handle_) (api_->*destroy)(handle_);
  }
  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }  // for a create function; the owner must be empty

 private:
  const Api* api_;
  Handle handle_ = nullptr;
};

using Desc = Owned<dnnl_memory_desc_t, &Api::memory_desc_destroy>;
using Memory = Owned<dnnl_memory_t, &Api::memory_destroy>;
using Stream = Owned<dnnl_stream_t, &Api::stream_destroy>;
using Attributes = Owned<dnnl_primitive_attr_t, &Api::primitive_attr_destroy>;
using PrimitiveDesc = Owned<dnnl_primitive_desc_t, &Api::primitive_desc_destroy>;
using Primitive = Owned<dnnl_primitive_t, &Api::primitive_destroy>;

}  // namespace pensee::onednn
