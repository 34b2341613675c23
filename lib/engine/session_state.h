// What was computed for one conversation: the tokens, their cache, and what else is known of them by position. It has
// one user at a time: whoever set `busy`, by a Claim (engine/stream.h). Trimming comes from any thread at any time: it
// takes only sessions that nobody uses, and whoever claims one meanwhile waits for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <vector>

#include "cache/cache.h"
#include "engine/types.h"

namespace pensee {

struct SessionState;

// The sessions of an engine that are alive, for whoever trims them all. No weak pointers: those would hold the block of
// a session that is gone. A session leaves before any part of it is destroyed, under the lock.
class SessionRegistry {
 public:
  void enter(SessionState& session);
  void leave(SessionState& session) noexcept;
  uint64_t trim();

 private:
  std::mutex mutex_;
  std::list<SessionState*> alive_;
};

struct SessionState {
  SessionState(const CacheShape& shape, MemoryBudget& budget) : cache(shape, budget) {}
  ~SessionState() {
    if (registry) registry->leave(*this);
  }
  SessionState(const SessionState&) = delete;
  SessionState& operator=(const SessionState&) = delete;

  // Forgets all but the first `count` tokens.
  void rewind(size_t count) {
    tokens.resize(count);
    cache.set_length(static_cast<int64_t>(count));
    if (routing_rows > count) routing_rows = count;
  }
  // Calls f while nobody uses it and nobody can begin to. False: somebody does.
  template <class F>
  bool while_idle(F&& f) {
    std::lock_guard lock(claiming);
    if (busy) return false;
    f();
    return true;
  }
  // Forgets everything and gives its memory back, unless somebody uses it; returns the bytes.
  uint64_t trim() {
    uint64_t freed = 0;
    while_idle([&] {
      tokens = {};
      routing = {};
      routing_rows = 0;
      freed = cache.release();
    });
    return freed;
  }
  // Takes over the first `count` tokens of another conversation; the pages are shared.
  void adopt(const SessionState& other, size_t count) {
    tokens.assign(other.tokens.begin(), other.tokens.begin() + static_cast<std::ptrdiff_t>(count));
    cache = other.cache;
    cache.set_length(static_cast<int64_t>(count));
    routing = other.routing;
    routing_rows = other.routing_rows < count ? other.routing_rows : count;
    weights_version = other.weights_version;
  }

  std::vector<int32_t> tokens;  // that the cache holds
  CacheSequence cache;
  // Routing of the first routing_rows positions, where it was traced from the begin.
  ExpertRow routing;
  size_t routing_rows = 0;
  uint64_t weights_version = 0;  // of the engine, when it was computed
  std::mutex claiming;           // held to set `busy`
  std::atomic<bool> busy{false};
  SessionRegistry* registry = nullptr;  // outlives the session; null: nobody trims it
  std::list<SessionState*>::iterator place;
};

}  // namespace pensee
