#include "base/threads.h"

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

using namespace pensee;

TEST_CASE("threads: every task runs once, whatever the number of tasks that came before") {
  auto pool = ThreadPool::create(4);
  REQUIRE(pool.ok());
  CHECK((*pool)->threads() == 4);
  // Jobs of very different sizes one after another: a worker late for a small one must not meet the next.
  for (int job = 0; job < 20000; ++job) {
    const int64_t tasks = job % 3 == 0 ? 64 : 2;
    std::atomic<int> runs[64] = {};
    (*pool)->run(tasks, [&](int64_t task, int worker) {
      if (worker >= 0 && worker < 4) runs[task].fetch_add(1);
    });
    for (int64_t task = 0; task < tasks; ++task) REQUIRE(runs[task].load() == 1);
  }
}

TEST_CASE("threads: a run inside a task runs inline, and counts outside of the range are refused") {
  auto pool = ThreadPool::create(2);
  REQUIRE(pool.ok());
  std::atomic<int> inner{0};
  (*pool)->run(8, [&](int64_t, int) { (*pool)->run(8, [&](int64_t, int) { inner.fetch_add(1); }); });
  CHECK(inner.load() == 64);
  CHECK_FALSE(ThreadPool::create(0).ok());
  CHECK_FALSE(ThreadPool::create(5000).ok());
}

TEST_CASE("threads: a pool that grows and shrinks between runs still runs every task once, on the threads it has") {
  auto pool = ThreadPool::create(1, ThreadPriority::low);
  REQUIRE(pool.ok());
  for (int round = 0; round < 300; ++round) {
    const int threads = 1 + round * 7 % 5;
    (*pool)->resize(threads);
    CHECK((*pool)->threads() == threads);
    for (int job = 0; job < 3; ++job) {
      std::atomic<int> runs[32] = {};
      (*pool)->run(32, [&](int64_t task, int worker) {
        if (worker >= 0 && worker < threads) runs[task].fetch_add(1);
      });
      for (std::atomic<int>& run : runs) REQUIRE(run.load() == 1);
    }
  }
}
