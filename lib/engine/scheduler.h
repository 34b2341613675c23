// The scheduler: one thread a model that puts what its sessions want into common batches (a row for each that is
// decoding, chunks of prompts beside them), runs the forward pass, and hands out events. It checks and reserves before
// each pass, so that the pass cannot fail. It starts with the first request and sleeps while there is nothing to do.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/generation.h"

namespace pensee {

// Rows of one pass: the longest chunk of a prompt, and so the longest wait for a cancel on small models.
inline constexpr int64_t kBatchRows = 256;
// Events that may wait for their reader before its generation pauses.
inline constexpr size_t kQueueEvents = 256;

// What was computed for one conversation.
struct SessionState {
  SessionState(const CacheShape& shape, MemoryBudget& budget) : cache(shape, budget) {}
  std::vector<int32_t> tokens;  // that the cache holds
  CacheSequence cache;
  std::atomic<bool> busy{false};
};

// One generation on its way. The scheduler owns the upper half while it runs; the lower half is shared.
struct Request {
  Request(const Engine& engine, std::shared_ptr<SessionState> session, std::vector<int32_t> prompt,
          GenerateOptions options);

  std::shared_ptr<SessionState> session;
  Generation generation;
  std::vector<int32_t> to_feed;  // tokens to compute, of which `fed` are done
  size_t fed = 0;
  bool in_prompt = true;
  Usage usage;
  std::chrono::steady_clock::time_point asked, prefill_begin, first_token;

  std::atomic<bool> cancelled{false};
  std::atomic<bool> end_thought{false};

  // Waits at most timeout_ms (-1: without end). timeout: nothing came; false in *got: END was taken before.
  Status next(int64_t timeout_ms, Event* event, bool* got);
  void wait_until_done();

 private:
  friend class Scheduler;
  void push(std::vector<Event> events);
  // The last events and END. Always succeeds: where memory is out, events are dropped and END tells so.
  void close(std::vector<Event> events, Event end) noexcept;
  bool full();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  Event end_;             // has its place from the start, so that it needs no memory to be told
  bool done_ = false;     // end_ is there
  bool taken_ = false;    // END was taken
  bool starved_ = false;  // the scheduler waits for room
  class Scheduler* scheduler_ = nullptr;
};

// First come, first served: a scheduler in a tight loop must not starve a scoring thread.
class FairLock {
 public:
  void lock();
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

  Status submit(std::shared_ptr<Request> request);
  void wake();
  // Runs one pass for somebody else under the same lock and scratch: scoring. Once it worked, it works for batches of
  // no more rows and the same `context`: the scratch never shrinks.
  Status run_pass(const Batch& batch, int64_t context, MutableView logits);

 private:
  struct Part {
    Request* request;
    int32_t rows;
    bool last;  // its final row asks for logits
  };
  void loop();
  void step();
  std::vector<Part> choose_parts();
  void add_part(Request& request, int64_t& rows_left, std::vector<Part>& parts);
  void run_parts(const std::vector<Part>& parts);
  void advance(const Part& part, std::span<const float> logits);
  void finish(Request& request, Finish reason, Status status) noexcept;
  void remove_finished();
  bool anything_to_do();
  Status reserve_scratch(int64_t rows, int64_t logits_rows, int64_t context);

  const Engine& engine_;
  std::mutex mutex_;  // guards incoming_, stop_, started_, woken_
  std::condition_variable wake_;
  std::list<std::shared_ptr<Request>> incoming_;  // lists: the loop moves nodes, which cannot fail
  bool stop_ = false;
  bool woken_ = false;
  bool started_ = false;
  std::thread thread_;
  std::list<std::shared_ptr<Request>> active_;  // the loop's own; who is first changes each step
  FairLock compute_lock_;
  Scratch scratch_;
  std::vector<float> logits_;
};

}  // namespace pensee
