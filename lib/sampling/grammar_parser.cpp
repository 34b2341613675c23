#include "sampling/grammar_parser.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace pensee::grammar {
namespace {

using unicode::CodePoint;
using Kind = Node::Kind;

constexpr int kDepthMax = 200;
constexpr uint32_t kRepeatMax = 10000;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Source> whole() {
    for (skip(); more(); skip()) {
      const size_t at = at_;
      const std::string name(take_name());
      if (name.empty() || !take_define()) return at_ = at, error("a rule is wanted: name ::= ...");
      const uint32_t rule = rule_of(name, at);
      if (defined_[rule]) return at_ = at, error("rule '" + name + "' is defined twice");
      defined_[rule] = true;
      PENSEE_ASSIGN(Node body, choice(0));
      source_.bodies[rule] = std::move(body);
    }
    for (size_t i = 0; i < defined_.size(); ++i) {
      if (!defined_[i]) return at_ = first_use_[i], error("rule '" + source_.names[i] + "' is not defined");
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) return Status(Code::bad_argument, "grammar: there is no rule 'root'");
    source_.root = root->second;
    return std::move(source_);
  }

 private:
  Status error(std::string_view what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    const size_t begin = at_ == 0 ? text_.npos : text_.rfind('\n', at_ - 1);
    const size_t column = begin == text_.npos ? at_ + 1 : at_ - begin;
    return Status::format(Code::bad_argument, "grammar: line {}, column {}: {}", line, column, what);
  }
  bool more() const { return at_ < text_.size(); }
  char peek() const { return more() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void skip() {
    while (more() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r' || peek() == '#')) {
      if (peek() == '#')
        at_ = std::min(text_.find('\n', at_), text_.size());
      else
        ++at_;
    }
  }
  std::string_view take_name() {
    const size_t from = at_;
    while (more() && is_name(peek())) ++at_;
    return text_.substr(from, at_ - from);
  }
  bool take_define() {
    skip();
    if (text_.substr(at_, 3) != "::=") return false;
    at_ += 3;
    return true;
  }
  uint32_t rule_of(const std::string& name, size_t at) {
    const auto [entry, fresh] = rules_.emplace(name, static_cast<uint32_t>(source_.names.size()));
    if (fresh) {
      source_.names.push_back(name);
      source_.bodies.emplace_back();
      defined_.push_back(false);
      first_use_.push_back(at);
    }
    return entry->second;
  }

  Result<Node> choice(int depth);
  Result<Node> sequence(int depth);
  Result<std::optional<Node>> atom(int depth);
  Result<Node> literal();
  Result<Node> char_class();
  Result<CodePoint> character();
  Status quantifiers(Node& node);
  Result<uint32_t> count();

  std::string_view text_;
  size_t at_ = 0;
  Source source_;
  std::unordered_map<std::string, uint32_t> rules_;
  std::vector<bool> defined_;
  std::vector<size_t> first_use_;
};

Result<Node> Parser::choice(int depth) {
  if (depth > kDepthMax) return error("groups this deep are not supported");
  Node all;
  all.kind = Kind::choice;
  do {
    PENSEE_ASSIGN(Node one, sequence(depth));
    all.children.push_back(std::move(one));
    skip();
  } while (take('|'));
  if (all.children.size() == 1) return std::move(all.children[0]);
  return all;
}

Result<Node> Parser::sequence(int depth) {
  Node all;
  while (true) {
    skip();
    PENSEE_ASSIGN(std::optional<Node> one, atom(depth));
    if (!one) break;
    PENSEE_TRY(quantifiers(*one));
    all.children.push_back(*std::move(one));
  }
  if (all.children.size() == 1) return std::move(all.children[0]);
  return all;
}

// Nothing: the sequence ends here.
Result<std::optional<Node>> Parser::atom(int depth) {
  const auto some = [](Result<Node> node) -> Result<std::optional<Node>> {
    if (!node.ok()) return node.status();
    return std::optional<Node>(*std::move(node));
  };
  switch (peek()) {
    case '"':
    case '\'':
      return some(literal());
    case '[':
      return some(char_class());
    case '(': {
      const size_t open = at_++;
      PENSEE_ASSIGN(Node inner, choice(depth + 1));
      skip();
      if (!take(')')) return at_ = open, error("'(' without ')'");
      return std::optional<Node>(std::move(inner));
    }
    case '.': {
      ++at_;
      Node any;
      any.kind = Kind::set;
      any.set.add('\n', '\n');
      any.set.invert();
      return std::optional<Node>(std::move(any));
    }
    case ')':
      if (depth == 0) return error("')' without '('");
      return std::optional<Node>();
    case '|':
    case '\0':
      return std::optional<Node>();
    default:
      break;
  }
  const size_t from = at_;
  const std::string name(take_name());
  if (name.empty()) return error("a literal, a class, a group or a rule's name is wanted");
  if (const size_t behind = at_; take_define())
    return at_ = from, std::optional<Node>();  // the next rule
  else
    at_ = behind;
  Node node;
  node.kind = Kind::rule;
  node.rule = rule_of(name, from);
  return std::optional<Node>(std::move(node));
}

Result<uint32_t> Parser::count() {
  const size_t from = at_;
  uint32_t value = 0;
  for (; peek() >= '0' && peek() <= '9'; ++at_) {
    value = std::min(value * 10 + static_cast<uint32_t>(peek() - '0'), kRepeatMax + 1);
  }
  if (at_ == from) return error("a count is wanted");
  if (value > kRepeatMax) return at_ = from, error(format("more than {} repetitions", kRepeatMax));
  return value;
}

Status Parser::quantifiers(Node& node) {
  for (int times = 0; more(); ++times) {
    Node repeat;
    repeat.kind = Kind::repeat;
    repeat.max = kNoEnd;
    if (take('+'))
      repeat.min = 1;
    else if (take('?'))
      repeat.max = 1;
    else if (take('{')) {
      skip();
      const bool open_begin = peek() == ',';
      if (!open_begin) {
        PENSEE_ASSIGN(repeat.min, count());
        repeat.max = repeat.min;
        skip();
      }
      if (take(',')) {
        skip();
        repeat.max = kNoEnd;
        if (peek() != '}' || open_begin) {
          PENSEE_ASSIGN(repeat.max, count());
        }
      }
      skip();
      if (!take('}')) return error("'{' without '}'");
      if (repeat.min > repeat.max) return error("an interval whose ends are swapped");
    } else if (!take('*')) {
      return Status();
    }
    if (times > 8) return error("too many quantifiers in a row");
    repeat.children.push_back(std::move(node));
    node = std::move(repeat);
  }
  return Status();
}

// One character of a literal or class, or its escape.
Result<CodePoint> Parser::character() {
  if (!take('\\')) return unicode::next(text_, at_);
  const char c = peek();
  ++at_;
  const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  CodePoint value = 0;
  for (size_t i = 0; i < digits; ++i, ++at_) {
    const char d = peek(), lower = static_cast<char>(d | 32);
    if (d >= '0' && d <= '9')
      value = value * 16 + static_cast<CodePoint>(d - '0');
    else if (lower >= 'a' && lower <= 'f')
      value = value * 16 + static_cast<CodePoint>(lower - 'a' + 10);
    else
      return error("a hexadecimal digit is wanted");
  }
  if (digits && (value > unicode::kLastCodePoint || (value >= 0xD800 && value <= 0xDFFF))) {
    return error("this is no code point of text");
  }
  if (digits) return value;
  switch (c) {
    case 'n':
      return CodePoint{'\n'};
    case 'r':
      return CodePoint{'\r'};
    case 't':
      return CodePoint{'\t'};
    case '\\':
    case '"':
    case '\'':
    case '[':
    case ']':
    case '-':
    case '^':
    case '/':
      return static_cast<CodePoint>(c);
    default:
      break;
  }
  at_ = std::min(at_ - 2, text_.size());
  return error("this escape is not known");
}

Result<Node> Parser::literal() {
  const size_t open = at_;
  const char quote = text_[at_++];
  Node node;
  node.kind = Kind::literal;
  while (more() && peek() != quote && peek() != '\n') {
    PENSEE_ASSIGN(const CodePoint c, character());
    unicode::append_utf8(c, node.text);
  }
  if (!take(quote)) return at_ = open, error("the literal has no end");
  return node;
}

Result<Node> Parser::char_class() {
  const size_t open = at_++;
  Node node;
  node.kind = Kind::set;
  const bool negated = take('^');
  while (more() && peek() != ']' && peek() != '\n') {
    PENSEE_ASSIGN(const CodePoint first, character());
    CodePoint last = first;
    if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
      ++at_;
      PENSEE_ASSIGN(last, character());
      if (last < first) return error("the range runs backwards");
    }
    node.set.add(first, last);
  }
  if (!take(']')) return at_ = open, error("the class has no end");
  if (negated) node.set.invert();
  return node;
}

}  // namespace

Result<Source> parse(std::string_view text) { return Parser(text).whole(); }

}  // namespace pensee::grammar
