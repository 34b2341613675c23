// The sum over a buffer is the plainest reader of memory: integer additions that the compiler spreads over four vector
// accumulators cost less than the loads. On x86 the loop is compiled a second time for AVX2 and chosen at run time.
#include "machine.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

namespace cli {
namespace {

[[gnu::always_inline]] inline uint64_t sum_words(const uint64_t* words, size_t count) {
  uint64_t sums[16] = {};
  for (size_t i = 0; i + 16 <= count; i += 16) {
    for (size_t lane = 0; lane < 16; lane++) sums[lane] += words[i + lane];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

uint64_t sum_plain(const uint64_t* words, size_t count) { return sum_words(words, count); }

#if defined(__x86_64__) && defined(__GNUC__)
[[gnu::target("avx2")]] uint64_t sum_avx2(const uint64_t* words, size_t count) { return sum_words(words, count); }

auto best_sum() { return __builtin_cpu_supports("avx2") ? sum_avx2 : sum_plain; }
#else
auto best_sum() { return sum_plain; }
#endif

size_t last_cache_bytes() {
  long bytes = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
  bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  return bytes > 0 ? static_cast<size_t>(bytes) : size_t{32} << 20;
}

size_t buffer_bytes() {
  const size_t wanted = std::max(last_cache_bytes() * 8, size_t{256} << 20);
  const auto memory = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return std::min(wanted, memory / 4) / 4096 * 4096;
}

// Seconds that the slowest of the threads needs to read its share; the first run also writes it.
double time_threads(uint64_t* words, size_t count, int threads, bool write) {
  const auto sum = best_sum();
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::atomic<uint64_t> total{0};
  std::vector<std::thread> pool;
  const size_t share = count / static_cast<size_t>(threads);
  for (int t = 0; t < threads; t++) {
    pool.emplace_back([&, mine = words + share * static_cast<size_t>(t)] {
      if (write) std::memset(mine, 1, share * sizeof *mine);
      ready++;
      while (!go) std::this_thread::yield();
      total += sum(mine, share);
    });
  }
  while (ready < threads) std::this_thread::yield();
  const auto begin = std::chrono::steady_clock::now();
  go = true;
  for (std::thread& thread : pool) thread.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return total == 1 ? 0.0 : seconds.count();  // `total` is used, so the loop is not thrown away
}

}  // namespace

std::string cpu_model() {
  std::string model = "unknown CPU";
  if (std::FILE* file = std::fopen("/proc/cpuinfo", "r")) {
    char line[512];
    while (std::fgets(line, sizeof line, file)) {
      const char* colon = std::strchr(line, ':');
      if (!colon || (std::strncmp(line, "model name", 10) != 0 && std::strncmp(line, "Model", 5) != 0)) continue;
      model = colon + 1;
      model.erase(0, model.find_first_not_of(" \t"));
      model.erase(model.find_last_not_of(" \t\n") + 1);
      break;
    }
    std::fclose(file);
  }
  return model;
}

double read_bandwidth(int threads) {
  const size_t bytes = buffer_bytes();
  void* buffer = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) return 0;
  auto* words = static_cast<uint64_t*>(buffer);
  const size_t count = bytes / sizeof *words;
  const auto read = static_cast<double>(count / static_cast<size_t>(threads) * static_cast<size_t>(threads) * 8);
  double best = 0;
  for (int run = 0; run < 6; run++) {
    const double seconds = time_threads(words, count, threads, run == 0);
    if (run > 0 && seconds > 0) best = std::max(best, read / seconds);
  }
  munmap(buffer, bytes);
  return best;
}

uint64_t peak_memory_bytes() {
  struct rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<uint64_t>(usage.ru_maxrss);
#else
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace cli
