// The reader and the writer against Python's json module (make_json.py), the grammar against RFC 8259.
#include "base/json.h"

#include <doctest/doctest.h>

#include <string>

#include "base/file.h"

using namespace pensee;

namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string error_of(std::string_view text) {
  const auto value = json::parse(text, "x.json");
  return value.ok() ? std::string("no error") : value.status().message();
}

}  // namespace

TEST_CASE("json: values are read and written as Python's json module does") {
  const auto file = open_file(PENSEE_TEST_DATA "/base/json_cases.json");
  REQUIRE(file.ok());
  const auto text = read_text(**file, 1 << 24);
  const auto cases = json::parse(*text, "json_cases.json");
  REQUIRE_MESSAGE(cases.ok(), cases.status().message());
  REQUIRE(cases->array()->size() > 40);
  for (const json::Value& row : *cases->array()) {
    const json::Array& c = *row.array();
    CAPTURE(c[0].string()->substr(0, 200));
    const auto value = json::parse(*c[0].string(), "case");
    REQUIRE_MESSAGE(value.ok(), value.status().message());
    CHECK(json::dump(*value) == *c[1].string());
    CHECK(json::dump(*value, 2) == *c[2].string());
    CHECK(json::dump_compact(*value) == *c[3].string());
    CHECK(*json::parse(json::dump(*value), "again") == *value);
  }
}

TEST_CASE("json: what RFC 8259 does not allow is refused") {
  const char* const bad[] = {"", " ", "nul", "nulll", "True", "[1,]", "[,1]", "[1 2]", "[1", "{", "{\"a\"}", "{\"a\":}",
                             "{\"a\":1,}", "{a:1}", "{1:2}", "01", "-", "-a", "+1", ".5", "1.", "1.e5", "1e", "1e+",
                             "0x1", "NaN", "Infinity", "1 2", "[] []", "'a'", "\"", "\"a", "\"\\", "\"\\x\"",
                             "\"\\u12\"", "\"\\u12g4\"", "\"\\u+123\"", "\"\t\"", "\"\n\"", "// c\n1", "]",
                             "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"",
                             "\xEF\xBB\xBF"
                             "1",
                             // Not UTF-8: stray tail, overlong, surrogate, beyond U+10FFFF, cut short.
                             "\"\x80\"", "\"\xC0\x80\"", "\"\xE0\x80\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
                             "\"\xC3\"", "\"\xE4\xB8\"", "1e999", "-1e999"};
  for (const char* text : bad) {
    CAPTURE(std::string(text));
    CHECK(has(error_of(text), "x.json: not valid JSON at byte "));
  }
}

TEST_CASE("json: an error names the byte and the line") {
  CHECK(has(error_of("{\n  \"a\": 1,\n  \"b\": x\n}"), "x.json: not valid JSON at byte 19 (line 3): expected a value"));
  CHECK(has(error_of("[1, 2"), "at byte 5 (line 1): expected ',' or ']'"));
}

TEST_CASE("json: 256 levels are read and 257 are not, whatever they are made of") {
  for (const auto& [open, close] : {std::pair<std::string, std::string>{"[", "]"}, {"{\"a\":", "}"}}) {
    for (const int depth : {256, 257, 100000}) {
      std::string text;
      for (int i = 0; i < depth; ++i) text += open;
      text += "1";
      for (int i = 0; i < depth; ++i) text += close;
      if (depth <= 256) {
        CHECK(error_of(text) == "no error");
      } else {
        CHECK(has(error_of(text), "deeper than 256"));
      }
    }
  }
}

TEST_CASE("json: whole numbers beyond 64 bits become reals, and 1.0 is no integer") {
  CHECK(*json::parse("9223372036854775807", "n")->integer() == INT64_MAX);
  CHECK(*json::parse("9223372036854775808", "n")->real() == 9223372036854775808.0);
  CHECK(*json::parse("-9223372036854775809", "n")->real() == -9223372036854775808.0);
  CHECK(json::parse("1.0", "n")->integer() == nullptr);
  CHECK(json::parse("1.0", "n")->number() == 1.0);
  CHECK(json::parse("7", "n")->number() == 7.0);
  CHECK(json::parse("\"7\"", "n")->number(3.0) == 3.0);
}

TEST_CASE("json: of two members of one name find takes the last, and set replaces it") {
  auto value = *json::parse(R"({"a": 1, "b": 2, "a": 3})", "x");
  CHECK(*value.find("a")->integer() == 3);
  CHECK(value.find("c") == nullptr);
  CHECK(json::Value(1).find("a") == nullptr);
  value.set("a", 4);
  value.set("c", "new");
  CHECK(json::dump(value) == R"({"a": 1, "b": 2, "a": 4, "c": "new"})");
  json::Value null;
  null.set("k", true);
  CHECK(json::dump_compact(null) == R"({"k":true})");
}

TEST_CASE("json: kinds have names for messages") {
  const auto value = *json::parse(R"([null, true, 1, 1.5, "s", [], {}])", "x");
  const char* const names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
  for (size_t i = 0; i < 7; ++i) CHECK(std::string((*value.array())[i].kind()) == names[i]);
}
