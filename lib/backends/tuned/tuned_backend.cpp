#include "backends/tuned/tuned_backend.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "backends/tuned/tuning.h"

namespace pensee {
namespace {

class TunedWeight final : public PackedWeight {
 public:
  TunedWeight(std::unique_ptr<PackedWeight> native, std::unique_ptr<PackedWeight> many, int64_t from_rows)
      : native_(std::move(native)), many_(std::move(many)), from_rows_(from_rows) {
    matrices = native_->matrices;
    rows = native_->rows;
    cols = native_->cols;
    bytes = native_->bytes;
    copy_bytes = many_->bytes;
    stored = native_->stored;
    layout = native_->layout;
  }

  void multiply(View x, MutableView y, Compute& compute) const noexcept override {
    chosen(x.rows, 1).multiply(x, y, compute);
  }
  void multiply_grouped(const Groups& groups, View x, MutableView y, Compute& compute) const noexcept override {
    int64_t used = 0;
    for (int64_t m = 0; m < matrices; ++m) used += groups.offsets[m + 1] > groups.offsets[m];
    chosen(groups.offsets[matrices], used).multiply_grouped(groups, x, y, compute);
  }
  size_t scratch_bytes(int64_t x_rows, int64_t slots) const override {
    const size_t few = native_->scratch_bytes(x_rows, slots);
    return many_ ? std::max(few, many_->scratch_bytes(x_rows, slots)) : few;
  }
  void row(int64_t row, float* out) const noexcept override { native_->row(row, out); }
  bool many_at_once() const override {
    return native_->many_at_once() && (!many_ || many_->many_at_once());
  }
  std::span<const std::byte> packed() const override { return native_->packed(); }
  void drop_copy() noexcept override {
    many_ = nullptr;
    copy_bytes = 0;
  }

 private:
  const PackedWeight& chosen(int64_t slots, int64_t used) const {
    return many_ && slots >= from_rows_ * std::max<int64_t>(used, 1) ? *many_ : *native_;
  }

  std::unique_ptr<PackedWeight> native_, many_;
  int64_t from_rows_;
};

class TunedBackend final : public Backend {
 public:
  TunedBackend(std::unique_ptr<Backend> native, const Tuning& tuning, const BackendOptions& options)
      : native_(std::move(native)), tuning_(tuning), options_(options) {
    options_.tuning = nullptr;  // it was lent
    for (const TuningRow& row : tuning_.rows) {
      if (name_.find(row.backend) == name_.npos) name_ += "+" + row.backend;
    }
  }

  // "native" until a weight lies in another backend's form too.
  const char* name() const override { return doubled_ ? name_.c_str() : native_->name(); }
  int packed_layouts() const override { return native_->packed_layouts(); }

  Result<std::unique_ptr<PackedWeight>> pack(const WeightSource& source, ThreadPool& pool) const override {
    PENSEE_ASSIGN(auto native, native_->pack(source, pool));
    const TuningRow* row = source.by_row ? nullptr : tuning_.find(source.type, options_.activations);
    if (!row) return native;
    PENSEE_ASSIGN(const Backend* backend, other(row->backend));
    PENSEE_ASSIGN(auto many, backend->pack(source, pool));
    doubled_ = true;
    return std::unique_ptr<PackedWeight>(
        std::make_unique<TunedWeight>(std::move(native), std::move(many), row->from_rows));
  }
  Result<std::unique_ptr<PackedWeight>> adopt(const PackedSource& source) const override {
    return native_->adopt(source);
  }

 private:
  // Made, and its library loaded, when a weight first wants it.
  Result<const Backend*> other(const std::string& name) const {
    std::lock_guard lock(mutex_);
    const auto known = others_.find(name);
    if (known != others_.end()) return known->second.get();
    PENSEE_ASSIGN(auto made, make_backend(name, options_));
    return (others_[name] = std::move(made)).get();
  }

  std::unique_ptr<Backend> native_;
  Tuning tuning_;
  BackendOptions options_;
  std::string name_ = "native";
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<Backend>, std::less<>> others_;
  mutable std::atomic<bool> doubled_{false};
};

}  // namespace

Result<std::unique_ptr<Backend>> make_auto_backend(const BackendOptions& options) {
  PENSEE_ASSIGN(auto native, make_backend("native", options));
  if (options.exact || !options.tuning) return native;
  return std::unique_ptr<Backend>(std::make_unique<TunedBackend>(std::move(native), *options.tuning, options));
}

}  // namespace pensee
