// The splitter against a whole-text description of what it does: it may see the text in any pieces and must come to
// what one look at all of it says.
#include "reasoning/splitter.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace pensee;

namespace {

struct Split {
  std::string thought, answer;
  std::vector<Channel> order;  // of the channels that got text
  bool operator==(const Split&) const = default;
};

doctest::String toString(const Split& s) {
  std::string text = "thought [" + s.thought + "] answer [" + s.answer + "] order";
  for (const Channel c : s.order) text += c == Channel::thought ? " t" : " a";
  return text.c_str();
}

void add(Split& split, Channel channel, std::string_view text) {
  if (text.empty()) return;
  (channel == Channel::thought ? split.thought : split.answer) += text;
  if (split.order.empty() || split.order.back() != channel) split.order.push_back(channel);
}

// The oracle, with all of the text in hand: an optional opening tag after nothing but space, then a thought up to the
// first closing tag, then an answer in which tags are prose.
Split described(std::string_view text, const ThinkTags& tags, bool in_thought) {
  Split split;
  if (!in_thought) {
    const size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == text.npos || !text.substr(begin).starts_with(tags.open)) {
      add(split, Channel::answer, text);
      return split;
    }
    add(split, Channel::answer, text.substr(0, begin));
    text.remove_prefix(begin + tags.open.size());
  }
  const size_t close = text.find(tags.close);
  add(split, Channel::thought, text.substr(0, close));
  if (close != text.npos) add(split, Channel::answer, text.substr(close + tags.close.size()));
  return split;
}

Split in_pieces(const std::vector<std::string>& pieces, const ThinkTags& tags, bool in_thought) {
  Splitter splitter(tags, in_thought);
  Split split;
  std::vector<Piece> out;
  const auto take = [&] {
    for (const Piece& piece : out) {
      CHECK_FALSE(piece.text.empty());
      add(split, piece.channel, piece.text);
    }
    out.clear();
  };
  for (const std::string& piece : pieces) {
    splitter.push(piece, out);
    take();
  }
  splitter.flush(out);
  take();
  return split;
}

std::vector<std::string> cut(const std::string& text, const std::vector<size_t>& at) {
  std::vector<std::string> pieces;
  size_t begin = 0;
  for (const size_t end : at) {
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

std::vector<std::string> bytes_of(const std::string& text) {
  std::vector<std::string> pieces;
  for (const char c : text) pieces.emplace_back(1, c);
  return pieces;
}

// In one, cut at each place, cut at each two places, and byte by byte.
void check_everywhere(const std::string& text, const ThinkTags& tags, bool in_thought) {
  CAPTURE(text);
  CAPTURE(in_thought);
  const Split expected = described(text, tags, in_thought);
  CHECK(in_pieces({text}, tags, in_thought) == expected);
  CHECK(in_pieces(bytes_of(text), tags, in_thought) == expected);
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) CHECK(in_pieces(cut(text, {i, j}), tags, in_thought) == expected);
  }
}

}  // namespace

TEST_CASE("splitter: what R1 and its relatives write, cut at every two places") {
  const ThinkTags tags;
  for (const bool in_thought : {false, true}) {
    check_everywhere("<think>\nI see.\n</think>\n\nIt is 4.", tags, in_thought);
    check_everywhere("Hm.</think>Yes", tags, in_thought);                     // the prompt has opened the thought
    check_everywhere("\n <think></think>Yes", tags, in_thought);              // an empty thought after space
    check_everywhere("</think>", tags, in_thought);                           // the shortest thought
    check_everywhere("<think>and never an end </thin", tags, in_thought);     // a missing close, and the begin of one
    check_everywhere("no thought at all", tags, in_thought);                  //
    check_everywhere("<thin, the tag that was none", tags, in_thought);       //
    check_everywhere("Use <think>, then </think>.", tags, in_thought);        // tags as prose
    check_everywhere("<think>a</think>b</think><think>c", tags, in_thought);  // the same after the thought
    check_everywhere("<<think>x<</think>>", tags, in_thought);                // borders that look like tags
    check_everywhere("<think><think>a</think></think>", tags, in_thought);    //
    check_everywhere("", tags, in_thought);
  }
}

TEST_CASE("splitter: other tags, of which the begin repeats itself") {
  const ThinkTags tags = {"[[a[[ab", "))))]"};
  for (const bool in_thought : {false, true}) {
    check_everywhere("[[a[[a[[ab", tags, in_thought);
    check_everywhere("[[a[[abx))))))]y", tags, in_thought);
    check_everywhere(" [[a[[ab)))) )))]", tags, in_thought);
  }
}

TEST_CASE("splitter: random texts of tags and their parts in random pieces") {
  const ThinkTags tags;
  const char* parts[] = {"<think>", "</think>", "<", "</", "think", ">", "a", "b c", " ", "\n", "</thi", "nk>", "<th"};
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t n = random() % 10; n > 0; --n) text += parts[random() % std::size(parts)];
    std::vector<size_t> at;
    for (size_t i = 1; i < text.size(); ++i) {
      if (random() % 3 == 0) at.push_back(i);
    }
    const bool in_thought = random() % 2 == 0;
    CAPTURE(text);
    REQUIRE(in_pieces(cut(text, at), tags, in_thought) == described(text, tags, in_thought));
  }
}

TEST_CASE("splitter: text goes out as soon as it can be no tag") {
  Splitter splitter(ThinkTags(), true);
  std::vector<Piece> out;
  const auto push = [&](std::string_view text) {
    out.clear();
    splitter.push(text, out);
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
  CHECK(push("a <") == "a <");  // nothing can follow that counts
}

TEST_CASE("splitter: without tags everything is answer") {
  Splitter splitter(ThinkTags{"", ""}, false);
  std::vector<Piece> out;
  splitter.push("<think>a</think>", out);
  REQUIRE(out.size() == 1);
  CHECK(out[0].channel == Channel::answer);
  CHECK(out[0].text == "<think>a</think>");
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
