// Tests (`x is defined`) and the global functions that transformers gives to a template.
#include <algorithm>
#include <ctime>

#include "text/jinja_sequences.h"
#include "text/jinja_text.h"

namespace pensee::jinja {
namespace {

Value yes(bool v) { return Value::boolean(v); }

Value is_defined(Evaluator&, const Value& v, Call&) { return yes(!v.is(Kind::undefined)); }
Value is_undefined(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::undefined)); }
Value is_none(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::none)); }
Value is_boolean(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::boolean)); }
Value is_true(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::boolean) && v.boolean()); }
Value is_false(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::boolean) && !v.boolean()); }
Value is_integer(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::integer)); }
Value is_float(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::real)); }
Value is_number(Evaluator&, const Value& v, Call&) { return yes(v.is_number()); }
Value is_string(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::string)); }
Value is_mapping(Evaluator&, const Value& v, Call&) { return yes(v.is(Kind::dict)); }
Value is_callable(Evaluator&, const Value& v, Call&) {
  return yes(v.is(Kind::function) || v.is(Kind::undefined) || v.is(Kind::loop));
}
Value is_escaped(Evaluator&, const Value& v, Call&) { return yes(v.markup()); }
Value is_iterable(Evaluator&, const Value& v, Call&) {
  return yes(v.is(Kind::string) || v.is(Kind::list) || v.is(Kind::dict) || v.is(Kind::undefined) || v.is(Kind::loop));
}
Value is_sequence(Evaluator&, const Value& v, Call&) {
  const bool list = v.is(Kind::list) && v.list().form <= Form::range;
  return yes(v.is(Kind::string) || list || v.is(Kind::dict) || v.is(Kind::undefined));
}
Value is_lower(Evaluator& run, const Value& v, Call&) {
  const std::string all = to_str(run, v);
  return yes(lower(all) == all && upper(all) != all);
}
Value is_upper(Evaluator& run, const Value& v, Call&) {
  const std::string all = to_str(run, v);
  return yes(upper(all) == all && lower(all) != all);
}

Value rest_is(Evaluator& run, const Value& v, const Value& divisor, int64_t rest) {
  const Value left = arithmetic(run, "%", v, divisor);
  return run.failed() ? Value() : yes(equals(run, left, Value::integer(rest)));
}
Value is_odd(Evaluator& run, const Value& v, Call&) { return rest_is(run, v, Value::integer(2), 1); }
Value is_even(Evaluator& run, const Value& v, Call&) { return rest_is(run, v, Value::integer(2), 0); }
Value is_divisibleby(Evaluator& run, const Value& v, Call& call) { return rest_is(run, v, call.arg[0], 0); }

Value is_sameas(Evaluator& run, const Value& v, Call& call) {
  const Value& other = call.arg[0];
  if (v.kind() != other.kind()) return yes(false);
  const bool container = v.is(Kind::list) || v.is(Kind::dict) || v.is(Kind::space) || v.is(Kind::function);
  return yes(container ? v.same_object(other) : equals(run, v, other));
}
Value is_in(Evaluator& run, const Value& v, Call& call) { return yes(contains(run, call.arg[0], v)); }
Value is_eq(Evaluator& run, const Value& v, Call& call) { return yes(compare(run, '=', v, call.arg[0])); }
Value is_ne(Evaluator& run, const Value& v, Call& call) { return yes(compare(run, '!', v, call.arg[0])); }
Value is_lt(Evaluator& run, const Value& v, Call& call) { return yes(compare(run, '<', v, call.arg[0])); }
Value is_le(Evaluator& run, const Value& v, Call& call) { return yes(compare(run, 'l', v, call.arg[0])); }
Value is_gt(Evaluator& run, const Value& v, Call& call) { return yes(compare(run, '>', v, call.arg[0])); }
Value is_ge(Evaluator& run, const Value& v, Call& call) { return yes(compare(run, 'g', v, call.arg[0])); }
Value is_filter(Evaluator& run, const Value& v, Call&) { return yes(find_filter(to_str(run, v)) != nullptr); }
Value is_test(Evaluator& run, const Value& v, Call&) { return yes(find_test(to_str(run, v)) != nullptr); }

constexpr Row kTests[] = {
    {"!=", "other", 1, is_ne},
    {"<", "other", 1, is_lt},
    {"<=", "other", 1, is_le},
    {"==", "other", 1, is_eq},
    {">", "other", 1, is_gt},
    {">=", "other", 1, is_ge},
    {"boolean", "", 0, is_boolean},
    {"callable", "", 0, is_callable},
    {"defined", "", 0, is_defined},
    {"divisibleby", "num", 1, is_divisibleby},
    {"eq", "other", 1, is_eq},
    {"equalto", "other", 1, is_eq},
    {"escaped", "", 0, is_escaped},
    {"even", "", 0, is_even},
    {"false", "", 0, is_false},
    {"filter", "", 0, is_filter},
    {"float", "", 0, is_float},
    {"ge", "other", 1, is_ge},
    {"greaterthan", "other", 1, is_gt},
    {"gt", "other", 1, is_gt},
    {"in", "seq", 1, is_in},
    {"integer", "", 0, is_integer},
    {"iterable", "", 0, is_iterable},
    {"le", "other", 1, is_le},
    {"lessthan", "other", 1, is_lt},
    {"lower", "", 0, is_lower},
    {"lt", "other", 1, is_lt},
    {"mapping", "", 0, is_mapping},
    {"ne", "other", 1, is_ne},
    {"none", "", 0, is_none},
    {"number", "", 0, is_number},
    {"odd", "", 0, is_odd},
    {"sameas", "other", 1, is_sameas},
    {"sequence", "", 0, is_sequence},
    {"string", "", 0, is_string},
    {"test", "", 0, is_test},
    {"true", "", 0, is_true},
    {"undefined", "", 0, is_undefined},
    {"upper", "", 0, is_upper},
};

Value raise_exception(Evaluator& run, const Value&, Call& call) { return run.fail(to_str(run, call.arg[0])); }

Value strftime_now(Evaluator& run, const Value&, Call& call) {
  const std::string pattern = to_str(run, call.arg[0]);
  if (pattern.size() > 200) return run.fail("strftime_now: the format is too long");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[4096];
  return run.text(std::string(buffer, std::strftime(buffer, sizeof buffer, pattern.c_str(), &local)));
}

Value range(Evaluator& run, const Value&, Call& call) {
  int64_t part[3] = {0, 0, 1};
  const bool one = call.arg[1].is(Kind::missing);
  for (int i = 0; i < 3; ++i) {
    if (call.arg[i].is(Kind::missing)) continue;
    if (call.arg[i].is(Kind::undefined)) return run.fail(call.arg[i].text());
    if (!call.arg[i].is_int()) return run.fail(format("range: '{}' object is no integer", type_name(call.arg[i])));
    part[one ? 1 : i] = call.arg[i].integer();
  }
  const auto [start, stop, step] = part;
  if (step == 0) return run.fail("range: the step is zero");
  Values items;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (items.size() >= 100000) return run.fail("range: more than 100000 items, which the sandbox forbids");
    items.push_back(Value::integer(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return run.list(std::move(items), Form::range);
}

void put(Evaluator& run, Entries& entries, const Value& key, const Value& value) {
  run.step(entries.size() / 8);
  for (auto& [name, old] : entries) {
    if (!equals(run, name, key)) continue;
    old = value;
    return;
  }
  entries.emplace_back(key, value);
}

// dict({...}, name=value), dict([(key, value), ...])
bool gather(Evaluator& run, Call& call, Entries& entries) {
  if (call.positional.size() > 1) return run.fail("at most one positional argument"), false;
  if (call.positional.size() == 1 && call.positional[0].is(Kind::dict)) {
    entries = call.positional[0].dict().entries;
  } else if (call.positional.size() == 1) {
    Values pairs;
    if (!iterate(run, call.positional[0], pairs)) return false;
    for (const Value& pair : pairs) {
      Values two;
      if (!iterate(run, pair, two)) return false;
      if (two.size() != 2) return run.fail("a pair of key and value is needed"), false;
      put(run, entries, two[0], two[1]);
    }
  }
  for (const auto& [name, value] : call.named) put(run, entries, Value::string(name), value);
  return !run.failed();
}

Value dict(Evaluator& run, const Value&, Call& call) {
  Entries entries;
  return gather(run, call, entries) ? run.dict(std::move(entries)) : Value();
}

Value make_namespace(Evaluator& run, const Value&, Call& call) {
  Entries entries;
  if (!gather(run, call, entries)) return Value();
  std::vector<std::pair<std::string, Value>> attributes;
  for (const auto& [key, value] : entries) {
    const std::string name = to_str(run, key);
    if (name.starts_with('_'))
      return run.fail(format("a namespace's attribute may not begin with an underscore: '{}'", name));
    attributes.emplace_back(name, value);
  }
  return run.make_space(std::move(attributes));
}

constexpr Row kGlobals[] = {
    {"dict", "*", 0, dict},
    {"namespace", "*", 0, make_namespace},
    {"raise_exception", "message", 1, raise_exception},
    {"range", "start stop step", 1, range},
    {"strftime_now", "format", 1, strftime_now},
};

}  // namespace

const Row* find_test(std::string_view name) {
  const auto row = std::find_if(std::begin(kTests), std::end(kTests), [&](const Row& r) { return r.name == name; });
  return row == std::end(kTests) ? nullptr : row;
}

std::pair<const Row*, size_t> global_rows() { return {kGlobals, std::size(kGlobals)}; }

}  // namespace pensee::jinja
