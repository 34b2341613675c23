// The one call: a whole reply, kept.
#include "api/api.h"

pensee_reply::pensee_reply(pensee::Reply collected) : reply(std::move(collected)) {
  pensee::api::fill_usage(reply.usage, usage);
  for (const pensee::ToolCall& call : reply.calls) {
    calls.push_back({call.id.c_str(), call.name.c_str(), call.arguments.c_str()});
  }
  message_json = pensee::json::dump(reply.message());
}

namespace pensee::api {

std::unique_ptr<pensee_reply> make_reply(const Engine& engine, Reply reply) {
  auto made = std::make_unique<pensee_reply>(std::move(reply));
  const ModelConfig& config = engine.content.model->config;
  made->routing_numbers = engine.routing_numbers();
  made->num_moe_layers = config.moe_layers();
  made->num_experts_per_tok = config.num_experts_per_tok;
  return made;
}

namespace {

Status ask(pensee_session& session, const pensee_prompt* prompt, const pensee_options* options, pensee_reply** out) {
  std::unique_ptr<pensee_stream> stream;
  PENSEE_TRY(open_stream(session, prompt, options, stream));
  std::vector<Reply> samples(stream->stream->requests().size());
  while (!all_ended(*stream)) {
    bool got = false;
    PENSEE_TRY(next_event(*stream, -1, &got));
    samples[static_cast<size_t>(stream->event.sample)].add(stream->event);
    if (stream->event.finish == Finish::error) return stream->event.status;
  }
  auto reply = make_reply(*session.engine, std::move(samples.front()));
  for (size_t i = 1; i < samples.size(); ++i) {
    reply->others.push_back(make_reply(*session.engine, std::move(samples[i])));
  }
  *out = reply.release();
  return Status();
}

}  // namespace
}  // namespace pensee::api

using namespace pensee;
using namespace pensee::api;

extern "C" {

pensee_status pensee_ask(const pensee_model* model, const char* question, const pensee_options* options,
                         pensee_reply** reply, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!question) return null_argument("question");
    if (!reply) return null_argument("reply");
    pensee_session* session = nullptr;
    pensee_error inner = PENSEE_ERROR_INIT;
    const pensee_status status = pensee_session_new(model, &session, &inner);
    if (status != PENSEE_OK) return Status(static_cast<Code>(status), inner.message);
    const std::unique_ptr<pensee_session, void (*)(pensee_session*)> owned(session, pensee_session_free);
    pensee_prompt prompt = PENSEE_PROMPT_INIT;
    prompt.text = question;
    return ask(*session, &prompt, options, reply);
  });
}

pensee_status pensee_session_ask(pensee_session* session, const pensee_prompt* prompt, const pensee_options* options,
                                 pensee_reply** reply, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!session) return null_argument("session");
    if (!reply) return null_argument("reply");
    return ask(*session, prompt, options, reply);
  });
}

const char* pensee_reply_thought(const pensee_reply* reply) { return reply ? reply->reply.thought.c_str() : ""; }
const char* pensee_reply_answer(const pensee_reply* reply) { return reply ? reply->reply.answer.c_str() : ""; }
int32_t pensee_reply_finish_reason(const pensee_reply* reply) {
  return reply ? static_cast<int32_t>(reply->reply.finish) : PENSEE_FINISH_NONE;
}
const int32_t* pensee_reply_token_ids(const pensee_reply* reply, size_t* count) {
  if (count) *count = reply ? reply->reply.token_ids.size() : 0;
  return reply ? reply->reply.token_ids.data() : nullptr;
}
const float* pensee_reply_logprobs(const pensee_reply* reply, size_t* count) {
  if (count) *count = reply ? reply->reply.logprobs.size() : 0;
  return reply ? reply->reply.logprobs.data() : nullptr;
}
const pensee_usage* pensee_reply_usage(const pensee_reply* reply) { return reply ? &reply->usage : nullptr; }
size_t pensee_reply_num_tool_calls(const pensee_reply* reply) { return reply ? reply->calls.size() : 0; }
const pensee_tool_call* pensee_reply_tool_call(const pensee_reply* reply, size_t index) {
  return reply && index < reply->calls.size() ? &reply->calls[index] : nullptr;
}
const char* pensee_reply_message_json(const pensee_reply* reply) { return reply ? reply->message_json.c_str() : ""; }
size_t pensee_reply_num_samples(const pensee_reply* reply) { return reply ? reply->others.size() + 1 : 0; }
const pensee_reply* pensee_reply_sample(const pensee_reply* reply, size_t index) {
  if (!reply || index > reply->others.size()) return nullptr;
  return index == 0 ? reply : reply->others[index - 1].get();
}

pensee_status pensee_reply_routing(const pensee_reply* reply, pensee_routing* routing, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!reply) return null_argument("reply");
    PENSEE_TRY(check_output(routing, "pensee_routing"));
    if (!reply->reply.routing || reply->routing_numbers == 0) {
      return Status::unsupported("the reply has no routing: ask with trace_experts, and a model that has experts");
    }
    const ExpertRow& rows = *reply->reply.routing;
    pensee_routing filled = PENSEE_ROUTING_INIT;
    filled.positions = static_cast<int64_t>(rows.ids.size() / reply->routing_numbers);
    filled.num_moe_layers = reply->num_moe_layers;
    filled.num_experts_per_tok = reply->num_experts_per_tok;
    filled.expert_ids = rows.ids.data();
    filled.expert_weights = rows.weights.data();
    write_struct(filled, routing);
    return Status();
  });
}

pensee_status pensee_parse_reply(const pensee_model* model, const char* text, size_t length, uint32_t flags,
                                 pensee_reply** reply, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!text && length > 0) return null_argument("text");
    if (!reply) return null_argument("reply");
    if (flags & ~static_cast<uint32_t>(PENSEE_IN_THOUGHT)) {
      return Status::unsupported("flags {} hold some that pensee_parse_reply does not know", flags);
    }
    const std::string_view bytes(text ? text : "", length);
    size_t bad = 0;
    if (!valid_utf8(bytes, &bad)) return Status::format(Code::bad_argument, "text: invalid UTF-8 at byte {}", bad);
    PENSEE_ASSIGN(Reply parsed, parse_reply(*model->engine, bytes, (flags & PENSEE_IN_THOUGHT) != 0));
    *reply = make_reply(*model->engine, std::move(parsed)).release();
    return Status();
  });
}

void pensee_reply_free(pensee_reply* reply) { delete reply; }

}  // extern "C"
