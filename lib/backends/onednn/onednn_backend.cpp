// Weights packed for oneDNN: panels (foreign/panels.h), each multiplied by the Matmul of its shape.
#include "backends/onednn/onednn_backend.h"

#include <cstring>
#include <map>
#include <mutex>
#include <tuple>

#include "backends/foreign/panels.h"
#include "backends/onednn/matmul.h"
#include "backends/onednn/onednn_api.h"

namespace pensee {
namespace {

using onednn::Api;
using onednn::Matmul;

class OneDnnWeight final : public PanelWeight {
 public:
  OneDnnWeight(const WeightSource& source, int lanes, bool bfloat) : PanelWeight(source, lanes), bfloat_(bfloat) {
    layout = bfloat ? "bf16" : "f32";
  }
  int64_t full_count() const { return panel(0, 0).count; }
  int64_t last_count() const { return panel(0, panels() - 1).count; }

  Status fill(const WeightSource& source, ThreadPool& pool, std::shared_ptr<const Matmul> full,
              std::shared_ptr<const Matmul> last) {
    full_ = std::move(full);
    last_ = std::move(last);
    full_bytes_ = Scratch::rounded(full_->weight_bytes());
    const uint64_t last_bytes = Scratch::rounded(last_->weight_bytes());
    matrix_bytes_ = static_cast<uint64_t>(panels() - 1) * full_bytes_ + last_bytes;
    bytes = static_cast<uint64_t>(matrices) * matrix_bytes_;
    PENSEE_TRY(weights_.allocate(bytes, source.name));
    AlignedBytes floats;
    if (!bfloat_) {
      decoded_bytes_ = static_cast<uint64_t>(panel_rows * cols) * sizeof(float);
      PENSEE_TRY(floats.allocate(decoded_bytes_ * static_cast<uint64_t>(lanes()), source.name));
    }
    decoded_ = floats.data();
    const auto pack = [](void* user, int64_t number, std::span<const std::byte> from, int lane) {
      return static_cast<OneDnnWeight*>(user)->pack_panel(number, from, lane);
    };
    const Status status = read_panels(source, panel_rows, pool, pack, this);
    decoded_ = nullptr;
    return status;
  }

  void row(int64_t row, float* out) const noexcept override {
    const Panel p = panel(row / rows, row % rows / panel_rows);
    for (int64_t k = 0; k < cols; ++k) out[k] = matmul(p).element(packed(p), k, row % rows - p.first);
  }

 protected:
  size_t activation_bytes() const noexcept override { return bfloat_ ? sizeof(uint16_t) : sizeof(float); }
  size_t lane_bytes() const noexcept override { return std::max(full_->scratch_bytes(), last_->scratch_bytes()); }
  void gather_row(const float* x, std::byte* out) const noexcept override {
    if (!bfloat_) {
      std::memcpy(out, x, static_cast<size_t>(cols) * sizeof(float));
      return;
    }
    auto* rounded = reinterpret_cast<uint16_t*>(out);
    for (int64_t k = 0; k < cols; ++k) rounded[k] = float_to_bfloat(x[k]);
  }
  void prepare_panel(const Panel&, std::byte*) const noexcept override {}
  void multiply_panel(const Panel& panel, const std::byte* x, int64_t n, float* out,
                      std::byte* lane) const noexcept override {
    matmul(panel).multiply(x, packed(panel), n, out, lane);
  }

 private:
  const Matmul& matmul(const Panel& panel) const { return panel.index == panels() - 1 ? *last_ : *full_; }
  std::byte* packed(const Panel& panel) const {
    return weights_.data() + static_cast<uint64_t>(panel.matrix) * matrix_bytes_ +
           static_cast<uint64_t>(panel.index) * full_bytes_;
  }
  Status pack_panel(int64_t number, std::span<const std::byte> from, int lane) {
    const Panel p = panel_of(number);
    const std::byte* plain = from.data();
    if (!bfloat_) {
      std::byte* floats = decoded_ + decoded_bytes_ * static_cast<uint64_t>(lane);
      const StoredTypeInfo& type = info(stored);
      type.decode(from.data(), reinterpret_cast<float*>(floats), p.count * (cols / type.block_elements));
      plain = floats;
    }
    return matmul(p).pack(plain, packed(p));
  }

  bool bfloat_;
  std::shared_ptr<const Matmul> full_, last_;  // the last panel of a matrix may be narrower
  uint64_t full_bytes_ = 0, matrix_bytes_ = 0;
  AlignedBytes weights_;
  std::byte* decoded_ = nullptr;  // while packing: a panel of floats for each lane
  uint64_t decoded_bytes_ = 0;
};

class OneDnnBackend final : public Backend {
 public:
  OneDnnBackend(std::shared_ptr<const Api> api, bool exact) : api_(std::move(api)) {
    const unsigned isa = api_->get_effective_cpu_isa();
    bfloat_ = !exact && (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
  }
  const char* name() const override { return "onednn"; }

  Result<std::unique_ptr<PackedWeight>> pack(const WeightSource& source, ThreadPool& pool) const override {
    PENSEE_TRY(check_source(source));
    const bool bfloat = bfloat_ && source.type == StoredType::bf16;
    auto weight = std::make_unique<OneDnnWeight>(source, pool.threads(), bfloat);
    PENSEE_ASSIGN(auto full, matmul(source.cols, weight->full_count(), bfloat));
    PENSEE_ASSIGN(auto last, matmul(source.cols, weight->last_count(), bfloat));
    PENSEE_TRY(weight->fill(source, pool, std::move(full), std::move(last)));
    return std::unique_ptr<PackedWeight>(std::move(weight));
  }

 private:
  // The layers of a model have few shapes: each is made once.
  Result<std::shared_ptr<const Matmul>> matmul(int64_t cols, int64_t count, bool bfloat) const {
    std::lock_guard lock(mutex_);
    std::shared_ptr<const Matmul>& known = matmuls_[{cols, count, bfloat}];
    if (known) return known;
    PENSEE_ASSIGN(known, Matmul::make(api_, cols, count, bfloat ? dnnl_bf16 : dnnl_f32));
    return known;
  }

  std::shared_ptr<const Api> api_;
  bool bfloat_ = false;  // BF16 weights stay so
  mutable std::mutex mutex_;
  mutable std::map<std::tuple<int64_t, int64_t, bool>, std::shared_ptr<const Matmul>> matmuls_;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_onednn_backend(const BackendOptions& options) {
  PENSEE_ASSIGN(auto api, Api::load());
  return std::unique_ptr<Backend>(std::make_unique<OneDnnBackend>(std::move(api), options.exact));
}

}  // namespace pensee
