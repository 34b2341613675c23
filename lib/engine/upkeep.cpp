// What an application asks of a model that shares its device with others: to pause, to shrink, to use fewer threads.
// Nothing here waits for a pass, so that a thread which draws the screen may call it, and nothing changes a bit of any
// text: what was given back is computed again, to the same bits.
#include <algorithm>
#include <mutex>

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/session_state.h"

namespace pensee {

void FairLock::lock() {
  std::unique_lock lock(mutex_);
  const uint64_t ticket = next_ticket_++;
  turn_.wait(lock, [&] { return serving_ == ticket; });
}

bool FairLock::try_lock() {
  std::lock_guard lock(mutex_);
  if (next_ticket_ != serving_) return false;
  ++next_ticket_;
  return true;
}

void FairLock::unlock() {
  {
    std::lock_guard lock(mutex_);
    ++serving_;
  }
  turn_.notify_all();
}

Scheduler::Pass::Pass(Scheduler& scheduler) : scheduler_(scheduler) {
  scheduler_.compute_lock_.lock();
  const Engine& engine = scheduler_.engine_;
  int wanted = engine.threads;
  if (engine.pool->threads() == wanted) return;
  engine.pool->resize(wanted);
  engine.threads.compare_exchange_strong(wanted, engine.pool->threads());  // fewer, where the system refused them
}

// Whoever asked for the scratch and did not get the lock relies on us: we look again after the lock is free.
Scheduler::Pass::~Pass() {
  scheduler_.compute_lock_.unlock();
  if (scheduler_.drop_scratch_) scheduler_.release_scratch();
}

Status Scheduler::reserve_scratch(uint64_t bytes) {
  const uint64_t held = scratch_.size();
  if (bytes <= held) return Status();
  if (!engine_.budget.take(bytes - held)) {
    return Status::format(Code::out_of_memory,
                          "computing needs {} bytes of scratch space but memory_budget allows {} in all, {} of them "
                          "taken",
                          bytes, engine_.budget.limit(), engine_.budget.used());
  }
  Status reserved = scratch_.reserve(bytes);
  if (!reserved.ok()) engine_.budget.give(bytes - held);
  scratch_bytes_ = scratch_.size();
  return reserved;
}

uint64_t Scheduler::release_scratch() {
  if (!compute_lock_.try_lock()) return 0;
  uint64_t freed = 0;
  if (drop_scratch_.exchange(false)) {
    freed = scratch_.size();
    scratch_.release();
    engine_.budget.give(freed);
    scratch_bytes_ = 0;
  }
  compute_lock_.unlock();
  return freed;
}

uint64_t Scheduler::trim() {
  shrink_ = true;
  wake();
  drop_scratch_ = true;
  return release_scratch();
}

void Scheduler::pause() {
  {
    std::lock_guard lock(mutex_);
    paused_ = true;
  }
  wake();
}

void Scheduler::resume() {
  {
    std::lock_guard lock(mutex_);
    paused_ = false;
  }
  wake();
}

void SessionRegistry::enter(SessionState& session) {
  std::list<SessionState*> node(1, &session);
  std::lock_guard lock(mutex_);
  session.place = node.begin();
  session.registry = this;
  alive_.splice(alive_.end(), node);
}

void SessionRegistry::leave(SessionState& session) noexcept {
  std::lock_guard lock(mutex_);
  alive_.erase(session.place);
}

uint64_t SessionRegistry::trim() {
  uint64_t freed = 0;
  std::lock_guard lock(mutex_);
  for (SessionState* session : alive_) freed += session->trim();
  return freed;
}

std::shared_ptr<SessionState> Engine::new_session() {
  auto state = std::make_shared<SessionState>(content.model->cache_shape, budget);
  state->weights_version = weights_version;
  sessions_->enter(*state);
  return state;
}

uint64_t Engine::trim(bool sessions) const {
  uint64_t freed = sessions ? sessions_->trim() : 0;
  if (prefix_cache) freed += prefix_cache->reclaim(UINT64_MAX);
  freed += scheduler_->trim();
  return_free_memory();
  return freed;
}

}  // namespace pensee
