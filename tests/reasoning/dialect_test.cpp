// Which family a template and a vocabulary belong to, and what follows from it. The templates are published ones
// (tests/text/templates); where a family's is not among them, its tags stand for it.
#include "reasoning/dialect.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "fake_tokenizer.h"

using namespace pensee;
using namespace pensee::test;

namespace {

std::string template_of(const std::string& name) {
  const auto file = open_file(std::string(PENSEE_TEST_DATA) + "/text/templates/" + name);
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  auto text = read_text(**file, 1 << 20);
  REQUIRE(text.ok());
  return *std::move(text);
}

std::vector<std::string> calls_of(const Dialect& dialect) {
  std::vector<std::string> names;
  for (const CallSyntax* call : dialect.calls) names.emplace_back(call->name);
  return names;
}

std::string variables_of(const Dialect& dialect, Effort effort) {
  return json::dump_compact(plan_effort(dialect, effort).variables);
}

using Names = std::vector<std::string>;
constexpr const char* kDeepSeekCall =
    "<\xef\xbd\x9ctool\xe2\x96\x81"
    "call\xe2\x96\x81"
    "begin\xef\xbd\x9c>";

}  // namespace

TEST_CASE("dialect: published templates say what they write") {
  const Dialect qwen = detect_dialect(template_of("qwen3.jinja"), nullptr, "qwen3_moe");
  CHECK(qwen.think.close == "</think>");
  CHECK(calls_of(qwen) == Names{"hermes"});
  CHECK(qwen.variables == Names{"enable_thinking"});
  const Dialect r1 = detect_dialect(template_of("r1_distill_qwen.jinja"), nullptr, "qwen2");
  CHECK(r1.thinks());
  CHECK(calls_of(r1) == Names{"deepseek", "hermes"});
  CHECK(r1.variables.empty());
  const Dialect v3 = detect_dialect(template_of("deepseek_v3.jinja"), nullptr, "deepseek_v3");
  CHECK_FALSE(v3.thinks());
  CHECK(calls_of(v3) == Names{"deepseek", "hermes"});
  const Dialect small = detect_dialect(template_of("smollm2.jinja"), nullptr, "llama");
  CHECK_FALSE(small.thinks());
  CHECK(calls_of(small) == Names{"hermes"});
  CHECK(small.closes.empty());
}

TEST_CASE("dialect: the vocabulary speaks where the template is silent") {
  const FakeTokenizer gpt({"a", "<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>"});
  const Dialect harmony = detect_dialect("", &gpt, "");
  CHECK(harmony.harmony);
  CHECK(harmony.marks == std::vector<TokenId>{1, 2, 3, 4, 5});
  CHECK(harmony.is_mark(5));
  CHECK_FALSE(harmony.is_mark(0));
  const FakeTokenizer deep({kDeepSeekCall, "<think>", "x", "</think>"});
  const Dialect r1 = detect_dialect("", &deep, "");
  CHECK(r1.marks == std::vector<TokenId>{0, 1, 3});
  CHECK(r1.is_token("</think>"));
  CHECK(calls_of(r1) == Names{"deepseek", "hermes"});
  const FakeTokenizer llama({"<|python_tag|>"});
  CHECK(calls_of(detect_dialect("", &llama, "")) == Names{"llama", "hermes"});
  const Dialect none = detect_dialect("", nullptr, "");
  CHECK_FALSE(none.thinks());
  CHECK(none.marks.empty());
}

TEST_CASE("dialect: families are told apart by what is theirs alone") {
  const auto calls = [](std::string_view source) { return calls_of(detect_dialect(source, nullptr, ""))[0]; };
  CHECK(calls("<tool_call><arg_key><arg_value>") == "glm");
  CHECK(calls("<tool_call><function=f><parameter=p>") == "qwen_coder");
  CHECK(calls("<function=f>{}</function>") == "function_tag");
  CHECK(calls("<minimax:tool_call><invoke name=") == "minimax");
  CHECK(calls("[TOOL_CALLS]") == "mistral");
  CHECK(calls("<|tool_calls_section_begin|><|tool_call_begin|>") == "kimi");
  CHECK(detect_dialect("[THINK][/THINK]", nullptr, "").think.open == "[THINK]");
  CHECK(detect_dialect("<seed:think>", nullptr, "").think.close == "</seed:think>");
}

TEST_CASE("effort: only variables that the template asks for are set") {
  const Dialect qwen = detect_dialect(template_of("qwen3.jinja"), nullptr, "");
  CHECK(variables_of(qwen, Effort::unspecified) == "{}");
  CHECK(variables_of(qwen, Effort::none) == R"({"enable_thinking":false})");
  CHECK(variables_of(qwen, Effort::high) == R"({"enable_thinking":true})");
  // A message's member, a string and a part of a name are no variables.
  const char* members = "{% if message.thinking %}{{ m['thinking'] }}{% if no_thinking %}{% set thinking_x = 1 %}";
  CHECK(variables_of(detect_dialect(members, nullptr, ""), Effort::none) == "{}");
  CHECK(variables_of(detect_dialect("<think>{% if not thinking is defined %}", nullptr, ""), Effort::low) ==
        R"({"thinking":true})");
  const Dialect gpt =
      detect_dialect("<|start|><|channel|><|message|>{% if reasoning_effort is defined %}", nullptr, "");
  CHECK(variables_of(gpt, Effort::minimal) == R"({"reasoning_effort":"low"})");
  CHECK(variables_of(gpt, Effort::medium) == R"({"reasoning_effort":"medium"})");
  CHECK(variables_of(gpt, Effort::max) == R"({"reasoning_effort":"high"})");
  // A template that knows one level only is not told of others.
  const Dialect max = detect_dialect("<think>{% if reasoning_effort == 'max' %}", nullptr, "");
  CHECK(variables_of(max, Effort::high) == "{}");
  CHECK(variables_of(max, Effort::max) == R"({"reasoning_effort":"max"})");
}

TEST_CASE("effort: budgets rise with it where the family has no levels") {
  const Dialect r1 = detect_dialect(template_of("r1_distill_qwen.jinja"), nullptr, "");
  int64_t last = -1;
  for (const Effort effort :
       {Effort::none, Effort::minimal, Effort::low, Effort::medium, Effort::high, Effort::xhigh}) {
    const EffortPlan plan = plan_effort(r1, effort);
    CHECK(plan.think_budget > last);
    CHECK(plan.skip_thought == (effort == Effort::none));
    last = plan.think_budget;
  }
  CHECK(plan_effort(r1, Effort::max).think_budget == -1);
  CHECK(plan_effort(r1, Effort::unspecified).think_budget == -1);
  const Dialect gpt = detect_dialect("<|start|><|channel|><|message|>", nullptr, "");
  CHECK(plan_effort(gpt, Effort::low).think_budget == -1);
  CHECK(plan_effort(gpt, Effort::none).think_budget == 0);
  // A model that does not think has no thought to bound.
  CHECK(plan_effort(detect_dialect("", nullptr, ""), Effort::low).think_budget == -1);
}

TEST_CASE("reply_start: the prompt's end says where the reply begins") {
  const Dialect d = tagged_dialect({});
  const auto in = [&](std::string_view tail) { return reply_start(d, tail).in_thought; };
  const auto closed = [&](std::string_view tail) { return reply_start(d, tail).thought_closed; };
  CHECK(in("<|im_start|>assistant\n<think>\n"));
  CHECK(in("<think>"));
  CHECK_FALSE(in("What is <think>?<|im_end|>\n<|im_start|>assistant\n"));  // the user's words
  CHECK_FALSE(in("Say <think>\nplease: "));
  CHECK(in("<|im_start|>assistant\n<think>\nOkay, so far"));  // a reply that was begun for the model
  CHECK(closed("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
  CHECK(closed("<|im_start|>assistant\n<think>\na</think>So the answer"));
  CHECK_FALSE(closed("<|im_start|>assistant\n"));
  CHECK_FALSE(in("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
}
