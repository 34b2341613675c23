// Sessions and streams at the border: prompts and options in, events out, by push and by pull.
#include "api/api.h"

namespace pensee::api {
namespace {

Status read_text_field(const char* from, const char* name, std::optional<std::string>& to) {
  if (!from) return Status();
  to = from;
  size_t bad = 0;
  if (!valid_utf8(*to, &bad)) return Status::format(Code::bad_argument, "{}: invalid UTF-8 at byte {}", name, bad);
  return Status();
}

Status read_json_field(const char* from, const char* name, std::optional<json::Value>& to) {
  if (!from) return Status();
  auto parsed = json::parse(from, name);
  if (!parsed.ok()) return Status(Code::bad_argument, parsed.status().message());
  to = *std::move(parsed);
  return Status();
}

Status range(bool good, const char* name, double value, const char* wanted) {
  if (good) return Status();
  return Status::format(Code::bad_argument, "{} is {}; {}", name, value, wanted);
}

}  // namespace

Status read_prompt(const pensee_prompt* from, Prompt& to) {
  if (!from) return null_argument("prompt");
  pensee_prompt raw = PENSEE_PROMPT_INIT;
  PENSEE_TRY(read_struct(from, "pensee_prompt", raw));
  const int given = (raw.text != nullptr) + (raw.messages_json != nullptr) + (raw.ids != nullptr);
  if (given != 1) return Status(Code::bad_argument, "a prompt needs exactly one of text, messages_json and ids");
  PENSEE_TRY(read_text_field(raw.text, "prompt.text", to.text));
  PENSEE_TRY(read_text_field(raw.system, "prompt.system", to.system));
  PENSEE_TRY(read_json_field(raw.messages_json, "prompt.messages_json", to.messages));
  PENSEE_TRY(read_json_field(raw.tools_json, "prompt.tools_json", to.tools));
  if (to.system && !to.text) {
    return Status(Code::bad_argument,
                  "prompt.system goes with prompt.text; a conversation holds its own system message");
  }
  if (raw.ids) to.ids.emplace(raw.ids, raw.ids + raw.num_ids);
  return Status();
}

Status read_options(const pensee_options* from, GenerateOptions& to) {
  pensee_options raw = PENSEE_OPTIONS_INIT;
  PENSEE_TRY(read_struct(from, "pensee_options", raw));
  PENSEE_TRY(range(raw.max_tokens >= 0, "max_tokens", static_cast<double>(raw.max_tokens), "0 or more"));
  PENSEE_TRY(range(raw.think_budget >= -1, "think_budget", static_cast<double>(raw.think_budget), "-1 or more"));
  PENSEE_TRY(range(raw.temperature == -1 || (raw.temperature >= 0 && raw.temperature <= 1e4f), "temperature",
                   static_cast<double>(raw.temperature), "0 or more, or -1"));
  PENSEE_TRY(range(raw.top_p == -1 || (raw.top_p > 0 && raw.top_p <= 1), "top_p", static_cast<double>(raw.top_p),
                   "above 0 to 1, or -1"));
  PENSEE_TRY(range(raw.min_p >= 0 && raw.min_p <= 1, "min_p", static_cast<double>(raw.min_p), "0 to 1"));
  PENSEE_TRY(range(raw.top_k >= -1, "top_k", raw.top_k, "0 or more, or -1"));
  PENSEE_TRY(range(raw.top_logprobs >= 0 && raw.top_logprobs <= 20, "top_logprobs", raw.top_logprobs, "0 to 20"));
  PENSEE_TRY(range(raw.effort >= 0 && raw.effort <= PENSEE_EFFORT_MAX, "effort", raw.effort, "a PENSEE_EFFORT_ value"));
  if (raw.num_stop > 0 && !raw.stop) return null_argument("stop");
  to.max_tokens = raw.max_tokens;
  to.think_budget = raw.think_budget;
  if (raw.temperature >= 0) to.temperature = raw.temperature;
  if (raw.top_p > 0) to.top_p = raw.top_p;
  if (raw.top_k >= 0) to.top_k = raw.top_k;
  to.min_p = raw.min_p;
  to.seed = raw.seed;
  to.ignore_eos = raw.ignore_eos != 0;
  to.top_logprobs = raw.top_logprobs;
  to.effort = static_cast<Effort>(raw.effort);
  for (size_t i = 0; i < raw.num_stop; ++i) {
    std::optional<std::string> text;
    PENSEE_TRY(read_text_field(raw.stop[i], "stop", text));
    if (!text || text->empty()) return Status::format(Code::bad_argument, "stop[{}] is empty", i);
    to.stop.push_back(*std::move(text));
  }
  return Status();
}

// Marks a session busy until its request takes over, or gives it back when that fails.
class Claim {
 public:
  explicit Claim(std::atomic<bool>& busy) : busy_(busy) { held_ = !busy_.exchange(true); }
  ~Claim() {
    if (held_) busy_ = false;
  }
  bool held() const { return held_; }
  void pass_on() { held_ = false; }

 private:
  std::atomic<bool>& busy_;
  bool held_;
};

Status open_stream(pensee_session& session, const pensee_prompt* prompt, const pensee_options* options,
                   std::unique_ptr<pensee_stream>& out) {
  Engine& engine = *session.engine;
  Prompt read;
  GenerateOptions generate;
  PENSEE_TRY(read_prompt(prompt, read));
  PENSEE_TRY(read_options(options, generate));
  PENSEE_TRY(engine.require_weights());
  PENSEE_ASSIGN(std::vector<int32_t> ids, engine.prompt_ids(read, generate));
  Claim claim(session.state->busy);
  if (!claim.held()) return Status(Code::busy, "the session already streams: wait for its END event or cancel it");
  auto stream = std::make_unique<pensee_stream>();
  stream->engine = session.engine;
  stream->alternatives.reserve(static_cast<size_t>(generate.top_logprobs));  // no event is lost for want of memory
  stream->request = std::make_shared<Request>(engine, session.state, std::move(ids), std::move(generate));
  {
    std::lock_guard lock(session.mutex);
    session.current = stream->request;
  }
  PENSEE_TRY(engine.scheduler().submit(stream->request));
  claim.pass_on();
  out = std::move(stream);
  return Status();
}

Status next_event(pensee_stream& stream, int64_t timeout_ms, bool* got) {
  return stream.request->next(timeout_ms, &stream.event, got);
}

void cancel(Engine& engine, Request& request) {
  request.cancelled = true;
  engine.scheduler().wake();
}

namespace {

void fill_usage(const Usage& from, pensee_usage& to) {
  to.struct_size = sizeof(pensee_usage);
  to.prompt_tokens = from.prompt_tokens;
  to.cached_tokens = from.cached_tokens;
  to.thought_tokens = from.thought_tokens;
  to.answer_tokens = from.answer_tokens;
  to.seconds_to_first_token = from.seconds_to_first_token;
  to.seconds = from.seconds;
  to.prompt_tokens_per_second = from.prompt_tokens_per_second;
  to.tokens_per_second = from.tokens_per_second;
  to.parameters_active = from.parameters_active;
  to.flops = from.flops;
  to.weight_bytes_read = from.weight_bytes_read;
  to.seed = from.seed;
}

}  // namespace

void fill_event(pensee_stream& stream, pensee_event& out) {
  const Event& e = stream.event;
  out.kind = static_cast<int32_t>(e.kind);
  out.finish_reason = static_cast<int32_t>(e.finish);
  out.text = e.text.c_str();
  out.text_length = e.text.size();
  out.token_id = e.token_id;
  out.logprob = e.logprob;
  out.position = e.position;
  stream.alternatives.clear();
  for (const Alternative& a : e.alternatives) stream.alternatives.push_back({a.token_id, a.logprob});
  out.alternatives = stream.alternatives.data();
  out.num_alternatives = stream.alternatives.size();
  if (e.kind != EventKind::end) return;
  fill_usage(e.usage, stream.usage);
  out.usage = &stream.usage;
}

}  // namespace pensee::api

using namespace pensee;
using namespace pensee::api;

extern "C" {

pensee_status pensee_session_new(const pensee_model* model, pensee_session** session, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!session) return null_argument("session");
    Engine& engine = *model->engine;
    PENSEE_TRY(engine.require_weights());
    auto made = std::make_unique<pensee_session>();
    made->engine = model->engine;
    made->state = std::make_shared<SessionState>(engine.content.model->cache_shape, engine.budget);
    *session = made.release();
    return Status();
  });
}

void pensee_session_free(pensee_session* session) { delete session; }

void pensee_session_cancel(pensee_session* session) {
  if (!session) return;
  std::lock_guard lock(session->mutex);
  if (const auto request = session->current.lock()) cancel(*session->engine, *request);
}

pensee_status pensee_stream_open(pensee_session* session, const pensee_prompt* prompt, const pensee_options* options,
                                 pensee_stream** stream, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!session) return null_argument("session");
    if (!stream) return null_argument("stream");
    std::unique_ptr<pensee_stream> made;
    PENSEE_TRY(open_stream(*session, prompt, options, made));
    *stream = made.release();
    return Status();
  });
}

pensee_status pensee_stream_next(pensee_stream* stream, int64_t timeout_ms, pensee_event* event, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!stream) return null_argument("stream");
    PENSEE_TRY(check_output(event, "pensee_event"));
    if (timeout_ms < -1) return Status::format(Code::bad_argument, "timeout_ms is {}; -1 or more", timeout_ms);
    bool got = false;
    PENSEE_TRY(next_event(*stream, timeout_ms, &got));
    if (!got) return Status(Code::no_more_events, "the END event was already delivered");
    pensee_event filled = PENSEE_EVENT_INIT;
    fill_event(*stream, filled);
    write_struct(filled, event);
    return stream->event.finish == Finish::error ? stream->event.status : Status();
  });
}

void pensee_stream_cancel(pensee_stream* stream) {
  if (stream) cancel(*stream->engine, *stream->request);
}

void pensee_stream_end_thought(pensee_stream* stream) {
  if (stream) stream->request->end_thought = true;
}

void pensee_stream_free(pensee_stream* stream) {
  if (!stream) return;
  cancel(*stream->engine, *stream->request);
  stream->request->wait_until_done();  // the scheduler must not outlive what it computes with
  delete stream;
}

pensee_status pensee_generate(pensee_session* session, const pensee_prompt* prompt, const pensee_options* options,
                              pensee_event_callback callback, void* user, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!session) return null_argument("session");
    if (!callback) return null_argument("callback");
    std::unique_ptr<pensee_stream> made;
    PENSEE_TRY(open_stream(*session, prompt, options, made));
    const std::unique_ptr<pensee_stream, void (*)(pensee_stream*)> stream(made.release(), pensee_stream_free);
    bool stopped = false;
    while (true) {
      bool got = false;
      PENSEE_TRY(next_event(*stream, -1, &got));
      const bool end = stream->event.kind == EventKind::end;
      pensee_event event = PENSEE_EVENT_INIT;
      fill_event(*stream, event);
      const bool asked = !stopped || end;  // after a stop the END event alone is still told
      if (asked && callback(user, &event) != 0 && !stopped && !end) {
        stopped = true;
        cancel(*stream->engine, *stream->request);
      }
      if (!end) continue;
      if (stopped) return Status(Code::stopped_by_callback, "the callback returned non-zero");
      return stream->event.finish == Finish::error ? stream->event.status : Status();
    }
  });
}

}  // extern "C"
