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
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pensee {
// Apart from the names of the library's inside, which a program that links the archive has in it as well.
inline namespace hpp {

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

// Options::sampling and answer_sampling point to one of these.
struct Sampling : pensee_sampling {
  Sampling() : pensee_sampling(PENSEE_SAMPLING_INIT) {}
};

struct ScoreOptions : pensee_score_options {
  ScoreOptions() : pensee_score_options(PENSEE_SCORE_OPTIONS_INIT) {}
};

struct VoteOptions : pensee_vote_options {
  VoteOptions() : pensee_vote_options(PENSEE_VOTE_OPTIONS_INIT) {}
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
  int32_t sample = 0;
  bool forced = false;
  std::vector<int32_t> expert_ids;  // with trace_experts
  std::vector<float> expert_weights;
};

struct ToolCall {
  std::string id, name, arguments_json;
};

// As pensee_routing.
struct Routing {
  int64_t positions = 0, num_moe_layers = 0, num_experts_per_tok = 0;
  std::vector<int32_t> expert_ids;
  std::vector<float> expert_weights;
};

struct Reply {
  std::string thought, answer;
  int32_t finish_reason = PENSEE_FINISH_NONE;
  std::vector<int32_t> token_ids;
  std::vector<float> logprobs;
  std::vector<ToolCall> tool_calls;
  std::string message_json;   // to be appended to the conversation
  Routing routing;            // with trace_experts
  std::vector<Reply> others;  // of n samples those after this one
  pensee_usage usage{};
};

struct VoteAnswer {
  std::string answer;
  int32_t votes;
  float weight;
  int32_t reply;  // index into replies
};

struct Vote {
  std::vector<VoteAnswer> answers;  // winner first
  std::vector<Reply> replies;
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
  event.sample = from.sample;
  event.forced = from.forced != 0;
  if (from.expert_ids) event.expert_ids.assign(from.expert_ids, from.expert_ids + from.num_experts);
  if (from.expert_weights) event.expert_weights.assign(from.expert_weights, from.expert_weights + from.num_experts);
  return event;
}

inline Routing to_routing(const pensee_reply* raw) {
  pensee_routing from = PENSEE_ROUTING_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  Routing routing;
  const pensee_status status = pensee_reply_routing(raw, &from, &error);
  if (status == PENSEE_UNSUPPORTED) return routing;  // not traced
  check(status, error);
  const auto count = static_cast<size_t>(from.positions * from.num_moe_layers * from.num_experts_per_tok);
  routing.positions = from.positions;
  routing.num_moe_layers = from.num_moe_layers;
  routing.num_experts_per_tok = from.num_experts_per_tok;
  routing.expert_ids.assign(from.expert_ids, from.expert_ids + count);
  routing.expert_weights.assign(from.expert_weights, from.expert_weights + count);
  return routing;
}

inline Reply to_reply(const pensee_reply* raw) {
  Reply reply;
  reply.thought = pensee_reply_thought(raw);
  reply.answer = pensee_reply_answer(raw);
  reply.finish_reason = pensee_reply_finish_reason(raw);
  size_t count = 0;
  const int32_t* ids = pensee_reply_token_ids(raw, &count);
  reply.token_ids.assign(ids, ids + count);
  const float* logprobs = pensee_reply_logprobs(raw, &count);
  reply.logprobs.assign(logprobs, logprobs + count);
  for (size_t i = 0; i < pensee_reply_num_tool_calls(raw); i++) {
    const pensee_tool_call* call = pensee_reply_tool_call(raw, i);
    reply.tool_calls.push_back({call->id, call->name, call->arguments_json});
  }
  reply.message_json = pensee_reply_message_json(raw);
  reply.routing = to_routing(raw);
  for (size_t i = 1; i < pensee_reply_num_samples(raw); i++) {
    reply.others.push_back(to_reply(pensee_reply_sample(raw, i)));
  }
  reply.usage = *pensee_reply_usage(raw);
  return reply;
}

inline Reply take_reply(pensee_reply* raw) {
  const Owner<pensee_reply, pensee_reply_free> owner(raw);
  return to_reply(raw);
}

inline Vote take_vote(pensee_vote* raw) {
  const Owner<pensee_vote, pensee_vote_free> owner(raw);
  Vote vote;
  for (size_t i = 0; i < pensee_vote_num_answers(raw); i++) {
    const pensee_vote_answer* answer = pensee_vote_get_answer(raw, i);
    vote.answers.push_back({answer->answer, answer->votes, answer->weight, answer->reply});
  }
  for (size_t i = 0; i < pensee_vote_num_replies(raw); i++) {
    vote.replies.push_back(to_reply(pensee_vote_get_reply(raw, i)));
  }
  return vote;
}

}  // namespace detail

class Model {
 public:
  explicit Model(const std::string& path, const ModelOptions& options = {}) {
    open([&](pensee_model** out, pensee_error* e) { return pensee_model_open(path.c_str(), &options, out, e); });
  }
  // The default model, which is installed beside the library.
  explicit Model(const ModelOptions& options = {}) {
    open([&](pensee_model** out, pensee_error* e) { return pensee_model_open(nullptr, &options, out, e); });
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
      detail::check(pensee_render_prompt(get(), &request.prompt, &request.options, text, capacity, length, &error),
                    error);
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
  // As logprobs, with the routing replayed and recorded.
  std::vector<float> score(const std::vector<int32_t>& ids, const ScoreOptions& options) const {
    std::vector<float> out(ids.size());
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_score(get(), ids.data(), ids.size(), &options, out.data(), &error), error);
    return out;
  }
  // For an application that shares the device; any thread.
  void pause() const noexcept { pensee_model_pause(get()); }
  void resume() const noexcept { pensee_model_resume(get()); }
  // level: PENSEE_TRIM_*. Returns the bytes given back.
  uint64_t trim(int32_t level = PENSEE_TRIM_CACHES) const {
    uint64_t freed = 0;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_model_trim(get(), level, &freed, &error), error);
    return freed;
  }
  void set_threads(int32_t threads) const {
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_model_set_threads(get(), threads, &error), error);
  }
  pensee_memory memory() const {
    pensee_memory memory = PENSEE_MEMORY_INIT;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_model_get_memory(get(), &memory, &error), error);
    return memory;
  }
  void set_weights(const std::vector<pensee_tensor>& tensors) {
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_model_set_weights(handle_.get(), tensors.data(), tensors.size(), &error), error);
  }
  // progress, with 0..1 on this thread: false cancels.
  void save_packed(const std::string& path, const std::function<bool(float)>& progress = nullptr) const {
    write_file(pensee_model_save_packed, path, progress);
  }
  void tune(const std::string& path, const std::function<bool(float)>& progress = nullptr) const {
    write_file(pensee_model_tune, path, progress);
  }
  Reply parse_reply(std::string_view text, uint32_t flags = 0) const {
    pensee_reply* reply = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_parse_reply(get(), text.data(), text.size(), flags, &reply, &error), error);
    return detail::take_reply(reply);
  }
  Reply ask(const Prompt& prompt, const Options& options = {}) const;
  Vote vote(const Prompt& prompt, const Options& options = {}, const VoteOptions& vote_options = {}) const;

  const pensee_model* get() const noexcept { return handle_.get(); }

 private:
  using WriteFile = pensee_status (*)(const pensee_model*, const char*, int (*)(void*, float), void*, pensee_error*);
  void write_file(WriteFile write, const std::string& path, const std::function<bool(float)>& progress) const {
    const auto tell = [](void* user, float fraction) {
      return (*static_cast<const std::function<bool(float)>*>(user))(fraction) ? 0 : 1;
    };
    std::function<bool(float)> callback = progress;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(write(get(), path.c_str(), progress ? +tell : nullptr, &callback, &error), error);
  }
  template <class Call>
  void open(Call call) {
    pensee_model* model = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(call(&model, &error), error);
    handle_.reset(model);
  }
  detail::Owner<pensee_model, pensee_model_free> handle_;
};

// A single-pass range of events; the last one is END, with n samples an END of each.
class Stream {
 public:
  explicit Stream(pensee_stream* stream, int32_t samples = 1) : handle_(stream), ends_left_(samples) {}

  // Waits at most timeout_ms (-1: without end). False: no event in time, or all was delivered before (see ended()).
  bool next(Event& event, int64_t timeout_ms = -1) {
    pensee_event raw = PENSEE_EVENT_INIT;
    pensee_error error = PENSEE_ERROR_INIT;
    const pensee_status status = pensee_stream_next(handle_.get(), timeout_ms, &raw, &error);
    if (status == PENSEE_TIMEOUT) return false;
    if (status != PENSEE_OK) ends_left_ = 0;
    if (status == PENSEE_NO_MORE_EVENTS) return false;
    detail::check(status, error);
    if (raw.kind == PENSEE_EVENT_END) ends_left_--;
    event = detail::to_event(raw);
    return true;
  }
  bool ended() const noexcept { return ends_left_ <= 0; }
  void cancel() noexcept { pensee_stream_cancel(handle_.get()); }            // any thread
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
  int32_t ends_left_;
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
    return Stream(stream, options.n > 1 ? options.n : 1);
  }
  Reply ask(const Prompt& prompt, const Options& options = {}) {
    const detail::Request request(prompt, options);
    pensee_reply* reply = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_session_ask(handle_.get(), &request.prompt, &request.options, &reply, &error), error);
    return detail::take_reply(reply);
  }
  Vote vote(const Prompt& prompt, const Options& options = {}, const VoteOptions& vote_options = {}) {
    const detail::Request request(prompt, options);
    pensee_vote* vote = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_session_vote(handle_.get(), &request.prompt, &request.options, &vote_options, &vote, &error),
                  error);
    return detail::take_vote(vote);
  }

  Session fork() {
    return make([&](pensee_session** out, pensee_error* e) { return pensee_session_fork(handle_.get(), out, e); });
  }
  void rewind(size_t tokens) {
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_session_rewind(handle_.get(), tokens, &error), error);
  }
  std::vector<int32_t> tokens() {
    return detail::sized<std::vector<int32_t>>([&](int32_t* ids, size_t capacity, size_t* count) {
      pensee_error error = PENSEE_ERROR_INIT;
      detail::check(pensee_session_tokens(handle_.get(), ids, capacity, count, &error), error);
    });
  }
  void save(const std::string& path) {
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(pensee_session_save(handle_.get(), path.c_str(), &error), error);
  }
  std::string save_memory() {
    return detail::sized<std::string>([&](char* data, size_t capacity, size_t* size) {
      pensee_error error = PENSEE_ERROR_INIT;
      detail::check(pensee_session_save_memory(handle_.get(), data, capacity, size, &error), error);
    });
  }
  static Session restore(const Model& model, const std::string& path) {
    return make([&](pensee_session** out, pensee_error* e) {
      return pensee_session_restore(model.get(), path.c_str(), out, e);
    });
  }
  static Session restore_memory(const Model& model, std::string_view data) {
    return make([&](pensee_session** out, pensee_error* e) {
      return pensee_session_restore_memory(model.get(), data.data(), data.size(), out, e);
    });
  }

  void cancel() noexcept { pensee_session_cancel(handle_.get()); }            // any thread
  void end_thought() noexcept { pensee_session_end_thought(handle_.get()); }  // any thread
  pensee_session* get() const noexcept { return handle_.get(); }

 private:
  Session() = default;
  template <class Call>
  static Session make(Call call) {
    Session made;
    pensee_session* session = nullptr;
    pensee_error error = PENSEE_ERROR_INIT;
    detail::check(call(&session, &error), error);
    made.handle_.reset(session);
    return made;
  }
  detail::Owner<pensee_session, pensee_session_free> handle_;
};

inline Reply Model::ask(const Prompt& prompt, const Options& options) const {
  return Session(*this).ask(prompt, options);
}

inline Vote Model::vote(const Prompt& prompt, const Options& options, const VoteOptions& vote_options) const {
  return Session(*this).vote(prompt, options, vote_options);
}

inline std::string version() { return pensee_version_text(); }

}  // namespace hpp
}  // namespace pensee
#endif
