// The border: what every function of pensee.h does before and after the core. Exceptions end here (only bad_alloc is
// ever thrown, or what a caller's callback throws), statuses become numbers and messages, structs of any age are read
// field by field. Nothing below api/ knows pensee.h.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/stream.h"
#include "pensee/pensee.h"

struct pensee_model {
  std::shared_ptr<pensee::Engine> engine;
};

struct pensee_session {
  std::shared_ptr<pensee::Engine> engine;
  std::shared_ptr<pensee::SessionState> state;
  std::mutex mutex;  // guards current: cancel comes from any thread
  std::vector<std::weak_ptr<pensee::Request>> current;
};

struct pensee_stream {
  std::shared_ptr<pensee::Engine> engine;
  std::unique_ptr<pensee::Stream> stream;  // before what it computes with
  size_t ended = 0;                        // samples whose END was taken
  pensee::Event event;                     // what the caller's last pensee_event points into
  pensee_usage usage = {};
  std::vector<pensee_alternative> alternatives;
};

struct pensee_reply {
  explicit pensee_reply(pensee::Reply collected);
  pensee::Reply reply;
  pensee_usage usage = {};
  std::vector<pensee_tool_call> calls;
  std::string message_json;
  size_t routing_numbers = 0;  // of a position
  int64_t num_moe_layers = 0;
  int64_t num_experts_per_tok = 0;
  std::vector<std::unique_ptr<pensee_reply>> others;  // samples 1..
};

namespace pensee::api {

// Writes status and message into the caller's error, as far as its struct_size reaches.
pensee_status report(const Status& status, pensee_error* error) noexcept;

template <class F>
pensee_status guard(pensee_error* error, F&& f) noexcept {
  try {
    return report(f(), error);
  } catch (const std::bad_alloc&) {  // both texts lie inside the string: no memory is needed to tell
    return report(Status(Code::out_of_memory, "out of memory"), error);
  } catch (...) {
    return report(Status(Code::internal, "an exception"), error);
  }
}

inline Status null_argument(const char* name) { return Status::format(Code::bad_argument, "{} is NULL", name); }

// Reads a caller's struct over our defaults: the fields both sides know; a longer one must be zero beyond [P6].
template <class T>
Status read_struct(const T* from, const char* name, T& to) {
  if (!from) return Status();
  size_t size = 0;
  std::memcpy(&size, from, sizeof size);
  if (size < sizeof size || size > 65536) {
    return Status::format(Code::bad_argument, "{}: struct_size is {}; start from its _INIT macro", name, size);
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  for (size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) {
      return Status::unsupported("{}: field at byte {} is newer than this library; update it, or leave the field zero",
                                 name, i);
    }
  }
  std::memcpy(static_cast<void*>(&to), from, size < sizeof(T) ? size : sizeof(T));
  to.struct_size = sizeof(T);
  return Status();
}

// Fills a caller's struct as far as its struct_size reaches; struct_size itself stays.
template <class T>
Status check_output(const T* to, const char* name) {
  if (!to) return null_argument(name);
  if (to->struct_size < sizeof(size_t) || to->struct_size > 65536) {
    return Status::format(Code::bad_argument, "{}: struct_size is {}; start from its _INIT macro", name,
                          to->struct_size);
  }
  return Status();
}
template <class T>
void write_struct(const T& from, T* to) {
  const size_t size = to->struct_size < sizeof(T) ? to->struct_size : sizeof(T);
  std::memcpy(reinterpret_cast<char*>(to) + sizeof(size_t), reinterpret_cast<const char*>(&from) + sizeof(size_t),
              size - sizeof(size_t));
}

Status read_prompt(const pensee_prompt* from, Prompt& to);
Status read_options(const pensee_options* from, GenerateOptions& to);

// A question that can be asked of the engine.
struct Asked {
  std::vector<int32_t> ids;
  GenerateOptions options;
};
Status read_question(const Engine& engine, const pensee_prompt* prompt, const pensee_options* options, Asked& to);

// The pull interface in our own terms, which push and the one-call functions use as well.
Status open_stream(pensee_session& session, const pensee_prompt* prompt, const pensee_options* options,
                   std::unique_ptr<pensee_stream>& out);
// *got false: every END was taken before.
Status next_event(pensee_stream& stream, int64_t timeout_ms, bool* got);
inline bool all_ended(const pensee_stream& stream) { return stream.ended == stream.stream->requests().size(); }
void fill_event(pensee_stream& stream, pensee_event& out);
void fill_usage(const Usage& from, pensee_usage& to);
// What a session's cancel and end_thought reach while the call lasts.
void set_current(pensee_session& session, const Stream& stream);
std::unique_ptr<pensee_session> make_session(std::shared_ptr<Engine> engine);
std::unique_ptr<pensee_reply> make_reply(const Engine& engine, Reply reply);

}  // namespace pensee::api
