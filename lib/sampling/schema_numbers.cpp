// A bound is compared digit by digit, as people do it. Reading a text as a double rounds, but never across a bound that
// is itself a double: only at an exclusive bound must a text stay distinct from it, so there it must differ within 15
// digits, which doubles always tell apart.
#include "sampling/schema_numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <tuple>
#include <vector>

#include "sampling/grammar_text.h"

namespace pensee {
namespace {

constexpr size_t kExact = 15;      // digits that doubles tell apart
constexpr size_t kFraction = 20;   // digits behind the point where any may come
constexpr int64_t kMultipleMax = 100;

std::string digits(size_t min, size_t max) { return max == 0 ? "" : grammar::repeat("[0-9]", min, max); }
std::string digit_range(char first, char last) {
  return first == last ? "\"" + std::string(1, first) + "\"" : "[" + std::string(1, first) + "-" + last + "]";
}
std::string join(const std::string& a, const std::string& b) { return a.empty() ? b : b.empty() ? a : a + " " + b; }

// ---- Whole numbers: texts of digits without leading zeros.

std::string at_least(const std::string& s) {  // of the same length
  if (s.find_first_not_of('0') == s.npos) return digits(s.size(), s.size());
  std::vector<std::string> all = {join(digit_range(s[0], s[0]), at_least(s.substr(1)))};
  if (s[0] < '9')
    all.push_back(join(digit_range(static_cast<char>(s[0] + 1), '9'), digits(s.size() - 1, s.size() - 1)));
  return grammar::choice(all);
}

std::string at_most(const std::string& s) {
  if (s.find_first_not_of('9') == s.npos) return digits(s.size(), s.size());
  std::vector<std::string> all = {join(digit_range(s[0], s[0]), at_most(s.substr(1)))};
  if (s[0] > '0')
    all.push_back(join(digit_range('0', static_cast<char>(s[0] - 1)), digits(s.size() - 1, s.size() - 1)));
  return grammar::choice(all);
}

std::string between(const std::string& a, const std::string& b) {  // of the same length, a <= b
  if (a.empty()) return "";
  if (a[0] == b[0]) return join(digit_range(a[0], a[0]), between(a.substr(1), b.substr(1)));
  const size_t rest = a.size() - 1;
  std::vector<std::string> all = {join(digit_range(a[0], a[0]), at_least(a.substr(1))),
                                  join(digit_range(b[0], b[0]), at_most(b.substr(1)))};
  if (b[0] - a[0] > 1) {
    all.push_back(join(digit_range(static_cast<char>(a[0] + 1), static_cast<char>(b[0] - 1)), digits(rest, rest)));
  }
  return grammar::choice(all);
}

// low <= high < 10^18
std::string whole_numbers(uint64_t low, uint64_t high) {
  const std::string a = std::to_string(low), b = std::to_string(high);
  std::vector<std::string> all;
  if (a.size() == b.size()) return between(a, b);
  if (low == 0) {
    all.push_back("\"0\"");
    all.push_back("[1-9]" + (a.size() + 1 < b.size() ? " " + digits(0, b.size() - 2) : ""));
  } else {
    all.push_back(between(a, std::string(a.size(), '9')));
    if (b.size() - a.size() > 1) all.push_back("[1-9] " + digits(a.size(), b.size() - 2));
  }
  all.push_back(between("1" + std::string(b.size() - 1, '0'), b));
  return grammar::choice(all);
}

// ---- Fractions: what may follow the digits that are there, when it may be nothing and when not.

struct Tail {
  std::vector<std::string> some;  // pieces of at least one digit
  bool none = false;              // the text may end here
  bool possible() const { return none || !some.empty(); }
};

Tail any_tail(size_t most = kFraction) {
  Tail tail;
  tail.none = true;
  if (most > 0) tail.some.push_back(digits(1, most));
  return tail;
}

void follow(Tail& tail, const std::string& digit, const Tail& then) {
  if (then.none) tail.some.push_back(digit);
  if (!then.some.empty()) tail.some.push_back(digit + " " + grammar::choice(then.some));
}

std::string stripped(std::string s) {
  while (!s.empty() && s.back() == '0') s.pop_back();
  return s;
}

// `left`: how many digits may come until the text differs from an exclusive bound.
Tail more_than(const std::string& bound, bool strict, size_t left) {
  const std::string s = stripped(bound);
  if (s.empty() && !strict) return any_tail();
  Tail tail;
  if (s.empty()) {  // a digit that is not zero must come
    if (left == 0) return tail;
    tail.some.push_back((left > 1 ? "\"0\"{0," + std::to_string(left - 1) + "} " : "") + "[1-9] " +
                        digits(0, kFraction));
    return tail;
  }
  follow(tail, digit_range(s[0], s[0]), more_than(s.substr(1), strict, left ? left - 1 : 0));
  if (s[0] < '9') follow(tail, digit_range(static_cast<char>(s[0] + 1), '9'), any_tail());
  return tail;
}

// What stays below the next digit up, told apart within `left` digits.
Tail below_next(size_t left) {
  Tail tail;
  tail.none = true;
  if (left == 0) return tail;
  follow(tail, "[0-8]", any_tail());
  follow(tail, "\"9\"", below_next(left - 1));
  return tail;
}

// Both: more than `bound`, and below the next digit up.
Tail within(const std::string& bound, bool strict, size_t left) {
  const std::string s = stripped(bound);
  if (s.empty() && !strict) return below_next(left);
  Tail tail;
  if (left == 0) return tail;
  const char d = s.empty() ? '0' : s[0];
  const std::string rest = s.empty() ? "" : s.substr(1);
  follow(tail, digit_range(d, d), d == '9' ? within(rest, strict, left - 1) : more_than(rest, strict, left - 1));
  if (d < '8') follow(tail, digit_range(static_cast<char>(d + 1), '8'), any_tail());
  if (d < '9') follow(tail, "\"9\"", below_next(left - 1));
  return tail;
}

Tail less_than(const std::string& bound, bool strict, size_t left) {
  const std::string s = stripped(bound);
  Tail tail;
  if (s.empty()) {
    if (!strict) tail.none = true, tail.some.push_back("\"0\"{1," + std::to_string(kFraction) + "}");
    return tail;
  }
  tail.none = true;  // what is missing reads as zeros
  const char d = s[0];
  const size_t then = left ? left - 1 : 0;
  if (d > '1' || !strict) {
    const char last = static_cast<char>(strict ? d - 2 : d - 1);
    if (last >= '0') follow(tail, digit_range('0', last), any_tail());
  }
  if (strict && d > '0') {  // the digit just below: the rest of the bound, if any, lies above
    const bool apart = s.size() > 1;
    follow(tail, digit_range(static_cast<char>(d - 1), static_cast<char>(d - 1)),
           apart ? any_tail() : below_next(then));
  }
  const Tail equal = less_than(s.substr(1), strict, then);
  if (equal.possible()) follow(tail, digit_range(d, d), equal);
  return tail;
}

struct Edge {
  std::string whole, fraction;
  bool strict = false;
};

Tail fraction_between(std::string a, std::string b, const Edge& low, const Edge& high, size_t left) {
  a = stripped(a);
  b = stripped(b);
  if (a.empty() && b.empty()) {
    return low.strict || high.strict ? Tail() : less_than("", false, left);
  }
  if (a.empty() && !low.strict) return less_than(b, high.strict, left);
  const char x = a.empty() ? '0' : a[0], y = b.empty() ? '0' : b[0];
  const std::string a_rest = a.empty() ? "" : a.substr(1), b_rest = b.empty() ? "" : b.substr(1);
  const size_t then = left ? left - 1 : 0;
  Tail tail;
  if (x == y) {
    follow(tail, digit_range(x, x), fraction_between(a_rest, b_rest, low, high, then));
    return tail;
  }
  const bool meets = high.strict && stripped(b_rest).empty();  // digits just below y must stay apart from the bound
  follow(tail, digit_range(x, x),
         meets && x + 1 == y ? within(a_rest, low.strict, then) : more_than(a_rest, low.strict, then));
  for (char d = static_cast<char>(x + 1); d < y; ++d) {
    follow(tail, digit_range(d, d), meets && d + 1 == y ? below_next(then) : any_tail());
  }
  follow(tail, digit_range(y, y), less_than(b_rest, high.strict, then));
  return tail;
}

std::string with_fraction(const std::string& whole, const Tail& tail) {
  if (tail.some.empty()) return whole;
  const std::string piece = "\".\" " + grammar::choice(tail.some);
  return whole + (tail.none ? " (" + piece + ")?" : " " + piece);
}

// 0 <= low <= high as decimals.
std::string decimals(const Edge& low, const Edge& high) {
  const uint64_t a = std::strtoull(low.whole.c_str(), nullptr, 10), b = std::strtoull(high.whole.c_str(), nullptr, 10);
  const size_t at_low = kExact - low.whole.size(), at_high = kExact - high.whole.size();
  std::vector<std::string> all;
  const auto add = [&](const std::string& whole, const Tail& tail) {
    if (tail.possible()) all.push_back(with_fraction(whole, tail));
  };
  if (a == b) {
    const Tail tail = fraction_between(low.fraction, high.fraction, low, high, at_low);
    add(grammar::literal(low.whole), tail);
  } else {
    // With an exclusive whole bound, the number before it needs care; others in between may go on as they like.
    const bool touches = high.strict && stripped(high.fraction).empty();
    add(grammar::literal(low.whole),
        touches && a + 1 == b ? within(low.fraction, low.strict, at_low) : more_than(low.fraction, low.strict, at_low));
    const uint64_t free_end = touches ? b - 1 : b;  // one past the last that is free
    if (a + 1 < free_end) add(whole_numbers(a + 1, free_end - 1), any_tail());
    if (touches && b - 1 > a) add(grammar::literal(std::to_string(b - 1)), below_next(at_high));
    add(grammar::literal(high.whole), less_than(high.fraction, high.strict, at_high));
  }
  return all.empty() ? "" : grammar::choice(all);
}

// ---- Bounds as written in a schema.

struct Bound {
  double value = 0;
  std::string whole, fraction;  // of its magnitude
  bool strict = false;
};

Status read(const json::Value& value, bool strict, std::string_view where, Bound& out) {
  if (!value.is_number()) return Status::format(Code::bad_argument, "{}: a bound is no number", where);
  out.value = value.number();
  out.strict = strict;
  char text[400];
  const auto end = std::to_chars(text, text + sizeof text, std::fabs(out.value), std::chars_format::fixed);
  std::string all(text, end.ptr);
  if (const int64_t* integer = value.integer()) all = std::to_string(*integer).substr(*integer < 0 ? 1 : 0);
  const size_t point = all.find('.');
  out.whole = all.substr(0, point);
  out.fraction = point == all.npos ? "" : stripped(all.substr(point + 1));
  const size_t own = (out.whole == "0" ? 0 : out.whole.size()) + out.fraction.size();
  if (out.whole.size() > kExact || own > kExact) {
    return Status::unsupported("{}: a bound of more than {} digits is not supported", where, kExact);
  }
  return Status();
}

struct Interval {
  std::optional<Bound> low, high;
};

Result<Interval> read_interval(const NumberBounds& b, std::string_view where) {
  Interval out;
  const auto tighter = [](std::optional<Bound>& have, const Bound& other, bool low) {
    const bool better = !have || (low ? other.value > have->value : other.value < have->value) ||
                        (other.value == have->value && other.strict);
    if (better) have = other;
  };
  for (const auto& [value, strict, low] : {std::tuple{b.minimum, false, true},
                                           {b.exclusive_minimum, true, true},
                                           {b.maximum, false, false},
                                           {b.exclusive_maximum, true, false}}) {
    if (!value) continue;
    if (value->boolean()) {
      return Status::unsupported(
          "{}: exclusiveMinimum and exclusiveMaximum as booleans (draft 4) are not supported; "
          "write the bound as their number",
          where);
    }
    Bound bound;
    PENSEE_TRY(read(*value, strict, where, bound));
    tighter(low ? out.low : out.high, bound, low);
  }
  if (out.low && out.high &&
      (out.low->value > out.high->value ||
       (out.low->value == out.high->value && (out.low->strict || out.high->strict)))) {
    return Status::format(Code::bad_argument, "{}: no number lies inside the bounds", where);
  }
  return out;
}

// The multiples of `n`: a rule a remainder, and a digit leads from one to the next.
std::string multiples(uint64_t n, grammar::Rules& rules) {
  std::vector<std::string> names;
  for (uint64_t r = 0; r < n; ++r) names.push_back(rules.reserve("multiple"));
  const auto digits_from = [&](uint64_t r, char first) {
    std::vector<std::string> all;
    for (char d = first; d <= '9'; ++d) {
      all.push_back(digit_range(d, d) + " " + names[(r * 10 + static_cast<uint64_t>(d - '0')) % n]);
    }
    return all;
  };
  for (uint64_t r = 0; r < n; ++r) {
    std::vector<std::string> all = digits_from(r, '0');
    if (r == 0) all.push_back("");
    rules.define(names[r], grammar::choice(all));
  }
  return "(\"0\" | \"-\"? " + grammar::choice(digits_from(0, '1')) + ")";
}

}  // namespace

Result<std::string> integer_grammar(const NumberBounds& bounds, grammar::Rules& rules, std::string_view where) {
  if (bounds.multiple_of) {
    const int64_t* n = bounds.multiple_of->integer();
    NumberBounds others = bounds;
    others.multiple_of = nullptr;
    if (n && *n == 1) return integer_grammar(others, rules, where);
    if (!n || *n < 1 || *n > kMultipleMax || others.any()) {
      return Status::unsupported("{}: this multipleOf is not supported: it takes 1, or up to {} without other bounds",
                                 where, kMultipleMax);
    }
    return multiples(static_cast<uint64_t>(*n), rules);
  }
  PENSEE_ASSIGN(const Interval interval, read_interval(bounds, where));
  constexpr int64_t most = 999999999999999999;
  int64_t low = -most, high = most;
  if (interval.low) {
    const double up = std::ceil(interval.low->value);
    low = static_cast<int64_t>(up) + (interval.low->strict && up == interval.low->value);
  }
  if (interval.high) {
    const double down = std::floor(interval.high->value);
    high = static_cast<int64_t>(down) - (interval.high->strict && down == interval.high->value);
  }
  if (low > high) return Status::format(Code::bad_argument, "{}: no whole number lies inside the bounds", where);
  std::vector<std::string> all;
  if (high >= 0)
    all.push_back(whole_numbers(static_cast<uint64_t>(std::max<int64_t>(low, 0)), static_cast<uint64_t>(high)));
  if (low < 0) {
    const uint64_t from = high < 0 ? static_cast<uint64_t>(-high) : 1;
    all.push_back("\"-\" " + whole_numbers(from, static_cast<uint64_t>(-low)));
  }
  return grammar::choice(all);
}

Result<std::string> number_grammar(const NumberBounds& bounds, grammar::Rules& rules, std::string_view where) {
  if (bounds.multiple_of) return integer_grammar(bounds, rules, where);
  PENSEE_ASSIGN(const Interval interval, read_interval(bounds, where));
  const Edge zero = {"0", "", false}, most = {std::string(kExact, '9'), "", false};
  const auto edge = [](const Bound& b) { return Edge{b.whole, b.fraction, b.strict}; };
  const std::optional<Bound>&low = interval.low, &high = interval.high;
  std::vector<std::string> all;
  if (!high || high->value >= 0) {
    const std::string piece = decimals(low && low->value >= 0 ? edge(*low) : zero, high ? edge(*high) : most);
    if (!piece.empty()) all.push_back(piece);
  }
  if (!low || low->value < 0) {  // the same with the ends exchanged, for the magnitude
    const bool negative_high = high && high->value <= 0;
    Edge from = negative_high ? edge(*high) : zero;
    const std::string piece = decimals(from, low ? edge(*low) : most);
    if (!piece.empty()) all.push_back("\"-\" " + piece);
  }
  if (all.empty()) return Status::format(Code::bad_argument, "{}: no number lies inside the bounds", where);
  return grammar::choice(all);
}

}  // namespace pensee
