// The auto backend: native bit for bit where it promises that, and with exact off what its tuning says, row for row;
// tunings as files; and what is chosen from measurements.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/tuned/measure.h"

using namespace pensee;

namespace {

// Q8_0: native meets it with integers and the others with floats, so that their bits tell who computed.
class Random : public WeightSource {
 public:
  Random(int64_t matrix_count, int64_t row_count, int64_t col_count) {
    name = "random";
    type = StoredType::q8_0;
    matrices = matrix_count;
    rows = row_count;
    cols = col_count;
    bytes_.resize(static_cast<size_t>(matrices * rows) * row_bytes(type, cols));
    std::mt19937 random(1);
    const uint16_t scale = float_to_half(0.01f);
    for (size_t at = 0; at < bytes_.size(); ++at) bytes_[at] = static_cast<std::byte>(random());
    const auto block = static_cast<size_t>(info(type).block_bytes);
    for (size_t at = 0; at < bytes_.size(); at += block) std::memcpy(&bytes_[at], &scale, sizeof scale);
  }
  Status read(int64_t first, int64_t, std::span<std::byte> out) const override {
    std::memcpy(out.data(), &bytes_[static_cast<size_t>(first) * row_bytes(type, cols)], out.size());
    return Status();
  }

 private:
  std::vector<std::byte> bytes_;
};

// "" where this build has native alone.
std::string other_backend() { return backend_built_in("onednn") ? "onednn" : backend_built_in("blas") ? "blas" : ""; }

struct Rig {
  std::unique_ptr<ThreadPool> pool = std::move(*ThreadPool::create(2));
  const Kernels* kernels = *kernels_for("");

  std::unique_ptr<PackedWeight> pack(const std::string& backend, bool exact, const Tuning* tuning,
                                     const WeightSource& source) {
    auto made = make_backend(backend, {kernels, Activations::int16, exact, tuning});
    REQUIRE_MESSAGE(made.ok(), made.status().message());
    auto packed = (*made)->pack(source, *pool);
    REQUIRE_MESSAGE(packed.ok(), packed.status().message());
    return std::move(*packed);
  }
  std::vector<float> multiply(const PackedWeight& w, int64_t n) {
    const std::vector<float> x = rows(n, w.cols);
    std::vector<float> y(static_cast<size_t>(n * w.rows));
    Scratch scratch;
    REQUIRE(scratch.reserve(w.scratch_bytes(n, n)).ok());
    Compute compute{*pool, scratch, *kernels};
    w.multiply(View(x.data(), n, w.cols), MutableView(y.data(), n, w.rows), compute);
    return y;
  }
  std::vector<float> grouped(const PackedWeight& w, const std::vector<int32_t>& offsets) {
    const int64_t n = offsets.back();
    const std::vector<float> x = rows(n, w.cols);
    std::vector<float> y(static_cast<size_t>(n * w.rows));
    std::vector<int32_t> each;
    for (int32_t i = 0; i < n; ++i) each.push_back(i);
    Scratch scratch;
    REQUIRE(scratch.reserve(w.scratch_bytes(n, n)).ok());
    Compute compute{*pool, scratch, *kernels};
    w.multiply_grouped({offsets.data(), each.data(), each.data()}, View(x.data(), n, w.cols),
                       MutableView(y.data(), n, w.rows), compute);
    return y;
  }
  static std::vector<float> rows(int64_t n, int64_t cols) {
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    std::vector<float> x(static_cast<size_t>(n * cols));
    for (float& v : x) v = normal(random);
    return x;
  }
};

Status error_of(const std::string& text) {
  const auto parsed = parse_tuning(text, "t.json");
  return parsed.ok() ? Status() : parsed.status();
}

}  // namespace

TEST_CASE("tuned: auto with exact on is native, whatever a tuning says") {
  Rig rig;
  const Random source(1, 100, 96);
  const Tuning tuning{{{StoredType::q8_0, Activations::int16, "onednn", 1}}};
  const auto native = rig.pack("native", true, nullptr, source), exact = rig.pack("auto", true, &tuning, source);
  CHECK(exact->copy_bytes == 0);
  CHECK(rig.multiply(*exact, 40) == rig.multiply(*native, 40));
  auto backend = make_backend("auto", {rig.kernels, Activations::int16, true, &tuning});
  CHECK(std::string((*backend)->name()) == "native");
}

TEST_CASE("tuned: from so many rows on the other backend computes, below it native, in memory both") {
  const std::string other = other_backend();
  if (other.empty()) return;
  Rig rig;
  const Random source(1, 100, 96);
  const Tuning tuning{{{StoredType::q8_0, Activations::int16, other, 8}}};
  const auto native = rig.pack("native", false, nullptr, source), many = rig.pack(other, false, nullptr, source);
  const auto tuned = rig.pack("auto", false, &tuning, source);
  CHECK(rig.multiply(*native, 9) != rig.multiply(*many, 9));  // else nothing is told
  CHECK(rig.multiply(*tuned, 7) == rig.multiply(*native, 7));
  CHECK(rig.multiply(*tuned, 8) == rig.multiply(*many, 8));
  CHECK(rig.multiply(*tuned, 9) == rig.multiply(*many, 9));
  CHECK(tuned->bytes == native->bytes);
  CHECK(tuned->copy_bytes == many->bytes);
  CHECK(tuned->owned_bytes() == native->bytes + many->bytes);
  CHECK(tuned->packed().size() == native->packed().size());
  std::vector<float> a(96), b(96);
  tuned->row(99, a.data());
  native->row(99, b.data());
  CHECK(a == b);

  tuned->drop_copy();
  CHECK(tuned->owned_bytes() == native->bytes);
  CHECK(rig.multiply(*tuned, 9) == rig.multiply(*native, 9));
}

TEST_CASE("tuned: of a stack the rows of those matrices count that are met, on average") {
  const std::string other = other_backend();
  if (other.empty()) return;
  Rig rig;
  const Random source(4, 60, 96);
  const Tuning tuning{{{StoredType::q8_0, Activations::int16, other, 8}}};
  const auto native = rig.pack("native", false, nullptr, source), many = rig.pack(other, false, nullptr, source);
  const auto tuned = rig.pack("auto", false, &tuning, source);
  const std::vector<int32_t> few = {0, 1, 8, 8, 15}, enough = {0, 1, 1, 1, 16};  // 15 rows on 3, 16 rows on 2 matrices
  CHECK(rig.grouped(*tuned, few) == rig.grouped(*native, few));
  CHECK(rig.grouped(*tuned, enough) == rig.grouped(*many, enough));
  CHECK(rig.grouped(*native, enough) != rig.grouped(*many, enough));
}

TEST_CASE("tuned: what the tuning does not name, or nobody multiplies, lies in memory once") {
  const std::string other = other_backend();
  if (other.empty()) return;
  Rig rig;
  Random source(1, 100, 96);
  const Tuning bf16{{{StoredType::bf16, Activations::int16, other, 1}}}, q8_0{{{StoredType::q8_0, {}, other, 1}}};
  CHECK(rig.pack("auto", false, &bf16, source)->copy_bytes == 0);
  source.by_row = true;
  CHECK(rig.pack("auto", false, &q8_0, source)->copy_bytes == 0);

  // The name tells whether anything is mixed.
  auto backend = make_backend("auto", {rig.kernels, Activations::int16, false, &q8_0});
  REQUIRE(backend.ok());
  CHECK(std::string((*backend)->name()) == "native");
  source.by_row = false;
  REQUIRE((*backend)->pack(source, *rig.pool).ok());
  CHECK(std::string((*backend)->name()) == "native+" + other);
}

TEST_CASE("tuning: a quantised type has a row for each kind of activations, a float type one") {
  const Tuning tuning{{{StoredType::q4_0, Activations::int16, "onednn", 64}, {StoredType::f16, {}, "blas", 16}}};
  REQUIRE(tuning.find(StoredType::q4_0, Activations::int16));
  CHECK(tuning.find(StoredType::q4_0, Activations::int16)->from_rows == 64);
  CHECK(tuning.find(StoredType::q4_0, Activations::int8) == nullptr);
  CHECK(tuning.find(StoredType::f16, Activations::int8) != nullptr);
  CHECK(tuning.find(StoredType::f32, Activations::int8) == nullptr);
}

TEST_CASE("tuning: a file says what was written, and what is wrong with it") {
  const std::string other = other_backend();
  if (other.empty()) return;
  const Tuning tuning{{{StoredType::q4_k, Activations::int8, other, 64}, {StoredType::bf16, {}, other, 16}}};
  json::Value file;
  file.set("pensee_tuning", 1);
  file.set("table", tuning_json(tuning));
  const auto back = parse_tuning(json::dump(file), "t.json");
  REQUIRE_MESSAGE(back.ok(), back.status().message());
  REQUIRE(back->rows.size() == 2);
  CHECK(json::dump(tuning_json(*back)) == json::dump(tuning_json(tuning)));

  const auto with = [&](const std::string& row) { return R"({"pensee_tuning": 1, "table": [)" + row + "]}"; };
  const auto row = [&](const std::string& type, const std::string& activations, const std::string& backend,
                       const std::string& rows) {
    return R"({"type": ")" + type + R"(", "activations": ")" + activations + R"(", "backend": ")" + backend +
           R"(", "from_rows": )" + rows + "}";
  };
  const std::string good = row("Q4_K", "int8", other, "64");
  CHECK(error_of(with(good)).ok());
  CHECK(error_of(with(good + "," + good)).code() == Code::file_corrupt);
  const std::string bad[] = {row("Q9_K", "int8", other, "64"), row("Q4_K", "float", other, "64"),
                             row("F32", "int8", other, "64"),  row("Q4_K", "int8", "native", "64"),
                             row("Q4_K", "int8", other, "0"),  row("Q4_K", "int8", other, "64.5"),
                             R"({"type": "Q4_K"})",            "7"};
  for (const std::string& one : bad) {
    CAPTURE(one);
    const Status status = error_of(with(one));
    CHECK(status.code() == Code::file_corrupt);
    CHECK(status.message().find("t.json") != std::string::npos);
  }
  CHECK(error_of("{}").code() == Code::file_corrupt);
  CHECK(error_of(R"({"pensee_tuning": 1})").code() == Code::file_corrupt);
  CHECK(error_of(R"({"pensee_tuning": 2, "table": []})").code() == Code::unsupported);
  CHECK(read_tuning("/no/such/tuning.json").status().code() == Code::file_not_found);
}

TEST_CASE("tuning: another backend is chosen from where it is a tenth faster without exception") {
  const TuningShape small = {StoredType::q8_0, 1, 100, 64, 3}, large = {StoredType::q8_0, 1, 400, 64, 1};
  std::vector<TuningTime> times;
  const auto add = [&](const TuningShape& shape, const char* backend, Activations activations,
                       std::vector<double> seconds) {
    for (size_t i = 0; i < seconds.size(); ++i) {
      times.push_back({shape, backend, activations, kTuningRows[i], seconds[i], 0});
    }
  };
  //                                               rows: 1  4  16  64  256  512
  add(small, "native", Activations::int16, {1, 1, 1, 10, 100, 200});
  add(small, "native", Activations::int8, {1, 1, 1, 2, 3, 4});
  add(small, "onednn", Activations::int16, {0.1, 1, 0.5, 9.5, 50, 99});
  add(small, "blas", Activations::int16, {9, 9, 9, 5, 60, 120});
  Tuning tuning = choose_tuning(times);
  REQUIRE(tuning.rows.size() == 1);  // int8 is never beaten
  CHECK(tuning.rows[0].type == StoredType::q8_0);
  CHECK(tuning.rows[0].activations == Activations::int16);
  CHECK(tuning.rows[0].backend == "onednn");  // the fastest where there are most rows
  CHECK(tuning.rows[0].from_rows == 256);     // 64: within a tenth; 16 and 1: not without exception

  // One row stays native's, however slow.
  times.clear();
  add(small, "native", Activations::int16, {9, 9, 9, 9, 9, 9});
  add(small, "blas", Activations::int16, {1, 1, 1, 1, 1, 1});
  tuning = choose_tuning(times);
  REQUIRE(tuning.rows.size() == 1);
  CHECK(tuning.rows[0].from_rows == 4);

  // Shapes count as often as the model has them: three small ones outweigh the large one.
  times.clear();
  add(small, "native", Activations::int16, {1, 1, 1, 1, 1, 4});
  add(small, "blas", Activations::int16, {1, 1, 1, 1, 1, 1});
  add(large, "native", Activations::int16, {1, 1, 1, 1, 1, 1});
  add(large, "blas", Activations::int16, {1, 1, 1, 1, 1, 8});  // 13 seconds against 11
  tuning = choose_tuning(times);
  REQUIRE(tuning.rows.size() == 1);
  CHECK(tuning.rows[0].from_rows == 512);
  times.back().seconds = 11;  // 3 * 4 + 1 against 3 * 1 + 11
  CHECK(choose_tuning(times).rows.empty());
}

TEST_CASE("tuning: measuring times every backend for every number of rows, and can be cancelled") {
  const auto pool = std::move(*ThreadPool::create(1));
  const TuningShape shapes[] = {{StoredType::bf16, 1, 64, 64, 1}, {StoredType::q4_0, 3, 32, 64, 1}};
  float last = -1;
  const auto tell = [](void* user, float fraction) {
    CHECK(fraction > *static_cast<float*>(user));
    *static_cast<float*>(user) = fraction;
    return true;
  };
  const TuningWork work = {*kernels_for(""), pool.get(), tell, &last};
  const auto times = measure_shapes({std::begin(shapes), std::end(shapes)}, work);
  REQUIRE_MESSAGE(times.ok(), times.status().message());
  const size_t others = static_cast<size_t>(backend_built_in("onednn")) + backend_built_in("blas");
  CHECK(times->size() == std::size(kTuningRows) * ((1 + others) + (2 + others)));
  for (const TuningTime& t : *times) {
    CHECK(t.seconds > 0);
    CHECK(t.seconds < 1);
    CHECK(t.bytes > 0);
  }
  const TuningWork cancelled = {*kernels_for(""), pool.get(), [](void*, float) { return false; }, nullptr};
  CHECK(measure_shapes({std::begin(shapes), std::end(shapes)}, cancelled).status().code() == Code::cancelled);
}
