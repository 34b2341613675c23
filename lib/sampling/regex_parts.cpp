// Reads the common part of ECMAScript's and Python's dialects. A class of characters that they see differently is
// taken as small as both allow: small inside a class, large inside a negated one, which turns it around.
#include "sampling/regex_parts.h"

#include <algorithm>

#include "sampling/grammar_text.h"

namespace pensee {
namespace {

using grammar::kForever;
using unicode::CodePoint;
using unicode::CodeSet;
using Kind = RegexPart::Kind;

constexpr int kDepthMax = 64;
constexpr uint64_t kRepeatMax = 10000;

CodeSet inverted(CodeSet set) {
  set.invert();
  return set;
}

// \d, \w or \s as the narrower dialect sees it, or as the wider one does.
CodeSet shorthand_set(char lower, bool wide) {
  CodeSet set;
  if (lower == 'd') {
    set.add('0', '9');
    if (wide) unicode::add_property("nd", set);
  } else if (lower == 'w') {
    for (const auto& [first, last] : {std::pair{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}) {
      set.add(static_cast<CodePoint>(first), static_cast<CodePoint>(last));
    }
    if (wide) unicode::add_word(set), unicode::add_property("l", set), unicode::add_property("n", set);
  } else {
    set.add('\t', '\r');
    set.add(' ', ' ');
    if (wide) {
      unicode::add_space(set);
      set.add(0x1C, 0x1F);
      set.add(0xFEFF, 0xFEFF);
    }
  }
  return set;
}

class Parser {
 public:
  Parser(std::string_view pattern, std::string_view where) : text_(pattern), where_(where) {}

  Result<RegexPart> whole() {
    PENSEE_ASSIGN(RegexPart part, choice(0));
    if (more()) return error("')' without '('");
    return part;
  }

 private:
  Status error(std::string_view what) const {
    return Status::format(Code::bad_argument, "{}: {} at byte {} of \"{}\"", where_, what, at_, shown());
  }
  Status unsupported(std::string_view what) const {
    return Status::unsupported("{}: {} at byte {} of \"{}\" is not supported", where_, what, at_, shown());
  }
  std::string shown() const { return std::string(text_.substr(0, 80)) + (text_.size() > 80 ? "..." : ""); }
  bool more() const { return at_ < text_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(std::string_view s) {
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }
  RegexPart part_of(Kind kind) const {
    RegexPart part;
    part.kind = kind;
    part.at = at_;
    return part;
  }

  Result<RegexPart> choice(int depth);
  Result<RegexPart> atom(int depth);
  Result<RegexPart> group(int depth);
  Result<CodeSet> char_class();
  Result<CodeSet> escape(bool in_class, bool negated);
  Result<CodePoint> code_point(char letter);
  Result<CodePoint> hex(size_t digits);
  Status quantifier(RegexPart& part);
  bool interval(uint64_t& min, uint64_t& max);

  std::string_view text_;
  std::string_view where_;
  size_t at_ = 0;
};

Result<RegexPart> Parser::choice(int depth) {
  if (depth > kDepthMax) return unsupported("a group this deep");
  RegexPart all = part_of(Kind::choice);
  do {
    RegexPart sequence = part_of(Kind::sequence);
    while (more() && peek() != '|' && peek() != ')') {
      PENSEE_ASSIGN(RegexPart one, atom(depth));
      PENSEE_TRY(quantifier(one));
      sequence.children.push_back(std::move(one));
    }
    all.children.push_back(std::move(sequence));
  } while (take("|"));
  if (all.children.size() == 1) return std::move(all.children[0]);
  return all;
}

Result<RegexPart> Parser::atom(int depth) {
  RegexPart part = part_of(Kind::set);
  switch (peek()) {
    case '(':
      return group(depth);
    case '[': {
      PENSEE_ASSIGN(part.set, char_class());
      return part;
    }
    case '\\': {
      PENSEE_ASSIGN(part.set, escape(false, false));
      return part;
    }
    case '.':
      ++at_;
      for (const CodePoint c : {0x0Au, 0x0Du, 0x2028u, 0x2029u}) part.set.add(c, c);
      part.set.invert();
      return part;
    case '^':
      return ++at_, part.kind = Kind::begin, part;
    case '$':
      return ++at_, part.kind = Kind::end, part;
    case '*':
    case '+':
    case '?':
      return error("nothing to repeat");
    default:
      break;
  }
  uint64_t min = 0, max = 0;
  if (const size_t from = at_; peek() == '{' && interval(min, max)) {
    at_ = from;
    return error("nothing to repeat");
  }
  const CodePoint c = unicode::next(text_, at_);
  part.set.add(c, c);
  return part;
}

Result<RegexPart> Parser::group(int depth) {
  const size_t open = at_++;
  if (take("?")) {
    if (take("P<") || (peek() == '<' && peek(1) != '=' && peek(1) != '!' && take("<"))) {
      const size_t end = text_.find('>', at_);
      if (end == text_.npos || end == at_) return error("a group's name is missing");
      at_ = end + 1;
    } else if (!take(":")) {
      at_ = open;
      const bool look = peek(2) == '=' || peek(2) == '!' || peek(2) == '<';
      return unsupported(look ? "a look-around" : "this kind of group");
    }
  }
  PENSEE_ASSIGN(RegexPart inner, choice(depth + 1));
  if (!take(")")) {
    at_ = open;
    return error("'(' without ')'");
  }
  return inner;
}

// {n}, {n,} or {n,m}; anything else is a literal brace.
bool Parser::interval(uint64_t& min, uint64_t& max) {
  size_t at = at_ + 1;
  const auto number = [&](uint64_t& value) {
    const size_t from = at;
    for (value = 0; at < text_.size() && text_[at] >= '0' && text_[at] <= '9'; ++at) {
      value = std::min<uint64_t>(value * 10 + static_cast<uint64_t>(text_[at] - '0'), kForever / 20);
    }
    return at > from;
  };
  if (!number(min)) return false;
  max = min;
  if (at < text_.size() && text_[at] == ',') {
    ++at;
    if (!number(max)) max = kForever;
  }
  if (at >= text_.size() || text_[at] != '}') return false;
  at_ = at + 1;
  return true;
}

Status Parser::quantifier(RegexPart& part) {
  RegexPart repeat = part_of(Kind::repeat);
  if (take("*"))
    repeat.max = kForever;
  else if (take("+"))
    repeat.min = 1, repeat.max = kForever;
  else if (take("?"))
    repeat.max = 1;
  else if (peek() == '{' && peek(1) == ',')
    return unsupported("'{,' (write '{0,')");
  else if (peek() != '{' || !interval(repeat.min, repeat.max))
    return Status();
  if (repeat.min > repeat.max) return error("an interval whose ends are swapped");
  if (repeat.min > kRepeatMax || (repeat.max != kForever && repeat.max > kRepeatMax)) {
    return error(format("more than {} repetitions", kRepeatMax));
  }
  if (part.kind == Kind::begin || part.kind == Kind::end) return error("an anchor cannot be repeated");
  take("?");  // lazy: the same texts
  uint64_t min = 0, max = 0;
  if (peek() == '*' || peek() == '+' || peek() == '?' || (peek() == '{' && interval(min, max))) {
    return error("two quantifiers in a row");
  }
  repeat.children.push_back(std::move(part));
  part = std::move(repeat);
  return Status();
}

Result<CodePoint> Parser::hex(size_t digits) {
  CodePoint value = 0;
  for (size_t i = 0; i < digits; ++i, ++at_) {
    const char c = peek();
    if (c >= '0' && c <= '9')
      value = value * 16 + static_cast<CodePoint>(c - '0');
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
      value = value * 16 + static_cast<CodePoint>((c | 32) - 'a' + 10);
    else
      return error("a hexadecimal digit is missing");
  }
  return value;
}

// Behind the backslash and `letter`: an escape that stands for one code point.
Result<CodePoint> Parser::code_point(char letter) {
  switch (letter) {
    case 'n':
      return CodePoint{'\n'};
    case 'r':
      return CodePoint{'\r'};
    case 't':
      return CodePoint{'\t'};
    case 'f':
      return CodePoint{'\f'};
    case 'v':
      return CodePoint{'\v'};
    case 'x':
      return hex(2);
    case 'u': {
      PENSEE_ASSIGN(const CodePoint unit, hex(4));
      if (unit < 0xD800 || unit > 0xDBFF || !take("\\u")) return unit;
      PENSEE_ASSIGN(const CodePoint low, hex(4));
      if (low < 0xDC00 || low > 0xDFFF) return error("half a surrogate pair");
      return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    case '0':
      if (peek() < '0' || peek() > '9') return CodePoint{0};
      [[fallthrough]];
    default:
      break;
  }
  const bool word = (letter >= '0' && letter <= '9') || ((letter | 32) >= 'a' && (letter | 32) <= 'z');
  if (word || static_cast<unsigned char>(letter) >= 0x80) {
    at_ -= 2;
    const bool reference = (letter >= '1' && letter <= '9') || letter == 'k';
    const bool edge = letter == 'b' || letter == 'B';
    return unsupported(reference ? "a back-reference"
                       : edge    ? "a word edge"
                                 : "the escape \\" + std::string(1, letter));
  }
  return static_cast<CodePoint>(letter);
}

Result<CodeSet> Parser::escape(bool in_class, bool negated) {
  ++at_;
  if (!more()) return error("the pattern ends in '\\'");
  const char letter = text_[at_++];
  const char lower = static_cast<char>(letter | 32);
  if (lower == 'd' || lower == 'w' || lower == 's') {
    const bool upper = letter != lower;
    const CodeSet set = shorthand_set(lower, upper != negated);
    return upper ? inverted(set) : set;
  }
  CodeSet set;
  if (lower == 'p') {
    const size_t end = text_.find('}', at_);
    if (!take("{") || end == text_.npos) return error("a property needs a name in braces");
    std::string_view name = text_.substr(at_, end - at_);
    if (name.find('=') != name.npos) name.remove_prefix(name.find('=') + 1);  // Script=Greek
    if (!unicode::add_property(name, set)) return unsupported(format("the property '{}'", name));
    at_ = end + 1;
    return letter == 'P' ? inverted(set) : set;
  }
  if (in_class && letter == 'b') return set.add(8, 8), set;
  PENSEE_ASSIGN(const CodePoint c, code_point(letter));
  set.add(c, c);
  return set;
}

Result<CodeSet> Parser::char_class() {
  const size_t open = at_++;
  const bool negated = take("^");
  if (peek() == ']') return unsupported("a class that begins with ']' (write '\\]')");
  CodeSet set;
  const auto one = [&](bool& single) -> Result<CodeSet> {
    if (peek() == '[' && peek(1) == ':') return unsupported("a POSIX class");
    CodeSet item;
    if (peek() == '\\') {
      PENSEE_ASSIGN(item, escape(true, negated));
    } else {
      const CodePoint c = unicode::next(text_, at_);
      item.add(c, c);
    }
    single = item.ranges().size() == 1 && item.ranges()[0].first == item.ranges()[0].second;
    return item;
  };
  while (more() && peek() != ']') {
    bool single = false;
    PENSEE_ASSIGN(CodeSet first, one(single));
    if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
      ++at_;
      bool last_single = false;
      PENSEE_ASSIGN(const CodeSet last, one(last_single));
      if (!single || !last_single) return error("a range needs a character at each end");
      if (last.ranges()[0].first < first.ranges()[0].first) return error("a range runs backwards");
      first.add(first.ranges()[0].first, last.ranges()[0].first);
    }
    set.add(first);
  }
  if (!take("]")) {
    at_ = open;
    return error("'[' without ']'");
  }
  return negated ? inverted(set) : set;
}

// Nested intervals multiply: the bound is on their product.
Status check_repeats(const RegexPart& part, uint64_t outer, std::string_view where) {
  uint64_t times = outer;
  if (part.kind == Kind::repeat) {
    const uint64_t own = part.max == kForever ? std::max<uint64_t>(part.min, 1) : std::max<uint64_t>(part.max, 1);
    times = outer * own;
    if (times > kRepeatMax) {
      return Status::format(Code::bad_argument, "{}: more than {} repetitions, one in another, at byte {}", where,
                            kRepeatMax, part.at);
    }
  }
  for (const RegexPart& child : part.children) PENSEE_TRY(check_repeats(child, times, where));
  return Status();
}

}  // namespace

Result<RegexPart> parse_regex_parts(std::string_view pattern, std::string_view where) {
  PENSEE_ASSIGN(RegexPart part, Parser(pattern, where).whole());
  PENSEE_TRY(check_repeats(part, 1, where));
  return part;
}

}  // namespace pensee
