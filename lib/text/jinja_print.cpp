// How values print: Python's str() and repr(), and json.dumps for the `tojson` filter. Tool schemas pass through here
// into the prompt, so every space counts.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja_text.h"
#include "text/jinja_value.h"

namespace pensee::jinja {
namespace {

void append_hex(std::string& out, uint32_t c, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out.push_back("0123456789abcdef"[(c >> shift) & 15]);
}

// Python prefers ' and takes " only when that saves a backslash.
void append_quoted(std::string_view s, std::string& out) {
  const bool has_single = s.find('\'') != std::string_view::npos;
  const char quote = has_single && s.find('"') == std::string_view::npos ? '"' : '\'';
  out.push_back(quote);
  for (size_t at = 0; at < s.size();) {
    const size_t start = at;
    const uint32_t c = next_char(s, at);
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      out.append(s.substr(start, at - start));
    } else {
      out += c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
      append_hex(out, c, c < 0x100 ? 2 : c < 0x10000 ? 4 : 8);
    }
  }
  out.push_back(quote);
}

void append_items(Run& run, const Values& items, std::string& out, int depth) {
  for (size_t i = 0; i < items.size() && !run.failed(); ++i) {
    if (i) out += ", ";
    append_repr(run, items[i], out, depth + 1);
  }
}

void append_list(Run& run, const List& list, std::string& out, int depth) {
  switch (list.form) {
    case Form::list:
      out.push_back('[');
      append_items(run, list.items, out, depth);
      out.push_back(']');
      return;
    case Form::tuple:
    case Form::group:
      out.push_back('(');
      append_items(run, list.items, out, depth);
      out += list.items.size() == 1 ? ",)" : ")";
      return;
    case Form::iterator:
      out += "<generator object>";
      return;
    case Form::range: {
      const int64_t first = list.items.empty() ? 0 : list.items.front().integer();
      const int64_t last = list.items.empty() ? -1 : list.items.back().integer();
      out += format("range({}, {})", first, last + 1);
      return;
    }
    case Form::keys:
    case Form::values:
    case Form::items:
      out += list.form == Form::keys ? "dict_keys([" : list.form == Form::values ? "dict_values([" : "dict_items([";
      append_items(run, list.items, out, depth);
      out += "])";
      return;
  }
}

}  // namespace

std::string format_real(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char buffer[64];
  // The shortest digits that read back as the same double, then laid out by Python's rule.
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  std::string out, digits;
  if (text.front() == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const size_t e = text.find('e');
  int exponent = 0;
  const char* from = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(from, end, exponent);
  for (char c : text.substr(0, e)) {
    if (c != '.') digits.push_back(c);
  }
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1);
    if (count > 1) out += "." + digits.substr(1);
    const int size = std::abs(exponent);
    return out + (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "") + std::to_string(size);
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  return out + digits.substr(0, static_cast<size_t>(exponent + 1)) + "." +
         digits.substr(static_cast<size_t>(exponent + 1));
}

std::string to_str(Run& run, const Value& v) {
  if (v.is(Kind::string)) return v.text();
  if (v.is(Kind::undefined)) return "";
  std::string out;
  append_repr(run, v, out);
  return out;
}

void append_repr(Run& run, const Value& v, std::string& out, int depth) {
  if (!run.step()) return;
  if (depth > kValueDepthMax || out.size() > kOutputMax) {
    run.fail("a value is too deep or too long to print");
    return;
  }
  switch (v.kind()) {
    case Kind::missing:
    case Kind::undefined:
      out += "Undefined";
      return;
    case Kind::none:
      out += "None";
      return;
    case Kind::boolean:
      out += v.boolean() ? "True" : "False";
      return;
    case Kind::integer:
      out += std::to_string(v.integer());
      return;
    case Kind::real:
      out += format_real(v.number());
      return;
    case Kind::string:
      if (run.charge(v.text().size())) append_quoted(v.text(), out);
      return;
    case Kind::list:
      append_list(run, v.list(), out, depth);
      return;
    case Kind::dict: {
      out.push_back('{');
      bool first = true;
      for (const auto& [key, value] : v.dict().entries) {
        if (!first) out += ", ";
        first = false;
        append_repr(run, key, out, depth + 1);
        out += ": ";
        append_repr(run, value, out, depth + 1);
      }
      out.push_back('}');
      return;
    }
    case Kind::space: {
      out += "<Namespace {";
      bool first = true;
      for (const auto& [name, value] : v.space().attributes) {
        if (!first) out += ", ";
        first = false;
        append_quoted(name, out);
        out += ": ";
        append_repr(run, value, out, depth + 1);
      }
      out += "}>";
      return;
    }
    case Kind::loop:
      out += format("<LoopContext {}/{}>", v.loop().index + 1, v.loop().items.size());
      return;
    case Kind::function:
      out += "<function>";
      return;
  }
}

namespace {

void append_json_string(std::string_view s, bool ensure_ascii, std::string& out) {
  out.push_back('"');
  for (size_t at = 0; at < s.size();) {
    const size_t start = at;
    const uint32_t c = next_char(s, at);
    constexpr std::string_view kEscaped = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
    const size_t short_form = c < 0x80 ? kEscaped.find(static_cast<char>(c)) : std::string_view::npos;
    if (short_form != std::string_view::npos) {
      out.push_back('\\');
      out.push_back(kLetters[short_form]);
    } else if (c < 0x20 || (ensure_ascii && c > 0x7E && c < 0x10000)) {
      out += "\\u";
      append_hex(out, c, 4);
    } else if (ensure_ascii && c >= 0x10000) {
      out += "\\u";
      append_hex(out, 0xD800 + ((c - 0x10000) >> 10), 4);
      out += "\\u";
      append_hex(out, 0xDC00 + ((c - 0x10000) & 0x3FF), 4);
    } else {
      out.append(s.substr(start, at - start));
    }
  }
  out.push_back('"');
}

void append_line(const JsonStyle& style, int level, std::string& out) {
  if (!style.pretty) return;
  out.push_back('\n');
  for (int i = 0; i < level; ++i) out += style.indent;
}

std::string json_number(const Value& v) {
  const std::string text = format_real(v.number());
  if (std::isnan(v.number())) return "NaN";
  if (std::isinf(v.number())) return v.number() < 0 ? "-Infinity" : "Infinity";
  return text;
}

void append_json_key(Run& run, const Value& key, const JsonStyle& style, std::string& out) {
  switch (key.kind()) {
    case Kind::string:
      return append_json_string(key.text(), style.ensure_ascii, out);
    case Kind::boolean:
      out += key.boolean() ? "\"true\"" : "\"false\"";
      return;
    case Kind::none:
      out += "\"null\"";
      return;
    case Kind::integer:
      out += '"' + std::to_string(key.integer()) + '"';
      return;
    case Kind::real:
      out += '"' + json_number(key) + '"';
      return;
    default:
      run.fail(format("keys must be str, int, float, bool or None, not {}", type_name(key)));
  }
}

void append_json_dict(Run& run, const Dict& dict, const JsonStyle& style, int level, std::string& out) {
  Entries sorted;
  if (style.sort_keys) {
    sorted = dict.entries;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](const auto& a, const auto& b) { return less(run, a.first, b.first); });
  }
  const auto& entries = style.sort_keys ? sorted : dict.entries;
  if (entries.empty()) {
    out += "{}";
    return;
  }
  out.push_back('{');
  for (size_t i = 0; i < entries.size() && !run.failed(); ++i) {
    if (i) out += style.item_separator;
    append_line(style, level + 1, out);
    append_json_key(run, entries[i].first, style, out);
    out += style.key_separator;
    append_json(run, entries[i].second, style, level + 1, out);
  }
  append_line(style, level, out);
  out.push_back('}');
}

}  // namespace

void append_json(Run& run, const Value& v, const JsonStyle& style, int level, std::string& out) {
  if (out.size() > kOutputMax) run.fail("JSON of more than 64 MB");
  if (!run.step()) return;
  switch (v.kind()) {
    case Kind::none:
      out += "null";
      return;
    case Kind::boolean:
      out += v.boolean() ? "true" : "false";
      return;
    case Kind::integer:
      out += std::to_string(v.integer());
      return;
    case Kind::real:
      out += json_number(v);
      return;
    case Kind::string:
      if (run.charge(v.text().size())) append_json_string(v.text(), style.ensure_ascii, out);
      return;
    case Kind::dict:
      return append_json_dict(run, v.dict(), style, level, out);
    case Kind::list: {
      const List& list = v.list();
      if (list.form > Form::group) break;
      if (list.items.empty()) {
        out += "[]";
        return;
      }
      out.push_back('[');
      for (size_t i = 0; i < list.items.size() && !run.failed(); ++i) {
        if (i) out += style.item_separator;
        append_line(style, level + 1, out);
        append_json(run, list.items[i], style, level + 1, out);
      }
      append_line(style, level, out);
      out.push_back(']');
      return;
    }
    default:
      break;
  }
  run.fail(format("Object of type {} is not JSON serializable", type_name(v)));
}

}  // namespace pensee::jinja
