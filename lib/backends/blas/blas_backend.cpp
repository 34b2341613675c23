// OpenBLAS behind the backend interface. No header of OpenBLAS is needed: the C interface to sgemm is older than most
// of its implementations and its numbers are fixed.
#include "backends/blas/blas_backend.h"

#include <cstring>
#include <mutex>

#include "backends/foreign/library.h"
#include "backends/foreign/panels.h"

namespace pensee {
namespace {

constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;
constexpr int kParallelOpenMp = 2;  // what openblas_get_parallel() says

struct Blas {
  explicit Blas(Library from) : library(std::move(from)), openmp(library) {}

  void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a, int lda,
                const float* b, int ldb, float beta, float* c, int ldc) = nullptr;
  void (*set_threads)(int) = nullptr;
  int (*get_threads)() = nullptr;
  bool own_threads = true;  // POSIX threads: one number for the process; with OpenMP one for each calling thread
  Library library;
  OpenMp openmp;
};

// OpenBLAS's thread count is one for the process, so what guards it is one for the process as well: the first
// multiplication that begins sets it to 1, the last that ends sets it back.
class ProcessOneThread {
 public:
  explicit ProcessOneThread(const Blas& blas) : blas_(blas) {
    if (!blas_.own_threads) return;
    std::lock_guard lock(mutex_);
    if (running_++ > 0) return;
    before_ = blas_.get_threads();
    if (before_ != 1) blas_.set_threads(1);
  }
  ~ProcessOneThread() {
    if (!blas_.own_threads) return;
    std::lock_guard lock(mutex_);
    if (--running_ == 0 && before_ != 1) blas_.set_threads(before_);
  }
  ProcessOneThread(const ProcessOneThread&) = delete;
  ProcessOneThread& operator=(const ProcessOneThread&) = delete;

 private:
  const Blas& blas_;
  static inline std::mutex mutex_;
  static inline int running_ = 0;
  static inline int before_ = 1;
};

class BlasWeight final : public PanelWeight {
 public:
  BlasWeight(const WeightSource& source, std::shared_ptr<const Blas> blas, int lanes)
      : PanelWeight(source, lanes), blas_(std::move(blas)), stored_row_(row_bytes(source.type, source.cols)) {}

  Status fill(const WeightSource& source, ThreadPool& pool) {
    bytes = static_cast<uint64_t>(matrices * rows) * stored_row_;
    layout = info(stored).name;
    PENSEE_TRY(weights_.allocate(bytes, source.name));
    const auto keep = [](void* user, int64_t number, std::span<const std::byte> from, int) {
      auto* self = static_cast<BlasWeight*>(user);
      const Panel panel = self->panel_of(number);
      std::memcpy(self->stored_rows(panel.matrix, panel.first), from.data(), from.size());
      return Status();
    };
    return read_panels(source, panel_rows, pool, keep, this);
  }

  void row(int64_t row, float* out) const noexcept override { decode(stored_rows(0, row), out, 1); }

 protected:
  size_t activation_bytes() const noexcept override { return sizeof(float); }
  size_t lane_bytes() const noexcept override {
    return stored == StoredType::f32 ? 0 : static_cast<size_t>(panel_rows * cols) * sizeof(float);
  }
  void gather_row(const float* x, std::byte* out) const noexcept override {
    std::memcpy(out, x, static_cast<size_t>(cols) * sizeof(float));
  }
  void prepare_panel(const Panel& panel, std::byte* lane) const noexcept override {
    if (stored == StoredType::f32) return;
    decode(stored_rows(panel.matrix, panel.first), reinterpret_cast<float*>(lane), panel.count);
  }
  void multiply_panel(const Panel& panel, const std::byte* x, int64_t n, float* out,
                      std::byte* lane) const noexcept override {
    const std::byte* panel_floats = stored == StoredType::f32 ? stored_rows(panel.matrix, panel.first) : lane;
    const int width = static_cast<int>(cols), count = static_cast<int>(panel.count);
    const ProcessOneThread process(*blas_);
    const OpenMp::One openmp(blas_->openmp);
    blas_->sgemm(kRowMajor, kNoTrans, kTrans, static_cast<int>(n), count, width, 1.0f,
                 reinterpret_cast<const float*>(x), width, reinterpret_cast<const float*>(panel_floats), width, 0.0f,
                 out, count);
  }

 private:
  std::byte* stored_rows(int64_t matrix, int64_t row) const {
    return weights_.data() + static_cast<uint64_t>(matrix * rows + row) * stored_row_;
  }
  void decode(const std::byte* from, float* out, int64_t count) const {
    info(stored).decode(from, out, count * (cols / info(stored).block_elements));
  }

  std::shared_ptr<const Blas> blas_;
  uint64_t stored_row_;
  AlignedBytes weights_;
};

class BlasBackend final : public Backend {
 public:
  explicit BlasBackend(std::shared_ptr<const Blas> blas) : blas_(std::move(blas)) {}
  const char* name() const override { return "blas"; }

  Result<std::unique_ptr<PackedWeight>> pack(const WeightSource& source, ThreadPool& pool) const override {
    PENSEE_TRY(check_source(source));
    if (source.cols > INT32_MAX) {
      return Status::unsupported("{}: {} columns are too many for BLAS; choose backend native", source.name,
                                 source.cols);
    }
    auto weight = std::make_unique<BlasWeight>(source, blas_, pool.threads());
    PENSEE_TRY(weight->fill(source, pool));
    return std::unique_ptr<PackedWeight>(std::move(weight));
  }

 private:
  std::shared_ptr<const Blas> blas_;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_blas_backend(const BackendOptions&) {
  PENSEE_ASSIGN(Library library, Library::load({PENSEE_BLAS_NAME, "libopenblas.so.0", "libscipy_openblas.so"},
                                               "OpenBLAS"));
  auto blas = std::make_shared<Blas>(std::move(library));
  // SciPy's build of OpenBLAS puts its name before every symbol, so that it can live beside another.
  const std::string prefix = blas->library.find<void()>("scipy_cblas_sgemm") ? "scipy_" : "";
  const auto find = [&]<class Function>(const char* name, Function*& function) {
    function = blas->library.find<Function>((prefix + name).c_str());
    return function != nullptr;
  };
  int (*parallel)() = nullptr;
  const char* (*config)() = nullptr;
  if (!find("cblas_sgemm", blas->sgemm) || !find("openblas_set_num_threads", blas->set_threads) ||
      !find("openblas_get_num_threads", blas->get_threads) || !find("openblas_get_parallel", parallel) ||
      !find("openblas_get_config", config)) {
    return Status::unsupported("{} is not OpenBLAS, or one older than 0.3; choose backend native",
                               blas->library.name());
  }
  if (std::string_view(config()).find("USE64BITINT") != std::string_view::npos) {
    return Status::unsupported("{} counts in 64-bit integers; a build of OpenBLAS with 32-bit ones is needed",
                               blas->library.name());
  }
  blas->own_threads = parallel() != kParallelOpenMp;
  return std::unique_ptr<Backend>(std::make_unique<BlasBackend>(std::move(blas)));
}

}  // namespace pensee
