// JSON reader and writer. The reader is a plain recursive descent over the text: depth is limited, so neither it nor
// the destructor of what it builds can run out of stack. It is stricter than most: UTF-8 is checked, a lone surrogate
// is an error (no UTF-8 can hold it), and so is a real beyond the range of a double. Whole numbers that do not fit 64
// bits become reals. Two members of one name are both kept in order; find() and set() mean the last, as Python does.
#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <system_error>

#include "base/decimal.h"

namespace pensee::json {
namespace {

constexpr int kMaxDepth = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Bytes of the UTF-8 sequence at `p`, or 0 when it is none (overlong, surrogate, beyond U+10FFFF, cut short).
size_t utf8_length(const char* p, const char* end) {
  const auto byte = [&](int i) -> uint32_t { return p + i < end ? static_cast<unsigned char>(p[i]) : 0; };
  const auto tail = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const uint32_t low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint32_t low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
    return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 63));
    out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 63));
    out += static_cast<char>(0x80 | ((c >> 6) & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view name)
      : begin_(text.data()), p_(begin_), end_(begin_ + text.size()), name_(name) {}

  Result<Value> document() {
    Value value;
    if (!parse_value(value, 0)) return error();
    skip_space();
    if (p_ != end_) {
      fail("text after the end of the value");
      return error();
    }
    return value;
  }

 private:
  // Failing functions return false after noting why and where; only error() makes a Status of it.
  bool fail(const char* why) { return fail(why, p_); }
  bool fail(const char* why, const char* where) {
    why_ = why;
    where_ = where;
    return false;
  }
  Status error() const {
    const auto line = 1 + std::count(begin_, where_, '\n');
    return Status::corrupt("{}: not valid JSON at byte {} (line {}): {}", name_, where_ - begin_, line, why_);
  }

  void skip_space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }
  bool take(char c) {
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }

  bool parse_value(Value& out, int depth) {
    skip_space();
    if (p_ == end_) return fail("the text ends where a value should stand");
    switch (*p_) {
      case '{':
        return parse_object(out, depth + 1);
      case '[':
        return parse_array(out, depth + 1);
      case '"': {
        std::string text;
        if (!parse_string(text)) return false;
        out = Value(std::move(text));
        return true;
      }
      case 't':
        return parse_word("true", Value(true), out);
      case 'f':
        return parse_word("false", Value(false), out);
      case 'n':
        return parse_word("null", Value(), out);
      default:
        return parse_number(out);
    }
  }

  bool parse_word(std::string_view word, Value value, Value& out) {
    if (!std::string_view(p_, static_cast<size_t>(end_ - p_)).starts_with(word)) return fail("expected a value");
    p_ += word.size();
    out = std::move(value);
    return true;
  }

  bool parse_array(Value& out, int depth) {
    if (depth > kMaxDepth) return fail("nested deeper than 256 levels");
    ++p_;
    Array items;
    skip_space();
    if (!take(']')) {
      do {
        items.emplace_back();
        if (!parse_value(items.back(), depth)) return false;
        skip_space();
      } while (take(','));
      if (!take(']')) return fail("expected ',' or ']'");
    }
    out = Value(std::move(items));
    return true;
  }

  bool parse_object(Value& out, int depth) {
    if (depth > kMaxDepth) return fail("nested deeper than 256 levels");
    ++p_;
    Object members;
    skip_space();
    if (!take('}')) {
      do {
        members.emplace_back();
        skip_space();
        if (p_ == end_ || *p_ != '"') return fail("expected a member's name in quotes");
        if (!parse_string(members.back().first)) return false;
        skip_space();
        if (!take(':')) return fail("expected ':'");
        if (!parse_value(members.back().second, depth)) return false;
        skip_space();
      } while (take(','));
      if (!take('}')) return fail("expected ',' or '}'");
    }
    out = Value(std::move(members));
    return true;
  }

  bool parse_string(std::string& out) {
    const char* const opening = p_++;
    while (true) {
      const char* const run = p_;
      while (p_ != end_ && *p_ != '"' && *p_ != '\\' && static_cast<unsigned char>(*p_) - 0x20u < 0x60u) ++p_;
      out.append(run, p_);
      if (p_ == end_) return fail("a string that never ends", opening);
      if (*p_ == '"') break;
      if (*p_ == '\\') {
        if (!parse_escape(out)) return false;
      } else if (static_cast<unsigned char>(*p_) < 0x20) {
        return fail("a control character inside a string");
      } else {
        const size_t length = utf8_length(p_, end_);
        if (length == 0) return fail("a string that is not UTF-8");
        out.append(p_, length);
        p_ += length;
      }
    }
    ++p_;
    return true;
  }

  bool parse_escape(std::string& out) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char* const start = p_++;
    if (p_ == end_) return fail("a string that never ends", start);
    const char letter = *p_++;
    if (letter != 'u') {
      const size_t at = kLetters.find(letter);
      if (at == std::string_view::npos) return fail("an unknown escape", start);
      out += kMeanings[at];
      return true;
    }
    uint32_t unit = 0, low = 0;
    if (!parse_hex4(unit)) return fail("\\u without four hexadecimal digits", start);
    if (unit >= 0xD800 && unit <= 0xDFFF) {
      const bool paired = unit < 0xDC00 && take('\\') && take('u') && parse_hex4(low) && low >= 0xDC00 && low <= 0xDFFF;
      if (!paired) return fail("half of a surrogate pair", start);
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, unit);
    return true;
  }

  bool parse_hex4(uint32_t& out) {
    if (end_ - p_ < 4) return false;
    const auto [stop, problem] = std::from_chars(p_, p_ + 4, out, 16);
    if (problem != std::errc() || stop != p_ + 4) return false;
    p_ += 4;
    return true;
  }

  bool skip_digits() {
    const char* const first = p_;
    while (p_ != end_ && is_digit(*p_)) ++p_;
    return p_ != first;
  }

  bool parse_number(Value& out) {
    const char* const first = p_;
    const bool minus = take('-');
    if (p_ == end_ || !is_digit(*p_)) return fail(minus ? "'-' without a number" : "expected a value", first);
    if (take('0')) {
      if (p_ != end_ && is_digit(*p_)) return fail("a number with a leading zero", first);
    } else {
      skip_digits();
    }
    bool whole = true;
    if (take('.')) {
      whole = false;
      if (!skip_digits()) return fail("expected digits after '.'");
    }
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      whole = false;
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!skip_digits()) return fail("expected digits in the exponent");
    }
    if (int64_t integer = 0; whole && std::from_chars(first, p_, integer).ec == std::errc()) {
      out = Value(integer);
      return true;
    }
    double real = 0;
    if (read_double(first, p_, real).ec != std::errc()) return fail("a number beyond the range of a double", first);
    out = Value(real);
    return true;
  }

  const char* begin_;
  const char* p_;
  const char* end_;
  std::string_view name_;
  const char* why_ = "";
  const char* where_ = nullptr;
};

// The shortest digits that read back as the same double, laid out as Python's repr: an exponent of at least two
// digits below 1e-4 and from 1e16 on, else a decimal point with something on both sides of it.
void append_real(std::string& out, double v) {
  if (!std::isfinite(v)) {
    out += std::isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity";
    return;
  }
  char buffer[64];
  const double size = std::fabs(v);
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e16);
  const auto form = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  const char* const stop = std::to_chars(buffer, buffer + sizeof buffer, v, form).ptr;
  const std::string_view text(buffer, static_cast<size_t>(stop - buffer));
  out += text;
  if (!exponent && text.find('.') == std::string_view::npos) out += ".0";
}

void append_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

class Writer {
 public:
  Writer(std::string_view comma, std::string_view colon, int indent) : comma_(comma), colon_(colon), indent_(indent) {}

  void write(const Value& value, int depth) {
    if (const bool* b = value.boolean()) {
      out += *b ? "true" : "false";
    } else if (const int64_t* i = value.integer()) {
      out += std::to_string(*i);
    } else if (const double* r = value.real()) {
      append_real(out, *r);
    } else if (const std::string* s = value.string()) {
      append_string(out, *s);
    } else if (const Array* items = value.array()) {
      sequence('[', ']', *items, depth, [&](const Value& item) { write(item, depth + 1); });
    } else if (const Object* members = value.object()) {
      sequence('{', '}', *members, depth, [&](const Member& member) {
        append_string(out, member.first);
        out += colon_;
        write(member.second, depth + 1);
      });
    } else {
      out += "null";
    }
  }

  std::string out;

 private:
  template <class Items, class Write>
  void sequence(char open, char close, const Items& items, int depth, Write write_one) {
    out += open;
    bool first = true;
    for (const auto& item : items) {
      if (!first) out += comma_;
      first = false;
      new_line(depth + 1);
      write_one(item);
    }
    if (!items.empty()) new_line(depth);
    out += close;
  }
  void new_line(int depth) {
    if (indent_ < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent_) * static_cast<size_t>(depth), ' ');
  }

  std::string_view comma_;
  std::string_view colon_;
  int indent_;
};

std::string written(const Value& value, std::string_view comma, std::string_view colon, int indent) {
  Writer writer(comma, colon, indent);
  writer.write(value, 0);
  return std::move(writer.out);
}

}  // namespace

double Value::number(double otherwise) const {
  if (const int64_t* i = integer()) return static_cast<double>(*i);
  if (const double* r = real()) return *r;
  return otherwise;
}

const Value* Value::find(std::string_view name) const {
  const Object* members = object();
  if (!members) return nullptr;
  const auto found = std::find_if(members->rbegin(), members->rend(), [&](const Member& m) { return m.first == name; });
  return found == members->rend() ? nullptr : &found->second;
}

// Copied outside, then moved: where copying throws, gcc 12 has a std::variant destroy what it never made.
Value::Value(const Value& other) {
  std::visit(
      [this](const auto& held) {
        auto copy = held;
        data_ = std::move(copy);
      },
      other.data_);
}

void Value::set(std::string name, Value value) {
  if (!object()) data_ = Object();
  Object& members = *object();
  const auto found = std::find_if(members.rbegin(), members.rend(), [&](const Member& m) { return m.first == name; });
  if (found != members.rend()) {
    found->second = std::move(value);
  } else {
    members.emplace_back(std::move(name), std::move(value));
  }
}

const char* Value::kind() const {
  static constexpr const char* kNames[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
  return kNames[data_.index()];
}

Result<Value> parse(std::string_view text, std::string_view name) { return Parser(text, name).document(); }

std::string dump(const Value& value, int indent) { return written(value, indent < 0 ? ", " : ",", ": ", indent); }

std::string dump_compact(const Value& value) { return written(value, ",", ":", -1); }

}  // namespace pensee::json
