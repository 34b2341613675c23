// Every backend against sums in double over the scalar decoders' numbers, and the promises that backends on foreign
// libraries make beside: scratch within its bound, thread counts given back, answers even when oneDNN fails.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "backends/backend.h"
#ifdef PENSEE_HAVE_ONEDNN
#include "backends/onednn/matmul.h"
#endif
#ifdef PENSEE_HAVE_BLAS
#include "backends/foreign/library.h"
#endif

using namespace pensee;

namespace {

constexpr const char* kNames[] = {"native", "onednn", "blas"};

// Random stored blocks whose numbers are finite and not huge, as real weights are.
class RandomWeight : public WeightSource {
 public:
  RandomWeight(StoredType stored, int64_t matrix_count, int64_t row_count, int64_t col_count, uint32_t seed) {
    name = "random";
    type = stored;
    matrices = matrix_count;
    rows = row_count;
    cols = col_count;
    const StoredTypeInfo& t = info(type);
    const int64_t blocks = matrices * rows * cols / t.block_elements;
    bytes_.resize(static_cast<size_t>(blocks * t.block_bytes));
    floats.resize(static_cast<size_t>(blocks * t.block_elements));
    std::mt19937 random(seed);
    for (int64_t b = 0; b < blocks; ++b) {
      std::byte* block = bytes_.data() + b * t.block_bytes;
      float* decoded = floats.data() + b * t.block_elements;
      do {
        for (int32_t i = 0; i < t.block_bytes; ++i) block[i] = static_cast<std::byte>(random());
        t.decode(block, decoded, 1);
      } while (!std::all_of(decoded, decoded + t.block_elements, [](float v) { return std::abs(v) < 100; }));
    }
  }
  Status read(int64_t first, int64_t count, std::span<std::byte> out) const override {
    const uint64_t row = row_bytes(type, cols);
    REQUIRE(out.size() == static_cast<uint64_t>(count) * row);
    std::memcpy(out.data(), bytes_.data() + static_cast<uint64_t>(first) * row, out.size());
    return Status();
  }
  const float* row(int64_t matrix, int64_t r) const { return floats.data() + (matrix * rows + r) * cols; }
  std::vector<float> floats;

 private:
  std::vector<std::byte> bytes_;
};

struct Rig {
  explicit Rig(int threads) : pool(std::move(*ThreadPool::create(threads))) {}
  std::unique_ptr<ThreadPool> pool;
  Scratch scratch;
  const Kernels* kernels = *kernels_for("scalar");
  Compute compute{*pool, scratch, *kernels};
  BackendOptions options(bool exact = true) const { return BackendOptions{kernels, Activations::int16, exact}; }
};

std::vector<float> random_rows(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<size_t>(count));
  for (float& v : out) v = normal(random);
  return out;
}

// Rounding of the activations (int16 in native, BF16 in oneDNN where exact is off) and of float sums.
double tolerance(std::string_view backend, const PackedWeight& weight) {
  if (weight.layout == "bf16" && backend == "onednn") return 1.0 / 256;
  return backend == "native" ? 2e-4 : 2e-6;
}

// One row of y against the sum in double; the error is measured against the sum of magnitudes.
void check_row(const RandomWeight& source, int64_t matrix, const float* x, const float* y, double tolerated) {
  double worst = 0;
  for (int64_t r = 0; r < source.rows; ++r) {
    const float* w = source.row(matrix, r);
    double sum = 0, magnitude = 1e-30;
    for (int64_t k = 0; k < source.cols; ++k) {
      sum += static_cast<double>(x[k]) * w[k];
      magnitude += std::abs(static_cast<double>(x[k]) * w[k]);
    }
    worst = std::max(worst, std::isfinite(y[r]) ? std::abs(sum - y[r]) / magnitude : 1e9);
  }
  CHECK(worst < tolerated);
}

void check_dense(const char* name, StoredType type, int64_t rows, int64_t cols, int threads, bool exact = true) {
  CAPTURE(std::string(name));
  CAPTURE(std::string(info(type).name));
  CAPTURE(cols);
  CAPTURE(threads);
  Rig rig(threads);
  auto backend = make_backend(name, rig.options(exact));
  REQUIRE_MESSAGE(backend.ok(), backend.status().message());
  const RandomWeight source(type, 1, rows, cols, 7);
  auto packed = (*backend)->pack(source, *rig.pool);
  REQUIRE_MESSAGE(packed.ok(), packed.status().message());
  const PackedWeight& weight = **packed;
  CHECK(weight.bytes >= row_bytes(type, cols) * static_cast<uint64_t>(rows) / 2);
  if (exact && std::string_view(name) == "onednn") CHECK(weight.layout == "f32");
  for (const int64_t n : {1, 2, 17, 150}) {
    CAPTURE(n);
    const std::vector<float> x = random_rows(n * cols, static_cast<uint32_t>(n));
    const int64_t stride = rows + 3;  // the gap after each row must stay as it is
    std::vector<float> y(static_cast<size_t>(n * stride), 12345.0f);
    const size_t bound = weight.scratch_bytes(n, n);
    Scratch scratch;
    REQUIRE(scratch.reserve(bound).ok());
    Compute compute{*rig.pool, scratch, *rig.kernels};
    weight.multiply(View(x.data(), n, cols), MutableView(y.data(), n, rows, stride), compute);
    CHECK(scratch.peak() <= bound);
    for (int64_t i = 0; i < n; ++i) {
      check_row(source, 0, x.data() + i * cols, y.data() + i * stride, tolerance(name, weight));
      CHECK(std::count(y.begin() + i * stride + rows, y.begin() + (i + 1) * stride, 12345.0f) == 3);
    }
  }
  std::vector<float> row(static_cast<size_t>(cols));
  weight.row(rows - 2, row.data());
  for (int64_t k = 0; k < cols; ++k) CHECK(row[static_cast<size_t>(k)] == doctest::Approx(source.row(0, rows - 2)[k]));
}

void check_grouped(const char* name, StoredType type, int threads) {
  CAPTURE(std::string(name));
  CAPTURE(std::string(info(type).name));
  Rig rig(threads);
  auto backend = make_backend(name, rig.options());
  REQUIRE_MESSAGE(backend.ok(), backend.status().message());
  const int64_t matrices = 5, rows = 333, cols = 256, x_rows = 200;
  const RandomWeight source(type, matrices, rows, cols, 11);
  auto packed = (*backend)->pack(source, *rig.pool);
  REQUIRE_MESSAGE(packed.ok(), packed.status().message());
  // Matrix 1 has no row, matrix 3 more than a chunk; rows of x are used more than once, and slots land anywhere.
  const std::vector<int32_t> offsets = {0, 1, 1, 18, 168, 171};
  const int64_t slots = offsets.back();
  std::vector<int32_t> in(static_cast<size_t>(slots)), out(static_cast<size_t>(slots));
  std::mt19937 random(3);
  for (int64_t s = 0; s < slots; ++s) {
    in[static_cast<size_t>(s)] = static_cast<int32_t>(random() % x_rows);
    out[static_cast<size_t>(s)] = static_cast<int32_t>(s);
  }
  std::shuffle(out.begin(), out.end(), random);
  const std::vector<float> x = random_rows(x_rows * cols, 5);
  std::vector<float> y(static_cast<size_t>(slots * rows));
  const size_t bound = (*packed)->scratch_bytes(x_rows, slots);
  REQUIRE(rig.scratch.reserve(bound).ok());
  (*packed)->multiply_grouped(Groups{offsets.data(), in.data(), out.data()}, View(x.data(), x_rows, cols),
                              MutableView(y.data(), slots, rows), rig.compute);
  CHECK(rig.scratch.peak() <= bound);
  for (int64_t m = 0; m < matrices; ++m) {
    for (int64_t s = offsets[static_cast<size_t>(m)]; s < offsets[static_cast<size_t>(m) + 1]; ++s) {
      check_row(source, m, x.data() + in[static_cast<size_t>(s)] * cols, y.data() + out[static_cast<size_t>(s)] * rows,
                tolerance(name, **packed));
    }
  }
}

}  // namespace

TEST_CASE("backends: every stored type multiplies as its decoded numbers do") {
  for (const char* name : kNames) {
    if (!backend_built_in(name)) continue;
    for (int t = 0; t < static_cast<int>(StoredType::count); ++t) {
      check_dense(name, static_cast<StoredType>(t), 333, 256, 2);
    }
  }
}

TEST_CASE("backends: odd widths, one thread and two, narrow and wide matrices") {
  for (const char* name : kNames) {
    if (!backend_built_in(name)) continue;
    for (const int threads : {1, 2}) {
      check_dense(name, StoredType::f32, 333, 40, threads);
      check_dense(name, StoredType::bf16, 70, 37, threads);
      check_dense(name, StoredType::f16, 3, 8, threads);
      check_dense(name, StoredType::q8_0, 9000, 32, threads);
    }
  }
}

TEST_CASE("backends: grouped rows meet their matrix and land in their place") {
  for (const char* name : kNames) {
    if (!backend_built_in(name)) continue;
    for (const StoredType type : {StoredType::f32, StoredType::bf16, StoredType::q4_0, StoredType::q6_k}) {
      check_grouped(name, type, 1);
      check_grouped(name, type, 2);
    }
  }
}

TEST_CASE("backends: a pool with more threads than the one that packed stays within the scratch") {
  for (const char* name : kNames) {
    if (!backend_built_in(name)) continue;
    CAPTURE(std::string(name));
    Rig one(1), four(4);
    auto backend = make_backend(name, one.options());
    REQUIRE(backend.ok());
    const RandomWeight source(StoredType::q4_0, 1, 1000, 64, 1);
    auto packed = (*backend)->pack(source, *one.pool);
    REQUIRE(packed.ok());
    const std::vector<float> x = random_rows(20 * 64, 2);
    std::vector<float> y(20 * 1000);
    REQUIRE(four.scratch.reserve((*packed)->scratch_bytes(20, 20)).ok());
    (*packed)->multiply(View(x.data(), 20, 64), MutableView(y.data(), 20, 1000), four.compute);
    for (int64_t i = 0; i < 20; ++i) {
      check_row(source, 0, x.data() + i * 64, y.data() + i * 1000, tolerance(name, **packed));
    }
  }
}

TEST_CASE("backends: rows that are no whole number of blocks are refused by name") {
  for (const char* name : kNames) {
    if (!backend_built_in(name)) continue;
    CAPTURE(std::string(name));
    Rig rig(1);
    auto backend = make_backend(name, rig.options());
    REQUIRE(backend.ok());
    RandomWeight source(StoredType::q4_0, 1, 4, 64, 1);
    source.cols = 40;
    source.name = "blk.0.odd";
    auto packed = (*backend)->pack(source, *rig.pool);
    REQUIRE(!packed.ok());
    CHECK(packed.status().message().find("blk.0.odd") != std::string::npos);
  }
}

TEST_CASE("backends: a failing read ends the packing with its own message") {
  class Broken : public RandomWeight {
   public:
    using RandomWeight::RandomWeight;
    Status read(int64_t first, int64_t count, std::span<std::byte> out) const override {
      if (first + count > 200) return Status::format(Code::file_io, "disk of {} gone", name);
      return RandomWeight::read(first, count, out);
    }
  };
  for (const char* name : kNames) {
    if (!backend_built_in(name)) continue;
    Rig rig(2);
    auto backend = make_backend(name, rig.options());
    REQUIRE(backend.ok());
    auto packed = (*backend)->pack(Broken(StoredType::q8_0, 1, 333, 64, 1), *rig.pool);
    REQUIRE(!packed.ok());
    CHECK(packed.status().message() == "disk of random gone");
  }
}

#ifdef PENSEE_HAVE_ONEDNN
TEST_CASE("onednn: when a call into it fails, plain loops give the same answer") {
  auto api = onednn::Api::load();
  REQUIRE_MESSAGE(api.ok(), api.status().message());
  auto matmul = onednn::Matmul::make(*api, 40, 77, dnnl_f32);
  REQUIRE_MESSAGE(matmul.ok(), matmul.status().message());
  const std::vector<float> plain = random_rows(77 * 40, 1), x = random_rows(128 * 40, 2);
  std::vector<float> packed((*matmul)->weight_bytes() / 4), y(128 * 77), z(128 * 77);
  std::vector<std::byte> scratch((*matmul)->scratch_bytes() + 64);
  REQUIRE((*matmul)->pack(plain.data(), packed.data()).ok());
  (*matmul)->multiply(x.data(), packed.data(), 5, y.data(), scratch.data());
  const_cast<onednn::Api&>(**api).primitive_execute =
      [](const_dnnl_primitive_t, dnnl_stream_t, int, const dnnl_exec_arg_t*) { return dnnl_out_of_memory; };
  (*matmul)->multiply(x.data(), packed.data(), 5, z.data(), scratch.data());
  CHECK(std::any_of(y.begin(), y.begin() + 5 * 77, [](float v) { return v != 0; }));
  for (size_t i = 0; i < 5 * 77; ++i) CHECK(y[i] == doctest::Approx(z[i]).epsilon(1e-4));
}

TEST_CASE("onednn: with exact off, BF16 weights stay BF16 where the CPU multiplies them, and nothing else does") {
  auto api = onednn::Api::load();
  REQUIRE(api.ok());
  const unsigned wanted = dnnl_cpu_isa_avx512_core_bf16;
  const bool has_bfloat = ((*api)->get_effective_cpu_isa() & wanted) == wanted;
  Rig rig(2);
  auto backend = make_backend("onednn", rig.options(false));
  REQUIRE(backend.ok());
  for (const StoredType type : {StoredType::f32, StoredType::f16, StoredType::bf16, StoredType::q4_0}) {
    const auto packed = (*backend)->pack(RandomWeight(type, 1, 70, 64, 1), *rig.pool);
    REQUIRE(packed.ok());
    CHECK((*packed)->layout == (has_bfloat && type == StoredType::bf16 ? "bf16" : "f32"));
  }
  check_dense("onednn", StoredType::bf16, 333, 256, 2, false);
  check_dense("onednn", StoredType::bf16, 70, 37, 1, false);
}

TEST_CASE("onednn: OpenMP's thread count on the caller's thread is given back") {
  auto api = onednn::Api::load();
  REQUIRE(api.ok());
  const OpenMp& openmp = (*api)->openmp;
  REQUIRE(static_cast<bool>(openmp.get));
  openmp.set(3);
  check_dense("onednn", StoredType::f32, 333, 40, 2);
  CHECK(openmp.get() == 3);
}
#endif

#ifdef PENSEE_HAVE_BLAS
TEST_CASE("blas: OpenBLAS's thread count is given back") {
  auto library = Library::load({PENSEE_BLAS_NAME, "libopenblas.so.0", "libscipy_openblas.so"}, "OpenBLAS");
  REQUIRE_MESSAGE(library.ok(), library.status().message());
  auto* set = library->find<void(int)>("scipy_openblas_set_num_threads");
  auto* get = library->find<int()>("scipy_openblas_get_num_threads");
  if (!set) set = library->find<void(int)>("openblas_set_num_threads");
  if (!get) get = library->find<int()>("openblas_get_num_threads");
  REQUIRE(static_cast<bool>(set));
  REQUIRE(static_cast<bool>(get));
  set(2);
  check_dense("blas", StoredType::q4_0, 333, 64, 2);
  CHECK(get() == 2);
}
#endif

TEST_CASE("backends: a library that is missing is named, and what to do") {
#if defined(PENSEE_HAVE_ONEDNN) || defined(PENSEE_HAVE_BLAS)
  auto library = Library::load({"libnobody.so.9"}, "Nobody");
  REQUIRE(!library.ok());
  CHECK(library.status().code() == Code::unsupported);
  CHECK(library.status().message().find("libnobody.so.9") != std::string::npos);
  CHECK(library.status().message().find("Nobody") != std::string::npos);
#endif
}
