#include "base/threads.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pensee {
namespace {

// About 20 microseconds: longer than the gap between two kernels of a layer, short beside a time slice.
constexpr int kSpins = 2000;

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

// A job has a number. Its tasks are dealt by one counter that carries the job's number in its upper half, so that a
// worker who wakes late for an old job can never take a task of a newer one with the old body.
struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint32_t> job{0};
  std::atomic<uint64_t> next{0};      // job << 32 | next task
  std::atomic<uint32_t> finished{0};  // tasks done of this job
  std::atomic<int64_t> tasks{0};
  std::atomic<void (*)(void*, int64_t, int)> body{nullptr};
  std::atomic<void*> user{nullptr};
  std::atomic<bool> stop{false};
  std::atomic<bool> running{false};
  std::atomic<int> sleepers{0};

  void work(uint32_t number, int worker) {
    while (true) {
      uint64_t ticket = next.load(std::memory_order_acquire);
      const auto my_body = body.load(std::memory_order_acquire);
      void* my_user = user.load(std::memory_order_acquire);
      const int64_t count = tasks.load(std::memory_order_acquire);
      if (ticket >> 32 != number || static_cast<int64_t>(ticket & 0xffffffffu) >= count) return;
      if (!next.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
      my_body(my_user, static_cast<int64_t>(ticket & 0xffffffffu), worker);
      finished.fetch_add(1, std::memory_order_release);
    }
  }

  void serve(int worker) {
    uint32_t seen = 0;
    while (true) {
      for (int i = 0; i < kSpins && job.load(std::memory_order_acquire) == seen && !stop; ++i) pause_cpu();
      if (job.load(std::memory_order_acquire) == seen && !stop) {
        std::unique_lock lock(mutex);
        sleepers.fetch_add(1);
        wake.wait(lock, [&] { return job.load() != seen || stop; });  // sequentially consistent: see run_tasks
        sleepers.fetch_sub(1);
      }
      if (stop) return;
      seen = job.load(std::memory_order_acquire);
      work(seen, worker);
    }
  }
};

ThreadPool::ThreadPool() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads) {
  if (threads < 1 || threads > 1024) {
    return Status::format(Code::bad_argument, "threads must be 1 to 1024, not {}", threads);
  }
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  State* state = pool->state_.get();
  for (int i = 1; i < threads; ++i) {
    try {  // the standard library's only way to say that the system refused a thread
      state->workers.emplace_back([state, i] { state->serve(i); });
    } catch (const std::system_error&) {
      break;
    }
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run_tasks(int64_t tasks, void (*body)(void*, int64_t, int), void* user) noexcept {
  State& s = *state_;
  bool idle = false;
  const bool alone = tasks <= 1 || s.workers.empty() || tasks > INT32_MAX;
  if (alone || !s.running.compare_exchange_strong(idle, true)) {
    for (int64_t task = 0; task < tasks; ++task) body(user, task, 0);
    return;
  }
  const uint32_t number = s.job.load() + 1;
  // First no ticket of the last job can be taken any more, then its fields may change: a worker that still looks at
  // the old counter would otherwise compare it with the new number of tasks.
  s.next = static_cast<uint64_t>(number) << 32 | 0xffffffffu;
  s.body = body;
  s.user = user;
  s.tasks = tasks;
  s.finished = 0;
  s.next.store(static_cast<uint64_t>(number) << 32, std::memory_order_release);
  s.job.store(number);  // sequentially consistent with `sleepers`: either the worker sees the job or we see the sleeper
  if (s.sleepers.load() > 0) {
    { std::lock_guard lock(s.mutex); }
    s.wake.notify_all();
  }
  s.work(number, 0);
  // The last tasks are short; but a worker may have lost its core, so this one is offered after a while.
  for (int i = 0; s.finished.load(std::memory_order_acquire) != static_cast<uint32_t>(tasks); ++i) {
    i < kSpins ? pause_cpu() : std::this_thread::yield();
  }
  s.running = false;
}

int available_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return count;
  }
  const unsigned hardware = std::thread::hardware_concurrency();
  return hardware > 0 ? static_cast<int>(hardware) : 1;
}

}  // namespace pensee
