// The scheduler: one thread a model that puts what its sessions want into common batches (a row for each that is
// decoding and for each of its guesses, chunks of prompts beside them), runs the forward pass, and hands out events. It
// checks and reserves before each pass, so that the pass cannot fail. It starts with the first request and sleeps while
// there is nothing to do.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/request.h"

namespace pensee {

// Rows of one pass: the longest chunk of a prompt, and so the longest wait for a cancel on small models.
inline constexpr int64_t kBatchRows = 256;
// Events of a sample that may wait for their reader before its generation pauses.
inline constexpr size_t kQueueEvents = 256;

// First come, first served: a scheduler in a tight loop must not starve a scoring thread.
class FairLock {
 public:
  void lock();
  bool try_lock();
  void unlock();

 private:
  std::mutex mutex_;
  std::condition_variable turn_;
  uint64_t next_ticket_ = 0;
  uint64_t serving_ = 0;
};

class Scheduler {
 public:
  explicit Scheduler(const Engine& engine) : engine_(engine) {}
  ~Scheduler();

  // The samples of one stream: all of them, or none and why. busy: too many wait.
  Status submit(const std::vector<std::shared_ptr<Request>>& samples);
  void wake();
  // Computes nothing from the end of the pass that runs until resume(); cancelled requests still end. Any thread.
  void pause();
  void resume();
  // Gives the scratch back, now (and returns its bytes) or at the end of the pass that runs. Any thread; does not wait.
  uint64_t trim();
  uint64_t scratch_bytes() const { return scratch_bytes_; }
  // Runs one pass for somebody else under the same lock and scratch: scoring, drafting. Once it worked, it works for
  // batches of no more rows and the same `context`, because the scratch does not shrink, until somebody trims.
  Status run_pass(const Batch& batch, int64_t context, MutableView logits);
  // The same of the layer of multi-token prediction.
  Status run_draft(const DraftBatch& batch, int64_t context, MutableView logits, MutableView hidden_out);
  // Calls f while nothing generates and nothing can begin; busy: something does.
  template <class F>
  Status run_alone(F&& f) {
    std::lock_guard lock(mutex_);
    if (unfinished_ > 0) return Status(Code::busy, "the model generates: wait for its streams to end or cancel them");
    std::lock_guard computing(compute_lock_);
    return f();
  }

 private:
  // What every pass does first and last, its lock included.
  class Pass {
   public:
    explicit Pass(Scheduler& scheduler);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    Scheduler& scheduler_;
  };
  struct Part {
    Request* request;
    int32_t rows;
    int32_t logits_rows;  // the last ones
  };
  // What follows from the logits of a part.
  struct Choice {
    Request* request;
    std::span<const float> logits;  // [rows, vocab]
    size_t rows, first_row;         // of the pass
    std::vector<Event> events = {};
    int32_t token = -1;  // the last one; -1: the generation ends
    size_t right = 0;    // guesses
    bool no_memory = false;
  };
  using Requests = std::list<std::shared_ptr<Request>>;  // lists: the loop moves nodes, which cannot fail

  void loop();
  void step();
  void admit();
  bool may_begin(const Request& request) const;
  void begin(Request& request);
  std::vector<Part> choose_parts();
  void guess(Request& request, int64_t decoding, int64_t most);
  void add_part(Request& request, int64_t& rows_left, std::vector<Part>& parts);
  void run_parts(const std::vector<Part>& parts);
  void keep(Request& request, size_t count, size_t first_row) const;
  void take_in(const Part& part, size_t first_row);
  void choose_all(std::span<Choice> choices) noexcept;
  void choose_tokens(Choice& choice) const;
  void advance(Choice& choice);
  void offer(const SessionState& session) noexcept;
  static void settle_usage(Request& request);
  void finish(Request& request, Finish reason, Status status) noexcept;
  void remove_finished();
  bool anything_to_do();
  Status reserve_scratch(uint64_t bytes);
  uint64_t release_scratch();

  const Engine& engine_;
  std::mutex mutex_;  // guards incoming_, stop_, started_, woken_, changes of paused_
  std::condition_variable wake_;
  Requests incoming_;
  bool stop_ = false;
  bool woken_ = false;
  bool started_ = false;
  std::atomic<bool> paused_{false};
  std::atomic<bool> shrink_{false};  // the loop is asked to give its own buffers back
  std::atomic<int64_t> unfinished_{0};
  std::thread thread_;
  // The loop's own.
  Requests waiting_, active_;  // who is first among equals in active_ changes each step
  PassCost cost_;
  Pace lately_;  // of all generations
  // Of the last pass: logits by the rows that asked for them; routing and hidden states by all rows, where wanted.
  std::vector<float> logits_;
  ExpertRow trace_;
  std::vector<float> hidden_;

  FairLock compute_lock_;
  Scratch scratch_;
  std::atomic<uint64_t> scratch_bytes_{0};
  std::atomic<bool> drop_scratch_{false};  // somebody asked for it while a pass ran
};

}  // namespace pensee
