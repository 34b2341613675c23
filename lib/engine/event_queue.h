// The queue between the scheduler and the reader of a stream. It holds the events of all samples of the stream, and an
// END for each; the reader sees them in the order in which they were made.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "engine/types.h"

namespace pensee {

class Scheduler;

class EventQueue {
 public:
  static constexpr std::chrono::microseconds kTellEvery{500};  // a reader is woken no more often, but for an END
  EventQueue(int32_t samples, Scheduler& scheduler);

  // Waits at most timeout_ms (-1: without end). timeout: nothing came; false in *got: every END was taken before.
  Status next(int64_t timeout_ms, Event* event, bool* got);
  void wait_until_done();

  // The scheduler's side.
  void push(std::vector<Event> events);
  // A sample's last events and its END. Always succeeds: where memory is out, events are dropped and END tells so.
  void close(std::vector<Event> events, Event end) noexcept;
  // Whether its generations should pause; then the reader wakes the scheduler when there is room again.
  bool full();

 private:
  struct End {
    Event event;  // has its place from the start, so that it needs no memory to be told
    bool waits = false;
  };
  bool pop(Event* event);
  bool all_closed() const { return closed_ == ends_.size(); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  std::vector<End> ends_;  // that found no room among the events
  size_t closed_ = 0;
  size_t taken_ = 0;
  bool starved_ = false;  // the scheduler waits for room
  std::chrono::steady_clock::time_point told_;
  size_t limit_;
  Scheduler& scheduler_;
};

}  // namespace pensee
