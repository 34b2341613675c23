// kernels_bench [threads] [isa] [stored type]: what the packed layouts and attention reach on this machine, beside the
// bandwidth that plain reading reaches. One row a packed type and kind of activations: GB/s of packed weights with one
// row of activations (128 MB of weights, larger than most caches), and 2 * M * N * K operations a second with many.
// Not a test: numbers of a shared machine say little.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "kernels/tiles.h"

using namespace pensee;

namespace {

// With one thread, its CPU time: on a shared machine it says what the wall clock cannot.
bool use_cpu_time = false;
double now() {
  timespec t;
  clock_gettime(use_cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Best of a few runs, in seconds.
template <class F>
double best(F f, double spend = 0.4) {
  double least = 1e9, spent = 0;
  while (spent < spend) {
    const double start = now();
    f();
    const double took = now() - start;
    least = std::min(least, took);
    spent += took;
  }
  return least;
}

class Noise : public WeightSource {
 public:
  Noise(StoredType t, int64_t r, int64_t c) {
    name = "noise";
    type = t;
    rows = r;
    cols = c;
    std::mt19937 random(1);
    const size_t row = row_bytes(t, c);
    rows_.resize(16 * row);
    for (auto& b : rows_) b = static_cast<std::byte>(random() & 0x3f);  // halves stay small
  }
  Status read(int64_t first, int64_t count, std::span<std::byte> out) const override {
    const size_t row = row_bytes(type, cols);
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(out.data() + static_cast<size_t>(i) * row, rows_.data() + static_cast<size_t>((first + i) % 16) * row,
                  row);
    return Status();
  }

 private:
  std::vector<std::byte> rows_;
};

double read_bandwidth(ThreadPool& pool) {
  std::vector<uint64_t> data(32 << 20, 1);  // 256 MB
  std::vector<uint64_t> sums(64);
  const int64_t parts = 64, size = static_cast<int64_t>(data.size()) / parts;
  const double seconds = best([&] {
    pool.run(parts, [&](int64_t part, int) {
      const uint64_t* p = data.data() + part * size;
      uint64_t s[8] = {};
      for (int64_t i = 0; i < size; i += 8)
        for (int j = 0; j < 8; ++j) s[j] += p[i + j];
      sums[static_cast<size_t>(part)] = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
    });
  });
  return static_cast<double>(data.size()) * 8 / seconds / 1e9;
}

struct Bench {
  const Kernels* kernels;
  std::unique_ptr<ThreadPool> pool;
  Scratch scratch;

  double seconds(const PackedWeight& weight, int64_t m) {
    std::vector<float> x(static_cast<size_t>(m * weight.cols), 0.5f), y(static_cast<size_t>(m * weight.rows));
    if (!scratch.reserve(weight.scratch_bytes(m, m)).ok()) return 1e9;
    Compute compute{*pool, scratch, *kernels};
    return best(
        [&] { weight.multiply(View(x.data(), m, weight.cols), MutableView(y.data(), m, weight.rows), compute); });
  }

  void weights(StoredType type, Activations activations, double limit, bool exact = true) {
    auto backend = make_backend("native", {kernels, activations, exact});
    const int64_t cols = 2048;
    const int64_t rows = static_cast<int64_t>((128 << 20) / row_bytes(type, cols)) / 16 * 16;
    const double start = now();
    auto large = (*backend)->pack(Noise(type, rows, cols), *pool);
    const double packing = now() - start;
    auto small = (*backend)->pack(Noise(type, 2048, cols), *pool);
    if (!large.ok() || !small.ok()) return;
    const double bytes = static_cast<double>((*large)->bytes);
    const double gbs = bytes / seconds(**large, 1) / 1e9;
    const char* meets = !exact ? "bf16" : activations == Activations::int16 ? "int16" : "int8";
    std::printf("%-5s %-5s %5.3f b/w %6.0f MB/s pack  M=1 %6.2f GB/s (%3.0f%%) ", std::string(info(type).name).c_str(),
                meets, bytes * 8 / static_cast<double>(rows * cols),
                static_cast<double>(row_bytes(type, cols)) * static_cast<double>(rows) / packing / 1e6, gbs,
                100 * gbs / limit);
    for (int64_t m : {1, 4, 16, 512}) {
      const double ops = 2.0 * static_cast<double>(m * cols * 2048);
      std::printf(" M=%lld %6.1f GOPS", static_cast<long long>(m), ops / seconds(**small, m) / 1e9);
    }
    std::printf("\n");
    std::fflush(stdout);
  }

  // One thread; `chunks` chunks of 64 positions that lie far apart in memory.
  void attention(const char* name, CacheType type, int32_t num_q, int32_t key_dim, int32_t value_dim, int64_t chunks) {
    const bool latent = value_dim < key_dim;
    const CacheRows keys = {type, key_dim, latent ? value_dim : key_dim}, values = {type, value_dim, value_dim};
    const int64_t key_block = cache_block_bytes(keys), block = key_block + (latent ? 0 : cache_block_bytes(values));
    std::vector<uint8_t> cache(static_cast<size_t>(chunks * block));
    std::vector<float> number(static_cast<size_t>(key_dim), 0.1f);
    for (int64_t p = 0; p < chunks * kPagePositions; ++p) {
      uint8_t* at = cache.data() + p / kPagePositions * block;
      kernels->to_cache(number.data(), at, p % kPagePositions, keys);
      if (!latent) kernels->to_cache(number.data(), at + key_block, p % kPagePositions, values);
    }
    const int64_t q_bytes = query_bytes(keys);
    std::vector<uint8_t> q(static_cast<size_t>(num_q * q_bytes));
    for (int32_t i = 0; i < num_q; ++i) kernels->to_query(number.data(), q.data() + i * q_bytes, keys);
    std::vector<float> acc(static_cast<size_t>(num_q * value_dim));
    std::vector<float> max(static_cast<size_t>(num_q), -1.0f), sum(static_cast<size_t>(num_q)),
        scores(static_cast<size_t>(num_q * kPagePositions));
    std::vector<int32_t> from(static_cast<size_t>(num_q), 0), to(static_cast<size_t>(num_q), kPagePositions);
    const double s = best([&] {
      for (int64_t c = 0; c < chunks; ++c) {
        const uint8_t *at = cache.data() + c * block, *next = c + 1 < chunks ? at + block : nullptr;
        kernels->attend({q.data(), q_bytes, num_q, value_dim, 0.1f, keys, latent ? keys : values, at,
                         latent ? at : at + key_block, kPagePositions, from.data(), to.data(), max.data(), sum.data(),
                         acc.data(), scores.data(), next, next && !latent ? next + key_block : next});
      }
    });
    const double positions = static_cast<double>(chunks * kPagePositions);
    std::printf("attend %-4s %-22s 1 thread %6.2f GB/s %6.1f GFLOPS %8.3f ns a position\n",
                kTypes[static_cast<int>(type)], name, static_cast<double>(chunks * block) / s / 1e9,
                positions * 2.0 * num_q * (key_dim + value_dim) / s / 1e9, s / positions * 1e9);
    std::fflush(stdout);
  }
  static constexpr const char* kTypes[] = {"f32", "f16", "bf16", "int8", "int4"};
};

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : available_cpus();
  const std::string only = argc > 3 ? argv[3] : "";
  use_cpu_time = threads == 1;
  auto kernels = kernels_for(argc > 2 ? argv[2] : "");
  if (!kernels.ok()) return std::printf("%s\n", kernels.status().message().c_str()), 1;
  Bench bench{*kernels, std::move(*ThreadPool::create(threads)), {}};
  const double limit = read_bandwidth(*bench.pool);
  std::printf("%s, %d threads, plain reading %.2f GB/s\n", (*kernels)->isa, threads, limit);
  for (int t = 0; t < static_cast<int>(StoredType::count); ++t) {
    const StoredType type = static_cast<StoredType>(t);
    if (!only.empty() && only != info(type).name) continue;
    bench.weights(type, Activations::int16, limit);
    if (type == StoredType::bf16 && (*kernels)->tiles->bf16) bench.weights(type, Activations::int16, limit, false);
    if (t > static_cast<int>(StoredType::bf16)) bench.weights(type, Activations::int8, limit);
  }
  if (!only.empty() && only != "attend") return 0;
  for (int t = 0; t < 5; ++t) {
    const auto type = static_cast<CacheType>(t);
    bench.attention("latent 16 heads 576/512", type, 16, 576, 512, 1024);
    bench.attention("grouped 6 heads 128/128", type, 6, 128, 128, 2048);
    bench.attention("grouped 3 heads 64/64", type, 3, 64, 64, 4096);
    bench.attention("single 1 head 64/64", type, 1, 64, 64, 4096);
    bench.attention("prefill 384 q 128/128", type, 384, 128, 128, 64);
  }
}
