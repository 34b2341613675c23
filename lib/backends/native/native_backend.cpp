// First form: every stored type is decoded to floats at load, and a row's sum runs over 16 lanes. To be replaced by
// packed layouts.
#include "backends/native/native_backend.h"

#include <new>

namespace pensee {
namespace {

float dot(const float* w, const float* x, int64_t n) {
  float lane[16] = {};
  int64_t k = 0;
  for (; k + 16 <= n; k += 16)
    for (int i = 0; i < 16; ++i) lane[i] += w[k + i] * x[k + i];
  for (int i = 0; k < n; ++k, ++i) lane[i] += w[k] * x[k];
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

class NativeWeight final : public PackedWeight {
 public:
  std::unique_ptr<float[]> data;

  void multiply(View x, MutableView y, Compute& compute) const noexcept override {
    compute.pool.run((rows + 15) / 16, [&](int64_t task, int) {
      for (int64_t n = task * 16; n < rows && n < task * 16 + 16; ++n)
        for (int64_t m = 0; m < x.rows; ++m) y.row(m)[n] = dot(data.get() + n * cols, x.row(m), cols);
    });
  }
  void multiply_grouped(const Groups& g, View x, MutableView y, Compute& compute) const noexcept override {
    compute.pool.run(matrices * ((rows + 15) / 16), [&](int64_t task, int) {
      const int64_t matrix = task / ((rows + 15) / 16), first = task % ((rows + 15) / 16) * 16;
      const float* w = data.get() + matrix * rows * cols;
      for (int64_t n = first; n < rows && n < first + 16; ++n)
        for (int32_t s = g.offsets[matrix]; s < g.offsets[matrix + 1]; ++s)
          y.row(g.rows_out[s])[n] = dot(w + n * cols, x.row(g.rows_in[s]), cols);
    });
  }
  size_t scratch_bytes(int64_t, int64_t) const override { return 0; }
  void row(int64_t r, float* out) const noexcept override {
    for (int64_t k = 0; k < cols; ++k) out[k] = data[static_cast<size_t>(r * cols + k)];
  }
};

class NativeBackend final : public Backend {
 public:
  const char* name() const override { return "native"; }
  Result<std::unique_ptr<PackedWeight>> pack(const WeightSource& source, ThreadPool&) const override {
    const StoredTypeInfo& type = info(source.type);
    if (source.cols <= 0 || source.rows <= 0 || source.matrices <= 0 || source.cols % type.block_elements != 0)
      return Status::unsupported("{}: rows of {} numbers are no whole number of {} blocks", source.name, source.cols,
                                 type.name);
    auto weight = std::unique_ptr<NativeWeight>(new (std::nothrow) NativeWeight);
    const int64_t all_rows = source.matrices * source.rows;
    const size_t numbers = static_cast<size_t>(all_rows) * static_cast<size_t>(source.cols);
    const size_t bytes = row_bytes(source.type, source.cols);
    if (weight) weight->data.reset(new (std::nothrow) float[numbers]);
    std::unique_ptr<std::byte[]> row(new (std::nothrow) std::byte[bytes]);
    if (!weight || !weight->data || !row)
      return Status::format(Code::out_of_memory, "{}: no memory for {} numbers", source.name, numbers);
    for (int64_t r = 0; r < all_rows; ++r) {
      PENSEE_TRY(source.read(r, 1, {row.get(), bytes}));
      type.decode(row.get(), weight->data.get() + r * source.cols, source.cols / type.block_elements);
    }
    weight->matrices = source.matrices;
    weight->rows = source.rows;
    weight->cols = source.cols;
    weight->bytes = numbers * sizeof(float);
    weight->stored = source.type;
    weight->layout = "f32";
    return std::unique_ptr<PackedWeight>(std::move(weight));
  }
};

}  // namespace

Result<std::unique_ptr<Backend>> make_native_backend(const BackendOptions&) {
  return std::unique_ptr<Backend>(new (std::nothrow) NativeBackend);
}

}  // namespace pensee
