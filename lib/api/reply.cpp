// The one call: a whole reply, kept.
#include <algorithm>

#include "api/api.h"

struct pensee_reply {
  std::string thought, answer;
  std::vector<int32_t> token_ids;
  pensee_usage usage = {};
  int32_t finish_reason = PENSEE_FINISH_NONE;
};

namespace pensee::api {
namespace {

void trim(std::string& text, bool begin, bool end) {
  constexpr const char* space = " \t\r\n";
  if (end) text.erase(text.find_last_not_of(space) + 1);
  if (begin) text.erase(0, std::min(text.find_first_not_of(space), text.size()));
}

Status ask(pensee_session& session, const pensee_prompt* prompt, const pensee_options* options, pensee_reply** out) {
  std::unique_ptr<pensee_stream> made;
  auto reply = std::make_unique<pensee_reply>();
  PENSEE_TRY(open_stream(session, prompt, options, made));
  const std::unique_ptr<pensee_stream, void (*)(pensee_stream*)> stream(made.release(), pensee_stream_free);
  while (stream->event.kind != EventKind::end || stream->event.finish == Finish::none) {
    bool got = false;
    PENSEE_TRY(next_event(*stream, -1, &got));
    const Event& e = stream->event;
    if (e.kind == EventKind::thought) reply->thought += e.text;
    if (e.kind == EventKind::answer) reply->answer += e.text;
    if (e.token_id >= 0) reply->token_ids.push_back(e.token_id);
  }
  if (stream->event.finish == Finish::error) return stream->event.status;
  pensee_event end = PENSEE_EVENT_INIT;
  fill_event(*stream, end);
  reply->usage = *end.usage;
  reply->finish_reason = end.finish_reason;
  // The space around the tags belongs to neither.
  if (reply->usage.thought_tokens > 0) {
    trim(reply->thought, true, true);
    trim(reply->answer, true, false);
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

const char* pensee_reply_thought(const pensee_reply* reply) { return reply ? reply->thought.c_str() : ""; }
const char* pensee_reply_answer(const pensee_reply* reply) { return reply ? reply->answer.c_str() : ""; }
int32_t pensee_reply_finish_reason(const pensee_reply* reply) {
  return reply ? reply->finish_reason : PENSEE_FINISH_NONE;
}
const int32_t* pensee_reply_token_ids(const pensee_reply* reply, size_t* count) {
  if (count) *count = reply ? reply->token_ids.size() : 0;
  return reply ? reply->token_ids.data() : nullptr;
}
const pensee_usage* pensee_reply_usage(const pensee_reply* reply) { return reply ? &reply->usage : nullptr; }
void pensee_reply_free(pensee_reply* reply) { delete reply; }

}  // extern "C"
