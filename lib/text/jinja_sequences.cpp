// Filters over sequences. Those that are generators in Jinja give an iterator: always true, without a length, and used
// up by its first reader. They are computed at once here, which differs only in when an error shows.
#include "text/jinja_sequences.h"

#include <algorithm>

#include "text/jinja_text.h"

namespace pensee::jinja {
namespace {

bool truthy(const Value& v) { return !v.is(Kind::missing) && truth(v); }

// "user.name" or "0": item by item, an integer part as an index. One path for each comma when `many`.
class Getter {
 public:
  Getter(Evaluator& run, const Value& attribute, bool case_sensitive, bool many = false)
      : run_(run), fold_(!case_sensitive) {
    if (attribute.is(Kind::missing) || attribute.is(Kind::none)) {
      paths_.emplace_back();
    } else if (!attribute.is(Kind::string)) {
      paths_.push_back({attribute});
    } else {
      for (std::string_view path : split_text(attribute.text(), ",", many ? -1 : 0, false)) add(path);
    }
    tuple_ = many && paths_.size() > 1;
  }
  Value missing;  // instead of what is undefined, when given

  Value operator()(const Value& item) const {
    if (!tuple_) return get(item, paths_[0]);
    Values all;
    for (const Values& path : paths_) all.push_back(get(item, path));
    return run_.list(std::move(all));
  }

 private:
  void add(std::string_view path) {
    Values parts;
    for (std::string_view part : split_text(path, ".", -1, false)) {
      const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
      const auto index = digits ? read_int(part, 10) : std::nullopt;
      parts.push_back(index ? Value::integer(*index) : Value::string(std::string(part)));
    }
    paths_.push_back(std::move(parts));
  }
  Value get(Value item, const Values& path) const {
    for (const Value& part : path) {
      item = run_.item(item, part);
      if (run_.failed()) return Value();
      if (item.is(Kind::undefined) && !missing.is(Kind::missing) && !missing.is(Kind::none)) item = missing;
    }
    return fold_ && item.is(Kind::string) ? run_.text(lower(item.text())) : item;
  }
  Evaluator& run_;
  bool fold_, tuple_ = false;
  std::vector<Values> paths_;
};

struct Keyed {
  Value key, item;
};

Values sorted(Evaluator& run, const Values& items, const Getter& getter, bool reverse) {
  std::vector<Keyed> keyed;
  for (const Value& item : items) keyed.push_back({getter(item), item});
  const auto order = [&](const Keyed& a, const Keyed& b) {
    return !run.failed() && (reverse ? less(run, b.key, a.key) : less(run, a.key, b.key));
  };
  if (!run.failed()) std::stable_sort(keyed.begin(), keyed.end(), order);
  Values out;
  for (Keyed& k : keyed) out.push_back(std::move(k.item));
  return out;
}

Value extreme(Evaluator& run, const Value& self, Call& call, bool largest) {
  Values items;
  if (!iterate(run, self, items)) return Value();
  if (items.empty()) return run.undefined("No aggregated item, sequence was empty.");
  const Getter getter(run, call.arg[1], truthy(call.arg[0]));
  size_t best = 0;
  Value best_key = getter(items[0]);
  for (size_t i = 1; i < items.size() && !run.failed(); ++i) {
    Value key = getter(items[i]);
    if (run.failed() || !(largest ? less(run, best_key, key) : less(run, key, best_key))) continue;
    best = i;
    best_key = std::move(key);
  }
  return items[best];
}

// select, reject and their attr forms: [attribute,] [test, arguments of the test ...]
Value pick(Evaluator& run, const Value& self, Call& call, bool wanted, bool by_attribute) {
  Values items, kept;
  if (!iterate(run, self, items)) return Value();
  if (by_attribute && call.positional.empty()) return run.fail("the name of the attribute is missing");
  const Getter getter(run, by_attribute ? call.positional[0] : Value(), true);
  const size_t at = by_attribute ? 1 : 0;
  const bool tested = call.positional.size() > at;
  if (tested && !call.positional[at].is(Kind::string)) return run.fail("the name of a test must be a string");
  for (const Value& item : items) {
    const Value value = getter(item);
    if (run.failed()) return Value();
    bool result = truth(value);
    if (tested) {
      Call inner;
      inner.positional.assign(call.positional.begin() + static_cast<std::ptrdiff_t>(at) + 1, call.positional.end());
      inner.named = call.named;
      result = run.apply_test(call.positional[at].text(), value, inner);
    }
    if (run.failed()) return Value();
    if (result == wanted) kept.push_back(item);
  }
  return run.list(std::move(kept), Form::iterator);
}

}  // namespace

Value select_filter(Evaluator& run, const Value& self, Call& call) { return pick(run, self, call, true, false); }
Value reject_filter(Evaluator& run, const Value& self, Call& call) { return pick(run, self, call, false, false); }
Value selectattr_filter(Evaluator& run, const Value& self, Call& call) { return pick(run, self, call, true, true); }
Value rejectattr_filter(Evaluator& run, const Value& self, Call& call) { return pick(run, self, call, false, true); }
Value min_filter(Evaluator& run, const Value& self, Call& call) { return extreme(run, self, call, false); }
Value max_filter(Evaluator& run, const Value& self, Call& call) { return extreme(run, self, call, true); }

Value map_filter(Evaluator& run, const Value& self, Call& call) {
  Values items, out;
  if (!iterate(run, self, items)) return Value();
  if (call.positional.empty()) {
    Value attribute, otherwise;
    for (const auto& [name, value] : call.named) (name == "attribute" ? attribute : otherwise) = value;
    if (attribute.is(Kind::missing)) return run.fail("map requires a filter or an attribute");
    Getter getter(run, attribute, true);
    getter.missing = otherwise;
    for (const Value& item : items) {
      out.push_back(getter(item));
      if (run.failed()) return Value();
    }
    return run.list(std::move(out), Form::iterator);
  }
  if (!call.positional[0].is(Kind::string)) return run.fail("the name of a filter must be a string");
  for (const Value& item : items) {
    Call inner;
    inner.positional.assign(call.positional.begin() + 1, call.positional.end());
    inner.named = call.named;
    out.push_back(run.apply_filter(call.positional[0].text(), item, inner));
    if (run.failed()) return Value();
  }
  return run.list(std::move(out), Form::iterator);
}

Value sort_filter(Evaluator& run, const Value& self, Call& call) {
  Values items;
  if (!iterate(run, self, items)) return Value();
  return run.list(sorted(run, items, Getter(run, call.arg[2], truthy(call.arg[1]), true), truthy(call.arg[0])));
}

Value dictsort_filter(Evaluator& run, const Value& self, Call& call) {
  if (!self.is(Kind::dict)) return run.fail(format("dictsort: '{}' object is no dict", type_name(self)));
  const std::string by = call.arg[1].is(Kind::missing) ? "key" : to_str(run, call.arg[1]);
  if (by != "key" && by != "value") return run.fail("dictsort: by must be 'key' or 'value'");
  const Getter getter(run, Value::integer(by == "key" ? 0 : 1), truthy(call.arg[0]));
  return run.list(sorted(run, dict_items(run, self.dict()), getter, truthy(call.arg[2])));
}

Value unique_filter(Evaluator& run, const Value& self, Call& call) {
  Values items, keys, out;
  if (!iterate(run, self, items)) return Value();
  const Getter getter(run, call.arg[1], truthy(call.arg[0]));
  for (const Value& item : items) {
    const Value key = getter(item);
    const bool seen = std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return equals(run, k, key); });
    if (run.failed()) return Value();
    if (seen) continue;
    keys.push_back(key);
    out.push_back(item);
  }
  return run.list(std::move(out), Form::iterator);
}

Value groupby_filter(Evaluator& run, const Value& self, Call& call) {
  Values items, groups;
  if (!iterate(run, self, items)) return Value();
  Getter folded(run, call.arg[0], truthy(call.arg[2])), exact(run, call.arg[0], true);
  folded.missing = exact.missing = call.arg[1];
  items = sorted(run, items, folded, false);
  for (size_t i = 0; i < items.size() && !run.failed();) {
    const Value key = folded(items[i]), shown = exact(items[i]);
    Values members;
    for (; i < items.size() && !run.failed() && equals(run, folded(items[i]), key); ++i) members.push_back(items[i]);
    groups.push_back(run.list({shown, run.list(std::move(members))}, Form::group));
  }
  return run.failed() ? Value() : run.list(std::move(groups));
}

Value sum_filter(Evaluator& run, const Value& self, Call& call) {
  Values items;
  if (!iterate(run, self, items)) return Value();
  const Getter getter(run, call.arg[0], true);
  Value total = call.arg[1].is(Kind::missing) ? Value::integer(0) : call.arg[1];
  if (total.is(Kind::string)) return run.fail("sum() can't sum strings");
  for (const Value& item : items) {
    total = arithmetic(run, "+", total, getter(item));
    if (run.failed()) return Value();
  }
  return total;
}

Value first_filter(Evaluator& run, const Value& self, Call&) {
  if (self.is(Kind::list) && self.list().form == Form::iterator) {
    const List& list = self.list();
    if (list.next < list.items.size()) return list.items[list.next++];
  } else if (self.is(Kind::string) && !self.text().empty()) {
    return run.item(self, Value::integer(0));
  } else {
    Values items;
    if (!iterate(run, self, items)) return Value();
    if (!items.empty()) return items.front();
  }
  return run.undefined("No first item, sequence was empty.");
}

Value last_filter(Evaluator& run, const Value& self, Call&) {
  if (self.is(Kind::list) && self.list().form == Form::iterator)
    return run.fail("'generator' object is not reversible");
  Values items;
  if (!iterate(run, self, items)) return Value();
  return items.empty() ? run.undefined("No last item, sequence was empty.") : items.back();
}

Value list_filter(Evaluator& run, const Value& self, Call&) {
  Values items;
  return iterate(run, self, items) ? run.list(std::move(items)) : Value();
}

Value reverse_filter(Evaluator& run, const Value& self, Call&) {
  if (self.is(Kind::string)) return slice(run, self, Value(), Value(), Value::integer(-1));
  Values items;
  if (!iterate(run, self, items)) return Value();
  std::reverse(items.begin(), items.end());
  return run.list(std::move(items), Form::iterator);
}

Value items_filter(Evaluator& run, const Value& self, Call&) {
  if (self.is(Kind::undefined)) return run.list({}, Form::iterator);
  if (!self.is(Kind::dict)) return run.fail("Can only get item pairs from a mapping.");
  return run.list(dict_items(run, self.dict()), Form::iterator);
}

Value join_filter(Evaluator& run, const Value& self, Call& call) {
  Values items;
  if (!iterate(run, self, items)) return Value();
  const Getter getter(run, call.arg[1], true);
  for (Value& item : items) {
    item = getter(item);
    if (run.failed()) return Value();
  }
  return join_texts(run, items, call.arg[0].is(Kind::missing) ? "" : to_str(run, call.arg[0]));
}

Value batch_filter(Evaluator& run, const Value& self, Call& call) {
  Values items, rows;
  if (!iterate(run, self, items)) return Value();
  if (!call.arg[0].is_int() || call.arg[0].integer() < 1) return run.fail("batch: the size must be a positive integer");
  const auto size = static_cast<size_t>(std::min<int64_t>(call.arg[0].integer(), 1 << 20));
  for (size_t i = 0; i < items.size(); i += size) {
    const auto first = items.begin() + static_cast<std::ptrdiff_t>(i);
    Values row(first, first + static_cast<std::ptrdiff_t>(std::min(size, items.size() - i)));
    if (row.size() < size && !call.arg[1].is(Kind::missing) && !call.arg[1].is(Kind::none))
      row.resize(size, call.arg[1]);
    rows.push_back(run.list(std::move(row)));
  }
  return run.list(std::move(rows), Form::iterator);
}

Value slice_filter(Evaluator& run, const Value& self, Call& call) {
  Values items, columns;
  if (!iterate(run, self, items)) return Value();
  const int64_t count = call.arg[0].is_int() ? call.arg[0].integer() : 0;
  if (count < 1 || count > 100000) return run.fail("slice: the number of slices must be 1 to 100000");
  const auto slices = static_cast<size_t>(count);
  const size_t each = items.size() / slices, extra = items.size() % slices;
  auto at = items.begin();
  for (size_t i = 0; i < slices; ++i) {
    const auto size = static_cast<std::ptrdiff_t>(each + (i < extra ? 1 : 0));
    Values column(at, at + size);
    at += size;
    if (i >= extra && !call.arg[1].is(Kind::missing) && !call.arg[1].is(Kind::none)) column.push_back(call.arg[1]);
    columns.push_back(run.list(std::move(column)));
  }
  return run.list(std::move(columns), Form::iterator);
}

Value join_texts(Evaluator& run, const Values& items, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out += separator;
    out += items[i].is(Kind::string) ? items[i].text() : to_str(run, items[i]);
    if (out.size() > kOutputMax) return run.fail("a text of more than 64 MB");
  }
  return run.failed() ? Value() : run.text(std::move(out));
}

Values dict_items(Evaluator& run, const Dict& dict) {
  Values pairs;
  for (const auto& [key, value] : dict.entries) {
    pairs.push_back(run.list({key, value}, Form::tuple));
    if (run.failed()) return {};
  }
  return pairs;
}

}  // namespace pensee::jinja
