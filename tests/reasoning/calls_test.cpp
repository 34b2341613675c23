// Tool calls in a reply: what is a call, what streams, what happens to what is none.
#include <doctest/doctest.h>

#include "splits.h"

using namespace pensee;
using namespace pensee::test;

namespace {

constexpr const char* kTail = "<|im_start|>assistant\n<think>\n";

Dialect family(std::string_view tags) { return detect_dialect(tags, nullptr, ""); }

std::shared_ptr<const ToolTypes> tools() {
  const auto parsed =
      json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties":)"
                  R"( {"s": {"type": "string"}, "n": {"type": "integer"}}}}}])",
                  "tools");
  REQUIRE(parsed.ok());
  return std::make_shared<const ToolTypes>(*parsed);
}

// One split, after all cuttings came to the same.
Split read(const Dialect& dialect, const std::string& text, std::shared_ptr<const ToolTypes> types = nullptr,
           const char* tail = "") {
  CAPTURE(text);
  const Split whole = split(dialect, tail, {{text}}, types);
  std::mt19937 random(3);
  for (unsigned round = 0; round < 60; ++round) {
    CHECK(split(dialect, tail, cut(text, random, 1 + round % 7), types) == whole);
  }
  // The pieces of a call join to its arguments.
  for (const Piece& piece : whole.pieces) {
    if (piece.call) CHECK(piece.text == piece.call->arguments);
  }
  return whole;
}

const std::string kCall = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": 1}}\n</tool_call>";

}  // namespace

TEST_CASE("calls: text before, between and after calls is answer") {
  const Split r = read(family("<tool_call>"), "One.\n" + kCall + "\nTwo.\n" + kCall + kCall + "\n\nThree.");
  CHECK(r.answer() == "One.\nTwo.\nThree.");
  REQUIRE(r.calls.size() == 3);
  CHECK(r.calls[0] == ToolCall{"call_0", "f", "{\"n\": 1}"});
  CHECK(r.calls[2].id == "call_2");
}

TEST_CASE("calls: one inside of a thought ends the thought") {
  const Split r = read(family("<think><tool_call>"), "I must ask.\n" + kCall + "\nWait.", nullptr, kTail);
  CHECK(r.thought() == "I must ask.\n");
  CHECK(r.answer() == "Wait.");
  CHECK(r.calls.size() == 1);
  CHECK(r.thought_closed);
}

TEST_CASE("calls: one that is quoted or broken inside of a thought leaves the thought open") {
  const Dialect d = family("<think><tool_call>");
  for (const char* text : {"Use `<tool_call>` then", "<tool_call> is the tag", "<tool_call>{\"x\": 1}</tool_call>",
                           "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
                           "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": 01}}\n</tool_call>"}) {
    const Split r = read(d, std::string(text) + "</think>Yes", nullptr, kTail);
    CHECK(r.thought() == text);
    CHECK(r.answer() == "Yes");
    CHECK(r.calls.empty());
  }
}

TEST_CASE("calls: a thought's end is found behind a call that was never finished") {
  const Dialect d = family("<think><tool_call>");
  const std::string begun = "Hm. <tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": \"";
  for (const char* rest : {"</think>\n\nYes", "</think>Yes", "a</think>Yes\n<tool_call>{</think>"}) {
    const Split r = read(d, begun + rest, nullptr, kTail);
    CHECK(r.thought() == begun + (rest[0] == 'a' ? "a" : ""));
    CHECK(r.answer() == std::string(rest).substr(rest[0] == 'a' ? 9 : 8));
  }
  const Split marked = split(d, kTail, {{begun}, {"</think>", true}, {"Yes"}});
  CHECK(marked.thought() == begun);
  CHECK(marked.answer() == "Yes");
}

TEST_CASE("calls: broken ones come out as answer, markup and all") {
  const Dialect d = family("<tool_call>");
  for (const char* text :
       {"<tool_call>", "<tool_call>\n", "<tool_call>{", "<tool_call>{}</tool_call>", "<tool_call>[1]</tool_call>",
        "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>", "<tool_call>{\"name\": 3}</tool_call>",
        "<tool_call>{\"name\": \"a b\", \"arguments\": {}}</tool_call>", "<tool_call>{\"name\": \"f\" \"arguments\"",
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"line\nbreak\"}}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"name\": \"g\"}</tool_call>", "<tool_call>{\"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": \"text\"}</tool_call>"}) {
    const Split r = read(d, std::string("A ") + text);
    CHECK(r.answer() == std::string("A ") + text);
    CHECK(r.calls.empty());
  }
  // What follows a broken one is read as ever.
  const Split r = read(d, "<tool_call>oops\n" + kCall + "<tool_call>" + kCall);
  CHECK(r.answer() == "<tool_call>oops\n<tool_call>");
  CHECK(r.calls.size() == 2);
}

TEST_CASE("calls: a call without its end tag, with extras, with text for arguments, without any") {
  const Dialect d = family("<tool_call>");
  CHECK(read(d, "<tool_call>{\"name\": \"f\", \"arguments\": {\"n\": 1}}").calls.size() == 1);
  CHECK(read(d, "<tool_call>{\"arguments\": {\"n\": 1}, \"name\": \"f\"}</tool_call>").calls[0].name == "f");
  CHECK(
      read(d, "<tool_call>{\"id\": \"x7\", \"name\": \"f\", \"z\": [{}, 2], \"arguments\": {}}</tool_call>").calls[0] ==
      ToolCall{"x7", "f", "{}"});
  CHECK(read(d, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"n\\\": 1}\"}</tool_call>").calls[0].arguments ==
        "{\"n\": 1}");
  CHECK(read(d, "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call>").calls[0].arguments == "{}");
  CHECK(read(d, "<tool_call>{\"name\": \"f\"}</tool_call>").calls[0].arguments == "{}");
  const Split tags = read(d, "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"</tool_call>\"}}</tool_call>.");
  CHECK(tags.calls[0].arguments == "{\"s\": \"</tool_call>\"}");
  CHECK(tags.answer() == ".");
}

TEST_CASE("calls: arguments stream while they come") {
  const Dialect d = family("<tool_call>");
  Splitter splitter(d, "");
  std::vector<Piece> out;
  using Part = Splitter::CallPhase::Part;
  splitter.push("<tool_call>\n{\"name\": \"f", false, out);
  CHECK(out.empty());
  CHECK(splitter.channel() == Channel::tool_call);
  CHECK(splitter.tool_call_phase().part == Part::name);
  CHECK(splitter.tool_call_phase().name == "f");
  splitter.push("\", \"arguments\": {\"n\": ", false, out);
  REQUIRE(out.size() == 1);
  CHECK(out[0].text == "{\"n\": ");
  CHECK_FALSE(out[0].call);
  CHECK(splitter.tool_call_phase().part == Part::arguments);
  CHECK(splitter.tool_call_phase().name == "f");
  CHECK(splitter.tool_call_phase().arguments == "{\"n\": ");
  out.clear();
  splitter.push("1}}\n</tool_", false, out);
  REQUIRE(out.size() == 1);
  CHECK(out[0].text == "1}");
  REQUIRE(out[0].call);
  CHECK(out[0].call->arguments == "{\"n\": 1}");
  CHECK(splitter.tool_call_phase().part == Part::none);
  splitter.push("call>", false, out);
  CHECK(splitter.channel() == Channel::answer);
}

TEST_CASE("calls: a bare object is a call only as the answer's begin, of a tool that was offered") {
  const Dialect d = family("<|python_tag|>");
  const std::string call = "{\"name\": \"f\", \"parameters\": {\"n\": 1}}";
  CHECK(read(d, call, tools()).calls.size() == 1);
  CHECK(read(d, call + "; " + call, tools()).calls.size() == 2);
  CHECK(read(d, "<|python_tag|>" + call).calls.size() == 1);
  CHECK(read(d, call).answer() == call);
  CHECK(read(d, "So: " + call, tools()).calls.empty());
  for (const char* text : {"{\"name\": \"g\", \"parameters\": {}}", "{\"name\": \"f\", \"age\": 3}", "{\"a\": 1}", "{",
                           "{\"name\": \"f\"}", "{}", "{x}"}) {
    CHECK(read(d, text, tools()).answer() == text);
    CHECK(read(d, text, tools()).calls.empty());
  }
}

TEST_CASE("calls: parameters without quotes become JSON by the tool's types, else by their looks") {
  const Dialect d = family("<tool_call><function=f><parameter=s>");
  const auto call = [&](const std::string& key, const std::string& value, std::shared_ptr<const ToolTypes> types) {
    const Split r = read(
        d, "<tool_call>\n<function=f>\n<parameter=" + key + ">\n" + value + "\n</parameter>\n</function>\n</tool_call>",
        types);
    return r.calls.size() == 1 ? r.calls[0].arguments : "none";
  };
  CHECK(call("s", "42", tools()) == "{\"s\": \"42\"}");
  CHECK(call("n", "42", tools()) == "{\"n\": 42}");
  CHECK(call("s", "42", nullptr) == "{\"s\": 42}");
  CHECK(call("s", "a\n\"b\"", nullptr) == "{\"s\": \"a\\n\\\"b\\\"\"}");
  CHECK(call("x", "True", nullptr) == "{\"x\": true}");
  CHECK(call("s", "True", tools()) == "{\"s\": \"True\"}");
  CHECK(call("x", "007", nullptr) == "{\"x\": \"007\"}");
  CHECK(call("x", "[1, {\"a\": null}]", nullptr) == "{\"x\": [1, {\"a\": null}]}");
  CHECK(call("x", "", nullptr) == "{\"x\": \"\"}");
}

TEST_CASE("calls: families of which the form is not JSON give back what is none") {
  for (const char* tags : {"<tool_call><arg_key>", "<tool_call><function=f><parameter=", "<minimax:tool_call>",
                           "<|tool_call_begin|>", "[TOOL_CALLS]", "<function="}) {
    const Dialect d = family(tags);
    const std::string begin(d.calls[0]->begin);
    for (const char* rest :
         {"", " ", "f", "<", "!?", "\n\n", "f(x)", "f\n<arg_key>a", "f\">\n<parameter name=\"a\">x"}) {
      const Split r = read(d, "A" + begin + rest);
      CHECK(r.answer() == "A" + begin + rest);
      CHECK(r.calls.empty());
    }
  }
}

TEST_CASE("calls: Kimi's ids are kept, DeepSeek's two forms are both read") {
  const Split kimi = read(family("<|tool_call_begin|>"),
                          "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:3<|tool_call_argument_begin|>{}"
                          "<|tool_call_end|><|tool_calls_section_end|>");
  REQUIRE(kimi.calls.size() == 1);
  CHECK(kimi.calls[0] == ToolCall{"functions.f:3", "f", "{}"});
  CHECK(kimi.answer().empty());
  const auto bar = [](const std::string& text) {  // with DeepSeek's full-width bars and low blocks
    std::string out = "<\xef\xbd\x9c";
    for (const char c : text) out += c == ' ' ? std::string("\xe2\x96\x81") : std::string(1, c);
    return out + "\xef\xbd\x9c>";
  };
  const Dialect d = family(bar("tool call begin"));
  const Split r1 = read(d, bar("tool calls begin") + bar("tool call begin") + "function" + bar("tool sep") +
                               "f\n```json\n{\"n\": 1}\n```" + bar("tool call end") + "\n" + bar("tool call begin") +
                               "f" + bar("tool sep") + "{}" + bar("tool call end") + bar("tool calls end") + "Done");
  REQUIRE(r1.calls.size() == 2);
  CHECK(r1.calls[0].name == "f");
  CHECK(r1.calls[1] == ToolCall{"call_1", "f", "{}"});
  CHECK(r1.answer() == "Done");
}

TEST_CASE("calls: LFM2 writes them as Python does") {
  const Dialect d = family("<|tool_call_start|>");
  const auto one = [&](const std::string& call) {
    const Split r = read(d, "A<|tool_call_start|>[" + call + "]<|tool_call_end|>B");
    if (r.calls.size() == 1) CHECK(r.answer() == "AB");
    return r.calls.size() == 1 ? r.calls[0].name + r.calls[0].arguments : "none";
  };
  CHECK(one("f()") == "f{}");
  CHECK(one("f(a=1, b='x', c=\"y\")") == "f{\"a\": 1, \"b\": \"x\", \"c\": \"y\"}");
  CHECK(one("f(a=[1, (2, 3), None], b={'k': True, \"l\": null},)") ==
        "f{\"a\": [1, [2, 3], null], \"b\": {\"k\": true, \"l\": null}}");
  CHECK(one("f(a='it\\'s)\\n\\u00e9\\x41\\d')") ==
        "f{\"a\": \"it's)\\n\xc3\xa9"
        "A\\\\d\"}");
  for (const char* broken : {"f(", "f(1)", "f(a=)", "f(a=1", "f(a=b)", "f(a='x)", "(a=1)", "f(a=[1)", "f a", "f",
                             "f(a=007)", "f(a='\\ud800')"}) {
    CAPTURE(std::string(broken));
    CHECK(read(d, std::string("<|tool_call_start|>[") + broken).answer() != "");
    CHECK(one(broken) == "none");
  }
  const Split two = read(d, "<|tool_call_start|>[f(a=1), g(b=2)]<|tool_call_end|>");
  CHECK(two.calls.size() == 2);
  CHECK(two.answer().empty());
}

TEST_CASE("calls: random mixtures come out the same however they are cut") {
  const char* parts[] = {"<tool_call>",
                         "</tool_call>",
                         "{",
                         "}",
                         "\"name\": ",
                         "\"f\"",
                         ", ",
                         "\n",
                         "</think>",
                         "{\"n\": 1}",
                         "\"arguments\": ",
                         "[",
                         "]",
                         "`",
                         "x",
                         "<arg_key>",
                         "</arg_key>",
                         "<arg_value>",
                         "</arg_value>",
                         "<function=f>",
                         "<parameter=a>",
                         "</parameter>",
                         "</function>",
                         "{\"name\": \"f\", \"arguments\": {\"n\": 1}}"};
  std::mt19937 random(11);
  const Dialect dialects[] = {family("<think><tool_call>"), family("<think><tool_call><arg_key>"),
                              family("<think><tool_call><function=<parameter="), family("<think><|python_tag|>")};
  const std::string glm = "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>";
  size_t calls = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t n = random() % 16; n > 0; --n)
      text += random() % 9 ? parts[random() % std::size(parts)] : random() % 2 ? kCall : glm;
    const Dialect& d = dialects[random() % std::size(dialects)];
    const auto types = random() % 2 == 0 ? tools() : nullptr;
    const char* tail = random() % 2 == 0 ? kTail : "";
    CAPTURE(text);
    const Split whole = split(d, tail, {{text}}, types);
    calls += whole.calls.size();
    REQUIRE(split(d, tail, cut(text, random, 1 + random() % 5), types) == whole);
    for (const ToolCall& call : whole.calls) REQUIRE(json::parse(call.arguments, "arguments").ok());
  }
  CHECK(calls > 500);
}
