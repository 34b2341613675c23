// Reads Oniguruma's Ruby dialect: '.' stops at a newline, '^' and '$' know lines, "{n,m}+" repeats the interval (it is
// not possessive there), "{n}?" makes it optional, classes nest and intersect with "&&". What a tokenizer's pattern
// could mean but we do not do (captures referred to, \G, \K, \X) is an error that names it.
#include "text/regex_parser.h"

#include <algorithm>
#include <optional>

namespace pensee {
namespace {

using unicode::CodePoint;
using unicode::CodeSet;
using Kind = RegexNode::Kind;

constexpr int kDepthMax = 60;

// Inside a class Oniguruma's \w leaves out the few Latin-1 numbers that it knows outside of one.
void add_word(bool in_class, CodeSet& set) {
  unicode::add_word(set);
  if (!in_class) return;
  CodeSet numbers;
  for (const CodePoint c : {0xB2u, 0xB3u, 0xB9u, 0xBCu, 0xBDu, 0xBEu}) numbers.add(c, c);
  numbers.invert();
  set.intersect(numbers);
}

struct Flags {
  bool ignore_case = false;
  bool dot_all = false;
};

class Parser {
 public:
  Parser(std::string_view pattern, std::string_view where) : text_(pattern), where_(where) {}

  Result<RegexNode> whole() {
    PENSEE_ASSIGN(RegexNode node, choice(Flags(), 0));
    if (at_ < text_.size()) return malformed("')' without '('");
    return node;
  }

 private:
  Status malformed(std::string_view what) const {
    return Status::corrupt("{}: pattern \"{}\" is malformed at byte {}: {}", where_, text_, at_, what);
  }
  Status unsupported(std::string_view what) const {
    return Status::unsupported("{}: pattern \"{}\" uses {} at byte {}, which is not supported", where_, text_, what,
                               at_);
  }
  bool more() const { return at_ < text_.size(); }
  bool looking_at(std::string_view s) const { return text_.substr(at_, s.size()) == s; }
  bool take(std::string_view s) {
    if (!looking_at(s)) return false;
    at_ += s.size();
    return true;
  }

  Result<RegexNode> choice(Flags flags, int depth);
  Result<RegexNode> sequence(Flags& flags, int depth);
  Result<RegexNode> atom(Flags& flags, int depth);
  Result<RegexNode> group(Flags& flags, int depth);
  Result<RegexNode> options(Flags& flags, int depth);
  Result<RegexNode> body(Kind kind, bool negative, Flags flags, int depth);
  Result<RegexNode> escape(Flags flags);
  Status quantifiers(RegexNode& node);
  bool interval(uint32_t& min, uint32_t& max);

  Status char_class(CodeSet& out, Flags flags, int depth);
  Status class_item(CodeSet& set, Flags flags, int depth);
  bool posix_class(CodeSet& set);
  bool shorthand(char letter, bool in_class, CodeSet& set);
  Status property(CodeSet& set);
  Result<CodePoint> character_escape();
  Result<CodePoint> hex(int digits_min, int digits_max);

  static RegexNode of_set(CodeSet set) {
    RegexNode node;
    node.kind = Kind::set;
    node.set = std::move(set);
    return node;
  }
  static RegexNode of_character(CodePoint c, Flags flags) {
    RegexNode node;
    if (flags.ignore_case) {
      std::vector<CodePoint> all = unicode::same_fold(c);
      if (all.size() > 1) {
        std::sort(all.begin(), all.end());
        for (const CodePoint one : all) node.set.add(one, one);
        node.kind = Kind::set;
        return node;
      }
    }
    node.kind = Kind::character;
    node.character = c;
    return node;
  }
  static RegexNode of_place(Regex::Place place) {
    RegexNode node;
    node.kind = Kind::place;
    node.place = place;
    return node;
  }

  std::string_view text_;
  std::string_view where_;
  size_t at_ = 0;
};

Result<RegexNode> Parser::choice(Flags flags, int depth) {
  if (depth > kDepthMax) return unsupported("groups this deep");
  RegexNode node;
  node.kind = Kind::choice;
  do {
    PENSEE_ASSIGN(RegexNode one, sequence(flags, depth));
    node.children.push_back(std::move(one));
  } while (take("|"));
  if (node.children.size() == 1) return std::move(node.children[0]);
  return node;
}

Result<RegexNode> Parser::sequence(Flags& flags, int depth) {
  RegexNode node;
  node.kind = Kind::sequence;
  while (more() && text_[at_] != '|' && text_[at_] != ')') {
    PENSEE_ASSIGN(RegexNode one, atom(flags, depth));
    PENSEE_TRY(quantifiers(one));
    node.children.push_back(std::move(one));
  }
  return node;
}

Result<RegexNode> Parser::atom(Flags& flags, int depth) {
  const char c = text_[at_];
  switch (c) {
    case '(':
      return group(flags, depth);
    case '[': {
      ++at_;
      CodeSet set;
      PENSEE_TRY(char_class(set, flags, depth + 1));
      return of_set(std::move(set));
    }
    case '\\':
      return escape(flags);
    case '.': {
      ++at_;
      CodeSet set;
      if (!flags.dot_all) set.add('\n', '\n');
      set.invert();
      return of_set(std::move(set));
    }
    case '^':
      return ++at_, of_place(Regex::Place::line_begin);
    case '$':
      return ++at_, of_place(Regex::Place::line_end);
    case '*':
    case '+':
    case '?':
      return malformed("nothing to repeat");
    default:
      return of_character(unicode::next(text_, at_), flags);
  }
}

Result<RegexNode> Parser::body(Kind kind, bool negative, Flags flags, int depth) {
  PENSEE_ASSIGN(RegexNode inner, choice(flags, depth + 1));
  if (!take(")")) return malformed("')' is missing");
  if (kind == Kind::empty) return inner;
  RegexNode node;
  node.kind = kind;
  node.negative = negative;
  node.children.push_back(std::move(inner));
  return node;
}

Result<RegexNode> Parser::group(Flags& flags, int depth) {
  if (take("(?:")) return body(Kind::empty, false, flags, depth);
  if (take("(?=")) return body(Kind::look_ahead, false, flags, depth);
  if (take("(?!")) return body(Kind::look_ahead, true, flags, depth);
  if (take("(?<=")) return body(Kind::look_behind, false, flags, depth);
  if (take("(?<!")) return body(Kind::look_behind, true, flags, depth);
  if (take("(?>")) return body(Kind::atomic, false, flags, depth);
  if (take("(?#")) {
    const size_t end = text_.find(')', at_);
    if (end == std::string_view::npos) return malformed("')' is missing");
    at_ = end + 1;
    return RegexNode();
  }
  if (looking_at("(?<") || looking_at("(?'")) return unsupported("a named group");
  if (take("(?")) return options(flags, depth);
  ++at_;
  return body(Kind::empty, false, flags, depth);
}

// "(?i-m:...)" holds inside; "(?i)" holds to the end of the enclosing group.
Result<RegexNode> Parser::options(Flags& flags, int depth) {
  Flags inside = flags;
  bool on = true;
  for (;; ++at_) {
    if (!more()) return malformed("')' is missing");
    const char c = text_[at_];
    if (c == '-') on = false;
    else if (c == 'i') inside.ignore_case = on;
    else if (c == 'm') inside.dot_all = on;
    else break;
  }
  if (take(":")) return body(Kind::empty, false, inside, depth);
  if (looking_at(")")) {
    ++at_;
    // Oniguruma lets the rest of the group, alternatives included, be one body under the new options.
    PENSEE_ASSIGN(RegexNode rest, choice(inside, depth + 1));
    return rest;
  }
  return unsupported("a group option");
}

// {n}, {n,}, {,m}, {n,m}; anything else is a literal brace.
bool Parser::interval(uint32_t& min, uint32_t& max) {
  size_t at = at_ + 1;
  const auto number = [&](uint32_t& value) {
    const size_t from = at;
    for (value = 0; at < text_.size() && text_[at] >= '0' && text_[at] <= '9' && at - from < 6; ++at) {
      value = value * 10 + static_cast<uint32_t>(text_[at] - '0');
    }
    return at > from;
  };
  const bool has_min = number(min);
  bool has_max = false;
  max = min;
  if (at < text_.size() && text_[at] == ',') {
    ++at;
    has_max = number(max);
    if (!has_max) max = kRepeatForever;
    if (!has_min) min = 0;
  }
  if ((!has_min && !has_max) || at >= text_.size() || text_[at] != '}') return false;
  at_ = at + 1;
  return true;
}

Status Parser::quantifiers(RegexNode& node) {
  while (more()) {
    RegexNode repeat;
    repeat.kind = Kind::repeat;
    const bool brace = text_[at_] == '{';
    if (take("*")) repeat.max = kRepeatForever;
    else if (take("+")) repeat.min = 1, repeat.max = kRepeatForever;
    else if (take("?")) repeat.max = 1;
    else if (!brace || !interval(repeat.min, repeat.max)) return Status();
    if (repeat.min > repeat.max) return unsupported("an interval whose ends are swapped");
    const bool fixed = brace && repeat.min == repeat.max;
    if (!fixed && take("?")) repeat.mode = Regex::Mode::lazy;
    else if (!brace && take("+")) repeat.mode = Regex::Mode::possessive;
    if (node.kind == Kind::place || node.kind == Kind::look_ahead || node.kind == Kind::look_behind) {
      return unsupported("a repeated assertion");
    }
    repeat.children.push_back(std::move(node));
    node = std::move(repeat);
  }
  return Status();
}

bool Parser::shorthand(char letter, bool in_class, CodeSet& set) {
  CodeSet members;
  switch (letter) {
    case 'd': case 'D': unicode::add_property("nd", members); break;
    case 's': case 'S': unicode::add_space(members); break;
    case 'w': case 'W': add_word(in_class, members); break;
    case 'h': case 'H': members.add('0', '9'), members.add('A', 'F'), members.add('a', 'f'); break;
    default: return false;
  }
  if (letter < 'a') members.invert();
  set.add(members);
  return true;
}

// Behind "\p" or "\P".
Status Parser::property(CodeSet& set) {
  bool negative = text_[at_ - 1] == 'P';
  const size_t end = text_.find('}', at_);
  if (!looking_at("{") || end == std::string_view::npos) return malformed("a property needs a name in braces");
  std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
  if (name.substr(0, 1) == "^") {
    negative = !negative;
    name.remove_prefix(1);
  }
  CodeSet members;
  if (!unicode::add_property(name, members)) return unsupported(format("the property '{}'", name));
  if (negative) members.invert();
  set.add(members);
  at_ = end + 1;
  return Status();
}

Result<CodePoint> Parser::hex(int digits_min, int digits_max) {
  CodePoint value = 0;
  int digits = 0;
  for (; more() && digits < digits_max; ++at_, ++digits) {
    const char c = text_[at_];
    if (c >= '0' && c <= '9') value = value * 16 + static_cast<CodePoint>(c - '0');
    else if (c >= 'a' && c <= 'f') value = value * 16 + static_cast<CodePoint>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F') value = value * 16 + static_cast<CodePoint>(c - 'A' + 10);
    else break;
  }
  if (digits < digits_min || value > unicode::kLastCodePoint) return malformed("a code point in hexadecimal is wanted");
  return value;
}

// Behind the backslash: an escape that stands for one code point, in and out of classes.
Result<CodePoint> Parser::character_escape() {
  if (!more()) return malformed("the pattern ends in '\\'");
  const CodePoint c = unicode::next(text_, at_);
  switch (c) {
    case 'n': return CodePoint{'\n'};
    case 'r': return CodePoint{'\r'};
    case 't': return CodePoint{'\t'};
    case 'f': return CodePoint{'\f'};
    case 'v': return CodePoint{'\v'};
    case 'a': return CodePoint{7};
    case 'e': return CodePoint{27};
    case '0': return CodePoint{0};
    case 'u': return hex(4, 4);
    case 'x': {
      if (!take("{")) return hex(1, 2);
      PENSEE_ASSIGN(const CodePoint value, hex(1, 8));
      if (!take("}")) return malformed("'}' is missing");
      return value;
    }
    default: break;
  }
  if (c < 128 && ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))) {
    at_ -= 2;
    return unsupported(format("the escape \\{}", std::string(1, static_cast<char>(c))));
  }
  return c;
}

// \R: (?>\r\n|[\n-\r\u0085\u2028\u2029])
RegexNode line_break() {
  const auto node = [](Kind kind, std::vector<RegexNode> children) {
    RegexNode made;
    made.kind = kind;
    made.children = std::move(children);
    return made;
  };
  RegexNode cr, lf, any;
  cr.kind = lf.kind = Kind::character;
  cr.character = '\r';
  lf.character = '\n';
  any.kind = Kind::set;
  any.set.add('\n', '\r');
  any.set.add(0x85, 0x85);
  any.set.add(0x2028, 0x2029);
  return node(Kind::atomic, {node(Kind::choice, {node(Kind::sequence, {cr, lf}), any})});
}

Result<RegexNode> Parser::escape(Flags flags) {
  ++at_;
  const char c = more() ? text_[at_] : '\0';
  CodeSet set;
  if (shorthand(c, false, set)) return ++at_, of_set(std::move(set));
  switch (c) {
    case 'p': case 'P':
      ++at_;
      PENSEE_TRY(property(set));  // Oniguruma ignores (?i) here, though not inside a class
      return of_set(std::move(set));
    case 'R': return ++at_, line_break();
    case 'b': return ++at_, of_place(Regex::Place::word_edge);
    case 'B': return ++at_, of_place(Regex::Place::no_word_edge);
    case 'A': return ++at_, of_place(Regex::Place::text_begin);
    case 'z': return ++at_, of_place(Regex::Place::text_end);
    case 'Z': return ++at_, of_place(Regex::Place::text_end_or_newline);
    default: break;
  }
  PENSEE_ASSIGN(const CodePoint one, character_escape());
  return of_character(one, flags);
}

bool Parser::posix_class(CodeSet& set) {
  CodeSet members;
  if (take("[:space:]")) unicode::add_space(members);
  else if (take("[:digit:]")) unicode::add_property("nd", members);
  else return false;
  set.add(members);
  return true;
}

// One character, range, escape or nested class, added to `set`.
Status Parser::class_item(CodeSet& set, Flags flags, int depth) {
  if (posix_class(set)) return Status();
  if (take("[")) {
    CodeSet nested;
    PENSEE_TRY(char_class(nested, flags, depth + 1));
    set.add(nested);
    return Status();
  }
  if (looking_at("[:")) return unsupported("this POSIX class");
  const auto one = [&]() -> Result<CodePoint> {
    if (!take("\\")) return unicode::next(text_, at_);
    if (take("b")) return CodePoint{8};
    return character_escape();
  };
  if (looking_at("\\") && at_ + 1 < text_.size()) {
    if (shorthand(text_[at_ + 1], true, set)) return at_ += 2, Status();
    if ((text_[at_ + 1] | 32) == 'p') return at_ += 2, property(set);
  }
  PENSEE_ASSIGN(const CodePoint first, one());
  CodePoint last = first;
  if (looking_at("-") && at_ + 1 < text_.size() && text_[at_ + 1] != ']' && text_[at_ + 1] != '[') {
    ++at_;
    PENSEE_ASSIGN(last, one());
    if (last < first) return malformed("a range runs backwards");
  }
  CodeSet range;
  range.add(first, last);
  set.add(range);
  return Status();
}

// Behind '['; takes the closing bracket.
Status Parser::char_class(CodeSet& out, Flags flags, int depth) {
  if (depth > kDepthMax) return unsupported("classes this deep");
  const bool negative = take("^");
  std::optional<CodeSet> left;  // what stands before "&&"
  CodeSet set;
  const size_t from = at_;
  while (true) {
    if (!more()) return malformed("']' is missing");
    if (text_[at_] == ']' && at_ > from) break;
    if (take("&&")) {
      if (left) set.intersect(*left);
      left = std::move(set);
      set = CodeSet();
      continue;
    }
    PENSEE_TRY(class_item(set, flags, depth));
  }
  ++at_;
  if (left) set.intersect(*left);
  if (flags.ignore_case) set.close_under_case();
  if (negative) set.invert();
  out = std::move(set);
  return Status();
}

}  // namespace

Result<RegexNode> parse_regex(std::string_view pattern, std::string_view where) {
  return Parser(pattern, where).whole();
}

}  // namespace pensee
