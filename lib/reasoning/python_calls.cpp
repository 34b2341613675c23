#include "reasoning/python_calls.h"

#include <charconv>

#include "base/json.h"

namespace pensee {
namespace {

constexpr int kDepthMax = 100;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 63)),
            static_cast<char>(0x80 | (c & 63))};
  } else {
    out += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 63)),
            static_cast<char>(0x80 | ((c >> 6) & 63)), static_cast<char>(0x80 | (c & 63))};
  }
}

// Reads literals one after another; false from anywhere means that the text is not one.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() {
    skip();
    return at_ == text_.size();
  }
  bool take(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view word(std::string_view more = "") {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || more.find(text_[at_]) != more.npos)) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  bool value(json::Value& out, int depth) {
    skip();
    if (at_ == text_.size() || depth > kDepthMax) return false;
    const char c = text_[at_];
    if (c == '\'' || c == '"') {
      std::string text;
      if (!string(text)) return false;
      out = std::move(text);
      return true;
    }
    if (c == '[' || c == '(') return list(out, c == '[' ? ']' : ')', depth);
    if (c == '{') return dict(out, depth);
    return scalar(out);
  }

 private:
  void skip() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  bool scalar(json::Value& out) {
    const std::string_view text = word("+-.");
    if (text == "None") {
      out = nullptr;
    } else if (text == "True" || text == "False") {
      out = text == "True";
    } else {
      auto parsed = json::parse(text, "value");
      if (!parsed.ok()) return false;
      out = *std::move(parsed);
    }
    return true;
  }

  bool list(json::Value& out, char close, int depth) {
    ++at_;
    json::Array items;
    while (!take(close)) {
      items.emplace_back();
      if (!value(items.back(), depth + 1)) return false;
      if (take(',')) continue;
      if (!take(close)) return false;
      break;
    }
    out = std::move(items);
    return true;
  }

  bool dict(json::Value& out, int depth) {
    ++at_;
    json::Object members;
    while (!take('}')) {
      json::Value key, item;
      if (!value(key, depth + 1) || !take(':') || !value(item, depth + 1)) return false;
      members.emplace_back(key.string() ? *key.string() : json::dump(key), std::move(item));
      if (take(',')) continue;
      if (!take('}')) return false;
      break;
    }
    out = std::move(members);
    return true;
  }

  bool hex(size_t digits, std::string& out) {
    uint32_t code = 0;
    if (at_ + digits > text_.size()) return false;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + digits, code, 16);
    if (error != std::errc() || end != begin + digits || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      return false;
    at_ += digits;
    append_utf8(out, code);
    return true;
  }

  bool escape(std::string& out) {
    if (at_ == text_.size()) return false;
    const char c = text_[at_++];
    constexpr std::string_view names = "nrtbfav0\\'\"", meant("\n\r\t\b\f\a\v\0\\'\"", 11);
    if (const size_t known = names.find(c); known != names.npos) {
      out += meant[known];
      return true;
    }
    if (c == 'x') return hex(2, out);
    if (c == 'u') return hex(4, out);
    if (c == 'U') return hex(8, out);
    if (c == '\n') return true;
    out += {'\\', c};  // as Python keeps what it does not know
    return true;
  }

  bool string(std::string& out) {
    const char quote = text_[at_++];
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) return true;
      if (c != '\\') {
        out += c;
      } else if (!escape(out)) {
        return false;
      }
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string json_of_python(std::string_view text) {
  Reader reader(text);
  json::Value value;
  return reader.value(value, 0) && reader.at_end() ? json::dump(value) : "";
}

bool read_python_call(std::string_view text, std::string& name, std::string& arguments) {
  Reader reader(text);
  name = reader.word(".-");
  json::Object members;
  if (!reader.take('(')) return false;
  while (!reader.take(')')) {
    std::string key(reader.word());
    json::Value value;
    if (key.empty() || !reader.take('=') || !reader.value(value, 0)) return false;
    members.emplace_back(std::move(key), std::move(value));
    if (reader.take(',')) continue;
    if (!reader.take(')')) return false;
    break;
  }
  arguments = json::dump(json::Value(std::move(members)));
  return reader.at_end();
}

}  // namespace pensee
