// Values: truth, equality, order, iteration and the budget (see jinja_value.h). How values print is jinja_print.cpp's.
#include "text/jinja_value.h"

#include <algorithm>
#include <cmath>

#include "text/jinja_text.h"

namespace pensee::jinja {

Value Value::boolean(bool v) {
  Value out(Kind::boolean);
  out.int_ = v ? 1 : 0;
  return out;
}

Value Value::integer(int64_t v) {
  Value out(Kind::integer);
  out.int_ = v;
  return out;
}

Value Value::real(double v) {
  Value out(Kind::real);
  out.real_ = v;
  return out;
}

Value Value::string(std::string v, bool markup) {
  return Value(Kind::string, std::make_shared<Text>(std::move(v), markup));
}

Held::Held(Run* r, uint64_t n) : run(r), bytes(n) {
  if (run) run->hold(bytes);
}

Held::~Held() {
  if (run) run->release(bytes);
}

Value Run::fail(std::string_view message, Code code) {
  if (status_.ok()) status_ = Status::format(code, "{}:{}: {}", template_name, line, message);
  return Value();
}

bool Run::over(std::string_view what) {
  fail(format("the template was stopped: it needs more {} than any sane template does", what));
  return false;
}

Value Run::text(std::string bytes, bool markup) {
  if (bytes.size() > kOutputMax) return fail("a text of more than 64 MB");
  charge(bytes.size());
  return Value(Kind::string, std::make_shared<Text>(std::move(bytes), markup, this));
}

int depth_of(const Value& v) {
  switch (v.kind()) {
    case Kind::list:
      return v.list().depth;
    case Kind::dict:
      return v.dict().depth;
    case Kind::loop:
      return v.loop().depth;
    case Kind::function:
      return depth_of(v.callable().self) + 1;
    default:
      return 0;
  }
}

Value Run::undefined(std::string_view why, std::string_view subject) {
  return Value(Kind::undefined, std::make_shared<Text>(format(why, subject.substr(0, 100)), false, this));
}

Value Run::list(Values items, Form form) {
  if (!step(items.size() / 8)) return Value();
  auto list = std::make_shared<List>(this, std::move(items), form);
  for (const Value& item : list->items) list->depth = std::max(list->depth, depth_of(item) + 1);
  if (list->depth > kValueDepthMax) return fail("lists are nested too deeply");
  return Value(Kind::list, std::move(list));
}

Value Run::dict(Entries entries) {
  if (!step(entries.size() / 8)) return Value();
  auto dict = std::make_shared<Dict>(this, std::move(entries));
  for (const auto& [key, value] : dict->entries) {
    dict->depth = std::max({dict->depth, depth_of(key) + 1, depth_of(value) + 1});
  }
  if (dict->depth > kValueDepthMax) return fail("dictionaries are nested too deeply");
  return Value(Kind::dict, std::move(dict));
}

bool truth(const Value& v) {
  switch (v.kind()) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return v.integer() != 0;
    case Kind::real:
      return v.number() != 0;
    case Kind::string:
      return !v.text().empty();
    case Kind::list:
      return v.list().form == Form::iterator || !v.list().items.empty();
    case Kind::dict:
      return !v.dict().entries.empty();
    case Kind::space:
    case Kind::loop:
    case Kind::function:
      return true;
  }
  return true;
}

std::string_view type_name(const Value& v) {
  static constexpr std::string_view kNames[] = {"Undefined", "Undefined", "NoneType",    "bool",
                                                "int",       "float",     "str",         "list",
                                                "dict",      "Namespace", "LoopContext", "function"};
  static constexpr std::string_view kForms[] = {"list",      "tuple",     "tuple",       "range",
                                                "generator", "dict_keys", "dict_values", "dict_items"};
  if (v.is(Kind::list)) return kForms[static_cast<size_t>(v.list().form)];
  return kNames[static_cast<size_t>(v.kind())];
}

const Value* find(Run& run, const Dict& dict, const Value& key) {
  if (key.is(Kind::dict) || (key.is(Kind::list) && key.list().form == Form::list)) {
    run.fail(format("unhashable type: '{}'", type_name(key)));
    return nullptr;
  }
  run.step(dict.entries.size() / 8 + 1 + (key.is(Kind::string) ? key.text().size() >> 6 : 0));
  for (const auto& [name, value] : dict.entries) {
    if (name.is(Kind::string) && key.is(Kind::string) ? name.text() == key.text() : equals(run, name, key))
      return &value;
  }
  return nullptr;
}

namespace {

bool equal_lists(Run& run, const List& a, const List& b) {
  const bool tuple_a = a.form == Form::group, tuple_b = b.form == Form::group;
  if ((tuple_a ? Form::tuple : a.form) != (tuple_b ? Form::tuple : b.form)) return false;
  if (a.form == Form::iterator || a.items.size() != b.items.size()) return &a == &b;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equals(run, a.items[i], b.items[i])) return false;
  }
  return true;
}

bool equal_dicts(Run& run, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = find(run, b, key);
    if (!other || !equals(run, value, *other)) return false;
  }
  return true;
}

}  // namespace

bool equals(Run& run, const Value& a, const Value& b) {
  if (!run.step()) return false;
  if (a.is_int() && b.is_int()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::string:
      return run.step(a.text().size() >> 6) && a.text() == b.text();
    case Kind::list:
      return equal_lists(run, a.list(), b.list());
    case Kind::dict:
      return equal_dicts(run, a.dict(), b.dict());
    case Kind::space:
    case Kind::loop:
    case Kind::function:
      return a.same_object(b);
    default:
      return true;  // undefined or none
  }
}

bool less(Run& run, const Value& a, const Value& b) {
  if (!run.step()) return false;
  if (a.is_int() && b.is_int()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is(Kind::undefined) || b.is(Kind::undefined)) {
    run.fail((a.is(Kind::undefined) ? a : b).text());
    return false;
  }
  if (a.is(Kind::string) && b.is(Kind::string)) return run.step(a.text().size() >> 6) && a.text() < b.text();
  if (a.is(Kind::list) && b.is(Kind::list) && a.list().form == b.list().form && a.list().form <= Form::group) {
    const Values &left = a.list().items, &right = b.list().items;
    const size_t common = std::min(left.size(), right.size());
    for (size_t i = 0; i < common; ++i) {
      if (!equals(run, left[i], right[i])) return less(run, left[i], right[i]);
    }
    return left.size() < right.size();
  }
  run.fail(format("'<' not supported between instances of '{}' and '{}'", type_name(a), type_name(b)));
  return false;
}

bool contains(Run& run, const Value& container, const Value& item) {
  if (container.is(Kind::string)) {
    if (!item.is(Kind::string)) {
      run.fail(format("'in <string>' requires string as left operand, not {}", type_name(item)));
      return false;
    }
    run.step((container.text().size() + item.text().size()) >> 6);
    return find_text(container.text(), item.text()) != std::string_view::npos;
  }
  if (container.is(Kind::dict)) return find(run, container.dict(), item) != nullptr;
  Values items;
  if (container.is(Kind::list) && container.list().form != Form::iterator) {
    const Values& all = container.list().items;
    return std::any_of(all.begin(), all.end(), [&](const Value& v) { return equals(run, v, item); });
  }
  if (!iterate(run, container, items)) return false;
  return std::any_of(items.begin(), items.end(), [&](const Value& v) { return equals(run, v, item); });
}

bool iterate(Run& run, const Value& v, Values& out) {
  switch (v.kind()) {
    case Kind::undefined:
      return true;
    case Kind::string: {
      const std::string& all = v.text();
      for (size_t at = 0; at < all.size() && run.step();) {
        const size_t start = at;
        next_char(all, at);
        out.push_back(run.text(all.substr(start, at - start)));
      }
      return !run.failed();
    }
    case Kind::list: {
      const List& list = v.list();
      const size_t first = list.form == Form::iterator ? list.next : 0;
      if (!run.step(list.items.size() - first)) return false;
      out.assign(list.items.begin() + static_cast<std::ptrdiff_t>(first), list.items.end());
      list.next = list.items.size();
      return true;
    }
    case Kind::dict: {
      if (!run.step(v.dict().entries.size())) return false;
      for (const auto& [key, value] : v.dict().entries) out.push_back(key);
      return true;
    }
    default:
      run.fail(format("'{}' object is not iterable", type_name(v)));
      return false;
  }
}

int64_t length(Run& run, const Value& v) {
  switch (v.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      run.step(v.text().size() >> 6);
      return char_count(v.text());
    case Kind::list:
      return v.list().form == Form::iterator ? -1 : static_cast<int64_t>(v.list().items.size());
    case Kind::dict:
      return static_cast<int64_t>(v.dict().entries.size());
    case Kind::loop:
      return static_cast<int64_t>(v.loop().items.size());
    default:
      return -1;
  }
}

}  // namespace pensee::jinja
