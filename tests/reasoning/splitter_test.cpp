// The splitter on texts between think tags and harmony's channels: what it must make of them, and that no cutting of a
// text changes it.
#include "reasoning/splitter.h"

#include <doctest/doctest.h>

#include "splits.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const Dialect& tagged() {
  static const Dialect dialect = tagged_dialect({});
  return dialect;
}

const Dialect& harmony() {
  static const Dialect dialect = detect_dialect("<|start|><|channel|><|message|>", nullptr, "");
  return dialect;
}

constexpr const char* kOpen = "<|im_start|>assistant\n<think>\n";
constexpr const char* kClosed = "<|im_start|>assistant\n<think>\n\n</think>\n\n";

// Splits `text` whole, byte by byte and cut at each two places: all the same.
Split everywhere(const Dialect& dialect, const char* tail, const std::string& text) {
  CAPTURE(text);
  const Split whole = split(dialect, tail, {{text}});
  std::vector<Push> bytes;
  for (const char c : text) bytes.push_back({std::string(1, c)});
  CHECK(split(dialect, tail, bytes) == whole);
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); j += 1 + text.size() / 60) {
      CHECK(split(dialect, tail, {{text.substr(0, i)}, {text.substr(i, j - i)}, {text.substr(j)}}) == whole);
    }
  }
  return whole;
}

void check(const char* tail, const std::string& text, const std::string& thought, const std::string& answer) {
  CAPTURE(text);
  const Split result = everywhere(tagged(), tail, text);
  CHECK(result.thought() == thought);
  CHECK(result.answer() == answer);
}

// Whether `rest` is `text` without some of its think tags.
bool is_without_tags(std::string_view text, std::string_view rest) {
  std::vector<std::vector<bool>> can(text.size() + 1, std::vector<bool>(rest.size() + 1));
  can[0][0] = true;
  for (size_t i = 0; i < text.size(); ++i) {
    for (size_t j = 0; j <= rest.size(); ++j) {
      if (!can[i][j]) continue;
      if (j < rest.size() && text[i] == rest[j]) can[i + 1][j + 1] = true;
      for (const std::string_view tag : {"<think>", "</think>"}) {
        if (text.substr(i).starts_with(tag)) can[i + tag.size()][j] = true;
      }
    }
  }
  return can[text.size()][rest.size()];
}

}  // namespace

TEST_CASE("splitter: a thought opened by the model, by the prompt, by nobody") {
  check("", "<think>\nI see.\n</think>\n\nIt is 4.", "\nI see.\n", "\n\nIt is 4.");
  check(kOpen, "Hm.</think>Yes", "Hm.", "Yes");
  check(kClosed, "Yes", "", "Yes");
  check("", "\n <think></think>Yes", "", "\n Yes");
  check(kOpen, "</think>", "", "");
  check("", "no thought at all", "", "no thought at all");
  check("", "<thin, the tag that was none", "", "<thin, the tag that was none");
  check("", "<<think>x<</think>>", "", "<<think>x<</think>>");
  check("", "", "", "");
}

TEST_CASE("splitter: missing, repeated and nested tags") {
  check(kOpen, "and never an end </thin", "and never an end </thin", "");
  check(kOpen, "<think>\nagain</think>b", "\nagain", "b");                     // the prompt and the model open
  check("", "</think>\n\nYes", "", "\n\nYes");                                 // closed, never opened
  check(kClosed, "<think>\n\n</think>\n\nYes", "\n\n", "\n\nYes");             // an empty block once more
  check("", "<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d");  // the first closing tag counts
  check(kOpen, "a</think>b</think><think>c", "a", "b</think><think>c");        // prose after the answer began
  check("", "<think>a</think>\n<think>b</think>c", "ab", "\nc");               // nothing answered between
}

TEST_CASE("splitter: a closing tag that is quoted ends no thought") {
  for (const std::string& quoted : std::vector<std::string>{
           "`</think>`", "``</think>``", "\"</think>\"", "'</think>'", "(\"</think>\")", "`<think>x</think>`",
           "\"Hi </think>\"", "\xe2\x80\x9c</think>\xe2\x80\x9d", "\xe3\x80\x8c</think>\xe3\x80\x8d"}) {
    check(kOpen, "The tag " + quoted + " ends it.</think>\n\nYes", "The tag " + quoted + " ends it.", "\n\nYes");
  }
  for (const char* fenced : {"```\nx = '</think>'\n```\n", "```\n<think>\na\n</think>\n```\n", "~~~\n</think>\n~~~\n",
                             "```xml\n</think>\n```\n", "```\na </think> b\n```\n"}) {
    check(kOpen, std::string("See:\n") + fenced + "Done.</think>Yes", std::string("See:\n") + fenced + "Done.", "Yes");
  }
}

TEST_CASE("splitter: a closing tag beside quotes that are not around it is real") {
  for (const char* thought : {"say \"Hi\"", "call `f`", "don't", "5\" pipe", "a `b` `c`", "one \" two\n", "x = 'a'",
                              "```\ncode\n```\n", "```\nnever closed\n", "`", "it's `"}) {
    for (const char* answer : {"\n\nYes", "Yes", "", " `x`"}) {
      check(kOpen, std::string(thought) + "</think>" + answer, thought, answer);
    }
  }
}

TEST_CASE("splitter: control tokens count whatever stands around them, quotes excepted") {
  const auto run = [](const std::vector<Push>& pushes) { return split(tagged(), kOpen, pushes); };
  const Split plain = run({{"Hm. "}, {"</think>", true}, {"Yes, "}, {"</think>", true}, {"no"}});
  CHECK(plain.thought() == "Hm. ");
  CHECK(plain.answer() == "Yes, no");  // a stray closing token is markup
  const Split quoted = run({{"The `"}, {"</think>", true}, {"` tag"}, {"</think>", true}, {"`x`"}});
  CHECK(quoted.thought() == "The `</think>` tag");
  CHECK(quoted.answer() == "`x`");
  const Split again = run({{"a"}, {"</think>", true}, {"b\n"}, {"<think>", true}, {"c"}, {"</think>", true}, {"d"}});
  CHECK(again.thought() == "ac");
  CHECK(again.answer() == "b\nd");
  const Split shown =
      run({{"a"}, {"</think>", true}, {"```\n"}, {"<think>", true}, {"\n"}, {"</think>", true}, {"\n```"}});
  CHECK(shown.thought() == "a");
  CHECK(shown.answer() == "```\n<think>\n</think>\n```");
}

TEST_CASE("splitter: where the tag is a token, the same letters within a line are prose") {
  Dialect dialect = tagged_dialect({});
  dialect.token_tags = {"<think>", "</think>"};
  const auto run = [&](const std::vector<Push>& pushes) { return split(dialect, kOpen, pushes).thought(); };
  CHECK(run({{"I end with </think> then."}, {"</think>", true}, {"b"}}) == "I end with </think> then.");
  CHECK(run({{"I end.\n</think>b"}}) == "I end.\n");
  CHECK(run({{"I end.</think>\n\nb"}}) == "I end.");
}

TEST_CASE("splitter: what the engine writes to close a thought closes it, in a quote or a fence too") {
  for (const char* thought : {"`", "```\nint x", "the \"</think>\" and \""}) {
    Splitter splitter(tagged(), kOpen);
    std::vector<Piece> out;
    splitter.push(thought, false, out);
    splitter.expect_close();
    splitter.push("\n</think>\n\n", false, out);
    CHECK(splitter.thought_closed());
    CHECK(splitter.channel() == Channel::answer);
    CHECK_FALSE(splitter.answer_begun());
  }
}

TEST_CASE("splitter: text goes out as soon as it can be no tag") {
  Splitter splitter(tagged(), kOpen);
  std::vector<Piece> out;
  const auto push = [&](std::string_view text) {
    out.clear();
    splitter.push(text, false, out);
    return out.empty() ? std::string() : out.back().text;
  };
  CHECK(push("one ") == "one ");
  CHECK(push("two <") == "two ");
  CHECK(push("/th") == "");
  CHECK(push("e") == "</the");
  CHECK_FALSE(splitter.thought_closed());
  CHECK(push("</think>") == "");
  CHECK(splitter.thought_closed());
  CHECK(splitter.channel() == Channel::answer);
  CHECK(push("a") == "a");
  CHECK(push(" </t") == " </t");  // no tag counts here but a call's
  CHECK(push(" <t") == " ");
}

TEST_CASE("splitter: a dialect without tags has answers only") {
  const Dialect plain = tagged_dialect({"", ""});
  const Split result = split(plain, "", {{"<think>a</think>"}});
  CHECK(result.answer() == "<think>a</think>");
  CHECK(result.thought().empty());
}

TEST_CASE("splitter: tags of which the begin repeats itself") {
  const Dialect dialect = tagged_dialect({"[[a[[ab", "))))]"});
  CHECK(everywhere(dialect, "", "[[a[[a[[ab").answer() == "[[a[[a[[ab");
  const Split result = everywhere(dialect, "", "[[a[[abx))))))]y");
  CHECK(result.thought() == "x))");
  CHECK(result.answer() == "y");
}

TEST_CASE("splitter: harmony's channels become thought, answer and calls") {
  constexpr const char* tail = "<|end|><|start|>assistant";
  Split r =
      everywhere(harmony(), tail,
                 "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes<|return|>");
  CHECK(r.thought() == "Hm.");
  CHECK(r.answer() == "Yes");
  CHECK(r.thought_closed);
  r = everywhere(harmony(), tail,
                 "<|channel|>commentary<|message|>I ask.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
                 "<|constrain|>json<|message|>{\"a\": [1]}<|call|>");
  CHECK(r.answer() == "I ask.");
  REQUIRE(r.calls.size() == 1);
  CHECK(r.calls[0] == ToolCall{"call_0", "f", "{\"a\": [1]}"});
  r = everywhere(harmony(), tail, " to=functions.g<|channel|>analysis code<|message|>{}<|call|>");
  REQUIRE(r.calls.size() == 1);
  CHECK(r.calls[0].name == "g");
  // Broken arguments, a header that is none, a message that is not ended: nothing is lost.
  r = everywhere(harmony(), tail, "<|channel|>commentary to=functions.f<|message|>{\"a\": oops<|call|>");
  CHECK(r.calls.empty());
  CHECK(r.answer().find("{\"a\": o") != std::string::npos);
  CHECK(r.answer().find("ops") != std::string::npos);
  CHECK(everywhere(harmony(), tail, "Hello").answer() == "Hello");
  CHECK(everywhere(harmony(), tail, "<|channel|>analysis<|message|>a<|channel|>final<|message|>b").answer() == "b");
  CHECK(everywhere(harmony(), "", "plain").answer() == "plain");
  r = everywhere(harmony(), "<|start|>assistant<|channel|>analysis<|message|>So", " far<|end|>");
  CHECK(r.thought() == " far");
  r = everywhere(harmony(), "<|start|>assistant<|channel|>final<|message|>", "Yes");
  CHECK(r.answer() == "Yes");
}

TEST_CASE("splitter: random texts of tags and their parts come out the same however they are cut, nothing is lost") {
  const char* parts[] = {"<think>", "</think>", "<",   "</", "think", ">", "a",     "b c", " ",
                         "\n",      "</thi",    "nk>", "`",  "\"",    "'", "```\n", "{",   "<tool_call>"};
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t n = random() % 14; n > 0; --n) text += parts[random() % std::size(parts)];
    const char* tail = random() % 2 == 0 ? kOpen : "";
    CAPTURE(text);
    const Split whole = split(tagged(), tail, {{text}});
    REQUIRE(split(tagged(), tail, cut(text, random, 1 + random() % 4)) == whole);
    std::string joined;
    for (const Piece& piece : whole.pieces) joined += piece.channel == Channel::tool_call ? "" : piece.text;
    REQUIRE(is_without_tags(text, joined));
  }
}

TEST_CASE("held_back: the longest end that begins the tag") {
  CHECK(held_back("a</thi", "</think>") == 5);
  CHECK(held_back("</think>", "</think>") == 0);  // a whole tag is no proper begin
  CHECK(held_back("aab", "aabaac") == 3);
  CHECK(held_back("aabaa", "aabaac") == 5);
  CHECK(held_back("", "x") == 0);
  CHECK(held_back("xyz", "") == 0);
  CHECK(held_back("xx", "x") == 0);
}
