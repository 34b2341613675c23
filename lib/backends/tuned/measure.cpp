#include "backends/tuned/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace pensee {
namespace {

constexpr int64_t kNumbersMost = 16 << 20;  // of a weight that is measured
constexpr double kSpend = 0.03;             // seconds for each number of rows, at least two runs
constexpr double kWorthIt = 0.9;            // of native's time
// One row is bound by the memory that the weights are read from, while here they may lie in the cache; and it is what a
// lone stream decodes with, so that its tokens stay native's.
constexpr int64_t kFewestRows = 4;

// Sixteen random rows, again and again: Gaussian numbers, or integers in blocks whose scales stay small.
class RandomRows final : public WeightSource {
 public:
  explicit RandomRows(const TuningShape& shape) {
    name = "random";
    type = shape.type;
    matrices = shape.matrices;
    rows = shape.rows;
    cols = shape.cols;
    row_ = static_cast<size_t>(row_bytes(type, cols));
    bytes_.resize(kRows * row_);
    std::mt19937 random(1);
    if (info(type).block_elements > 1) {
      constexpr uint32_t kSmall = 0x3f;  // as the high byte of a half: below 2
      for (std::byte& b : bytes_) b = static_cast<std::byte>(random() & kSmall);
      return;
    }
    std::normal_distribution<float> normal;
    const auto size = static_cast<size_t>(info(type).block_bytes);
    for (size_t at = 0; at < bytes_.size(); at += size) {
      const float value = normal(random);
      const uint16_t bits = type == StoredType::f16 ? float_to_half(value) : float_to_bfloat(value);
      if (type == StoredType::f32) std::memcpy(&bytes_[at], &value, size);
      else std::memcpy(&bytes_[at], &bits, size);
    }
  }
  Status read(int64_t first, int64_t count, std::span<std::byte> out) const override {
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(out.data() + static_cast<size_t>(i) * row_, &bytes_[static_cast<size_t>((first + i) % kRows) * row_],
                  row_);
    }
    return Status();
  }

 private:
  static constexpr int64_t kRows = 16;
  size_t row_;
  std::vector<std::byte> bytes_;
};

// What is measured in its place, and how often to make up for the whole.
TuningShape measured_part(TuningShape shape) {
  const int64_t whole = shape.matrices * shape.rows;
  const int64_t rows_most = std::max<int64_t>(kNumbersMost / shape.cols / 128 * 128, 128);
  shape.rows = std::min(shape.rows, rows_most);
  const int64_t stack_most = std::min<int64_t>(shape.matrices, 8);
  shape.matrices = std::clamp<int64_t>(kNumbersMost / (shape.rows * shape.cols), 1, stack_most);
  shape.count = shape.count * whole / (shape.matrices * shape.rows);
  return shape;
}

struct Candidate {
  std::string backend;
  Activations activations;
};

std::vector<Candidate> candidates_for(StoredType type) {
  std::vector<Candidate> some = {{"native", Activations::int16}};
  if (!is_float_type(type)) some.push_back({"native", Activations::int8});
  for (const char* name : {"onednn", "blas"}) {
    if (backend_built_in(name)) some.push_back({name, Activations::int16});
  }
  return some;
}

class Stopwatch {
 public:
  Stopwatch(const PackedWeight& weight, const TuningWork& work, int64_t x_rows)
      : weight_(weight), slots_(weight.matrices * x_rows), compute_{*work.pool, scratch_, *work.kernels} {
    const auto slots = static_cast<size_t>(slots_);
    x_.resize(slots * static_cast<size_t>(weight.cols));
    y_.resize(slots * static_cast<size_t>(weight.rows));
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < x_.size(); ++i) x_[i] = i < 4096 ? normal(random) : x_[i % 4096];
    for (int64_t m = 0; m <= weight.matrices; ++m) offsets_.push_back(static_cast<int32_t>(m * x_rows));
    for (int64_t s = 0; s < slots_; ++s) each_.push_back(static_cast<int32_t>(s));
  }

  Result<double> best() {
    PENSEE_TRY(scratch_.reserve(weight_.scratch_bytes(slots_, slots_)));
    double least = 1e30, spent = 0;
    for (int run = 0; run < 3 || spent < kSpend; ++run) {
      const auto begin = std::chrono::steady_clock::now();
      once();
      const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      if (run == 0) continue;  // caches and buffers warm up
      least = std::min(least, took);
      spent += took;
    }
    return least;
  }

 private:
  void once() {
    const View x(x_.data(), slots_, weight_.cols);
    const MutableView y(y_.data(), slots_, weight_.rows);
    if (weight_.matrices == 1) return weight_.multiply(x, y, compute_);
    weight_.multiply_grouped({offsets_.data(), each_.data(), each_.data()}, x, y, compute_);
  }

  const PackedWeight& weight_;
  int64_t slots_;
  Scratch scratch_;
  Compute compute_;
  std::vector<float> x_, y_;
  std::vector<int32_t> offsets_, each_;
};

}  // namespace

Result<std::vector<TuningTime>> measure_shapes(const std::vector<TuningShape>& shapes, const TuningWork& work) {
  std::vector<TuningTime> times;
  float done = 0;
  for (const TuningShape& shape : shapes) {
    const std::vector<Candidate> candidates = candidates_for(shape.type);
    for (const Candidate& candidate : candidates) {
      if (work.progress && !work.progress(work.progress_user, done)) {
        return Status(Code::cancelled, "measuring was cancelled by the progress callback");
      }
      PENSEE_ASSIGN(const auto backend,
                    make_backend(candidate.backend, {work.kernels, candidate.activations, false, nullptr}));
      const TuningShape part = measured_part(shape);
      PENSEE_ASSIGN(const auto weight, backend->pack(RandomRows(part), *work.pool));
      for (const int64_t x_rows : kTuningRows) {
        PENSEE_ASSIGN(const double seconds, Stopwatch(*weight, work, x_rows).best());
        times.push_back({part, candidate.backend, candidate.activations, x_rows, seconds, weight->bytes});
      }
      done += 1.0f / static_cast<float>(shapes.size() * candidates.size());
    }
  }
  return times;
}

Tuning choose_tuning(const std::vector<TuningTime>& times) {
  // Seconds of all shapes of a type together, each as often as the model has it.
  std::map<std::tuple<StoredType, std::string, Activations, int64_t>, double> total;
  std::set<std::pair<StoredType, Activations>> kinds;
  for (const TuningTime& t : times) {
    total[{t.shape.type, t.backend, t.activations, t.x_rows}] +=
        t.seconds * static_cast<double>(t.shape.count);
    if (t.backend == "native") kinds.insert({t.shape.type, t.activations});
  }
  Tuning tuning;
  for (const auto& [type, activations] : kinds) {
    TuningRow best;
    double best_time = 1e30;
    for (const char* name : {"onednn", "blas"}) {
      int64_t from = 0;
      double last = 0;
      for (auto rows = std::rbegin(kTuningRows); rows != std::rend(kTuningRows); ++rows) {
        const auto other = total.find({type, name, Activations::int16, *rows});
        if (*rows < kFewestRows) break;
        if (other == total.end() || other->second > kWorthIt * total[{type, "native", activations, *rows}]) break;
        if (from == 0) last = other->second;
        from = *rows;
      }
      if (from > 0 && last < best_time) {
        best = {type, activations, name, from};
        best_time = last;
      }
    }
    if (best.from_rows > 0) tuning.rows.push_back(best);
  }
  return tuning;
}

}  // namespace pensee
