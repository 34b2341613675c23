// The native backend's promises: a row's bits depend on that row alone (not on how many rows, which threads, which
// neighbours, grouped or not, which instruction set); packing loses nothing; and both kinds of activations stay near
// the product in double.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "backends/backend.h"
#include "kernels/tiles.h"

using namespace pensee;

namespace {

class Blocks : public WeightSource {
 public:
  Blocks(StoredType stored, int64_t matrix_count, int64_t row_count, int64_t col_count) {
    name = "blocks";
    type = stored;
    matrices = matrix_count;
    rows = row_count;
    cols = col_count;
    const StoredTypeInfo& t = info(type);
    const int64_t blocks = matrices * rows * cols / t.block_elements;
    bytes_.resize(static_cast<size_t>(blocks * t.block_bytes));
    floats.resize(static_cast<size_t>(blocks * t.block_elements));
    std::mt19937 random(static_cast<uint32_t>(rows + cols));
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
    const size_t row = row_bytes(type, cols);
    std::memcpy(out.data(), bytes_.data() + static_cast<size_t>(first) * row, static_cast<size_t>(count) * row);
    return Status();
  }
  std::vector<float> floats;

 private:
  std::vector<std::byte> bytes_;
};

std::vector<float> gaussian(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = normal(random);
  return x;
}

struct Packed {
  std::unique_ptr<ThreadPool> pool;
  const Kernels* kernels;
  std::unique_ptr<PackedWeight> weight;

  Packed(const Blocks& source, std::string_view isa, int threads, Activations activations, bool exact = true)
      : pool(std::move(*ThreadPool::create(threads))), kernels(*kernels_for(isa)) {
    auto backend = make_backend("native", {kernels, activations, exact});
    REQUIRE(backend.ok());
    auto packed = (*backend)->pack(source, *pool);
    REQUIRE(packed.ok());
    weight = std::move(*packed);
  }
  std::vector<float> multiply(const std::vector<float>& x, int64_t m) {
    std::vector<float> y(static_cast<size_t>(m * weight->rows), NAN);
    Scratch scratch;
    REQUIRE(scratch.reserve(weight->scratch_bytes(m, m)).ok());
    Compute compute{*pool, scratch, *kernels};
    weight->multiply(View(x.data(), m, weight->cols), MutableView(y.data(), m, weight->rows), compute);
    return y;
  }
  std::vector<float> grouped(const std::vector<float>& x, int64_t x_rows, const std::vector<int32_t>& offsets,
                             const std::vector<int32_t>& in, const std::vector<int32_t>& out) {
    const int64_t slots = offsets.back();
    std::vector<float> y(static_cast<size_t>(slots * weight->rows), NAN);
    Scratch scratch;
    REQUIRE(scratch.reserve(weight->scratch_bytes(x_rows, slots)).ok());
    Compute compute{*pool, scratch, *kernels};
    weight->multiply_grouped({offsets.data(), in.data(), out.data()}, View(x.data(), x_rows, weight->cols),
                             MutableView(y.data(), slots, weight->rows), compute);
    return y;
  }
};

bool same_bits(const float* a, const float* b, int64_t n) {
  return std::memcmp(a, b, static_cast<size_t>(n) * sizeof(float)) == 0;
}

template <class F>
void each_type(F f) {
  for (int t = 0; t < static_cast<int>(StoredType::count); ++t) {
    const StoredType type = static_cast<StoredType>(t);
    CAPTURE(info(type).name);
    f(type, info(type).block_elements == 1 ? int64_t{141} : int64_t{512});
  }
}

}  // namespace

TEST_CASE("native: a packed row reads back as the decoder wrote it, bit for bit") {
  each_type([](StoredType type, int64_t cols) {
    const Blocks source(type, 2, 21, cols);
    Packed packed(source, "scalar", 1, Activations::int16);
    std::vector<float> row(static_cast<size_t>(cols));
    for (int64_t r = 0; r < 42; ++r) {
      packed.weight->row(r, row.data());
      bool same = true;
      for (int64_t k = 0; k < cols; ++k)
        same &= row[static_cast<size_t>(k)] == source.floats[static_cast<size_t>(r * cols + k)];
      CHECK(same);
    }
  });
}

TEST_CASE("native: one row or many, one thread or three, alone or grouped, any ISA: the same bits") {
  each_type([](StoredType type, int64_t cols) {
    const int64_t rows = 333, m = 37;
    const Blocks source(type, 1, rows, cols);
    const auto x = gaussian(m * cols, 5);
    std::vector<int32_t> offsets = {0, static_cast<int32_t>(m)}, in, out;
    for (int32_t i = 0; i < m; ++i) {
      in.push_back(static_cast<int32_t>(m) - 1 - i);
      out.push_back(in.back());
    }
    for (Activations activations : {Activations::int16, Activations::int8}) {
      const auto expected = Packed(source, "scalar", 1, activations).multiply(x, m);
      for (std::string_view isa : available_isas()) {
        CAPTURE(isa);
        Packed one(source, isa, 1, activations), three(source, isa, 3, activations);
        CHECK(same_bits(one.multiply(x, m).data(), expected.data(), m * rows));
        CHECK(same_bits(three.multiply(x, m).data(), expected.data(), m * rows));
        CHECK(same_bits(three.grouped(x, m, offsets, in, out).data(), expected.data(), m * rows));
        for (int64_t i : {int64_t{0}, int64_t{16}, m - 1}) {
          const std::vector<float> alone(x.begin() + i * cols, x.begin() + (i + 1) * cols);
          CHECK(same_bits(three.multiply(alone, 1).data(), expected.data() + i * rows, rows));
        }
      }
    }
  });
}

TEST_CASE("native: many rows of a wide and of a narrow matrix are dealt out without a change of bits") {
  for (int64_t rows : {17, 2000}) {
    const int64_t m = 300, cols = 2048;
    const Blocks source(StoredType::q4_k, 1, rows, cols);
    const auto x = gaussian(m * cols, 9);
    Packed two(source, "", 2, Activations::int16), five(source, "", 5, Activations::int16);
    const auto expected = two.multiply(x, m);
    CHECK(same_bits(five.multiply(x, m).data(), expected.data(), m * rows));
    for (int64_t i : {int64_t{0}, int64_t{95}, int64_t{96}, m - 1}) {
      const std::vector<float> alone(x.begin() + i * cols, x.begin() + (i + 1) * cols);
      CHECK(same_bits(two.multiply(alone, 1).data(), expected.data() + i * rows, rows));
    }
  }
}

// The error's norm over the result's norm. int16: a group's numbers are off by at most 1/65534 of its largest one, so
// about 3e-5; int8: 1/254, so about 0.7 %.
TEST_CASE("native: int16 activations are as good as float, int8 within a percent") {
  each_type([](StoredType type, int64_t cols) {
    const int64_t rows = 64, m = 8;
    const Blocks source(type, 1, rows, cols);
    const auto x = gaussian(m * cols, 3);
    for (Activations activations : {Activations::int16, Activations::int8}) {
      const auto y = Packed(source, "", 1, activations).multiply(x, m);
      double error = 0, norm = 0;
      for (int64_t i = 0; i < m * rows; ++i) {
        double sum = 0;
        for (int64_t k = 0; k < cols; ++k)
          sum += static_cast<double>(x[static_cast<size_t>(i / rows * cols + k)]) *
                 source.floats[static_cast<size_t>(i % rows * cols + k)];
        error += (sum - y[static_cast<size_t>(i)]) * (sum - y[static_cast<size_t>(i)]);
        norm += sum * sum;
      }
      CAPTURE(std::sqrt(error / norm));
      CHECK(std::sqrt(error / norm) < (activations == Activations::int16 ? 1e-4 : 1.5e-2));
    }
  });
}

// Nearest even, of finite numbers.
float rounded_to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&x, &bits, sizeof(bits));
  return x;
}

TEST_CASE("native: exact off rounds activations for BF16 weights alone, where the CPU multiplies such pairs") {
  for (const int64_t cols : {141, 512, 33}) {
    for (const std::string_view isa : available_isas()) {
      CAPTURE(isa);
      CAPTURE(cols);
      const Blocks source(StoredType::bf16, 1, 53, cols), halves(StoredType::f16, 1, 53, cols);
      Packed exact(source, isa, 1, Activations::int16), free(source, isa, 3, Activations::int16, false);
      const int64_t many = 41;
      const auto x = gaussian(many * cols, 5);
      const auto y = free.multiply(x, many), unrounded = exact.multiply(x, many);
      CHECK(same_bits(Packed(halves, isa, 1, Activations::int16, false).multiply(x, many).data(),
                      Packed(halves, isa, 1, Activations::int16).multiply(x, many).data(), many * 53));
      CHECK(same_bits(y.data(), unrounded.data(), many * 53) == !exact.kernels->tiles->bf16);
      for (const int64_t m : {1, 2, 3, 7, 8, 9, 17}) {
        CHECK(same_bits(Packed(source, isa, 1, Activations::int16, false).multiply(x, m).data(), y.data(), m * 53));
      }
      if (!exact.kernels->tiles->bf16) continue;
      for (int64_t i = 0; i < many * 53; ++i) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < cols; ++k) {
          const float number = rounded_to_bf16(x[static_cast<size_t>(i / 53 * cols + k)]);
          const double product = static_cast<double>(number) *
                                 static_cast<double>(source.floats[static_cast<size_t>(i % 53 * cols + k)]);
          sum += product;
          size += std::abs(product);
        }
        CHECK(std::abs(static_cast<double>(y[static_cast<size_t>(i)]) - sum) <= 1e-6 * size + 1e-30);
      }
    }
  }
}

TEST_CASE("native: with exact off, too, experts' rows have the bits that they have alone") {
  const int64_t cols = 96, rows = 40;
  const Blocks source(StoredType::bf16, 3, rows, cols);
  Packed weight(source, "", 2, Activations::int16, false);
  const auto x = gaussian(5 * cols, 9);
  const std::vector<int32_t> offsets = {0, 2, 2, 7}, in = {4, 1, 0, 1, 2, 3, 4}, out = {6, 0, 5, 1, 2, 4, 3};
  const auto y = weight.grouped(x, 5, offsets, in, out);
  for (size_t slot = 0; slot < in.size(); ++slot) {
    const int32_t matrix = slot < 2 ? 0 : 2;
    std::vector<int32_t> alone = {0, 0, 0, 0};
    for (int32_t m = matrix + 1; m <= 3; ++m) alone[static_cast<size_t>(m)] = 1;
    CHECK(same_bits(weight.grouped(x, 5, alone, {in[slot]}, {0}).data(), y.data() + out[slot] * rows, rows));
  }
}

TEST_CASE("native: a number that is not finite poisons its own row and no other") {
  const int64_t cols = 256, rows = 40;
  for (StoredType type : {StoredType::q4_0, StoredType::q4_k, StoredType::q6_k, StoredType::q8_0, StoredType::f16}) {
    const Blocks source(type, 1, rows, cols);
    auto x = gaussian(3 * cols, 3);
    const auto clean = Packed(source, "", 1, Activations::int16).multiply(x, 3);
    for (float bad : {INFINITY, -INFINITY, NAN}) {
      x[static_cast<size_t>(cols + 77)] = bad;
      const auto y = Packed(source, "", 1, Activations::int16).multiply(x, 3);
      CHECK(same_bits(y.data(), clean.data(), rows));
      CHECK(same_bits(y.data() + 2 * rows, clean.data() + 2 * rows, rows));
      for (int64_t r = 0; r < rows; ++r) CHECK(!std::isfinite(y[static_cast<size_t>(rows + r)]));
    }
  }
}

TEST_CASE("native: shapes that no machine holds are refused, not allocated") {
  const auto pool = std::move(*ThreadPool::create(1));
  auto backend = make_backend("native", {});
  REQUIRE(backend.ok());
  Blocks source(StoredType::f32, 1, 1, 1);
  source.rows = int64_t{1} << 62;
  CHECK(!(*backend)->pack(source, *pool).ok());
  source.rows = int64_t{1} << 30;
  source.cols = int64_t{1} << 30;
  CHECK(!(*backend)->pack(source, *pool).ok());
  source.rows = 0;
  CHECK(!(*backend)->pack(source, *pool).ok());
}
