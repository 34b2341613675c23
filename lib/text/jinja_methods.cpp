// Methods of strings, dicts, lists and the loop variable. What would change a list or a dict is not here: the sandbox
// of transformers refuses it too. A method that is missing here is an attribute that does not exist.
#include <algorithm>

#include "text/jinja_sequences.h"
#include "text/jinja_text.h"

namespace pensee::jinja {
namespace {

bool given(const Value& v) { return !v.is(Kind::missing) && !v.is(Kind::none); }
bool is_text(const Value& v) { return v.is(Kind::string); }

// The bytes of self.text() between the optional code-point arguments `start` and `end` of find, count and startswith.
struct Window {
  std::string_view text;
  int64_t first = 0;  // code points before it
  bool valid = true;  // false: start lies behind the end
};
Window window(const Value& self, const Value& start, const Value& end) {
  const std::string& all = self.text();
  if (!start.is_int() && !end.is_int()) return {all, 0, true};
  const int64_t count = char_count(all);
  const auto place = [&](const Value& v, int64_t otherwise) {
    if (!v.is_int()) return otherwise;
    return v.integer() < 0 ? std::max<int64_t>(std::max(v.integer(), -count) + count, 0) : v.integer();
  };
  const int64_t first = place(start, 0), last = std::min(place(end, count), count);
  if (first > last) return {{}, first, false};
  const size_t from = byte_offset(all, first);
  return {std::string_view(all).substr(from, byte_offset(std::string_view(all).substr(from), last - first)), first,
          true};
}

Value strip_sides(Evaluator& run, const Value& self, Call& call, int sides) {
  if (!given(call.arg[0])) return run.text(std::string(strip(self.text(), sides)), self.markup());
  if (!is_text(call.arg[0])) return run.fail("strip: the argument must be a string or None");
  return run.text(std::string(strip(self.text(), call.arg[0].text(), sides)), self.markup());
}
Value str_strip(Evaluator& run, const Value& self, Call& call) { return strip_sides(run, self, call, kBoth); }
Value str_lstrip(Evaluator& run, const Value& self, Call& call) { return strip_sides(run, self, call, kLeft); }
Value str_rstrip(Evaluator& run, const Value& self, Call& call) { return strip_sides(run, self, call, kRight); }

Value text_list(Evaluator& run, const std::vector<std::string_view>& parts, Form form = Form::list) {
  Values items;
  if (parts.size() > kPartsMax) return run.fail("the text has too many parts");
  for (size_t i = 0; i < parts.size() && !run.failed(); ++i) items.push_back(run.text(std::string(parts[i])));
  return run.list(std::move(items), form);
}

Value split(Evaluator& run, const Value& self, Call& call, bool from_right) {
  const Value& separator = call.arg[0];
  constexpr auto kLimit = static_cast<int64_t>(kPartsMax);
  const int64_t limit =
      call.arg[1].is_int() && call.arg[1].integer() >= 0 ? std::min(call.arg[1].integer(), kLimit) : kLimit;
  if (!given(separator)) return text_list(run, split_space(self.text(), limit, from_right));
  if (!is_text(separator)) return run.fail(format("split: must be str or None, not {}", type_name(separator)));
  if (separator.text().empty()) return run.fail("split: empty separator");
  return text_list(run, split_text(self.text(), separator.text(), limit, from_right));
}
Value str_split(Evaluator& run, const Value& self, Call& call) { return split(run, self, call, false); }
Value str_rsplit(Evaluator& run, const Value& self, Call& call) { return split(run, self, call, true); }

Value partition(Evaluator& run, const Value& self, Call& call, bool from_right) {
  if (!is_text(call.arg[0]) || call.arg[0].text().empty()) return run.fail("partition: a separator is needed");
  const std::string_view all = self.text(), separator = call.arg[0].text();
  const size_t at = from_right ? rfind_text(all, separator) : find_text(all, separator);
  if (at == std::string_view::npos) {
    if (from_right) return text_list(run, {"", "", all}, Form::tuple);
    return text_list(run, {all, "", ""}, Form::tuple);
  }
  return text_list(run, {all.substr(0, at), separator, all.substr(at + separator.size())}, Form::tuple);
}
Value str_partition(Evaluator& run, const Value& self, Call& call) { return partition(run, self, call, false); }
Value str_rpartition(Evaluator& run, const Value& self, Call& call) { return partition(run, self, call, true); }

Value str_splitlines(Evaluator& run, const Value& self, Call& call) {
  return text_list(run, split_lines(self.text(), !call.arg[0].is(Kind::missing) && truth(call.arg[0]), kPartsMax));
}

Value affix(Evaluator& run, const Value& self, Call& call, bool at_end) {
  const Window all = window(self, call.arg[1], call.arg[2]);
  const auto matches = [&](const Value& v) {
    if (!is_text(v)) {
      run.fail(format("startswith and endswith take a str or a tuple of str, not {}", type_name(v)));
      return false;
    }
    return all.valid && (at_end ? all.text.ends_with(v.text()) : all.text.starts_with(v.text()));
  };
  const Value& affixes = call.arg[0];
  if (!affixes.is(Kind::list) || affixes.list().form != Form::tuple) return Value::boolean(matches(affixes));
  const Values& all_of = affixes.list().items;
  return Value::boolean(std::any_of(all_of.begin(), all_of.end(), matches));
}
Value str_startswith(Evaluator& run, const Value& self, Call& call) { return affix(run, self, call, false); }
Value str_endswith(Evaluator& run, const Value& self, Call& call) { return affix(run, self, call, true); }

int64_t position(Evaluator& run, const Value& self, Call& call, bool from_right) {
  if (!is_text(call.arg[0])) {
    run.fail(format("find: must be str, not {}", type_name(call.arg[0])));
    return -1;
  }
  run.step(self.text().size() >> 6);
  const Window all = window(self, call.arg[1], call.arg[2]);
  if (!all.valid) return -1;
  const size_t at = from_right ? rfind_text(all.text, call.arg[0].text()) : find_text(all.text, call.arg[0].text());
  return at == std::string_view::npos ? -1 : all.first + char_count(all.text.substr(0, at));
}
Value index_of(Evaluator& run, const Value& self, Call& call, bool from_right) {
  const int64_t at = position(run, self, call, from_right);
  return at < 0 ? run.fail("substring not found") : Value::integer(at);
}
Value str_find(Evaluator& run, const Value& self, Call& call) {
  return Value::integer(position(run, self, call, false));
}
Value str_rfind(Evaluator& run, const Value& self, Call& call) {
  return Value::integer(position(run, self, call, true));
}
Value str_index(Evaluator& run, const Value& self, Call& call) { return index_of(run, self, call, false); }
Value str_rindex(Evaluator& run, const Value& self, Call& call) { return index_of(run, self, call, true); }

Value str_count(Evaluator& run, const Value& self, Call& call) {
  if (!is_text(call.arg[0])) return run.fail(format("count: must be str, not {}", type_name(call.arg[0])));
  const Window all = window(self, call.arg[1], call.arg[2]);
  const std::string& needle = call.arg[0].text();
  if (!all.valid || !run.step(all.text.size() >> 6)) return Value::integer(0);
  if (needle.empty()) return Value::integer(char_count(all.text) + 1);
  int64_t count = 0;
  for (size_t at = find_text(all.text, needle); at != std::string_view::npos; ++count) {
    at = find_text(all.text, needle, at + needle.size());
  }
  return Value::integer(count);
}

Value str_replace(Evaluator& run, const Value& self, Call& call) {
  if (!is_text(call.arg[0]) || !is_text(call.arg[1])) return run.fail("replace: both arguments must be str");
  const int64_t count = call.arg[2].is_int() ? call.arg[2].integer() : -1;
  return replace_checked(run, self.text(), call.arg[0].text(), call.arg[1].text(), count);
}

Value remove_affix(Evaluator& run, const Value& self, Call& call, bool at_end) {
  if (!is_text(call.arg[0])) return run.fail("removeprefix and removesuffix take a str");
  std::string_view all = self.text();
  const std::string& part = call.arg[0].text();
  if (at_end && all.ends_with(part)) all.remove_suffix(part.size());
  if (!at_end && all.starts_with(part)) all.remove_prefix(part.size());
  return run.text(std::string(all));
}
Value str_removeprefix(Evaluator& run, const Value& self, Call& call) { return remove_affix(run, self, call, false); }
Value str_removesuffix(Evaluator& run, const Value& self, Call& call) { return remove_affix(run, self, call, true); }

Value str_upper(Evaluator& run, const Value& self, Call&) { return run.text(upper(self.text())); }
Value str_lower(Evaluator& run, const Value& self, Call&) { return run.text(lower(self.text())); }
Value str_capitalize(Evaluator& run, const Value& self, Call&) { return run.text(capitalize(self.text())); }
Value str_title(Evaluator& run, const Value& self, Call&) { return run.text(title(self.text(), false)); }
Value str_swapcase(Evaluator& run, const Value& self, Call&) {
  std::string out;
  for (std::string_view c : split_chars(self.text())) out += lower(c) == c ? upper(c) : lower(c);
  return run.text(std::move(out));
}

Value str_join(Evaluator& run, const Value& self, Call& call) {
  Values items;
  if (!iterate(run, call.arg[0], items)) return Value();
  if (!std::all_of(items.begin(), items.end(), is_text)) return run.fail("join: every item must be a str");
  return join_texts(run, items, self.text());
}

Value justify(Evaluator& run, const Value& self, Call& call, int sides) {
  if (!call.arg[0].is_int()) return run.fail("the width must be an integer");
  const std::string fill = is_text(call.arg[1]) ? call.arg[1].text() : " ";
  return char_count(fill) == 1 ? pad(run, self.text(), call.arg[0].integer(), fill, sides)
                               : run.fail("the fill must be one character");
}
Value str_center(Evaluator& run, const Value& self, Call& call) { return justify(run, self, call, kBoth); }
Value str_ljust(Evaluator& run, const Value& self, Call& call) { return justify(run, self, call, kRight); }
Value str_rjust(Evaluator& run, const Value& self, Call& call) { return justify(run, self, call, kLeft); }
Value str_zfill(Evaluator& run, const Value& self, Call& call) {
  if (!call.arg[0].is_int()) return run.fail("zfill: the width must be an integer");
  const bool sign = self.text().starts_with('-') || self.text().starts_with('+');
  const std::string_view digits = std::string_view(self.text()).substr(sign ? 1 : 0);
  const int64_t width = std::max<int64_t>(call.arg[0].integer(), 1) - (sign ? 1 : 0);
  const Value padded = pad(run, digits, width, "0", kLeft);
  return run.failed() || !sign ? padded : run.text(self.text().substr(0, 1) + padded.text());
}

template <class Test>
Value every_char(const Value& self, Test test) {
  const std::string& all = self.text();
  bool every = !all.empty();
  for (size_t at = 0; at < all.size() && every;) every = test(next_char(all, at));
  return Value::boolean(every);
}
Value str_isdigit(Evaluator&, const Value& self, Call&) { return every_char(self, is_digit); }
Value str_isdecimal(Evaluator&, const Value& self, Call&) {
  return every_char(self, [](uint32_t c) {
    return is_digit(c) && c != 0xB2 && c != 0xB3 && c != 0xB9 && (c < 0x2070 || c > 0x2089);
  });
}
Value str_isalpha(Evaluator&, const Value& self, Call&) { return every_char(self, is_alpha); }
Value str_isalnum(Evaluator&, const Value& self, Call&) {
  return every_char(self, [](uint32_t c) { return is_alpha(c) || is_digit(c); });
}
Value str_isspace(Evaluator&, const Value& self, Call&) { return every_char(self, is_space); }
Value str_isascii(Evaluator&, const Value& self, Call&) {
  return Value::boolean(std::all_of(self.text().begin(), self.text().end(), [](char c) { return (c & 0x80) == 0; }));
}
Value str_isupper(Evaluator&, const Value& self, Call&) {
  return Value::boolean(upper(self.text()) == self.text() && lower(self.text()) != self.text());
}
Value str_islower(Evaluator&, const Value& self, Call&) {
  return Value::boolean(lower(self.text()) == self.text() && upper(self.text()) != self.text());
}

// "{} {0} {name} {0.key} {0[key]} {!r}"; format specifications are not supported.
Value field(Evaluator& run, std::string_view name, Call& call, size_t& automatic) {
  size_t end = std::min(name.find_first_of(".["), name.size());
  const std::string_view first = name.substr(0, end);
  const auto number = first.empty() ? std::optional<int64_t>(static_cast<int64_t>(automatic++)) : read_int(first, 10);
  Value value;
  if (number && *number >= 0 && static_cast<size_t>(*number) < call.positional.size()) {
    value = call.positional[static_cast<size_t>(*number)];
  }
  for (const auto& [key, given_value] : call.named) {
    if (!number && key == first) value = given_value;
  }
  if (value.is(Kind::missing)) return run.fail(format("format: nothing was given for '{{}}'", first));
  while (end < name.size() && !run.failed()) {
    const bool bracket = name[end] == '[';
    const size_t start = end + 1;
    end = std::min(name.find_first_of(bracket ? "]" : ".[", start), name.size());
    const std::string_view part = name.substr(start, end - start);
    const auto index = read_int(part, 10);
    value = !bracket ? run.attribute(value, part)
                     : run.item(value, index ? Value::integer(*index) : Value::string(std::string(part)));
    if (bracket) end = std::min(end + 1, name.size());
  }
  return value;
}

Value str_format(Evaluator& run, const Value& self, Call& call) {
  const std::string& pattern = self.text();
  std::string out;
  size_t automatic = 0;
  for (size_t i = 0; i < pattern.size() && !run.failed(); ++i) {
    const char c = pattern[i];
    if (c != '{' && c != '}') {
      out.push_back(c);
      continue;
    }
    if (i + 1 < pattern.size() && pattern[i + 1] == c) {
      out.push_back(c);
      ++i;
      continue;
    }
    const size_t close = pattern.find('}', i);
    if (c == '}' || close == std::string::npos) return run.fail("format: a single brace");
    std::string_view name = std::string_view(pattern).substr(i + 1, close - i - 1);
    if (name.find(':') != std::string_view::npos)
      return run.fail("format: specifications are not supported", Code::unsupported);
    const bool repr = name.ends_with("!r");
    if (repr || name.ends_with("!s")) name.remove_suffix(2);
    const Value value = field(run, name, call, automatic);
    if (run.failed()) return Value();
    if (repr) {
      append_repr(run, value, out);
    } else {
      out += to_str(run, value);
    }
    if (out.size() > kOutputMax) return run.fail("a text of more than 64 MB");
    i = close;
  }
  return run.text(std::move(out));
}

Value dict_keys(Evaluator& run, const Value& self, Call&) {
  Values keys;
  for (const auto& [key, value] : self.dict().entries) keys.push_back(key);
  return run.list(std::move(keys), Form::keys);
}
Value dict_values(Evaluator& run, const Value& self, Call&) {
  Values values;
  for (const auto& [key, value] : self.dict().entries) values.push_back(value);
  return run.list(std::move(values), Form::values);
}
Value dict_items_method(Evaluator& run, const Value& self, Call&) {
  return run.list(dict_items(run, self.dict()), Form::items);
}
Value dict_get(Evaluator& run, const Value& self, Call& call) {
  const Value* value = find(run, self.dict(), call.arg[0]);
  if (value) return *value;
  return call.arg[1].is(Kind::missing) ? Value::none() : call.arg[1];
}
Value copy(Evaluator&, const Value& self, Call&) { return self; }

Value list_index(Evaluator& run, const Value& self, Call& call) {
  const Values& items = self.list().items;
  for (size_t i = 0; i < items.size() && !run.failed(); ++i) {
    if (equals(run, items[i], call.arg[0])) return Value::integer(static_cast<int64_t>(i));
  }
  return run.fail("index: the value is not in the list");
}
Value list_count(Evaluator& run, const Value& self, Call& call) {
  const Values& items = self.list().items;
  return Value::integer(
      std::count_if(items.begin(), items.end(), [&](const Value& v) { return equals(run, v, call.arg[0]); }));
}

Value loop_cycle(Evaluator& run, const Value& self, Call& call) {
  if (call.positional.empty()) return run.fail("no items for cycling given");
  return call.positional[static_cast<size_t>(self.loop().index) % call.positional.size()];
}

constexpr Row kStringMethods[] = {
    {"capitalize", "", 0, str_capitalize},
    {"center", "width fillchar", 1, str_center},
    {"count", "sub start end", 1, str_count},
    {"endswith", "suffix start end", 1, str_endswith},
    {"find", "sub start end", 1, str_find},
    {"format", "*", 0, str_format},
    {"index", "sub start end", 1, str_index},
    {"isalnum", "", 0, str_isalnum},
    {"isalpha", "", 0, str_isalpha},
    {"isascii", "", 0, str_isascii},
    {"isdecimal", "", 0, str_isdecimal},
    {"isdigit", "", 0, str_isdigit},
    {"islower", "", 0, str_islower},
    {"isnumeric", "", 0, str_isdigit},
    {"isspace", "", 0, str_isspace},
    {"isupper", "", 0, str_isupper},
    {"join", "iterable", 1, str_join},
    {"ljust", "width fillchar", 1, str_ljust},
    {"lower", "", 0, str_lower},
    {"lstrip", "chars", 0, str_lstrip},
    {"partition", "sep", 1, str_partition},
    {"removeprefix", "prefix", 1, str_removeprefix},
    {"removesuffix", "suffix", 1, str_removesuffix},
    {"replace", "old new count", 2, str_replace},
    {"rfind", "sub start end", 1, str_rfind},
    {"rindex", "sub start end", 1, str_rindex},
    {"rjust", "width fillchar", 1, str_rjust},
    {"rpartition", "sep", 1, str_rpartition},
    {"rsplit", "sep maxsplit", 0, str_rsplit},
    {"rstrip", "chars", 0, str_rstrip},
    {"split", "sep maxsplit", 0, str_split},
    {"splitlines", "keepends", 0, str_splitlines},
    {"startswith", "prefix start end", 1, str_startswith},
    {"strip", "chars", 0, str_strip},
    {"swapcase", "", 0, str_swapcase},
    {"title", "", 0, str_title},
    {"upper", "", 0, str_upper},
    {"zfill", "width", 1, str_zfill},
};
constexpr Row kDictMethods[] = {
    {"copy", "", 0, copy},      {"get", "key default", 1, dict_get}, {"items", "", 0, dict_items_method},
    {"keys", "", 0, dict_keys}, {"values", "", 0, dict_values},
};
constexpr Row kListMethods[] = {
    {"copy", "", 0, copy},
    {"count", "value", 1, list_count},
    {"index", "value", 1, list_index},
};
constexpr Row kLoopMethods[] = {{"cycle", "*", 0, loop_cycle}};

template <size_t N>
const Row* find_row(const Row (&rows)[N], std::string_view name) {
  const auto row = std::find_if(rows, rows + N, [&](const Row& r) { return r.name == name; });
  return row == rows + N ? nullptr : row;
}

}  // namespace

const Row* find_method(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::string:
      return find_row(kStringMethods, name);
    case Kind::dict:
      return find_row(kDictMethods, name);
    case Kind::loop:
      return find_row(kLoopMethods, name);
    case Kind::list: {
      const Form form = object.list().form;
      if (form > Form::range || (form != Form::list && name == "copy")) return nullptr;
      return find_row(kListMethods, name);
    }
    default:
      return nullptr;
  }
}

}  // namespace pensee::jinja
