// A small pool. run(tasks, f) calls f(task, worker) once for each task in [0, tasks) and returns when all are done;
// the caller is worker 0. Workers spin briefly after a job, then sleep: no busy loop while idle. Results must not
// depend on which worker takes which task. One run at a time; calls from inside a task run inline.
#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"

namespace pensee {

class ThreadPool {
 public:
  // threads >= 1 counts the caller. Fewer are started when the system refuses more.
  static Result<std::unique_ptr<ThreadPool>> create(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  template <class F>
  void run(int64_t tasks, F&& f) noexcept {
    using Body = std::remove_reference_t<F>;
    run_tasks(
        tasks, [](void* user, int64_t task, int worker) { (*static_cast<Body*>(user))(task, worker); }, &f);
  }

 private:
  ThreadPool();
  void run_tasks(int64_t tasks, void (*body)(void*, int64_t, int), void* user) noexcept;
  struct State;
  std::unique_ptr<State> state_;
};

// Logical CPUs that this process may use; at least 1.
int available_cpus();

}  // namespace pensee
