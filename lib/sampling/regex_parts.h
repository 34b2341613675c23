// A regular expression as a tree: what regex_parts.cpp reads and regex_grammar.cpp writes as a grammar.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/unicode.h"

namespace pensee {

struct RegexPart {
  enum class Kind { set, sequence, choice, repeat, begin, end };
  Kind kind = Kind::sequence;
  unicode::CodeSet set;
  std::vector<RegexPart> children;  // of sequence, choice and repeat
  uint64_t min = 0, max = 0;        // repeat; grammar::kForever: without end
  size_t at = 0;                    // byte of the pattern, for messages
};

// At most 64 groups deep and 10,000 repetitions, in all that nest in each other. `where` names the pattern.
Result<RegexPart> parse_regex_parts(std::string_view pattern, std::string_view where);

}  // namespace pensee
