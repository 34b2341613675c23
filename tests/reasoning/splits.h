// What a splitter makes of a text in pieces, joined so that two cuttings can be compared.
#pragma once

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "reasoning/splitter.h"

namespace pensee::test {

// One push: text, or one control token.
struct Push {
  std::string text;
  bool mark = false;
};

struct Split {
  std::vector<Piece> pieces;  // neighbours joined
  std::vector<ToolCall> calls;
  bool thought_closed = false, answer_begun = false;

  std::string of(Channel channel) const {
    std::string text;
    for (const Piece& piece : pieces) {
      if (piece.channel == channel) text += piece.text;
    }
    return text;
  }
  std::string thought() const { return of(Channel::thought); }
  std::string answer() const { return of(Channel::answer); }
};

inline doctest::String toString(const Split& split) {
  std::string text;
  for (const Piece& piece : split.pieces) {
    text += piece.channel == Channel::thought ? "t[" : piece.channel == Channel::answer ? "a[" : "c[";
    text += piece.text + "]";
    if (piece.call) text += "=" + piece.call->id + ":" + piece.call->name + piece.call->arguments;
  }
  if (split.thought_closed) text += " closed";
  return text.c_str();
}

inline bool operator==(const Split& a, const Split& b) { return toString(a) == toString(b); }

inline void join(const std::vector<Piece>& from, std::vector<Piece>& to) {
  for (const Piece& piece : from) {
    CHECK((piece.channel == Channel::tool_call || !piece.text.empty()));
    if (!to.empty() && to.back().channel == piece.channel && !to.back().call) {
      to.back().text += piece.text;
      to.back().call = piece.call;
    } else {
      to.push_back(piece);
    }
  }
}

inline Split split(const Dialect& dialect, std::string_view prompt_tail, const std::vector<Push>& pushes,
                   std::shared_ptr<const ToolTypes> tools = nullptr) {
  Splitter splitter(dialect, prompt_tail, std::move(tools));
  Split result;
  std::vector<Piece> out;
  for (const Push& push : pushes) {
    out.clear();
    splitter.push(push.text, push.mark, out);
    join(out, result.pieces);
  }
  out.clear();
  splitter.flush(out);
  join(out, result.pieces);
  result.calls = splitter.calls();
  result.thought_closed = splitter.thought_closed();
  result.answer_begun = splitter.answer_begun();
  return result;
}

// `text` cut at random, on average every `length` bytes.
inline std::vector<Push> cut(std::string_view text, std::mt19937& random, unsigned length) {
  std::vector<Push> pushes;
  for (const char c : text) {
    if (pushes.empty() || random() % length == 0) pushes.push_back({});
    pushes.back().text += c;
  }
  return pushes;
}

}  // namespace pensee::test
