// Sessions at the border: made, forked, rewound, saved and restored.
#include <algorithm>

#include "api/api.h"
#include "cache/snapshot.h"

namespace pensee::api {

std::unique_ptr<pensee_session> make_session(std::shared_ptr<Engine> engine) {
  auto made = std::make_unique<pensee_session>();
  made->state = engine->new_session();
  made->engine = std::move(engine);
  return made;
}

void set_current(pensee_session& session, const Stream& stream) {
  std::lock_guard lock(session.mutex);
  session.current.clear();
  for (const auto& request : stream.requests()) session.current.push_back(request);
}

namespace {

// Writes what fits and counts all.
class BoundedSink final : public ByteSink {
 public:
  explicit BoundedSink(std::span<std::byte> room) : room_(room) {}
  Status write(std::span<const std::byte> bytes) override {
    if (!bytes.empty() && size_ < room_.size()) {  // an empty span may point nowhere
      std::memcpy(room_.data() + size_, bytes.data(), std::min(bytes.size(), room_.size() - size_));
    }
    size_ += bytes.size();
    return Status();
  }
  size_t size() const { return size_; }

 private:
  std::span<std::byte> room_;
  size_t size_ = 0;
};

template <class Open>
Status restore(const pensee_model* model, pensee_session** session, Open&& open) {
  if (!model) return null_argument("model");
  if (!session) return null_argument("session");
  Engine& engine = *model->engine;
  PENSEE_TRY(engine.require_weights());
  PENSEE_ASSIGN(const auto file, open());
  PENSEE_ASSIGN(Snapshot snapshot, read_snapshot(*file, engine.identity(), engine.content.model->cache_shape,
                                                 engine.budget, engine.context_max));
  PENSEE_TRY(engine.check_ids(snapshot.tokens));
  auto made = make_session(model->engine);
  const Claim claim(*made->state);  // nobody trims what is half restored
  made->state->tokens = std::move(snapshot.tokens);
  made->state->cache = std::move(snapshot.sequence);
  *session = made.release();
  return Status();
}

// Calls f on the state of a session that nobody uses meanwhile.
template <class F>
Status with_state(pensee_session* session, F&& f) {
  if (!session) return null_argument("session");
  Claim claim(*session->state);
  PENSEE_TRY(claim.status());
  SessionState& state = *session->state;
  // What was computed with weights that are gone says nothing any more.
  if (state.weights_version != session->engine->weights_version) state.rewind(0);
  state.weights_version = session->engine->weights_version;
  return f(state);
}

template <class F>
void with_requests(pensee_session* session, F&& f) {
  if (!session) return;
  std::lock_guard lock(session->mutex);
  for (const auto& weak : session->current) {
    if (const auto request = weak.lock()) f(*request);
  }
  session->engine->scheduler().wake();
}

}  // namespace
}  // namespace pensee::api

using namespace pensee;
using namespace pensee::api;

extern "C" {

pensee_status pensee_session_new(const pensee_model* model, pensee_session** session, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!session) return null_argument("session");
    PENSEE_TRY(model->engine->require_weights());
    *session = make_session(model->engine).release();
    return Status();
  });
}

void pensee_session_free(pensee_session* session) { delete session; }

void pensee_session_cancel(pensee_session* session) {
  with_requests(session, [](Request& request) { request.cancelled = true; });
}

void pensee_session_end_thought(pensee_session* session) {
  with_requests(session, [](Request& request) { request.end_thought = true; });
}

pensee_status pensee_session_fork(pensee_session* session, pensee_session** copy, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!copy) return null_argument("copy");
    return with_state(session, [&](SessionState& state) -> Status {
      auto made = make_session(session->engine);
      const Claim claim_copy(*made->state);
      made->state->adopt(state, state.tokens.size());
      *copy = made.release();
      return Status();
    });
  });
}

pensee_status pensee_session_rewind(pensee_session* session, size_t tokens, pensee_error* error) {
  return guard(error, [&]() -> Status {
    return with_state(session, [&](SessionState& state) -> Status {
      if (tokens > state.tokens.size()) {
        return Status::format(Code::bad_argument, "the session knows {} tokens and cannot be rewound to {}",
                              state.tokens.size(), tokens);
      }
      state.rewind(tokens);
      return Status();
    });
  });
}

pensee_status pensee_session_tokens(pensee_session* session, int32_t* ids, size_t capacity, size_t* count,
                                    pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!ids && capacity > 0) return null_argument("ids");
    if (!count) return null_argument("count");
    return with_state(session, [&](SessionState& state) -> Status {
      for (size_t i = 0; i < state.tokens.size() && i < capacity; ++i) ids[i] = state.tokens[i];
      *count = state.tokens.size();
      return Status();
    });
  });
}

pensee_status pensee_session_save(pensee_session* session, const char* path, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!path) return null_argument("path");
    return with_state(session, [&](SessionState& state) {
      return save_snapshot(path, session->engine->identity(), state.tokens, state.cache);
    });
  });
}

pensee_status pensee_session_save_memory(pensee_session* session, void* data, size_t capacity, size_t* size,
                                         pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!data && capacity > 0) return null_argument("data");
    if (!size) return null_argument("size");
    return with_state(session, [&](SessionState& state) -> Status {
      BoundedSink sink(std::span(static_cast<std::byte*>(data), capacity));
      PENSEE_TRY(write_snapshot(session->engine->identity(), state.tokens, state.cache, sink));
      *size = sink.size();
      return Status();
    });
  });
}

pensee_status pensee_session_restore(const pensee_model* model, const char* path, pensee_session** session,
                                     pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!path) return null_argument("path");
    return restore(model, session, [&]() { return open_file(path); });
  });
}

pensee_status pensee_session_restore_memory(const pensee_model* model, const void* data, size_t size,
                                            pensee_session** session, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!data && size > 0) return null_argument("data");
    return restore(model, session, [&]() -> Result<std::shared_ptr<const File>> {
      return wrap_memory(std::span(static_cast<const std::byte*>(data), size));
    });
  });
}

}  // extern "C"
