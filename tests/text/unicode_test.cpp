// Regular expressions and NFC against the `tokenizers` library (cases of make_unicode_cases.py), and UTF-8 by hand.
#include "text/unicode.h"

#include <doctest/doctest.h>

#include "text/regex.h"
#include "text/tokenizer.h"
#include "text_cases.h"

using namespace pensee;
using namespace pensee::test;

namespace {

// Where matches begin and end, as cuts of the text: what Split(Isolated) makes of them.
std::vector<std::string> cut(const Regex& regex, const std::string& text) {
  std::vector<bool> cuts(text.size() + 1, false);
  Regex::Workspace workspace;
  size_t last_end = SIZE_MAX;
  for (size_t from = 0; from <= text.size();) {
    Regex::Match match;
    const auto found = regex.find(text, from, workspace, match);
    REQUIRE(found.ok());
    if (!*found) break;
    if (match.begin == match.end && match.end == last_end) {
      if (from == text.size()) break;
      unicode::next(text, from);
      continue;
    }
    cuts[match.begin] = cuts[match.end] = true;
    from = last_end = match.end;
  }
  std::vector<std::string> pieces;
  size_t begin = 0;
  cuts[text.size()] = true;
  for (size_t i = 1; i <= text.size(); ++i) {
    if (!cuts[i]) continue;
    pieces.push_back(text.substr(begin, i - begin));
    begin = i;
  }
  return pieces;
}

std::string refusal(std::string_view pattern) {
  const auto regex = Regex::compile(pattern, "here");
  REQUIRE_FALSE(regex.ok());
  return regex.status().message();
}

}  // namespace

TEST_CASE("regex: patterns cut as the library's engine does") {
  const json::Value data = read_cases("patterns.json");
  for (const json::Value& row : *data.array()) {
    const std::string& pattern = *row.find("pattern")->string();
    CAPTURE(pattern);
    const auto regex = Regex::compile(pattern, "case");
    REQUIRE_MESSAGE(regex.ok(), regex.status().message());
    for (const json::Value& pieces : *row.find("pieces")->array()) {
      std::string text;
      std::vector<std::string> wanted;
      for (const json::Value& piece : *pieces.array()) {
        wanted.push_back(*piece.string());
        text += wanted.back();
      }
      CAPTURE(text);
      CHECK(cut(*regex, text) == wanted);
    }
  }
}

TEST_CASE("regex: a pattern that explodes is an error, not a hang") {
  const auto regex = Regex::compile("(?:a|a)*(?:a|a)*(?:a|a)*b", "here");
  REQUIRE(regex.ok());
  Regex::Workspace workspace;
  Regex::Match match;
  const auto found = (*regex).find(std::string(3000, 'a'), 0, workspace, match);
  REQUIRE_FALSE(found.ok());
  CHECK(found.status().code() == Code::bad_argument);
  CHECK(found.status().message().find("too many steps") != std::string::npos);
}

TEST_CASE("regex: what is malformed or not supported is named with its byte") {
  const auto has = [](const std::string& message, std::string_view part) {
    return message.find(part) != std::string::npos;
  };
  for (const char* pattern : {"(", "a)", "[a", "*", "a|+", "\\", "[b-a]", "\\p", "\\p{L", "\\x{110000}", "(?:a"}) {
    CAPTURE(std::string(pattern));
    CHECK(has(refusal(pattern), "malformed at byte"));
  }
  CHECK(has(refusal("a\\1"), "the escape \\1 at byte"));
  CHECK(has(refusal("\\p{Klingon}"), "the property 'Klingon'"));
  CHECK(has(refusal("(?<n>a)"), "a named group"));
  CHECK(has(refusal("(?<=ab)c"), "looks behind by more than one character"));
  CHECK(has(refusal("(?x:a)"), "a group option"));
  CHECK(has(refusal("((a{1,500}){1,500}b){1,500}"), "unfolds to more than"));
  CHECK(has(refusal(std::string(500, '(')), "groups this deep"));
  CHECK(has(refusal(std::string(500, '[')), "classes this deep"));
  CHECK(has(refusal("\xFF"), "not valid UTF-8"));
}

TEST_CASE("NFC: marks, Hangul and exclusions come out as the library's") {
  const json::Value data = read_cases("nfc.json");
  for (const json::Value& row : *data.array()) {
    const std::string& text = *(*row.array())[0].string();
    CAPTURE(text);
    CHECK(unicode::nfc(text) == *(*row.array())[1].string());
    CHECK(unicode::nfc(unicode::nfc(text)) == unicode::nfc(text));
  }
}

TEST_CASE("UTF-8: ill-formed texts are found at their byte") {
  size_t bad = 0;
  CHECK(valid_utf8("", &bad));
  CHECK(valid_utf8("a\xC2\x80\xED\x9F\xBF\xF4\x8F\xBF\xBF", &bad));
  const std::pair<std::string_view, size_t> cases[] = {
      {"\x80", 0}, {"a\xC0\x80", 1}, {"ab\xE0\x9F\xBF", 2}, {"\xED\xA0\x80", 0}, {"\xF4\x90\x80\x80", 0},
      {"xyz\xE2\x82", 3}, {"\xF5\x80\x80\x80", 0}, {"\xC3(", 0}};
  for (const auto& [text, place] : cases) {
    CHECK_FALSE(valid_utf8(text, &bad));
    CHECK(bad == place);
  }
}

TEST_CASE("UTF-8: a stream gives whole code points and one U+FFFD for each maximal bad part") {
  // Unicode 3.9, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64.
  const std::string text = "a\xF1\x80\x80\xE1\x80\xC2" "b\x80" "c\x80\xBF" "d\xF0\x9F\x98\x80\xE2\x82";
  const std::string r = "\xEF\xBF\xBD";
  const std::string wanted = "a" + r + r + r + "b" + r + "c" + r + r + "d\xF0\x9F\x98\x80";
  for (const size_t step : {size_t{1}, size_t{2}, size_t{3}, text.size()}) {
    Utf8Joiner joiner;
    std::string out;
    for (size_t at = 0; at < text.size(); at += step) {
      out += joiner.push(std::string_view(text).substr(at, step));
      CHECK(valid_utf8(out, nullptr));
    }
    CHECK(out == wanted);
    CHECK(joiner.flush() == r);
    CHECK(joiner.flush().empty());
  }
}
