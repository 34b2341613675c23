#include "engine/event_queue.h"

#include <algorithm>
#include <chrono>
#include <new>

#include "engine/scheduler.h"

namespace pensee {

EventQueue::EventQueue(int32_t samples, Scheduler& scheduler)
    : ends_(static_cast<size_t>(samples)), limit_(kQueueEvents * static_cast<size_t>(samples)), scheduler_(scheduler) {}

bool EventQueue::pop(Event* event) {
  if (!events_.empty()) {
    *event = std::move(events_.front());
    events_.pop_front();
    return true;
  }
  const auto end = std::find_if(ends_.begin(), ends_.end(), [](const End& e) { return e.waits; });
  if (end == ends_.end()) return false;
  end->waits = false;
  *event = std::move(end->event);
  return true;
}

Status EventQueue::next(int64_t timeout_ms, Event* event, bool* got) {
  std::unique_lock lock(mutex_);
  *got = false;
  if (taken_ == ends_.size()) return Status();
  const auto ready = [&] { return *got = pop(event); };
  // What comes this soon is perhaps not told: see push.
  const auto soon = timeout_ms == 0 ? std::chrono::microseconds(0) : kTellEvery;
  bool came = changed_.wait_for(lock, soon, ready);
  if (!came && timeout_ms < 0) {
    changed_.wait(lock, ready);
  } else if (!came) {
    const std::chrono::milliseconds most(std::min<int64_t>(timeout_ms, 1000000000));
    came = changed_.wait_for(lock, most - soon, ready);
    if (!came) return Status::format(Code::timeout, "no event came within {} ms; the stream goes on", timeout_ms);
  }
  if (event->kind == EventKind::end) ++taken_;
  const bool wake = starved_ && events_.size() < limit_ / 2;
  if (wake) starved_ = false;
  lock.unlock();
  if (wake) scheduler_.wake();
  return Status();
}

void EventQueue::wait_until_done() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return all_closed(); });
}

void EventQueue::push(std::vector<Event> events) {
  if (events.empty()) return;
  std::lock_guard lock(mutex_);
  std::move(events.begin(), events.end(), std::back_inserter(events_));
  // Waking a reader for each token takes a small model's cores away from it. Who waits for longer than kTellEvery has
  // waited since before the last time it was told, and so is told now; who does not looks again by itself.
  const auto now = std::chrono::steady_clock::now();
  if (now - told_ < kTellEvery) return;
  told_ = now;
  changed_.notify_all();
}

void EventQueue::close(std::vector<Event> events, Event end) noexcept {
  std::lock_guard lock(mutex_);
  End& slot = ends_[static_cast<size_t>(end.sample)];
  slot.event = std::move(end);
  try {
    std::move(events.begin(), events.end(), std::back_inserter(events_));
    events_.emplace_back();
    events_.back() = std::move(slot.event);
  } catch (const std::bad_alloc&) {
    slot.event.finish = Finish::error;
    slot.event.status = Status(Code::out_of_memory, "out of memory");
    slot.waits = true;
  }
  ++closed_;
  changed_.notify_all();
}

bool EventQueue::full() {
  std::lock_guard lock(mutex_);
  if (events_.size() >= limit_) starved_ = true;
  return starved_;
}

}  // namespace pensee
