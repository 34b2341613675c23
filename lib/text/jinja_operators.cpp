// Python's operators. Integers are 64 bits wide where Python's have no end: what does not fit is an error, never a
// wrapped number.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja_eval.h"
#include "text/jinja_text.h"

namespace pensee::jinja {
namespace {

Value mismatch(Run& run, std::string_view op, const Value& a, const Value& b) {
  if (a.is(Kind::undefined) || b.is(Kind::undefined)) return run.fail((a.is(Kind::undefined) ? a : b).text());
  return run.fail(format("unsupported operand types for {}: '{}' and '{}'", op, type_name(a), type_name(b)));
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0); }

Value int_power(Run& run, int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
      return run.fail("an integer of more than 64 bits");
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return run.fail("an integer of more than 64 bits");
  }
  return Value::integer(result);
}

Value int_arithmetic(Run& run, std::string_view op, int64_t a, int64_t b) {
  int64_t out = 0;
  if ((op == "/" || op == "//" || op == "%") && b == 0) return run.fail("division by zero");
  if (op == "/") return Value::real(static_cast<double>(a) / static_cast<double>(b));
  if (op == "**" && b < 0) {
    if (a == 0) return run.fail("0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  if (op == "**") return int_power(run, a, b);
  bool overflow = false;
  if (op == "+") overflow = __builtin_add_overflow(a, b, &out);
  if (op == "-") overflow = __builtin_sub_overflow(a, b, &out);
  if (op == "*") overflow = __builtin_mul_overflow(a, b, &out);
  if (op == "//" || op == "%") {
    overflow = b == -1 && a == INT64_MIN;
    if (!overflow) out = op == "%" ? a - floor_divide(a, b) * b : floor_divide(a, b);
  }
  return overflow ? run.fail("an integer of more than 64 bits") : Value::integer(out);
}

Value real_arithmetic(Run& run, std::string_view op, double a, double b) {
  if (op == "+") return Value::real(a + b);
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") {
    const double power = std::pow(a, b);
    return std::isfinite(power) || !std::isfinite(a) || !std::isfinite(b) ? Value::real(power)
                                                                          : run.fail("a power out of range");
  }
  if (b == 0) return run.fail("division by zero");
  if (op == "/") return Value::real(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  if (op == "%") return Value::real(rest == 0 ? std::copysign(0.0, b) : rest);
  const double quotient = (a - rest) / b;
  return Value::real(quotient == 0 ? std::copysign(0.0, a / b) : std::floor(quotient + 0.5));
}

Value repeat(Run& run, const Value& v, int64_t count) {
  count = std::max<int64_t>(count, 0);
  const size_t size = v.is(Kind::string) ? v.text().size() : v.list().items.size() * sizeof(Value);
  if (size != 0 && static_cast<uint64_t>(count) > kOutputMax / size) return run.fail("a repetition of more than 64 MB");
  if (size == 0) return v;
  if (v.is(Kind::string)) {
    std::string out;
    out.reserve(size * static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) out += v.text();
    return run.text(std::move(out), v.markup());
  }
  Values items;
  for (int64_t i = 0; i < count; ++i) items.insert(items.end(), v.list().items.begin(), v.list().items.end());
  return run.list(std::move(items), v.list().form);
}

bool is_sequence(const Value& v) { return v.is(Kind::string) || (v.is(Kind::list) && v.list().form <= Form::tuple); }

Value join(Run& run, const Value& a, const Value& b) {
  if (a.is(Kind::string) && b.is(Kind::string)) {
    const bool markup = a.markup() || b.markup();
    if (a.text().size() + b.text().size() > kOutputMax) return run.fail("a text of more than 64 MB");
    const auto part = [&](const Value& v) { return markup && !v.markup() ? escape_html(v.text()) : v.text(); };
    return run.text(markup ? part(a) + part(b) : a.text() + b.text(), markup);
  }
  if (a.is(Kind::string) || b.is(Kind::string) || a.list().form != b.list().form) return mismatch(run, "+", a, b);
  Values items = a.list().items;
  items.insert(items.end(), b.list().items.begin(), b.list().items.end());
  return run.list(std::move(items), a.list().form);
}

}  // namespace

Value arithmetic(Run& run, std::string_view op, const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return int_arithmetic(run, op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return real_arithmetic(run, op, a.number(), b.number());
  if (op == "+" && is_sequence(a) && is_sequence(b)) return join(run, a, b);
  if (op == "*" && is_sequence(a) && b.is_int()) return repeat(run, a, b.integer());
  if (op == "*" && is_sequence(b) && a.is_int()) return repeat(run, b, a.integer());
  if (op == "%" && a.is(Kind::string)) {
    Call call;
    if (b.is(Kind::list) && b.list().form == Form::tuple) {
      call.positional = b.list().items;
    } else {
      call.positional.push_back(b);
    }
    return percent_format(run, a.text(), call);
  }
  return mismatch(run, op, a, b);
}

Value negate(Run& run, const Value& v) {
  if (v.is(Kind::real)) return Value::real(-v.number());
  if (v.is_int()) return int_arithmetic(run, "-", 0, v.integer());
  return run.fail(v.is(Kind::undefined) ? v.text() : format("bad operand type for a sign: '{}'", type_name(v)));
}

bool compare(Run& run, char op, const Value& a, const Value& b) {
  switch (op) {
    case '=':
      return equals(run, a, b);
    case '!':
      return !equals(run, a, b);
    case '<':
      return less(run, a, b);
    case '>':
      return less(run, b, a);
    case 'l':
      return less(run, a, b) || (!run.failed() && equals(run, a, b));
    case 'g':
      return less(run, b, a) || (!run.failed() && equals(run, a, b));
    case 'i':
      return contains(run, b, a);
    default:
      return !contains(run, b, a);
  }
}

Value slice(Run& run, const Value& object, const Value& start, const Value& stop, const Value& step) {
  const bool sequence = object.is(Kind::list) && object.list().form <= Form::range;
  if (!sequence && !object.is(Kind::string)) {
    return run.fail(object.is(Kind::undefined) ? object.text()
                                               : format("'{}' object has no slices", type_name(object)));
  }
  for (const Value* part : {&start, &stop, &step}) {
    if (!part->is_int() && !part->is(Kind::missing) && !part->is(Kind::none)) {
      return run.fail("the parts of a slice must be integers or None");
    }
  }
  const int64_t count = length(run, object), by = step.is_int() ? step.integer() : 1;
  if (by == 0) return run.fail("the step of a slice is zero");
  const auto place = [&](const Value& v, int64_t otherwise) {
    if (!v.is_int()) return otherwise;
    const int64_t at = v.integer() < 0 ? std::max(v.integer(), -count - 1) + count : v.integer();
    return by > 0 ? std::clamp<int64_t>(at, 0, count) : std::clamp<int64_t>(at, -1, count - 1);
  };
  const int64_t first = place(start, by > 0 ? 0 : count - 1), last = place(stop, by > 0 ? count : -1);
  if (object.is(Kind::string) && by == 1) {
    const std::string& all = object.text();
    const size_t from = byte_offset(all, first);
    if (last <= first) return run.text("", object.markup());
    const size_t size = byte_offset(std::string_view(all).substr(from), last - first);
    return run.text(all.substr(from, size), object.markup());
  }
  const auto more = [&](int64_t at) { return by > 0 ? at < last : at > last; };
  const auto following = [&](int64_t at) { return __builtin_add_overflow(at, by, &at) ? last : at; };
  if (sequence) {
    Values items;
    for (int64_t at = first; more(at); at = following(at))
      items.push_back(object.list().items[static_cast<size_t>(at)]);
    return run.list(std::move(items), object.list().form);
  }
  if (object.text().size() > kAliveMax / 32) return run.fail("a slice with a step of so long a text");
  const auto chars = split_chars(object.text());
  std::string out;
  for (int64_t at = first; more(at); at = following(at)) out += chars[static_cast<size_t>(at)];
  return run.text(std::move(out), object.markup());
}

namespace {

struct Spec {
  bool left = false, zero = false, plus = false, blank = false;
  int width = 0, precision = -1;
};

Spec read_spec(std::string_view pattern, size_t& i) {
  Spec spec;
  for (; i < pattern.size() && std::string_view("-0+ #").find(pattern[i]) != std::string_view::npos; ++i) {
    spec.left = spec.left || pattern[i] == '-';
    spec.zero = spec.zero || pattern[i] == '0';
    spec.plus = spec.plus || pattern[i] == '+';
    spec.blank = spec.blank || pattern[i] == ' ';
  }
  const auto number = [&] {
    int value = 0;
    for (; i < pattern.size() && pattern[i] >= '0' && pattern[i] <= '9'; ++i)
      value = std::min(value * 10 + pattern[i] - '0', 1000);
    return value;
  };
  spec.width = number();
  if (i < pattern.size() && pattern[i] == '.') spec.precision = (++i, number());
  return spec;
}

std::string format_number(Run& run, char kind, const Spec& spec, const Value& v) {
  char buffer[1500];
  if (!v.is_number()) {
    run.fail(format("%{}: a number is required, not {}", std::string(1, kind), type_name(v)));
    return "";
  }
  std::to_chars_result made{};
  if (kind == 'f' || kind == 'F') {
    made = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(v.number()), std::chars_format::fixed,
                         spec.precision < 0 ? 6 : spec.precision);
  } else {
    const double whole = std::trunc(v.number());
    if (v.is(Kind::real) && !(std::fabs(whole) < 9e18)) {
      run.fail("a number out of range");
      return "";
    }
    const int64_t integer = v.is(Kind::real) ? static_cast<int64_t>(whole) : v.integer();
    const auto size = integer < 0 ? 0 - static_cast<uint64_t>(integer) : static_cast<uint64_t>(integer);
    made = std::to_chars(buffer, buffer + sizeof buffer, size, kind == 'x' || kind == 'X' ? 16 : kind == 'o' ? 8 : 10);
  }
  if (made.ec != std::errc()) {
    run.fail("a number too long to print");
    return "";
  }
  std::string digits(buffer, made.ptr);
  if (kind == 'X') digits = upper(digits);
  const std::string sign = std::signbit(v.number()) ? "-" : spec.plus ? "+" : spec.blank ? " " : "";
  const size_t size = sign.size() + digits.size(), width = static_cast<size_t>(spec.width);
  if (spec.zero && !spec.left && size < width) digits.insert(0, width - size, '0');
  return sign + digits;
}

}  // namespace

// The "%" operator and the filter `format`: %s %r %d %i %u %f %x %X %o %%, with flags, width and precision.
Value percent_format(Run& run, const std::string& pattern, const Call& call) {
  std::string out;
  size_t used = 0;
  bool by_name = false;
  if (!run.charge(pattern.size())) return Value();
  for (size_t i = 0; i < pattern.size() && !run.failed(); ++i) {
    if (pattern[i] != '%') {
      out.push_back(pattern[i]);
      continue;
    }
    Value value;
    if (++i < pattern.size() && pattern[i] == '(') {
      const size_t close = std::min(pattern.find(')', i), pattern.size());
      const Value key = Value::string(pattern.substr(i + 1, close - i - 1));
      by_name = true;
      i = std::min(close + 1, pattern.size());
      for (const auto& [name, given] : call.named) {
        if (name == key.text()) value = given;
      }
      const bool from_dict = call.positional.size() == 1 && call.positional[0].is(Kind::dict);
      const Value* entry = from_dict ? find(run, call.positional[0].dict(), key) : nullptr;
      if (entry) value = *entry;
      if (value.is(Kind::missing)) return run.fail(format("a format has no value for '{}'", key.text()));
    }
    const Spec spec = read_spec(pattern, i);
    if (i >= pattern.size()) return run.fail("an incomplete format");
    const char kind = pattern[i];
    if (kind == '%') {
      out.push_back('%');
      continue;
    }
    if (value.is(Kind::missing) && used < call.positional.size()) value = call.positional[used++];
    if (value.is(Kind::missing)) return run.fail("not enough arguments for a format");
    std::string piece;
    if (kind == 's' || kind == 'r') {
      if (kind == 's') piece = to_str(run, value);
      if (kind == 'r') append_repr(run, value, piece);
      if (spec.precision >= 0) piece.resize(byte_offset(piece, spec.precision));
    } else if (std::string_view("diufFxXo").find(kind) != std::string_view::npos) {
      piece = format_number(run, kind, spec, value);
    } else {
      return run.fail(format("the format '%{}' is not supported", std::string(1, kind)), Code::unsupported);
    }
    const auto size = static_cast<size_t>(char_count(piece)), width = static_cast<size_t>(spec.width);
    const std::string padding(size < width ? width - size : 0, ' ');
    out += spec.left ? piece + padding : padding + piece;
    if (out.size() > kOutputMax) return run.fail("a text of more than 64 MB");
  }
  const bool may_rest = by_name || (call.positional.size() == 1 && call.positional[0].is(Kind::dict));
  if (used < call.positional.size() && !may_rest) return run.fail("not all arguments were used by a format");
  return run.text(std::move(out));
}

}  // namespace pensee::jinja
