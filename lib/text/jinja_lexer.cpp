// Text into tokens, with the white-space rules that transformers sets: trim_blocks (the newline behind a block goes),
// lstrip_blocks (blanks before a block that stands first on its line go), "-" strips and "+" keeps. One trailing
// newline of the template goes too. Braces are balanced here, so that "}}" can close a dict inside of a print.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/decimal.h"
#include "text/jinja_ast.h"
#include "text/jinja_text.h"

namespace pensee::jinja {
namespace {

constexpr bool is_digit_char(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_name_char(char c) {
  return is_digit_char(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Longest first.
constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                           "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view name) : template_name_(name) {
    source_.reserve(source.size());
    for (size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
      source_.push_back(source[i] == '\r' ? '\n' : source[i]);
    }
    if (!source_.empty() && source_.back() == '\n') source_.pop_back();
  }

  Result<std::vector<Token>> run() {
    while (at_ < source_.size() && status_.ok()) text_part();
    if (!status_.ok()) return status_;
    add(Token::end, "");
    return std::move(tokens_);
  }

 private:
  bool has(std::string_view what, size_t at) const { return source_.compare(at, what.size(), what) == 0; }
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  void fail(std::string_view message) {
    if (status_.ok()) status_ = Status::format(Code::bad_argument, "{}:{}: {}", template_name_, line_, message);
  }
  void add(Token::Type type, std::string text) {
    tokens_.emplace_back();
    tokens_.back().type = type;
    tokens_.back().line = line_;
    tokens_.back().text = std::move(text);
  }
  void move_to(size_t to) {
    for (; at_ < to; ++at_) line_ += source_[at_] == '\n';
    if (to > 0) line_starting_ = source_[to - 1] == '\n';
  }
  size_t blanks_from(size_t at) const {
    while (at < source_.size() && strips(at) > 0) at += strips(at);
    return at;
  }
  size_t strips(size_t at) const {
    size_t behind = at;
    return is_space(next_char(source_, behind)) ? behind - at : 0;
  }

  void text_part();
  void emit_data(std::string_view text, char sign, bool is_variable);
  bool raw_part(size_t tag, std::string_view text);
  void comment_part();
  void tag_part(bool is_variable);
  bool tag_end(bool is_variable);
  void token();
  void number();
  bool float_tail(size_t& end) const;
  void string_literal();
  void escape(std::string_view body, size_t& i, std::string& out);
  void operator_token();

  std::string source_;
  std::string_view template_name_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string braces_;  // closers that are still awaited
  std::vector<Token> tokens_;
  Status status_;
};

void Lexer::text_part() {
  size_t tag = at_;
  while (true) {
    tag = source_.find('{', tag);
    if (tag == std::string::npos || tag + 1 >= source_.size()) {
      add(Token::data, source_.substr(at_));
      at_ = source_.size();
      return;
    }
    const char kind = source_[tag + 1];
    if (kind == '{' || kind == '%' || kind == '#') break;
    ++tag;
  }
  const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
  if (raw_part(tag, text)) return;
  const char kind = source_[tag + 1];
  const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
  emit_data(text, sign, kind == '{');
  move_to(tag + (sign == '-' || sign == '+' ? 3 : 2));
  if (kind == '#') {
    comment_part();
  } else {
    tag_part(kind == '{');
  }
}

void Lexer::emit_data(std::string_view text, char sign, bool is_variable) {
  if (sign == '-') {
    text = strip(text, kRight);
  } else if (sign != '+' && !is_variable) {
    const size_t newline = text.rfind('\n');
    const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
    if ((line_start > 0 || line_starting_) && strip(text.substr(line_start), kLeft).empty()) {
      text = text.substr(0, line_start);
    }
  }
  if (!text.empty()) add(Token::data, std::string(text));
}

// {% raw %} ... {% endraw %}: taken as it is.
bool Lexer::raw_part(size_t tag, std::string_view text) {
  if (!has("{%", tag)) return false;
  size_t i = tag + 2;
  const char sign = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : '\0';
  i = blanks_from(i);
  if (!has("raw", i)) return false;
  i = blanks_from(i + 3);
  const bool strips_behind = has("-%}", i);
  if (!strips_behind && !has("%}", i)) return false;
  emit_data(text, sign, false);
  const size_t start = strips_behind ? blanks_from(i + 3) : i + 2;
  move_to(start);
  for (size_t end = source_.find("{%", start); end != std::string::npos; end = source_.find("{%", end + 2)) {
    size_t j = end + 2;
    const char end_sign = j < source_.size() && (source_[j] == '-' || source_[j] == '+') ? source_[j++] : '\0';
    j = blanks_from(j);
    if (!has("endraw", j)) continue;
    j = blanks_from(j + 6);
    const char close = j < source_.size() && (source_[j] == '-' || source_[j] == '+') ? source_[j++] : '\0';
    if (!has("%}", j)) continue;
    emit_data(std::string_view(source_).substr(start, end - start), end_sign, false);
    j += 2;
    if (close == '-') j = blanks_from(j);
    if (close == '\0' && j < source_.size() && source_[j] == '\n') ++j;
    move_to(j);
    return true;
  }
  fail("missing end of raw directive");
  return true;
}

void Lexer::comment_part() {
  const size_t end = source_.find("#}", at_);
  if (end == std::string::npos) return fail("missing end of comment tag");
  size_t behind = end + 2;
  const char sign = end > at_ ? source_[end - 1] : '\0';
  if (sign == '-') {
    behind = blanks_from(behind);
  } else if (sign != '+' && behind < source_.size() && source_[behind] == '\n') {
    ++behind;
  }
  move_to(behind);
}

void Lexer::tag_part(bool is_variable) {
  add(is_variable ? Token::variable_begin : Token::block_begin, "");
  braces_.clear();
  while (status_.ok()) {
    if (braces_.empty() && tag_end(is_variable)) return;
    if (at_ >= source_.size()) return;  // the parser says what is missing
    if (strips(at_)) {
      move_to(blanks_from(at_));
    } else {
      token();
    }
  }
}

bool Lexer::tag_end(bool is_variable) {
  const std::string_view close = is_variable ? "}}" : "%}";
  const char sign = peek();
  const bool signed_end = sign == '-' || (sign == '+' && !is_variable);
  const size_t end = at_ + (signed_end ? 1 : 0);
  if (!has(close, end)) return false;
  add(is_variable ? Token::variable_end : Token::block_end, "");
  size_t behind = end + 2;
  if (sign == '-') {
    behind = blanks_from(behind);
  } else if (!signed_end && !is_variable && behind < source_.size() && source_[behind] == '\n') {
    ++behind;
  }
  move_to(behind);
  return true;
}

void Lexer::token() {
  const char c = peek();
  if (is_digit_char(c)) return number();
  if (c == '\'' || c == '"') return string_literal();
  if (is_name_char(c)) {
    size_t end = at_;
    while (end < source_.size() && is_name_char(source_[end])) ++end;
    add(Token::name, source_.substr(at_, end - at_));
    at_ = end;
    return;
  }
  operator_token();
}

// Whether a fraction or an exponent follows the digits that end at `end`; then `end` moves behind it.
bool Lexer::float_tail(size_t& end) const {
  const auto digits = [&](size_t from) {
    while (from < source_.size() &&
           (is_digit_char(source_[from]) || (source_[from] == '_' && is_digit_char(source_[from - 1]) &&
                                             from + 1 < source_.size() && is_digit_char(source_[from + 1])))) {
      ++from;
    }
    return from;
  };
  const size_t before = end;
  if (at_ > 0 && source_[at_ - 1] == '.') return false;
  if (end + 1 < source_.size() && source_[end] == '.' && is_digit_char(source_[end + 1])) end = digits(end + 1);
  if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
    const size_t sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-') ? 1 : 0;
    const size_t first = end + 1 + sign;
    if (first < source_.size() && is_digit_char(source_[first])) end = digits(first);
  }
  return end != before;
}

void Lexer::number() {
  int base = 10;
  size_t first = at_;
  const char kind = static_cast<char>(peek(1) | 0x20);
  if (peek() == '0' && (kind == 'x' || kind == 'o' || kind == 'b')) {
    base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
    first = at_ + 2;
  }
  size_t end = first;
  std::string digits;
  for (; end < source_.size(); ++end) {
    const char c = source_[end];
    if (c == '_') continue;
    const bool hex = base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
    if (!is_digit_char(c) && !hex) break;
    digits.push_back(c);
  }
  Value value;
  if (base == 10 && float_tail(end)) {
    digits.clear();
    for (char c : std::string_view(source_).substr(at_, end - at_)) {
      if (c != '_') digits.push_back(c);
    }
    double real = 0;
    const bool fits = read_double(digits.data(), digits.data() + digits.size(), real).ec == std::errc();
    const bool tiny = digits.find("e-") != std::string::npos || digits.find("E-") != std::string::npos;
    value = Value::real(fits ? real : tiny ? 0.0 : HUGE_VAL);
  } else {
    int64_t integer = 0;
    const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), integer, base);
    if (got.ec != std::errc() || got.ptr != digits.data() + digits.size()) return fail("a malformed or huge number");
    value = Value::integer(integer);
  }
  add(Token::number, source_.substr(at_, end - at_));
  tokens_.back().value = std::move(value);
  at_ = end;
}

void Lexer::string_literal() {
  const char quote = peek();
  size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) return fail("a string that never ends");
  const std::string_view body = std::string_view(source_).substr(at_ + 1, end - at_ - 1);
  std::string text;
  text.reserve(body.size());
  for (size_t i = 0; i < body.size() && status_.ok();) {
    if (body[i] == '\\') {
      escape(body, i, text);
    } else {
      text.push_back(body[i++]);
    }
  }
  add(Token::string, std::move(text));
  move_to(end + 1);
}

// Python's escapes; an unknown one keeps its backslash.
void Lexer::escape(std::string_view body, size_t& i, std::string& out) {
  const char c = body[i + 1];  // exists: a backslash never ends a body
  i += 2;
  constexpr std::string_view kNames = "\\'\"abfnrtv", kBytes = "\\'\"\a\b\f\n\r\t\v";
  if (c == '\n') return;
  if (const size_t at = kNames.find(c); at != std::string_view::npos) return out.push_back(kBytes[at]);
  const bool octal = c >= '0' && c <= '7';
  const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (!octal && digits == 0) {
    if (c == 'N') return fail("\\N{...} in a string is not supported");
    out.push_back('\\');
    return out.push_back(c);
  }
  if (octal) --i;
  const size_t size = octal ? std::min<size_t>(3, body.find_first_not_of("01234567", i) - i) : digits;
  const std::string_view text = body.substr(i, size);
  uint32_t code = 0;
  const auto got = std::from_chars(text.data(), text.data() + text.size(), code, octal ? 8 : 16);
  if ((!octal && text.size() < digits) || got.ec != std::errc() || got.ptr != text.data() + text.size()) {
    return fail("a malformed escape in a string");
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return fail("an escape that is no character");
  append_utf8(out, code);
  i += text.size();
}

void Lexer::operator_token() {
  for (std::string_view op : kOperators) {
    if (!has(op, at_)) continue;
    if (op == "(" || op == "[" || op == "{") {
      braces_.push_back(op == "(" ? ')' : op == "[" ? ']' : '}');
    } else if (op == ")" || op == "]" || op == "}") {
      if (braces_.empty() || braces_.back() != op[0]) return fail(format("unexpected '{}'", op));
      braces_.pop_back();
    }
    add(Token::op, std::string(op));
    at_ += op.size();
    return;
  }
  fail(format("unexpected character '{}'", std::string_view(source_).substr(at_, 1)));
}

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source, std::string_view template_name) {
  return Lexer(source, template_name).run();
}

}  // namespace pensee::jinja
