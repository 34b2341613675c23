// Grammars as text: GBNF and what EBNF writes alike.
//
//   root ::= "yes" | 'no' digits{2,4} | "(" root ")"     # a comment
//   digits ::= [0-9]+
//
// Literals and classes know \n \r \t \\ \" \' \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH; '.' is any character but a new line.
// A rule ends where the next begins, and a sequence may go on over lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/unicode.h"

namespace pensee::grammar {

struct Node {
  enum class Kind : uint8_t { literal, set, sequence, choice, repeat, rule };
  Kind kind = Kind::sequence;
  uint32_t rule = 0;           // rule
  uint32_t min = 0, max = 0;   // repeat; kNoEnd: any number
  std::string text;            // literal, in UTF-8
  unicode::CodeSet set;        // set
  std::vector<Node> children;  // sequence, choice, repeat
};
inline constexpr uint32_t kNoEnd = UINT32_MAX;

struct Source {
  std::vector<std::string> names;  // of the rules
  std::vector<Node> bodies;
  uint32_t root = 0;
};

Result<Source> parse(std::string_view text);

}  // namespace pensee::grammar
