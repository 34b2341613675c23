// Filters over texts, numbers and JSON. Filters over sequences are jinja_sequences.cpp's, which shares the table here.
// A filter that is missing from the table is an error that names it, at the place where it is used.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/decimal.h"
#include "text/jinja_sequences.h"
#include "text/jinja_text.h"

namespace pensee::jinja {
namespace {

bool given(const Value& v) { return !v.is(Kind::missing); }
bool truthy(const Value& v) { return given(v) && truth(v); }
bool has_chars(const Value& v) { return given(v) && !v.is(Kind::none); }
int64_t int_or(const Value& v, int64_t otherwise) { return v.is_int() ? v.integer() : otherwise; }

Value upper_filter(Evaluator& run, const Value& self, Call&) { return run.text(upper(to_str(run, self))); }
Value lower_filter(Evaluator& run, const Value& self, Call&) { return run.text(lower(to_str(run, self))); }
Value capitalize_filter(Evaluator& run, const Value& self, Call&) { return run.text(capitalize(to_str(run, self))); }
Value title_filter(Evaluator& run, const Value& self, Call&) { return run.text(title(to_str(run, self), true)); }
Value string_filter(Evaluator& run, const Value& self, Call&) {
  return self.is(Kind::string) ? self : run.text(to_str(run, self));
}
Value escape_filter(Evaluator& run, const Value& self, Call&) {
  return self.markup() ? self : run.text(escape_html(to_str(run, self)), true);
}
Value forceescape(Evaluator& run, const Value& self, Call&) { return run.text(escape_html(to_str(run, self)), true); }
Value safe(Evaluator& run, const Value& self, Call&) { return run.text(to_str(run, self), true); }

Value trim(Evaluator& run, const Value& self, Call& call) {
  const std::string all = to_str(run, self);
  if (!has_chars(call.arg[0])) return run.text(std::string(strip(all, kBoth)), self.markup());
  if (!call.arg[0].is(Kind::string)) return run.fail("trim: what to strip must be a string");
  return run.text(std::string(strip(all, call.arg[0].text(), kBoth)), self.markup());
}

Value replace(Evaluator& run, const Value& self, Call& call) {
  const std::string all = to_str(run, self), from = to_str(run, call.arg[0]), to = to_str(run, call.arg[1]);
  return replace_checked(run, all, from, to, int_or(call.arg[2], -1));
}

Value default_filter(Evaluator&, const Value& self, Call& call) {
  if (!self.is(Kind::undefined) && !(truthy(call.arg[1]) && !truth(self))) return self;
  return given(call.arg[0]) ? call.arg[0] : Value::string("");
}

Value length_filter(Evaluator& run, const Value& self, Call&) {
  const int64_t count = length(run, self);
  return count < 0 ? run.fail(format("object of type '{}' has no len()", type_name(self))) : Value::integer(count);
}

Value tojson(Evaluator& run, const Value& self, Call& call) {
  JsonStyle style;  // ensure_ascii indent separators sort_keys
  style.ensure_ascii = truthy(call.arg[0]);
  style.sort_keys = truthy(call.arg[3]);
  const Value& indent = call.arg[1];
  if (has_chars(indent)) {
    if (!indent.is_int() && !indent.is(Kind::string)) return run.fail("tojson: indent must be an integer or a string");
    style.pretty = true;
    style.item_separator = ",";
    if (indent.is(Kind::string)) {
      style.indent = indent.text();
    } else {
      style.indent.assign(static_cast<size_t>(std::clamp<int64_t>(indent.integer(), 0, 1001)), ' ');
    }
    if (style.indent.size() > 1000) return run.fail("tojson: the indent is too wide");
  }
  if (has_chars(call.arg[2])) {
    const Value& pair = call.arg[2];
    const bool two = pair.is(Kind::list) && pair.list().items.size() == 2;
    if (!two || !pair.list().items[0].is(Kind::string) || !pair.list().items[1].is(Kind::string)) {
      return run.fail("tojson: separators must be two strings");
    }
    style.item_separator = pair.list().items[0].text();
    style.key_separator = pair.list().items[1].text();
  }
  std::string out;
  append_json(run, self, style, 0, out);
  return run.failed() ? Value() : run.text(std::move(out));
}

Value indent(Evaluator& run, const Value& self, Call& call) {
  if (!self.is(Kind::string)) return run.fail(format("indent: the input must be a string, not {}", type_name(self)));
  const Value& width = call.arg[0];
  const std::string padding =
      width.is(Kind::string) ? width.text()
                             : std::string(static_cast<size_t>(std::clamp<int64_t>(int_or(width, 4), 0, 1000)), ' ');
  const std::string all = self.text() + "\n";
  const auto lines = split_lines(all, false, kPartsMax);
  if (lines.size() > kPartsMax || lines.size() * padding.size() > kOutputMax)
    return run.fail("indent: the text is too long");
  std::string out = truthy(call.arg[1]) ? padding : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\n";
    if (i > 0 && (truthy(call.arg[2]) || !lines[i].empty())) out += padding;
    out += lines[i];
  }
  return run.text(std::move(out), self.markup());
}

Value int_filter(Evaluator& run, const Value& self, Call& call) {
  if (self.is_int()) return Value::integer(self.integer());
  if (self.is(Kind::undefined)) return run.fail(self.text());
  const Value otherwise = given(call.arg[0]) ? call.arg[0] : Value::integer(0);
  const int64_t base = int_or(call.arg[1], 10);
  double real = self.is(Kind::real) ? self.number() : std::nan("");
  if (self.is(Kind::string)) {
    if (const auto integer = read_int(self.text(), static_cast<int>(std::clamp<int64_t>(base, 2, 36))))
      return Value::integer(*integer);
    if (const auto read = read_real(self.text())) real = *read;
  }
  if (std::isnan(real)) return otherwise;
  if (!(std::fabs(real) < 9.2e18)) return run.fail("int: the number is out of range");
  return Value::integer(static_cast<int64_t>(real));
}

Value float_filter(Evaluator& run, const Value& self, Call& call) {
  if (self.is_number()) return Value::real(self.number());
  if (self.is(Kind::undefined)) return run.fail(self.text());
  if (self.is(Kind::string)) {
    if (const auto real = read_real(self.text())) return Value::real(*real);
  }
  return given(call.arg[0]) ? call.arg[0] : Value::real(0);
}

Value abs_filter(Evaluator& run, const Value& self, Call&) {
  if (self.is(Kind::real)) return Value::real(std::fabs(self.number()));
  if (self.is_int()) return self.integer() < 0 ? negate(run, self) : Value::integer(self.integer());
  return run.fail(format("bad operand type for abs(): '{}'", type_name(self)));
}

Value round_filter(Evaluator& run, const Value& self, Call& call) {
  const int64_t precision = int_or(call.arg[0], 0);
  const std::string method = given(call.arg[1]) ? to_str(run, call.arg[1]) : "common";
  if (!self.is_number()) return run.fail(format("round: a number is required, not {}", type_name(self)));
  if (precision < 0 || precision > 300)
    return run.fail("round: a precision of 0 to 300 is supported", Code::unsupported);
  if (method == "common") {
    if (self.is_int() || !std::isfinite(self.number())) return self.is_int() ? Value::integer(self.integer()) : self;
    char buffer[800];  // the decimal that is nearest to the exact value, halves to even, as Python rounds
    const auto made = std::to_chars(buffer, buffer + sizeof buffer, self.number(), std::chars_format::fixed,
                                    static_cast<int>(precision));
    double rounded = 0;
    std::from_chars(buffer, made.ptr, rounded);
    return Value::real(rounded);
  }
  if (method != "ceil" && method != "floor") return run.fail("round: the method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.number() * scale;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value format_filter(Evaluator& run, const Value& self, Call& call) {
  return percent_format(run, to_str(run, self), call);
}

Value wordcount(Evaluator& run, const Value& self, Call&) {
  const std::string all = to_str(run, self);
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < all.size();) {
    const uint32_t c = next_char(all, at);
    const bool word = c == '_' || is_alpha(c) || is_digit(c);
    count += word && !inside;
    inside = word;
  }
  return Value::integer(count);
}

Value center(Evaluator& run, const Value& self, Call& call) {
  return pad(run, to_str(run, self), int_or(call.arg[0], 80), " ", kBoth);
}

Value truncate(Evaluator& run, const Value& self, Call& call) {
  const std::string all = to_str(run, self), end = given(call.arg[2]) ? to_str(run, call.arg[2]) : "...";
  const int64_t size = int_or(call.arg[0], 255), leeway = int_or(call.arg[3], 5);
  if (size < char_count(end) || leeway < 0) return run.fail("truncate: the length or the leeway is too small");
  if (char_count(all) <= size || char_count(all) - size <= leeway) return run.text(all);
  std::string_view kept = std::string_view(all).substr(0, byte_offset(all, size - char_count(end)));
  if (!truthy(call.arg[1])) kept = kept.substr(0, kept.rfind(' '));
  return run.text(std::string(kept) + end);
}

Value urlencode(Evaluator& run, const Value& self, Call&) {
  if (self.is(Kind::dict) || self.is(Kind::list)) return run.fail("urlencode: only of strings", Code::unsupported);
  std::string out;
  for (const char c : to_str(run, self)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 &&
        (is_alpha(byte) || is_digit(byte) || std::string_view("_.-~/").find(c) != std::string_view::npos)) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back("0123456789ABCDEF"[byte >> 4]);
      out.push_back("0123456789ABCDEF"[byte & 15]);
    }
  }
  return run.text(std::move(out));
}

Value attr(Evaluator& run, const Value& self, Call& call) {
  const std::string name = to_str(run, call.arg[0]);
  if (self.is(Kind::dict) && !find_method(self, name))
    return run.undefined("'dict object' has no attribute '{}'", name);
  return run.attribute(self, name);
}

constexpr Row kFilters[] = {
    {"abs", "", 0, abs_filter},
    {"attr", "name", 1, attr},
    {"batch", "linecount fill_with", 1, batch_filter},
    {"capitalize", "", 0, capitalize_filter},
    {"center", "width", 0, center},
    {"count", "", 0, length_filter},
    {"d", "default_value boolean", 0, default_filter},
    {"default", "default_value boolean", 0, default_filter},
    {"dictsort", "case_sensitive by reverse", 0, dictsort_filter},
    {"e", "", 0, escape_filter},
    {"escape", "", 0, escape_filter},
    {"first", "", 0, first_filter},
    {"float", "default", 0, float_filter},
    {"forceescape", "", 0, forceescape},
    {"format", "*", 0, format_filter},
    {"groupby", "attribute default case_sensitive", 1, groupby_filter},
    {"indent", "width first blank", 0, indent},
    {"int", "default base", 0, int_filter},
    {"items", "", 0, items_filter},
    {"join", "d attribute", 0, join_filter},
    {"last", "", 0, last_filter},
    {"length", "", 0, length_filter},
    {"list", "", 0, list_filter},
    {"lower", "", 0, lower_filter},
    {"map", "*", 0, map_filter},
    {"max", "case_sensitive attribute", 0, max_filter},
    {"min", "case_sensitive attribute", 0, min_filter},
    {"reject", "*", 0, reject_filter},
    {"rejectattr", "*", 0, rejectattr_filter},
    {"replace", "old new count", 2, replace},
    {"reverse", "", 0, reverse_filter},
    {"round", "precision method", 0, round_filter},
    {"safe", "", 0, safe},
    {"select", "*", 0, select_filter},
    {"selectattr", "*", 0, selectattr_filter},
    {"slice", "slices fill_with", 1, slice_filter},
    {"sort", "reverse case_sensitive attribute", 0, sort_filter},
    {"string", "", 0, string_filter},
    {"sum", "attribute start", 0, sum_filter},
    {"title", "", 0, title_filter},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, tojson},
    {"trim", "chars", 0, trim},
    {"truncate", "length killwords end leeway", 0, truncate},
    {"unique", "case_sensitive attribute", 0, unique_filter},
    {"upper", "", 0, upper_filter},
    {"urlencode", "", 0, urlencode},
    {"wordcount", "", 0, wordcount},
};

}  // namespace

const Row* find_filter(std::string_view name) {
  const auto row = std::find_if(std::begin(kFilters), std::end(kFilters), [&](const Row& r) { return r.name == name; });
  return row == std::end(kFilters) ? nullptr : row;
}

std::optional<int64_t> read_int(std::string_view s, int base) {
  std::string digits;
  s = strip(s, kBoth);
  const bool minus = !s.empty() && s[0] == '-';
  if (minus || (!s.empty() && s[0] == '+')) s.remove_prefix(1);
  const bool prefixed = s.size() > 2 && s[0] == '0' &&
                        ((base == 16 && (s[1] | 0x20) == 'x') || (base == 8 && (s[1] | 0x20) == 'o') ||
                         (base == 2 && (s[1] | 0x20) == 'b'));
  if (prefixed) s.remove_prefix(2);
  for (size_t i = 0; i < s.size(); ++i) {
    const bool between = i > 0 && i + 1 < s.size() && s[i - 1] != '_';
    if (s[i] != '_' || !between) digits.push_back(s[i]);
  }
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  if (minus) digits.insert(0, "-");
  int64_t value = 0;
  const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (got.ec != std::errc() || got.ptr != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<double> read_real(std::string_view s) {
  s = strip(s, kBoth);
  if (!s.empty() && s[0] == '+') s.remove_prefix(1);
  if (s.empty() || s[0] == '+') return std::nullopt;
  double value = 0;
  const auto got = read_double(s.data(), s.data() + s.size(), value);
  if (got.ec != std::errc() || got.ptr != s.data() + s.size()) return std::nullopt;
  return value;
}

Value replace_checked(Evaluator& run, std::string_view s, std::string_view from, std::string_view to, int64_t count) {
  // The longest that the result can be, before it is made.
  const uint64_t hits_max = from.empty() ? s.size() + 1 : s.size() / from.size();
  const uint64_t hits = count >= 0 ? std::min(hits_max, static_cast<uint64_t>(count)) : hits_max;
  if (!to.empty() && hits > 2 * kOutputMax / to.size()) return run.fail("a replacement of more than 64 MB");
  return run.text(replace_text(s, from, to, count));
}

Value pad(Evaluator& run, std::string_view s, int64_t width, std::string_view fill, int sides) {
  const int64_t size = char_count(s);
  if (width <= size) return run.text(std::string(s));
  if (width > static_cast<int64_t>(kOutputMax)) return run.fail("a padding of more than 64 MB");
  const int64_t missing = width - size;
  // str.center puts the odd blank on the left when the width is odd.
  const int64_t left = sides == kRight ? 0 : sides == kLeft ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += s;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return run.text(std::move(out));
}

}  // namespace pensee::jinja
