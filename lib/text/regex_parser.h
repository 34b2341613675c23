// The pattern as a tree: what regex_parser.cpp reads and regex_compiler.cpp turns into a program.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/regex.h"

namespace pensee {

struct RegexNode {
  enum class Kind { empty, character, set, sequence, choice, repeat, look_ahead, look_behind, atomic, place };
  Kind kind = Kind::empty;
  unicode::CodePoint character = 0;
  unicode::CodeSet set;
  std::vector<RegexNode> children;
  uint32_t min = 0, max = 0;  // repeat
  Regex::Mode mode = Regex::Mode::greedy;
  Regex::Place place = Regex::Place::line_begin;
  bool negative = false;  // look_ahead, look_behind
};

Result<RegexNode> parse_regex(std::string_view pattern, std::string_view where);

}  // namespace pensee
