// Streams at the border: events out, by push and by pull.
#include "api/api.h"

namespace pensee::api {

Status open_stream(pensee_session& session, const pensee_prompt* prompt, const pensee_options* options,
                   std::unique_ptr<pensee_stream>& out) {
  const Engine& engine = *session.engine;
  Asked asked;
  PENSEE_TRY(read_question(engine, prompt, options, asked));
  auto stream = std::make_unique<pensee_stream>();
  stream->engine = session.engine;
  stream->alternatives.reserve(static_cast<size_t>(asked.options.top_logprobs));  // no event is lost for want of memory
  PENSEE_ASSIGN(stream->stream, Stream::open(engine, session.state, std::move(asked.ids), std::move(asked.options), 0));
  set_current(session, *stream->stream);
  out = std::move(stream);
  return Status();
}

Status next_event(pensee_stream& stream, int64_t timeout_ms, bool* got) {
  PENSEE_TRY(stream.stream->next(timeout_ms, &stream.event, got));
  if (*got && stream.event.kind == EventKind::end) ++stream.ended;
  return Status();
}

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
  to.drafted_tokens = from.drafted_tokens;
  to.accepted_tokens = from.accepted_tokens;
  to.passes = from.passes;
  to.seconds_waiting = from.seconds_waiting;
}

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
  out.sample = e.sample;
  out.forced = e.forced;
  if (e.call) {
    out.tool_call_id = e.call->id.c_str();
    out.tool_name = e.call->name.c_str();
    out.tool_arguments_json = e.call->arguments.c_str();
  }
  if (!e.experts.ids.empty()) {
    out.expert_ids = e.experts.ids.data();
    out.expert_weights = e.experts.weights.data();
    out.num_experts = e.experts.ids.size();
  }
  if (e.kind != EventKind::end) return;
  fill_usage(e.usage, stream.usage);
  out.usage = &stream.usage;
}

}  // namespace pensee::api

using namespace pensee;
using namespace pensee::api;

extern "C" {

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
  if (stream) stream->stream->cancel();
}

void pensee_stream_end_thought(pensee_stream* stream) {
  if (stream) stream->stream->end_thought();
}

void pensee_stream_free(pensee_stream* stream) { delete stream; }

pensee_status pensee_generate(pensee_session* session, const pensee_prompt* prompt, const pensee_options* options,
                              pensee_event_callback callback, void* user, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!session) return null_argument("session");
    if (!callback) return null_argument("callback");
    std::unique_ptr<pensee_stream> made;
    PENSEE_TRY(open_stream(*session, prompt, options, made));
    pensee_stream* stream = made.get();
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
        stream->stream->cancel();
      }
      if (!end || !all_ended(*stream)) continue;
      if (stopped) return Status(Code::stopped_by_callback, "the callback returned non-zero");
      return stream->event.finish == Finish::error ? stream->event.status : Status();
    }
  });
}

}  // extern "C"
