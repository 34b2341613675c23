// oneDNN's matmul for one panel shape.
#include "backends/onednn/matmul.h"

#include <algorithm>

#include "backends/foreign/panels.h"

namespace pensee::onednn {
namespace {

// At most half as many rows again as asked for from 3 rows on; the last is PanelWeight::kChunkRows.
constexpr int64_t kRowCounts[] = {1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};
static_assert(kRowCounts[std::size(kRowCounts) - 1] == PanelWeight::kChunkRows);
// The row count whose favourite layout the weights take: prompts are what this backend is for.
constexpr int64_t kTypicalRows = 64;

}  // namespace

int64_t Blocks::offset(int64_t k, int64_t n) const {
  int64_t at[2] = {k, n};
  int64_t offset = 0, stride = 1;
  for (int i = count - 1; i >= 0; --i) {
    int64_t& position = at[dims[i]];
    offset += position % sizes[i] * stride;
    position /= sizes[i];
    stride *= sizes[i];
  }
  return offset + at[0] * strides[0] + at[1] * strides[1];
}

Matmul::Matmul(std::shared_ptr<const Api> api, int64_t cols, int64_t count, dnnl_data_type_t type)
    : api_(std::move(api)), cols_(cols), count_(count), type_(type), plain_(*api_), weights_(*api_), reorder_(*api_) {}

Result<std::shared_ptr<const Matmul>> Matmul::make(std::shared_ptr<const Api> api, int64_t cols, int64_t count,
                                                   dnnl_data_type_t type) {
  std::shared_ptr<Matmul> matmul(new Matmul(std::move(api), cols, count, type));
  const OpenMp::One one(matmul->api_->openmp);  // what is made for one thread is run by one thread
  PENSEE_TRY(matmul->prepare());
  return std::shared_ptr<const Matmul>(std::move(matmul));
}

Status Matmul::failed(const char* what) const {
  return Status::unsupported("oneDNN cannot {} for {} columns and {} rows on this CPU; choose backend native", what,
                             cols_, count_);
}

Status Matmul::prepare() {
  const dnnl_dims_t dims = {cols_, count_}, by_rows = {1, cols_};
  Desc any(*api_);
  if (api_->memory_desc_create_with_strides(plain_.out(), 2, dims, type_, by_rows) != dnnl_success ||
      api_->memory_desc_create_with_tag(any.out(), 2, dims, type_, dnnl_format_tag_any) != dnnl_success) {
    return failed("describe weights");
  }
  {
    PENSEE_ASSIGN(Sized typical, sized(kTypicalRows));
    PENSEE_ASSIGN(PrimitiveDesc chosen, describe(typical, any.get()));
    const_dnnl_memory_desc_t favourite = api_->primitive_desc_query_md(chosen.get(), dnnl_query_weights_md, 0);
    if (api_->memory_desc_clone(weights_.out(), favourite) != dnnl_success) return failed("choose a layout");
  }
  weight_bytes_ = api_->memory_desc_get_size(weights_.get());
  PENSEE_TRY(find_blocks());

  PrimitiveDesc reorder(*api_);
  if (api_->reorder_primitive_desc_create(reorder.out(), plain_.get(), api_->engine, weights_.get(), api_->engine,
                                          nullptr) != dnnl_success ||
      api_->primitive_create(reorder_.out(), reorder.get()) != dnnl_success) {
    return failed("pack weights");
  }
  for (const int64_t rows : kRowCounts) {
    PENSEE_ASSIGN(Sized next, sized(rows));
    PENSEE_ASSIGN(PrimitiveDesc chosen, describe(next, weights_.get()));
    const_dnnl_memory_desc_t scratch = api_->primitive_desc_query_md(chosen.get(), dnnl_query_scratchpad_md, 0);
    if (api_->memory_desc_clone(next.scratch.out(), scratch) != dnnl_success ||
        api_->primitive_create(next.primitive.out(), chosen.get()) != dnnl_success) {
      return failed("make a multiplication");
    }
    scratch_bytes_ = std::max(scratch_bytes_, api_->memory_desc_get_size(scratch));
    sizes_.push_back(std::move(next));
  }
  return Status();
}

Result<Matmul::Sized> Matmul::sized(int64_t rows) const {
  Sized next{rows, Desc(*api_), Desc(*api_), Desc(*api_), Primitive(*api_)};
  const dnnl_dims_t x = {rows, cols_}, out = {rows, count_};
  if (api_->memory_desc_create_with_tag(next.x.out(), 2, x, type_, dnnl_ab) != dnnl_success ||
      api_->memory_desc_create_with_tag(next.out.out(), 2, out, dnnl_f32, dnnl_ab) != dnnl_success) {
    return failed("describe rows");
  }
  return next;
}

Result<PrimitiveDesc> Matmul::describe(const Sized& sized, const_dnnl_memory_desc_t weights) const {
  Attributes attributes(*api_);
  PrimitiveDesc desc(*api_);
  if (api_->primitive_attr_create(attributes.out()) != dnnl_success ||
      api_->primitive_attr_set_scratchpad_mode(attributes.get(), dnnl_scratchpad_mode_user) != dnnl_success ||
      api_->matmul_primitive_desc_create(desc.out(), api_->engine, sized.x.get(), weights, nullptr, sized.out.get(),
                                         attributes.get()) != dnnl_success) {
    return failed("multiply");
  }
  return desc;
}

Status Matmul::find_blocks() {
  const dnnl_dims_t *strides = nullptr, *sizes = nullptr, *dims = nullptr;
  const auto ask = [&](dnnl_query_t what, void* answer) {
    return api_->memory_desc_query(weights_.get(), what, answer) == dnnl_success;
  };
  dnnl_format_kind_t kind = dnnl_format_kind_undef;
  if (!ask(dnnl_query_format_kind, &kind) || kind != dnnl_blocked || !ask(dnnl_query_strides, &strides) ||
      !ask(dnnl_query_inner_nblks_s32, &blocks_.count) || !ask(dnnl_query_inner_blks, &sizes) ||
      !ask(dnnl_query_inner_idxs, &dims)) {
    return failed("tell its layout");
  }
  std::copy_n(*strides, 2, blocks_.strides);
  std::copy_n(*sizes, blocks_.count, blocks_.sizes);
  std::copy_n(*dims, blocks_.count, blocks_.dims);
  return Status();
}

Status Matmul::pack(const void* plain, void* packed) const {
  const OpenMp::One one(api_->openmp);
  Stream stream(*api_);
  Memory from(*api_), to(*api_);
  if (api_->stream_create(stream.out(), api_->engine, dnnl_stream_default_flags) == dnnl_success &&
      api_->memory_create(from.out(), plain_.get(), api_->engine, const_cast<void*>(plain)) == dnnl_success &&
      api_->memory_create(to.out(), weights_.get(), api_->engine, packed) == dnnl_success) {
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}};
    if (api_->primitive_execute(reorder_.get(), stream.get(), 2, arguments) == dnnl_success) return Status();
  }
  return failed("pack weights");
}

bool Matmul::run(const Sized& sized, const void* x, const void* packed, float* out, void* scratch) const noexcept {
  const OpenMp::One one(api_->openmp);
  Stream stream(*api_);
  Memory x_memory(*api_), weights(*api_), out_memory(*api_), scratchpad(*api_);
  const auto wrap = [&](Memory& memory, const Desc& desc, const void* data) {
    return api_->memory_create(memory.out(), desc.get(), api_->engine, const_cast<void*>(data)) == dnnl_success;
  };
  if (api_->stream_create(stream.out(), api_->engine, dnnl_stream_default_flags) != dnnl_success ||
      !wrap(x_memory, sized.x, x) || !wrap(weights, weights_, packed) || !wrap(out_memory, sized.out, out) ||
      !wrap(scratchpad, sized.scratch, scratch)) {
    return false;
  }
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, x_memory.get()},
                                       {DNNL_ARG_WEIGHTS, weights.get()},
                                       {DNNL_ARG_DST, out_memory.get()},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad.get()}};
  return api_->primitive_execute(sized.primitive.get(), stream.get(), 4, arguments) == dnnl_success;
}

void Matmul::multiply(const void* x, const void* packed, int64_t n, float* out, void* scratch) const noexcept {
  const auto sized = std::find_if(sizes_.begin(), sizes_.end(), [n](const Sized& s) { return s.rows >= n; });
  PENSEE_DCHECK(sized != sizes_.end());
  if (run(*sized, x, packed, out, scratch)) return;
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t i = 0; i < count_; ++i) {
      float sum = 0;
      for (int64_t k = 0; k < cols_; ++k) {
        const int64_t at = row * cols_ + k;
        const float value = type_ == dnnl_bf16 ? bfloat_to_float(static_cast<const uint16_t*>(x)[at])
                                               : static_cast<const float*>(x)[at];
        sum += value * element(packed, k, i);
      }
      out[row * count_ + i] = sum;
    }
  }
}

float Matmul::element(const void* packed, int64_t k, int64_t n) const noexcept {
  const int64_t at = blocks_.offset(k, n);
  return type_ == dnnl_bf16 ? bfloat_to_float(static_cast<const uint16_t*>(packed)[at])
                            : static_cast<const float*>(packed)[at];
}

}  // namespace pensee::onednn
