// What an answer is held to, through the ABI: the thought stays free, the answer fits, guesses change nothing. The
// grammar engine's own tests are in tests/sampling; here a random model and scripted ones are held.
#include <regex>

#include "engine/client.h"
#include "engine/scripted_model.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const SmallModel& small() {
  static const SmallModel model;
  return model;
}

}  // namespace

TEST_CASE("constraints: a random model's answer matches the expression, its thought is free") {
  const ModelHandle model = open_model(small().path());
  const char* expressions[] = {"[a-c]{3,8}", "(yes|no), [0-9]{2} of [0-9]{2}", "-?[1-9][0-9]{0,3}"};
  for (const char* expression : expressions) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      for (const int32_t speculation : {PENSEE_SPECULATION_OFF, PENSEE_SPECULATION_NGRAM}) {
        pensee_options options = sampled(200, seed);
        options.ignore_eos = 0;
        options.think_budget = 5;
        options.regex = expression;
        options.speculation = speculation;
        const auto held = ask_new(model, prompt_of("Hm?"), options);
        CAPTURE(held.answer);
        CHECK(std::regex_match(held.answer, std::regex(expression)));
        CHECK(held.finish == PENSEE_FINISH_BUDGET);
        CHECK(held.usage.thought_tokens >= 5);
        options.think_budget = -1;
        options.max_tokens = 12;  // the thought goes on: nothing of it is held
        CHECK(ask_new(model, prompt_of("Hm?"), options).answer.empty());
      }
    }
  }
}

TEST_CASE("constraints: a schema gives JSON of its shape, an answer's prefix is a part of it") {
  const ModelHandle model = open_model(small().path());
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    pensee_options options = sampled(400, seed);
    options.ignore_eos = 0;
    options.think_budget = 0;
    options.json_schema =
        R"({"type":"object","properties":{"prime":{"type":"boolean"},"why":{"type":"string","maxLength":12}},)"
        R"("required":["prime","why"],"additionalProperties":false})";
    options.answer_prefix = "{\"prime\":";
    const auto held = ask_new(model, prompt_of("Hm?"), options);
    const auto parsed = json::parse(held.answer, "answer");
    CAPTURE(held.answer);
    REQUIRE(parsed.ok());
    CHECK(parsed->find("prime")->boolean() != nullptr);
    CHECK(parsed->find("why")->string() != nullptr);
    options.answer_prefix = "[";
    pensee_stream* stream = nullptr;
    const SessionHandle session = new_session(model);
    const pensee_prompt prompt = prompt_of("Hm?");
    CHECK(pensee_stream_open(session.get(), &prompt, &options, &stream, nullptr) == PENSEE_BAD_ARGUMENT);
  }
}

TEST_CASE("constraints: a model that thinks by itself thinks first") {
  ScriptedModel::Settings s;
  s.script = {"<think>", "Let me ", "see. ", "</think>", "Of ", "course", "!"};
  const ScriptedModel script(s);
  const ModelHandle model = open_model(script.path());
  pensee_options options = sampled(60, 1);
  options.ignore_eos = 0;
  options.regex = "[0-9]{4}";
  const auto held = ask_new(model, prompt_of("Hm?"), options);
  CHECK(held.thought == "Let me see. ");
  CHECK(std::regex_match(held.answer, std::regex("[0-9]{4}")));
}

TEST_CASE("constraints: a call that is required is one of the tools, with arguments of its schema") {
  ScriptedModel::Settings scripted;
  scripted.script = {"<think>", "Let me ", "see. ", "</think>", "Of ", "course", "!"};
  const ScriptedModel script(scripted);
  const ModelHandle model = open_model(script.path());
  pensee_prompt prompt = prompt_of("Hm?");
  prompt.tools_json =
      R"([{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":)"
      R"({"a":{"type":"integer","minimum":0,"maximum":99}},"required":["a"],"additionalProperties":false}}}])";
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    pensee_options options = sampled(300, seed);
    options.ignore_eos = 0;
    options.tool_choice = PENSEE_TOOLS_REQUIRED;
    pensee_reply* reply = nullptr;
    const SessionHandle session = new_session(model);
    PENSEE_REQUIRE_OK(pensee_session_ask(session.get(), &prompt, &options, &reply, &call_error));
    REQUIRE(pensee_reply_num_tool_calls(reply) >= 1);
    const pensee_tool_call* call = pensee_reply_tool_call(reply, 0);
    CHECK(std::string(call->name) == "add");
    CHECK(std::string(pensee_reply_thought(reply)) == "Let me see.");
    const auto arguments = json::parse(call->arguments_json, "arguments");
    REQUIRE(arguments.ok());
    REQUIRE(arguments->find("a"));
    CHECK(*arguments->find("a")->integer() <= 99);
    pensee_reply_free(reply);
  }
}

TEST_CASE("constraints: what does not hold is told before anything is computed") {
  const ModelHandle model = open_model(small().path());
  const SessionHandle session = new_session(model);
  const pensee_prompt prompt = prompt_of("Hm?");
  pensee_stream* stream = nullptr;
  const auto status_of = [&](const pensee_options& options) {
    return pensee_stream_open(session.get(), &prompt, &options, &stream, nullptr);
  };
  pensee_options options = greedy(5);
  options.json_schema = "{\"type\": ";
  CHECK(status_of(options) == PENSEE_BAD_ARGUMENT);
  options.json_schema = "{}";
  options.regex = "a";
  CHECK(status_of(options) == PENSEE_BAD_ARGUMENT);
  options.json_schema = nullptr;
  options.regex = "(a";
  CHECK(status_of(options) == PENSEE_BAD_ARGUMENT);
  options.regex = nullptr;
  options.grammar = "root ::= nothing";
  CHECK(status_of(options) == PENSEE_BAD_ARGUMENT);
  options.grammar = nullptr;
  options.tool_choice = PENSEE_TOOLS_REQUIRED;
  CHECK(status_of(options) == PENSEE_BAD_ARGUMENT);
  CHECK(stream == nullptr);
}
