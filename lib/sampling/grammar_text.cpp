#include "sampling/grammar_text.h"

#include <algorithm>
#include <cstdio>

namespace pensee::grammar {
namespace {

using unicode::CodePoint;
using unicode::CodeSet;

std::string escaped(CodePoint c) {
  char text[16];
  std::snprintf(text, sizeof text, "\\U%08x", static_cast<unsigned>(c));
  return text;
}

bool is_plain(CodePoint c) {
  return c >= ' ' && c < 127 && std::string_view("\"\\[]^-").find(static_cast<char>(c)) == std::string_view::npos;
}

std::string one(CodePoint c) { return is_plain(c) ? std::string(1, static_cast<char>(c)) : escaped(c); }

std::string hex_digits(unsigned unit) {
  char text[8];
  std::snprintf(text, sizeof text, "%04x", unit);
  std::string piece;
  for (const char* d = text; *d; ++d) {
    const char both[] = {*d, static_cast<char>(*d - 'a' + 'A'), '\0'};
    piece += *d >= 'a' ? " [" + std::string(both) + "]" : " \"" + std::string(1, *d) + "\"";
  }
  return "\"\\\\u\"" + piece;
}

// \uXXXX, in a pair beyond the first plane.
std::string unicode_escape(CodePoint c) {
  if (c < 0x10000) return "(" + hex_digits(c) + ")";
  return "(" + hex_digits(0xD800 + ((c - 0x10000) >> 10)) + " " + hex_digits(0xDC00 + (c & 0x3FF)) + ")";
}

// JSON's own letter for an escape; 0 when it has none.
char short_escape(CodePoint c) {
  switch (c) {
    case '"':
      return '"';
    case '\\':
      return '\\';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

constexpr const char* kHex = "[0-9a-fA-F]";

// \uXXXX of code points from U+007F on, which some writers escape, and their pairs.
std::string escapes_beyond_ascii() {
  const std::string hex = kHex;
  return "\"\\\\u\" (\"00\" (\"7\" [fF] | [89a-fA-F] " + hex + ") | \"0\" [1-9a-fA-F] " + hex +
         "{2} | [1-9a-cA-CeEfF] " + hex + "{3} | [dD] [0-7] " + hex + "{2} | [dD] [89abAB] " + hex +
         "{2} \"\\\\u\" [dD] [c-fC-F] " + hex + "{2})";
}

bool holds_all_beyond_ascii(const CodeSet& set) {
  CodeSet beyond;
  beyond.add(0x7F, 0xD7FF);
  beyond.add(0xE000, unicode::kLastCodePoint);
  CodeSet both = set;
  both.intersect(beyond);
  return both.ranges() == beyond.ranges();
}

}  // namespace

std::string literal(std::string_view utf8) {
  std::string out = "\"";
  for (size_t at = 0; at < utf8.size();) out += one(unicode::next(utf8, at));
  return out + "\"";
}

std::string one_of(const CodeSet& set) {
  CodeSet whole;
  whole.add(0, 0xD7FF);
  whole.add(0xE000, unicode::kLastCodePoint);
  whole.intersect(set);
  if (whole.ranges().empty()) return "";
  std::string out = "[";
  for (const auto& [first, last] : whole.ranges()) {
    out += one(first);
    if (last > first) out += (last > first + 1 ? "-" : "") + one(last);
  }
  return out + "]";
}

std::string choice(const std::vector<std::string>& all) {
  if (all.empty()) return "\"\"";
  if (all.size() == 1) return "(" + (all[0].empty() ? "\"\"" : all[0]) + ")";
  std::string out = "(";
  for (const std::string& piece : all) out += (out.size() > 1 ? " | " : "") + (piece.empty() ? "\"\"" : piece);
  return out + ")";
}

std::string repeat(const std::string& piece, uint64_t min, uint64_t max) {
  if (max == 0) return "\"\"";
  if (min == 1 && max == 1) return piece;
  if (min == 0 && max == 1) return piece + "?";
  if (min == 0 && max == kForever) return piece + "*";
  if (min == 1 && max == kForever) return piece + "+";
  if (max == kForever) return piece + "{" + std::to_string(min) + ",}";
  if (min == max) return piece + "{" + std::to_string(min) + "}";
  return piece + "{" + std::to_string(min) + "," + std::to_string(max) + "}";
}

std::string json_one_of(const CodeSet& set) {
  CodeSet raw, ask;  // what stands for itself, what needs an escape
  raw.add(' ', '!');
  raw.add('#', '[');
  raw.add(']', unicode::kLastCodePoint);
  raw.intersect(set);
  ask.add(0, 31);
  ask.add('"', '"');
  ask.add('\\', '\\');
  ask.intersect(set);
  std::vector<std::string> all;
  if (const std::string piece = one_of(raw); !piece.empty()) all.push_back(piece);
  CodeSet letters;
  for (const auto& [first, last] : ask.ranges()) {
    for (CodePoint c = first; c <= last; ++c) {
      if (const char letter = short_escape(c)) {
        letters.add(static_cast<CodePoint>(letter), static_cast<CodePoint>(letter));
      } else {
        all.push_back(unicode_escape(c));
      }
    }
  }
  if (!letters.ranges().empty()) all.push_back("\"\\\\\" " + one_of(letters));
  if (holds_all_beyond_ascii(set)) all.push_back(escapes_beyond_ascii());
  return all.empty() ? "" : all.size() == 1 && all[0][0] == '[' ? all[0] : choice(all);
}

namespace {

std::string raw_class() {
  CodeSet raw;
  raw.add(' ', '!');
  raw.add('#', '[');
  raw.add(']', unicode::kLastCodePoint);
  return one_of(raw);
}

// Behind a backslash.
std::string escape() {
  const std::string hex = kHex;
  return "([\\U00000022\\U0000005c/bfnrt] | \"u\" ([0-9a-cA-CeEfF] " + hex + "{3} | [dD] [0-7] " + hex +
         "{2} | [dD] [89abAB] " + hex + "{2} \"\\\\u\" [dD] [c-fC-F] " + hex + "{2}))";
}

}  // namespace

std::string json_character() { return raw_class() + " | \"\\\\\" " + escape(); }

std::string json_string_rest() { return "\"\\\"\" | " + raw_class() + " rest | \"\\\\\" " + escape() + " rest"; }

std::string json_string_inside(std::string_view utf8) {
  std::string out, plain;
  const auto flush = [&] {
    if (!plain.empty()) out += (out.empty() ? "" : " ") + literal(plain);
    plain.clear();
  };
  for (size_t at = 0; at < utf8.size();) {
    const size_t from = at;
    const CodePoint c = unicode::next(utf8, at);
    if (const char letter = short_escape(c)) {
      plain += '\\';
      plain += letter;
    } else if (c >= ' ' && c < 0x7F) {
      plain += static_cast<char>(c);
    } else {
      flush();
      const std::string piece = unicode_escape(c);
      out += (out.empty() ? "" : " ") + (c < ' ' ? piece : choice({literal(utf8.substr(from, at - from)), piece}));
    }
  }
  flush();
  return out.empty() ? "\"\"" : out;
}

std::string space() { return "(\" \"? | \"\\n\" [ \\t]{0,32})"; }

std::string json_value(const json::Value& value) {
  if (const std::string* text = value.string()) return "\"\\\"\" " + json_string_inside(*text) + " \"\\\"\"";
  const json::Array* array = value.array();
  const json::Object* object = value.object();
  if ((array && array->empty()) || (object && object->empty())) return literal(array ? "[]" : "{}");
  if (!array && !object) return literal(json::dump_compact(value));
  std::string out = array ? "\"[\"" : "\"{\"";
  const char* comma = "";
  const auto next = [&] {
    out += std::string(comma) + " space ";
    comma = " \",\"";
  };
  if (array) {
    for (const json::Value& item : *array) next(), out += json_value(item);
    return out + " space \"]\"";
  }
  for (const auto& [key, item] : *object) next(), out += json_value(key) + " \":\" \" \"? " + json_value(item);
  return out + " space \"}\"";
}

std::string Rules::reserve(std::string_view hint) {
  std::string name;
  for (const char c : hint.substr(0, 24)) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) name += c;
  }
  return (name.empty() ? "r" : name) + "_" + std::to_string(made_++);
}

void Rules::define(const std::string& name, std::string body) {
  bytes_ += name.size() + body.size() + 6;
  rules_.emplace_back(name, std::move(body));
}

std::string Rules::add(std::string_view hint, std::string body) {
  std::string name = reserve(hint);
  define(name, std::move(body));
  return name;
}

std::string Rules::shared(std::string_view name, const std::string& body) {
  std::string made(name);
  if (std::find(shared_.begin(), shared_.end(), made) == shared_.end()) {
    shared_.push_back(made);
    define(made, body);
  }
  return made;
}

std::string Rules::text() const {
  std::string out;
  out.reserve(bytes_);
  for (const auto& [name, body] : rules_) out += name + " ::= " + body + "\n";
  return out;
}

}  // namespace pensee::grammar
