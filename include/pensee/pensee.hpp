// pensee.hpp: the C++17 face of pensee.h, header-only.                          SPDX-License-Identifier: Apache-2.0
//
//   pensee::Model model("r1-distill-qwen-1.5b.gguf");
//   pensee::Reply reply = model.ask("Is 221 prime?");
//   std::cout << reply.thought << "\n-> " << reply.answer << "\n";
//
//   pensee::Session session(model);
//   for (const pensee::Event& event : session.stream("Is 221 prime?")) std::cout << event.text << std::flush;
//
// It adds ownership, std::string and exceptions, and no meaning of its own: pensee.h is the contract, numbers and enums
// keep their C names. What fails throws pensee::Error. Handles move and do not copy; they may go away in any order. The
// code is compiled into the program, so the library's ABI stays that of C.
#ifndef PENSEE_HPP
#define PENSEE_HPP

#include <pensee/pensee.h>

#include <cstddef>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pensee {

class Error : public std::runtime_error {
 public:
  Error(pensee_status status, const char* message)
      : std::runtime_error(std::string(pensee_status_name(status)) + ": " + message), status_(status) {}
  pensee_status status() const noexcept { return status_; }

 private:
  pensee_status status_;
};

namespace detail {

inline void check(pensee_status status, const pensee_error& error) {
  if (status != PENSEE_OK) throw Error(status, error.message);
}

template <class Handle, void (*release)(Handle*)>
struct Release {
  void operator()(Handle* handle) const noexcept { release(handle); }
};
template <class Handle, void (*release)(Handle*)>
using Owner = std::unique_ptr<Handle, Release<Handle, release>>;

// The C functions that write a text or ids are called once for the length and once for the contents.
template <class Container, class Call>
Container sized(Call call) {
  size_t length = 0;
  call(nullptr, size_t{0}, &length);
  Container out(length, {});
  call(out.data(), out.size(), &length);
  return out;
}

}  // namespace detail

// The C structs with their defaults filled in.
struct ModelOptions : pensee_model_options {
  ModelOptions() : pensee_model_options(PENSEE_MODEL_OPTIONS_INIT) {}
};

struct Options : pensee_options {
  Options() : pensee_options(PENSEE_OPTIONS_INIT) {}
  std::vector<std::string> stop_texts;  // used where `stop` is null
};

struct ModelInfo : pensee_model_info {
  ModelInfo() : pensee_model_info(PENSEE_MODEL_INFO_INIT) {}
};

// A question, a conversation or token ids. Converts from the text of a question.
struct Prompt {
  Prompt() = default;
  Prompt(std::string question) : text(std::move(question)) {}
  Prompt(const char* question) : text(question) {}
  static Prompt messages(std::string json) {
    Prompt prompt;
    prompt.messages_json = std::move(json);
    return prompt;
  }
  static Prompt token_ids(std::vector<int32_t> ids) {
    Prompt prompt;
    prompt.ids = std::move(ids);
    return prompt;
  }

  std::string text;
  std::string system;
  std::string messages_json;
  std::string tools_json;
  std::vector<int32_t> ids;
};

struct Alternative {
  int32_t token_id;
  float logprob;
};

// Owns what it shows, unlike pensee_event.
struct Event {
  int32_t kind = 0;
  int32_t finish_reason = PENSEE_FINISH_NONE;
  std::string text;
  int32_t token_id = -1;
  float logprob = 0;
  int64_t position = 0;
  std::vector<Alternative> alternatives;
  std::string tool_call_id, tool_name, tool_arguments_json;
  pensee_usage usage{};  // of the END event
};

struct Reply {
  std::string thought, answer;
  int32_t finish_reason = PENSEE_FINISH_NONE;
  std::vector<int32_t> token_ids;
  pensee_usage usage{};
};

namespace detail {

// The C structs that a call reads, pointing into a Prompt and Options that outlive it.
struct Request {
  Request(const Prompt& p, const Options& o) : prompt(PENSEE_PROMPT_INIT), options(o) {
    const auto text_or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    prompt.system = text_or_null(p.system);
    prompt.messages_json = text_or_null(p.messages_json);
    prompt.tools_json = text_or_null(p.tools_json);
    prompt.ids = p.ids.empty() ? nullptr : p.ids.data();
    prompt.num_ids = p.ids.size();
    if (!prompt.messages_json && !prompt.ids) prompt.text = p.text.c_str();
    if (o.stop) return;
    for (const std::string& text : o.stop_texts) stop.push_back(text.c_str());
    options.stop = stop.data();
    options.num_stop = stop.size();
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  pensee_prompt prompt;
  pensee_options options;
  std::vector<const char*> stop;
};

inline Event to_event(const pensee_event& from) {
  const auto text_or_empty = [](const char* text) { return std::string(text ? text : ""); };
  Event event;
  event.kind = from.kind;
  event.finish_reason = from.finish_reason;
  if (from.text) event.text.assign(from.text, from.text_length);
  event.token_id = from.token_id;
  event.logprob = from.logprob;
  event.position = from.position;
  for (size_t i = 0; i < from.num_alternatives; i++) {
    event.alternatives.push_back({from.alternatives[i].token_id, from.alternatives[i].logprob});
  }
  event.tool_call_id = text_or_empty(from.tool_call_id);
  event.tool_name = text_or_empty(from.tool_name);
  event.tool_arguments_json = text_or_empty(from.tool_arguments_json);
  if (from.usage) event.usage = *from.usage;
  return event;
}

inline Reply to_reply(pensee_reply* raw) {
  const Owner<pensee_reply, pensee_reply_free> owner(raw);
  Reply reply;
  reply.thought = pensee_reply_thought(raw);
  reply.answer = pensee_reply_answer(raw);
  reply.finish_reason = pensee_reply_finish_reason(raw);
  size_t count = 0;
  const int32_t* ids = pensee_reply_token_ids(raw, &count);
  reply.token_ids.assign(ids, ids + count);
  reply.usage = *pensee_reply_usage(raw);
  return reply;
}

}  // namespace detail

class Model {
 public:
  explicit Model(const std::string& path, const ModelOptions& options = {}) {
    open([&](pensee_model** out, pensee_error* e) { return pensee_model_open(path.c_str(), &options, out, e); });
  }
  // A GGUF in memory, read during the call only.
  Model(const void* data, size_t size, const ModelOptions& options = {}) {
    open([&](pensee_model** out, pensee_error* e) { return pensee_model_open_memory(data, size, &options, out, e); });
  }

  // Strings in it live as long as the model.
  ModelInfo info() const {
    ModelInfo info;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_model_get_info(get(), &info, &error), error);
    return info;
  }
  std::vector<int32_t> tokenize(std::string_view text, uint32_t flags = 0) const {
    return detail::sized<std::vector<int32_t>>([&](int32_t* ids, size_t capacity, size_t* count) {
      pensee_error error = PENSEE_ERROR_INIT;
      detail::check(pensee_tokenize(get(), text.data(), text.size(), flags, ids, capacity, count, &error), error);
    });
  }
  std::string detokenize(const std::vector<int32_t>& ids, uint32_t flags = 0) const {
    return detail::sized<std::string>([&](char* text, size_t capacity, size_t* length) {
      pensee_error error = PENSEE_ERROR_INIT;
      detail::check(pensee_detokenize(get(), ids.data(), ids.size(), flags, text, capacity, length, &error), error);
    });
  }
  std::string render_prompt(const Prompt& prompt, const Options& options = {}) const {
    const detail::Request request(prompt, options);
    return detail::sized<std::string>([&](char* text, size_t capacity, size_t* length) {
      pensee_error error = PENSEE_ERROR_INIT;
      detail::check(
          pensee_render_prompt(get(), &request.prompt, &request.options, text, capacity, length, &error), error);
    });
  }
  // [ids, vocab_size], row-major.
  std::vector<float> logits(const std::vector<int32_t>& ids) const {
    std::vector<float> out(ids.size() * static_cast<size_t>(info().vocab_size));
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_logits(get(), ids.data(), ids.size(), out.data(), &error), error);
    return out;
  }
  std::vector<float> logprobs(const std::vector<int32_t>& ids) const {
    std::vector<float> out(ids.size());
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_logprobs(get(), ids.data(), ids.size(), out.data(), &error), error);
    return out;
  }
  Reply ask(const Prompt& prompt, const Options& options = {}) const;

  const pensee_model* get() const noexcept { return handle_.get(); }

 private:
  template <class Call>
  void open(Call call) {
    pensee_model* model = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(call(&model, &error), error);
    handle_.reset(model);
  }
  detail::Owner<pensee_model, pensee_model_free> handle_;
};

// A single-pass range of events; the last one is END.
class Stream {
 public:
  explicit Stream(pensee_stream* stream) : handle_(stream) {}

  // Waits at most timeout_ms (-1: without end). False: no event in time, or END was delivered before (see ended()).
  bool next(Event& event, int64_t timeout_ms = -1) {
    pensee_event raw = PENSEE_EVENT_INIT;
    pensee_error error = PENSEE_ERROR_INIT;
    const pensee_status status = pensee_stream_next(handle_.get(), timeout_ms, &raw, &error);
    if (status == PENSEE_TIMEOUT) return false;
    ended_ = status != PENSEE_OK || raw.kind == PENSEE_EVENT_END;
    if (status == PENSEE_NO_MORE_EVENTS) return false;
    detail::check(status, error);
    event = detail::to_event(raw);
    return true;
  }
  bool ended() const noexcept { return ended_; }
  void cancel() noexcept { pensee_stream_cancel(handle_.get()); }          // any thread
  void end_thought() noexcept { pensee_stream_end_thought(handle_.get()); }  // any thread

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Event;
    using difference_type = std::ptrdiff_t;
    using pointer = const Event*;
    using reference = const Event&;
    Iterator() = default;
    explicit Iterator(Stream* stream) : stream_(stream) { ++*this; }
    reference operator*() const { return event_; }
    pointer operator->() const { return &event_; }
    Iterator& operator++() {
      if (!stream_->next(event_)) stream_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.stream_ == b.stream_; }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

   private:
    Stream* stream_ = nullptr;  // null: the end
    Event event_;
  };
  Iterator begin() { return Iterator(this); }
  Iterator end() { return {}; }

 private:
  detail::Owner<pensee_stream, pensee_stream_free> handle_;
  bool ended_ = false;
};

class Session {
 public:
  explicit Session(const Model& model) {
    pensee_session* session = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_session_new(model.get(), &session, &error), error);
    handle_.reset(session);
  }
  Stream stream(const Prompt& prompt, const Options& options = {}) {
    const detail::Request request(prompt, options);
    pensee_stream* stream = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_stream_open(handle_.get(), &request.prompt, &request.options, &stream, &error), error);
    return Stream(stream);
  }
  Reply ask(const Prompt& prompt, const Options& options = {}) {
    const detail::Request request(prompt, options);
    pensee_reply* reply = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_session_ask(handle_.get(), &request.prompt, &request.options, &reply, &error), error);
    return detail::to_reply(reply);
  }
  void cancel() noexcept { pensee_session_cancel(handle_.get()); }  // any thread
  pensee_session* get() const noexcept { return handle_.get(); }

 private:
  detail::Owner<pensee_session, pensee_session_free> handle_;
};

inline Reply Model::ask(const Prompt& prompt, const Options& options) const {
  return Session(*this).ask(prompt, options);
}

inline std::string version() { return pensee_version_text(); }

}  // namespace pensee
#endif
