// What published chat templates make of an assistant's tool calls, read back: round_trips.json holds the replies as
// transformers renders them (make_round_trips.py). The calls must be the ones that were rendered, however the text is
// cut.
#include <doctest/doctest.h>

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "splits.h"

using namespace pensee;
using namespace pensee::test;

namespace {

json::Value read_json(const std::string& path) {
  const auto file = open_file(path);
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  const auto text = read_text(**file, 1 << 26);
  REQUIRE(text.ok());
  auto value = json::parse(*text, path);
  REQUIRE_MESSAGE(value.ok(), value.status().message());
  return *std::move(value);
}

const std::string& text_of(const json::Value& value, const char* key) {
  const json::Value* found = value.find(key);
  REQUIRE_MESSAGE((found && found->string()), key);
  return *found->string();
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n");
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(" \n") + 1 - begin);
}

void check_case(const Dialect& dialect, const json::Value& one, const std::shared_ptr<const ToolTypes>& tools) {
  const std::string& text = text_of(one, "text");
  const std::string& tail = text_of(one, "prompt_tail");
  CAPTURE(text_of(one, "name"));
  CAPTURE(text);
  const Split whole = split(dialect, tail, {{text}}, tools);
  CAPTURE(toString(whole));
  const json::Array& expected = *one.find("calls")->array();
  CHECK(whole.calls.size() == expected.size());
  if (whole.calls.size() != expected.size()) return;
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(whole.calls[i].name == text_of(expected[i], "name"));
    const auto arguments = json::parse(whole.calls[i].arguments, "arguments");
    REQUIRE(arguments.ok());
    CHECK(json::dump(*arguments) == json::dump(*expected[i].find("arguments")));
  }
  CHECK(whole.answer().find('{') == std::string::npos);
  if (dialect.thinks()) {
    CHECK(trimmed(whole.thought()) == text_of(one, "thought"));
    CHECK(trimmed(whole.answer()) == text_of(one, "answer"));
  }
  std::mt19937 random(static_cast<unsigned>(text.size()));
  for (unsigned round = 0; round < 20; ++round) {
    CHECK(split(dialect, tail, cut(text, random, 1 + round % 9), tools) == whole);
  }
}

}  // namespace

TEST_CASE("round trip: the calls that published templates write are read back") {
  const json::Value file = read_json(std::string(PENSEE_TEST_DATA) + "/reasoning/round_trips.json");
  const auto tools = std::make_shared<const ToolTypes>(*file.find("tools"));
  size_t cases = 0;
  for (const json::Value& family : *file.find("families")->array()) {
    const Dialect dialect = detect_dialect(text_of(family, "template"), nullptr, "");
    CAPTURE(std::string(dialect.harmony ? "harmony" : dialect.calls[0]->name));
    for (const json::Value& one : *family.find("cases")->array()) {
      check_case(dialect, one, tools);
      ++cases;
    }
  }
  CHECK(cases > 200);
}
