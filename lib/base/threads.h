// A small pool. run(tasks, f) calls f(task, worker) once for each task in [0, tasks) and returns when all are done;
// the caller is worker 0. Workers spin briefly after a job, then sleep: no busy loop while idle. Results must not
// depend on which worker takes which task, nor on how many there are. One run at a time; calls from inside a task run
// inline.
#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"

namespace pensee {

enum class ThreadPriority : int32_t {
  normal,      // as the thread that starts it
  low,         // behind what the user waits for: nice 10, on Apple's systems QOS_CLASS_UTILITY
  background,  // behind everything: nice 19, QOS_CLASS_BACKGROUND
};

// For the calling thread, which should be ours. Never raises; where the system refuses, nothing changes but speed.
void lower_this_thread(ThreadPriority priority);

class ThreadPool {
 public:
  // threads >= 1 counts the caller, whose priority stays. Fewer are started when the system refuses more.
  static Result<std::unique_ptr<ThreadPool>> create(int threads, ThreadPriority priority = ThreadPriority::normal);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;
  // While nothing runs. Workers beyond `threads` end before it returns; fewer are started when the system refuses more.
  void resize(int threads) noexcept;

  template <class F>
  void run(int64_t tasks, F&& f) noexcept {
    using Body = std::remove_reference_t<F>;
    run_tasks(
        tasks, [](void* user, int64_t task, int worker) { (*static_cast<Body*>(user))(task, worker); }, &f);
  }

 private:
  explicit ThreadPool(ThreadPriority priority);
  void run_tasks(int64_t tasks, void (*body)(void*, int64_t, int), void* user) noexcept;
  struct State;
  std::unique_ptr<State> state_;
};

// Waits for what another thread is about to do: spins for as long as that usually takes, then offers the core.
void wait_a_little(int turn);
template <class F>
void spin_until(F&& done) noexcept {
  for (int turn = 0; !done(); ++turn) wait_a_little(turn);
}

// Logical CPUs that this process may use; at least 1.
int available_cpus();

}  // namespace pensee
