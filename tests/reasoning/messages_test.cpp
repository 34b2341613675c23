// Conversations of one shape through templates of many: published ones, and small ones that insist on one thing. What a
// template writes of a call is read back by the splitter, so nothing was lost on the way.
#include "reasoning/messages.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "reasoning/splitter.h"
#include "text/chat_template.h"

using namespace pensee;

namespace {

json::Value parsed(const std::string& text) {
  auto value = json::parse(text, "test");
  REQUIRE_MESSAGE(value.ok(), value.status().message());
  return *std::move(value);
}

// A template with what was found about it.
struct Subject {
  explicit Subject(std::string text) : source(std::move(text)) {
    auto made = parse_chat_template(source, "template");
    REQUIRE_MESSAGE(made.ok(), made.status().message());
    chat = *made;
    shape = probe_template(source, [&](const json::Value& m, const json::Value* t) { return render(m, t); });
  }

  Result<std::string> render(const json::Value& messages, const json::Value* tools) const {
    json::Value variables;
    variables.set("messages", messages);
    variables.set("add_generation_prompt", true);
    variables.set("bos_token", "<bos>");
    variables.set("eos_token", "<eos>");
    if (tools) variables.set("tools", *tools);
    return chat->render(variables);
  }

  std::string fit(const json::Value& messages, const json::Value* tools = nullptr) const {
    const auto fitted = fit_conversation(shape, messages, tools);
    REQUIRE_MESSAGE(fitted.ok(), fitted.status().message());
    const auto text = render(fitted->messages, fitted->tools ? &*fitted->tools : nullptr);
    REQUIRE_MESSAGE(text.ok(), text.status().message());
    return *text;
  }

  // The calls that the family's splitter finds in what follows `after`.
  std::vector<ToolCall> calls(const std::string& text, const std::string& after) const {
    const Dialect dialect = detect_dialect(source, nullptr, "");
    Splitter splitter(dialect, "");
    std::vector<Piece> out;
    splitter.push(text.substr(text.rfind(after)), false, out);
    splitter.flush(out);
    return splitter.calls();
  }

  std::string source;
  std::shared_ptr<const ChatTemplate> chat;
  TemplateShape shape;
};

Subject published(const std::string& name) {
  const auto file = open_file(std::string(PENSEE_TEST_DATA) + "/text/templates/" + name);
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  auto text = read_text(**file, 1 << 20);
  REQUIRE(text.ok());
  return Subject(*std::move(text));
}

// Writes a call as Hermes does, from an argument expression.
std::string hermes_template(const std::string& before, const std::string& arguments) {
  return "{% for m in messages %}[{{ m.role }}]" + before +
         "{{ m.content if m.content }}{% for t in m.tool_calls or [] %}<tool_call>{\"name\": \"{{ t.function.name "
         "}}\", "
         "\"arguments\": {{ " +
         arguments + " }} }</tool_call>{% endfor %}{% endfor %}{{ tools }}";
}

const json::Value& offered() {
  static const json::Value tools = parsed(
      R"([{"type": "function", "function": {"name": "f", "description": "Finds", "parameters": {"type": "object"}}}])");
  return tools;
}

json::Value talk(const std::string& content, const std::string& arguments, bool two = false) {
  const std::string second =
      R"(, {"id": "b2", "type": "function", "function": {"name": "g", "arguments": )" + arguments + "}}";
  const std::string answer = R"(, {"role": "tool", "tool_call_id": "b2", "content": "22.5"})";
  return parsed(R"([{"role": "user", "content": "Question?"}, {"role": "assistant", "content": )" + content +
                R"(, "tool_calls": [{"id": "a1", "type": "function", "function": {"name": "f", "arguments": )" +
                arguments + "}}" + (two ? second : "") +
                R"(]}, {"role": "tool", "tool_call_id": "a1", "content": "21.5"})" + (two ? answer : "") + "]");
}

std::string error_of(const std::string& messages, const char* tools = nullptr) {
  const json::Value given = tools ? parsed(tools) : json::Value();
  const auto fitted = fit_conversation(TemplateShape(), parsed(messages), tools ? &given : nullptr);
  return fitted.ok() ? "" : fitted.status().message();
}

}  // namespace

TEST_CASE("messages: arguments may be an object or its text, content null or empty, for every published template") {
  for (const char* name :
       {"qwen3.jinja", "deepseek_v3.jinja", "r1_distill_qwen.jinja", "llama3_1.jinja", "smollm2.jinja"}) {
    const Subject subject = published(name);
    CAPTURE(std::string(name));
    for (const char* content : {"null", "\"\"", "\"Well.\""}) {
      for (const char* arguments : {R"({"city": "Rome"})", R"("{\"city\": \"Rome\"}")"}) {
        const std::string text = subject.fit(talk(content, arguments, true), &offered());
        const auto calls = subject.calls(text, "Question?");
        REQUIRE(calls.size() == 2);
        CHECK(calls[0].name == "f");
        CHECK(calls[1].name == "g");
        CHECK(parsed(calls[1].arguments) == parsed(R"({"city": "Rome"})"));
        CHECK(text.find("21.5") < text.find("22.5"));
        CHECK(text.find("22.5") != text.npos);
        CHECK(text.find("Finds") < text.find("Question?"));
        if (content[1] == 'W') CHECK(text.find("Well.") != text.npos);
      }
    }
  }
}

TEST_CASE("messages: what fits as it is stays as it is") {
  const Subject qwen = published("qwen3.jinja");
  for (const char* arguments : {R"({"a":  1})", R"("{\"a\":  1}")"}) {
    const json::Value messages = talk("\"\"", arguments, true);
    const auto fitted = fit_conversation(qwen.shape, messages, &offered());
    REQUIRE(fitted.ok());
    CHECK(fitted->messages == messages);
    CHECK(*fitted->tools == offered());
  }
  const json::Value thought = parsed(
      R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning_content": "c", "x": 1}])");
  CHECK(fit_conversation(qwen.shape, thought, nullptr)->messages == thought);
}

TEST_CASE("messages: a template that wants objects gets objects, one that wants text gets text") {
  const Subject object(hermes_template("", "t.function.arguments | tojson"));
  CHECK(object.shape.arguments == TemplateShape::Arguments::object);
  const Subject text(hermes_template("", "'' + t.function.arguments"));
  CHECK(text.shape.arguments == TemplateShape::Arguments::text);
  const Subject items(
      hermes_template("{% for t in m.tool_calls or [] %}{% for k in t.function.arguments.keys() %}"
                      "{% endfor %}{% endfor %}",
                      "t.function.arguments | tojson"));
  CHECK(items.shape.arguments == TemplateShape::Arguments::object);
  for (const Subject* subject : {&object, &text, &items}) {
    for (const char* arguments : {R"({"a": 1})", R"("{\"a\": 1}")", "null", "\"\""}) {
      const auto calls = subject->calls(subject->fit(talk("null", arguments)), "Question?");
      REQUIRE(calls.size() == 1);
      CHECK(calls[0].arguments == (std::string(arguments).find('1') == std::string::npos ? "{}" : "{\"a\": 1}"));
    }
  }
}

TEST_CASE("messages: one call a message where the template takes no more, each with its answer") {
  const Subject one(
      hermes_template("{% if m.tool_calls and m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}",
                      "t.function.arguments | tojson"));
  CHECK(one.shape.single_calls);
  const std::string text = one.fit(talk("\"Well.\"", R"({"a": 1})", true));
  CHECK(one.calls(text, "Question?").size() == 2);
  CHECK(text.find("\"f\"") < text.find("21.5"));
  CHECK(text.find("21.5") < text.find("\"g\""));
  CHECK(text.find("\"g\"") < text.find("22.5"));
}

TEST_CASE("messages: ids of nine letters where the template insists, the same for call and answer") {
  const Subject strict(hermes_template(
      "{% for t in m.tool_calls or [] %}{% if t.id | length != 9 %}{{ raise_exception('9') }}{% endif %}({{ t.id }})"
      "{% endfor %}{% if m.tool_call_id %}({{ m.tool_call_id }}){% endif %}",
      "t.function.arguments | tojson"));
  CHECK(strict.shape.short_ids);
  const std::string text = strict.fit(talk("null", "{}", true));
  const size_t first = text.find("(call00000)"), second = text.find("(call00001)");
  CHECK(first < second);
  CHECK(text.find("(call00000)", first + 1) != text.npos);
  CHECK(text.find("(call00001)", second + 1) != text.npos);
}

TEST_CASE("messages: a template without a system turn gets the system's words with the user's") {
  const Subject plain(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}[{{ m.role }}]{{ "
      "m.content }}"
      "{% endfor %}");
  CHECK_FALSE(plain.shape.system_role);
  CHECK(plain.fit(parsed(R"([{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Hi"}])")) ==
        "[user]Be terse.\n\nHi");
  CHECK(plain.fit(parsed(R"([{"role": "developer", "content": "Be terse."}, {"role": "user", "content": "Hi"}])")) ==
        "[user]Be terse.\n\nHi");
  CHECK(plain.fit(parsed(
            R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])")) ==
        "[user]ab");
}

TEST_CASE("messages: tools that a template does not know are described, and answers become a user's turn") {
  const Subject small = published("smollm2.jinja");
  CHECK_FALSE(small.shape.tools);
  CHECK_FALSE(small.shape.calls);
  const std::string text = small.fit(talk("null", R"({"a": 1})", true), &offered());
  CHECK(text.find("\"description\": \"Finds\"") != text.npos);
  CHECK(text.find("<tool_response>\n21.5\n</tool_response>\n<tool_response>\n22.5\n</tool_response>") != text.npos);
  CHECK(text.find("tool<") == text.npos);  // no turn of that role
  // No tools: no word of them.
  const json::Value none = json::Array{};
  CHECK(small.fit(parsed(R"([{"role": "user", "content": "Hi"}])"), &none).find("tool") == std::string::npos);
}

TEST_CASE("messages: what is wrong is named with its place") {
  CHECK(error_of("[]").find("at least one message") != std::string::npos);
  CHECK(error_of("{}").find("array") != std::string::npos);
  CHECK(error_of(R"([{"role": "user", "content": "a"}, 3])") == "message 1 is integer, not an object");
  CHECK(error_of(R"([{"content": "a"}])") == "message 0 has no \"role\"");
  CHECK(error_of(R"([{"role": "robot", "content": "a"}])").find("\"robot\"") != std::string::npos);
  CHECK(error_of(R"([{"role": "user"}])") == "message 0 has no \"content\"");
  CHECK(error_of(R"([{"role": "user", "content": 3}])").find("integer") != std::string::npos);
  CHECK(error_of(R"([{"role": "user", "content": [{"type": "image_url"}]}])").find("part") != std::string::npos);
  const std::string call =
      R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{oops"}}]}])";
  CHECK(error_of(call).find("tool call 0 (f)") != std::string::npos);
  CHECK(error_of(R"([{"role": "assistant", "tool_calls": [{}]}])").find("function.name") != std::string::npos);
  CHECK(error_of(R"([{"role": "assistant", "tool_calls": 3}])").find("\"tool_calls\" is integer") != std::string::npos);
  CHECK(error_of(R"([{"role": "user", "content": "a"}])", R"({"name": "f"})").find("array") != std::string::npos);
  CHECK(error_of(R"([{"role": "user", "content": "a"}])", R"([{"name": "f"}, {"name": "a b"}])").find("tool 1") !=
        std::string::npos);
  CHECK(error_of(R"([{"role": "user", "content": "a"}])", R"([{"name": "f"}])").empty());
}
