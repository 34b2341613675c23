// Replies: events joined again, and texts that were kept split as a stream would split them.
#include <algorithm>
#include <cmath>

#include "engine/generation.h"

namespace pensee {
namespace {

void trim(std::string& text, bool begin, bool end) {
  constexpr const char* space = " \t\r\n";
  if (end) text.erase(text.find_last_not_of(space) + 1);
  if (begin) text.erase(0, std::min(text.find_first_not_of(space), text.size()));
}

}  // namespace

void Reply::add(const Event& e) {
  if (e.kind == EventKind::thought) thought += e.text;
  if (e.kind == EventKind::answer) answer += e.text;
  if (e.call) calls.push_back(*e.call);
  if (e.token_id >= 0) {
    token_ids.push_back(e.token_id);
    logprobs.push_back(e.logprob);
  }
  if (e.kind != EventKind::end) return;
  usage = e.usage;
  finish = e.finish;
  status = e.status;
  routing = e.routing;
  if (usage.thought_tokens > 0) {
    trim(thought, true, true);
    trim(answer, true, false);
  }
}

double Reply::confidence() const {
  if (logprobs.empty()) return 0;
  double sum = 0;
  for (const float logprob : logprobs) sum += static_cast<double>(logprob);
  return std::exp(sum / static_cast<double>(logprobs.size()));
}

json::Value Reply::message() const {
  json::Value message;
  message.set("role", "assistant");
  message.set("content", answer);
  if (!thought.empty()) message.set("reasoning_content", thought);
  if (calls.empty()) return message;
  json::Array list;
  for (const ToolCall& call : calls) {
    json::Value function, entry;
    function.set("name", call.name);
    function.set("arguments", call.arguments);
    entry.set("id", call.id);
    entry.set("type", "function");
    entry.set("function", function);
    list.push_back(entry);
  }
  message.set("tool_calls", list);
  return message;
}

Result<Reply> parse_reply(const Engine& engine, std::string_view text, bool in_thought) {
  PENSEE_TRY(engine.require_tokenizer());
  PENSEE_ASSIGN(const std::vector<int32_t> ids, engine.content.tokenizer->encode(text, {}));
  const Dialect& dialect = engine.content.dialect;
  Splitter splitter(dialect, in_thought ? dialect.opens : "");
  Utf8Joiner joiner;
  Reply reply;
  std::vector<Piece> pieces;
  for (const int32_t id : ids) {
    bool mark = false;
    const std::string bytes = bytes_of(engine, id, &mark);
    ++(splitter.channel() == Channel::thought ? reply.usage.thought_tokens : reply.usage.answer_tokens);
    splitter.push(mark ? joiner.flush() : joiner.push(bytes), false, pieces);
    if (mark) splitter.push(bytes, true, pieces);
  }
  splitter.push(joiner.flush(), false, pieces);
  splitter.flush(pieces);
  for (Piece& piece : pieces) {
    Event event;
    event.kind = kind_of(piece.channel);
    event.text = std::move(piece.text);
    event.call = std::move(piece.call);
    reply.add(event);
  }
  Event end;
  end.finish = reply.calls.empty() ? Finish::stop : Finish::tool_call;
  end.usage = reply.usage;
  reply.add(end);
  reply.token_ids = ids;
  return reply;
}

}  // namespace pensee
