#include "base/threads.h"

#if defined(_WIN32)
#include <windows.h>
#elif defined(__APPLE__)
#include <pthread/qos.h>
#else
#include <sched.h>
#include <sys/resource.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
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
  explicit State(ThreadPriority p) : priority(p) {}
  const ThreadPriority priority;
  std::vector<std::thread> workers;  // numbered from 1
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint32_t> job{0};
  std::atomic<uint64_t> next{0};      // job << 32 | next task
  std::atomic<uint32_t> finished{0};  // tasks done of this job
  std::atomic<int64_t> tasks{0};
  std::atomic<void (*)(void*, int64_t, int)> body{nullptr};
  std::atomic<void*> user{nullptr};
  std::atomic<int> limit{INT32_MAX};  // workers from this number on end
  std::atomic<int> threads{1};        // of the next run
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
    lower_this_thread(priority);
    uint32_t seen = 0;
    const auto ends = [&] { return worker >= limit.load(std::memory_order_acquire); };
    while (true) {
      for (int i = 0; i < kSpins && job.load(std::memory_order_acquire) == seen && !ends(); ++i) pause_cpu();
      if (job.load(std::memory_order_acquire) == seen && !ends()) {
        std::unique_lock lock(mutex);
        sleepers.fetch_add(1);
        wake.wait(lock, [&] { return job.load() != seen || ends(); });  // sequentially consistent: see run_tasks
        sleepers.fetch_sub(1);
      }
      if (ends()) return;
      seen = job.load(std::memory_order_acquire);
      work(seen, worker);
    }
  }
};

ThreadPool::ThreadPool(ThreadPriority priority) : state_(std::make_unique<State>(priority)) {}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads, ThreadPriority priority) {
  if (threads < 1 || threads > 1024) {
    return Status::format(Code::bad_argument, "threads must be 1 to 1024, not {}", threads);
  }
  std::unique_ptr<ThreadPool> pool(new ThreadPool(priority));
  pool->resize(threads);
  return pool;
}

ThreadPool::~ThreadPool() { resize(1); }

int ThreadPool::threads() const { return state_->threads; }

void ThreadPool::resize(int threads) noexcept {
  State* state = state_.get();
  {
    std::lock_guard lock(state->mutex);
    state->limit = threads;
  }
  state->wake.notify_all();
  while (static_cast<int>(state->workers.size()) >= std::max(threads, 1)) {
    state->workers.back().join();
    state->workers.pop_back();
  }
  while (static_cast<int>(state->workers.size()) < threads - 1) {
    try {  // the standard library's only way to say that the system refused a thread or memory for it
      const int number = static_cast<int>(state->workers.size()) + 1;
      state->workers.emplace_back([state, number] { state->serve(number); });
    } catch (const std::system_error&) {
      break;
    } catch (const std::bad_alloc&) {
      break;
    }
  }
  state->threads = static_cast<int>(state->workers.size()) + 1;
}

void ThreadPool::run_tasks(int64_t tasks, void (*body)(void*, int64_t, int), void* user) noexcept {
  State& s = *state_;
  bool idle = false;
  const bool alone = tasks <= 1 || s.workers.empty() || tasks > INT32_MAX || s.running;
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
  // The last tasks are short; but a worker may have lost its core.
  spin_until([&] { return s.finished.load(std::memory_order_acquire) == static_cast<uint32_t>(tasks); });
  s.running = false;
}

void wait_a_little(int turn) { turn < kSpins ? pause_cpu() : std::this_thread::yield(); }

void lower_this_thread(ThreadPriority priority) {
  if (priority == ThreadPriority::normal) return;
  const bool low = priority == ThreadPriority::low;
#if defined(_WIN32)
  SetThreadPriority(GetCurrentThread(), low ? THREAD_PRIORITY_BELOW_NORMAL : THREAD_PRIORITY_IDLE);
#elif defined(__APPLE__)
  pthread_set_qos_class_self_np(low ? QOS_CLASS_UTILITY : QOS_CLASS_BACKGROUND, 0);
#else  // Linux counts niceness by thread, and 0 is the calling one
  const int nice = low ? 10 : 19;
  if (getpriority(PRIO_PROCESS, 0) < nice) setpriority(PRIO_PROCESS, 0, nice);
#endif
}

int available_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return count;
  }
#endif
  const unsigned hardware = std::thread::hardware_concurrency();
  return hardware > 0 ? static_cast<int>(hardware) : 1;
}

}  // namespace pensee
