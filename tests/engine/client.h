// pensee.h for tests: handles that free themselves, a generation collected into one value.
#pragma once

#include <doctest/doctest.h>
#include <pensee/pensee.h>

#include <memory>
#include <string>
#include <vector>

#include "api/api.h"  // beside the ABI, tests look at the memory budget of the engine behind it

namespace pensee::test {

using ModelHandle = std::shared_ptr<pensee_model>;
using SessionHandle = std::shared_ptr<pensee_session>;
using StreamHandle = std::shared_ptr<pensee_stream>;

#define PENSEE_REQUIRE_OK(call)                                                 \
  do {                                                                          \
    pensee_error call_error = PENSEE_ERROR_INIT;                                \
    const pensee_status call_status = (call);                                   \
    REQUIRE_MESSAGE(call_status == PENSEE_OK, std::string(call_error.message)); \
  } while (false)

inline ModelHandle open_model(const std::string& path, pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT) {
  if (options.threads == 0) options.threads = 2;
  pensee_model* model = nullptr;
  PENSEE_REQUIRE_OK(pensee_model_open(path.c_str(), &options, &model, &call_error));
  return ModelHandle(model, pensee_model_free);
}

inline SessionHandle new_session(const ModelHandle& model) {
  pensee_session* session = nullptr;
  PENSEE_REQUIRE_OK(pensee_session_new(model.get(), &session, &call_error));
  return SessionHandle(session, pensee_session_free);
}

inline pensee_prompt prompt_of(const std::vector<int32_t>& ids) {
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.ids = ids.data();
  prompt.num_ids = ids.size();
  return prompt;
}
inline pensee_prompt prompt_of(const char* text) {
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.text = text;
  return prompt;
}

inline pensee_options greedy(int64_t max_tokens) {
  pensee_options options = PENSEE_OPTIONS_INIT;
  options.max_tokens = max_tokens;
  options.temperature = 0;
  options.ignore_eos = 1;
  return options;
}
inline pensee_options sampled(int64_t max_tokens, uint64_t seed) {
  pensee_options options = greedy(max_tokens);
  options.temperature = 1.0f;
  options.top_p = 0.95f;
  options.seed = seed;
  return options;
}

inline StreamHandle open_stream(const SessionHandle& session, const pensee_prompt& prompt,
                                const pensee_options& options) {
  pensee_stream* stream = nullptr;
  PENSEE_REQUIRE_OK(pensee_stream_open(session.get(), &prompt, &options, &stream, &call_error));
  return StreamHandle(stream, pensee_stream_free);
}

struct Answered {
  std::vector<int32_t> tokens;
  std::vector<int64_t> positions;
  std::string thought, answer;
  int32_t finish = PENSEE_FINISH_NONE;
  pensee_status status = PENSEE_OK;  // of the END event
  std::string message;
  pensee_usage usage = {};
};

// Takes one event; false after END.
inline bool take(pensee_stream* stream, Answered& to) {
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_stream_next(stream, -1, &event, &error);
  if (status == PENSEE_NO_MORE_EVENTS) return false;
  if (event.kind == PENSEE_EVENT_END) {
    to.finish = event.finish_reason;
    to.status = status;
    if (status != PENSEE_OK) to.message = error.message;
    to.usage = *event.usage;
    return false;
  }
  REQUIRE_MESSAGE(status == PENSEE_OK, std::string(error.message));
  (event.kind == PENSEE_EVENT_THOUGHT ? to.thought : to.answer).append(event.text, event.text_length);
  if (event.token_id >= 0) {
    to.tokens.push_back(event.token_id);
    to.positions.push_back(event.position);
  }
  return true;
}

inline Answered drain(const StreamHandle& stream) {
  Answered all;
  while (take(stream.get(), all)) {
  }
  return all;
}

inline Answered ask(const SessionHandle& session, const pensee_prompt& prompt, const pensee_options& options) {
  return drain(open_stream(session, prompt, options));
}
inline Answered ask_new(const ModelHandle& model, const pensee_prompt& prompt, const pensee_options& options) {
  return ask(new_session(model), prompt, options);
}

inline std::vector<int32_t> tokenize(const ModelHandle& model, const std::string& text) {
  std::vector<int32_t> ids(text.size() + 1);
  size_t count = 0;
  PENSEE_REQUIRE_OK(
      pensee_tokenize(model.get(), text.data(), text.size(), 0, ids.data(), ids.size(), &count, &call_error));
  ids.resize(count);
  return ids;
}

}  // namespace pensee::test
