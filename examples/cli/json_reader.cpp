#include "json_reader.h"

#include <cstring>
#include <stdexcept>

namespace cli {
namespace {

void append_utf8(std::string& out, uint32_t point) {
  const auto byte = [&](uint32_t b) { out += static_cast<char>(b); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xC0 | point >> 6);
  } else if (point < 0x10000) {
    byte(0xE0 | point >> 12);
    byte(0x80 | (point >> 6 & 63));
  } else {
    byte(0xF0 | point >> 18);
    byte(0x80 | (point >> 12 & 63));
    byte(0x80 | (point >> 6 & 63));
  }
  byte(0x80 | (point & 63));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json whole() {
    Json value = read(0);
    skip_space();
    if (at_ != text_.size()) fail("something follows the value");
    return value;
  }

 private:
  static constexpr int kMostDeep = 64;

  [[noreturn]] void fail(const char* what) const {
    throw std::runtime_error(std::string("no JSON: ") + what + " at character " + std::to_string(at_ + 1));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    at_++;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) && text_[at_]) at_++;
  }

  Json read(int depth) {
    if (depth > kMostDeep) fail("too deep");
    skip_space();
    Json value;
    if (peek() == '{') {
      value.kind = Json::object;
      read_members(value, depth);
    } else if (peek() == '[') {
      value.kind = Json::array;
      read_items(value, depth);
    } else if (peek() == '"') {
      value.kind = Json::string;
      value.text = read_string();
    } else {
      read_word(value);
    }
    return value;
  }

  void read_items(Json& value, int depth) {
    at_++;
    skip_space();
    if (take(']')) return;
    do {
      value.items.push_back(read(depth + 1));
      skip_space();
    } while (take(','));
    if (!take(']')) fail("',' or ']' is missing");
  }

  void read_members(Json& value, int depth) {
    at_++;
    skip_space();
    if (take('}')) return;
    do {
      skip_space();
      if (peek() != '"') fail("a name is missing");
      std::string name = read_string();
      skip_space();
      if (!take(':')) fail("':' is missing");
      value.members.emplace_back(std::move(name), read(depth + 1));
      skip_space();
    } while (take(','));
    if (!take('}')) fail("',' or '}' is missing");
  }

  void read_word(Json& value) {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                  (text_[at_] && std::strchr("+-.", text_[at_])))) {
      at_++;
    }
    value.text = text_.substr(begin, at_ - begin);
    if (value.text == "null") return;
    if (value.text == "true" || value.text == "false") {
      value.kind = Json::boolean;
      return;
    }
    at_ = begin;
    if (!is_number(value.text)) fail("no value");
    at_ += value.text.size();
    value.kind = Json::number;
  }

  // -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
  static bool is_number(std::string_view s) {
    size_t i = 0;
    const auto digits = [&] {
      const size_t from = i;
      while (i < s.size() && s[i] >= '0' && s[i] <= '9') i++;
      return i > from;
    };
    const auto any_of = [&](const char* set) { return i < s.size() && std::strchr(set, s[i]) && ++i; };
    any_of("-");
    const size_t first = i;
    if (!digits() || (s[first] == '0' && i > first + 1)) return false;
    if (any_of(".") && !digits()) return false;
    if (any_of("eE")) {
      any_of("+-");
      if (!digits()) return false;
    }
    return i == s.size();
  }

  uint32_t read_hex() {
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++, at_++) {
      const char c = peek();
      const char* hex = "0123456789abcdef";
      const char* found = c ? std::strchr(hex, c >= 'A' && c <= 'F' ? c + 32 : c) : nullptr;
      if (!found) fail("four hexadecimal digits are missing");
      unit = unit * 16 + static_cast<uint32_t>(found - hex);
    }
    return unit;
  }

  uint32_t read_code_point() {
    const uint32_t unit = read_hex();
    if (unit < 0xD800 || unit > 0xDFFF) return unit;
    if (unit > 0xDBFF || !take('\\') || !take('u')) fail("half a surrogate pair");
    const uint32_t low = read_hex();
    if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }

  std::string read_string() {
    std::string out;
    at_++;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      if (c != '\\') {
        out += c;
        continue;
      }
      const char escape = peek();
      at_++;
      if (escape == 'u') {
        append_utf8(out, read_code_point());
        continue;
      }
      const char* from = "\"\\/bfnrt";
      const char* found = escape ? std::strchr(from, escape) : nullptr;
      if (!found) fail("an unknown escape");
      out += "\"\\/\b\f\n\r\t"[found - from];
    }
    fail("a string without an end");
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view name) const {
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (member->first == name) return &member->second;
  }
  return nullptr;
}

Json parse_json(std::string_view text) { return Parser(text).whole(); }

}  // namespace cli
