// Expressions: names, attributes, calls, filters, tests (see jinja_eval.h). An object's methods come before a dict's
// keys for `x.name` and after them for `x['name']`, as in the sandbox; what does not exist is undefined and fails only
// when used.
#include <algorithm>

#include "text/jinja_eval.h"
#include "text/jinja_guard.h"
#include "text/jinja_text.h"

namespace pensee::jinja {
namespace {

std::string object_name(const Value& v) { return v.is(Kind::none) ? "None" : format("{} object", type_name(v)); }

}  // namespace

Value Evaluator::eval(const Node& node) {
  const Depth depth(*this);
  if (!step()) return Value();
  line = node.line;
  switch (node.op) {
    case Op::constant:
      return node.constant;
    case Op::name:
      return eval_name(node);
    case Op::list:
    case Op::tuple:
      return eval_list(node);
    case Op::dict:
      return eval_dict(node);
    case Op::slice:
      return eval_slice(node);
    case Op::call:
      return eval_call(node);
    case Op::filter:
      return eval_filter(node);
    case Op::test:
      return eval_test(node);
    case Op::concat:
      return eval_concat(node);
    case Op::compare:
      return eval_compare(node);
    case Op::conditional:
      return eval_conditional(node);
    default:
      return eval_two(node);
  }
}

// Nodes of one or two operands.
Value Evaluator::eval_two(const Node& node) {
  Value left = eval(*node.kids[0]);
  if (failed()) return Value();
  switch (node.op) {
    case Op::attribute:
      return attribute(left, node.name);
    case Op::logical_not:
      return Value::boolean(!truth(left));
    case Op::negative:
      return negate(*this, left);
    case Op::positive:
      return left.is_number() ? left : negate(*this, left);
    case Op::logical_and:
      return truth(left) ? eval(*node.kids[1]) : left;
    case Op::logical_or:
      return truth(left) ? left : eval(*node.kids[1]);
    default:
      break;
  }
  const Value right = eval(*node.kids[1]);
  if (failed()) return Value();
  line = node.line;
  return node.op == Op::subscript ? item(left, right) : arithmetic(*this, node.name, left, right);
}

Value Evaluator::eval_name(const Node& node) {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
    step(scope->names.size() / 8);
    for (const auto& [name, value] : scope->names) {
      if (name == node.name) return value;
    }
  }
  return undefined("'{}' is undefined", node.name);
}

Value Evaluator::eval_list(const Node& node) {
  Values items;
  items.reserve(node.kids.size());
  for (const NodePtr& kid : node.kids) {
    items.push_back(eval(*kid));
    if (failed()) return Value();
  }
  return list(std::move(items), node.op == Op::tuple ? Form::tuple : Form::list);
}

Value Evaluator::eval_dict(const Node& node) {
  Dict made(nullptr, {});
  for (size_t i = 0; i + 1 < node.kids.size(); i += 2) {
    Value key = eval(*node.kids[i]);
    Value value = failed() ? Value() : eval(*node.kids[i + 1]);
    if (failed()) return Value();
    const Value* old = find(*this, made, key);
    if (failed()) return Value();
    if (old) {
      const auto same = [&](const auto& entry) { return &entry.second == old; };
      std::find_if(made.entries.begin(), made.entries.end(), same)->second = std::move(value);
    } else {
      made.entries.emplace_back(std::move(key), std::move(value));
    }
  }
  return dict(std::move(made.entries));
}

Value Evaluator::eval_slice(const Node& node) {
  Value part[4];
  for (size_t i = 0; i < 4; ++i) {
    if (node.kids[i]) part[i] = eval(*node.kids[i]);
    if (failed()) return Value();
  }
  return slice(*this, part[0], part[1], part[2], part[3]);
}

Value Evaluator::eval_concat(const Node& node) {
  std::string joined;
  for (const NodePtr& kid : node.kids) {
    const Value value = eval(*kid);
    if (failed()) return Value();
    joined += value.is(Kind::string) ? value.text() : to_str(*this, value);
    if (joined.size() > kOutputMax) return fail("a text of more than 64 MB");
  }
  return text(std::move(joined));
}

Value Evaluator::eval_compare(const Node& node) {
  Value left = eval(*node.kids[0]);
  for (size_t i = 0; i < node.name.size() && !failed(); ++i) {
    Value right = eval(*node.kids[i + 1]);
    if (failed()) break;
    line = node.line;
    if (!compare(*this, node.name[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Evaluator::eval_conditional(const Node& node) {
  const bool yes = truth(eval(*node.kids[1]));
  if (failed()) return Value();
  if (yes) return eval(*node.kids[0]);
  if (node.kids[2]) return eval(*node.kids[2]);
  return undefined("the inline if-expression was false and has no else");
}

void Evaluator::spread(const Node& node, bool named, Call& call) {
  const Value value = eval(node);
  if (failed()) return;
  if (!named) {
    Values items;
    if (iterate(*this, value, items)) call.positional.insert(call.positional.end(), items.begin(), items.end());
    return;
  }
  if (!value.is(Kind::dict)) {
    fail(format("what follows ** must be a dict, not {}", type_name(value)));
    return;
  }
  for (const auto& [key, entry] : value.dict().entries) {
    if (!key.is(Kind::string)) {
      fail("keywords must be strings");
      return;
    }
    call.named.emplace_back(key.text(), entry);
  }
}

void Evaluator::make_call(const Node& node, Call& call) {
  for (const Argument& argument : node.arguments) {
    if (failed()) return;
    if (argument.name.starts_with('*')) {
      spread(*argument.value, argument.name == "**", call);
    } else if (argument.name.empty()) {
      call.positional.push_back(eval(*argument.value));
    } else {
      call.named.emplace_back(argument.name, eval(*argument.value));
    }
  }
}

Value Evaluator::eval_call(const Node& node) {
  const Value callee = eval(*node.kids[0]);
  if (failed()) return Value();
  Call call;
  make_call(node, call);
  if (failed()) return Value();
  line = node.line;
  return invoke(callee, call);
}

Value Evaluator::eval_filter(const Node& node) {
  const Value input = node.kids[0] ? eval(*node.kids[0]) : captured_;
  if (failed()) return Value();
  Call call;
  make_call(node, call);
  if (failed()) return Value();
  line = node.line;
  return apply_filter(node.name, input, call);
}

Value Evaluator::eval_test(const Node& node) {
  const Value input = eval(*node.kids[0]);
  if (failed()) return Value();
  Call call;
  make_call(node, call);
  if (failed()) return Value();
  line = node.line;
  return Value::boolean(apply_test(node.name, input, call));
}

Value Evaluator::apply_filter(std::string_view name, const Value& input, Call& call) {
  const Row* row = find_filter(name);
  if (!row) return fail(format("the filter '{}' is not known", name), Code::unsupported);
  return charge_inputs(input, call) && bind(*row, call) ? row->builtin(*this, input, call) : Value();
}

bool Evaluator::apply_test(std::string_view name, const Value& input, Call& call) {
  const Row* row = find_test(name);
  if (!row) fail(format("the test '{}' is not known", name), Code::unsupported);
  return row && charge_inputs(input, call) && bind(*row, call) && truth(row->builtin(*this, input, call));
}

// A builtin may read all of its texts once or twice, whatever it gives back.
bool Evaluator::charge_inputs(const Value& self, const Call& call) {
  uint64_t bytes = self.is(Kind::string) ? self.text().size() : 0;
  for (const Value& v : call.positional) bytes += v.is(Kind::string) ? v.text().size() : 0;
  for (const auto& [name, v] : call.named) bytes += v.is(Kind::string) ? v.text().size() : 0;
  return step(bytes >> 4);  // dearer than copying them
}

// Spreads positional and named arguments over the row's parameters.
bool Evaluator::bind(const Row& row, Call& call) {
  if (row.parameters == "*") return true;
  const auto names =
      row.parameters.empty() ? std::vector<std::string_view>() : split_text(row.parameters, " ", -1, false);
  if (call.positional.size() > names.size()) {
    fail(format("'{}' takes at most {} arguments, not {}", row.name, names.size(), call.positional.size()));
    return false;
  }
  for (size_t i = 0; i < call.positional.size(); ++i) call.arg[i] = call.positional[i];
  for (const auto& [name, value] : call.named) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end() || !call.arg[at - names.begin()].is(Kind::missing)) {
      fail(format("'{}' got an unexpected or repeated argument '{}'", row.name, name));
      return false;
    }
    call.arg[at - names.begin()] = value;
  }
  for (int i = 0; i < row.required; ++i) {
    if (!call.arg[i].is(Kind::missing)) continue;
    fail(format("'{}' misses its argument '{}'", row.name, names[static_cast<size_t>(i)]));
    return false;
  }
  return true;
}

Value Evaluator::invoke(const Value& callee, Call& call) {
  if (callee.is(Kind::undefined)) return fail(callee.text());
  if (!callee.is(Kind::function)) return fail(format("'{}' object is not callable", type_name(callee)));
  const Callable& function = callee.callable();
  if (function.macro) return invoke_macro(function, call);
  if (!charge_inputs(function.self, call) || !bind(*function.row, call)) return Value();
  return function.row->builtin(*this, function.self, call);
}

// Binds a macro's parameters in the current scope, which is the macro's own.
bool Evaluator::bind_macro(const Node& macro, Call& call) {
  const size_t count = macro.parameters.size(), defaults = macro.kids.size() - 1;
  const size_t taken = std::min(count, call.positional.size());
  const auto take_named = [&](std::string_view name) {
    step(call.named.size() / 8);
    const auto at = std::find_if(call.named.begin(), call.named.end(), [&](const auto& a) { return a.first == name; });
    Value value = at == call.named.end() ? Value() : at->second;
    if (at != call.named.end()) call.named.erase(at);
    return value;
  };
  auto& names = scope_->names;
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = macro.parameters[i];
    Value value = i < taken ? call.positional[i] : take_named(name);
    if (value.is(Kind::missing)) {
      const size_t first_default = count - defaults;
      value = i >= first_default ? eval(*macro.kids[1 + i - first_default])
                                 : undefined("parameter '{}' was not provided", name);
    }
    if (failed()) return false;
    names.emplace_back(name, value);
  }
  if (macro.uses_caller) {
    const Value caller = take_named("caller");
    names.emplace_back("caller", caller.is(Kind::missing) ? undefined("no caller defined") : caller);
  }
  if (!call.named.empty() && !macro.uses_kwargs) {
    fail(format("the macro '{}' takes no argument '{}'", macro.name, call.named[0].first));
  } else if (macro.uses_kwargs) {
    Entries rest;
    for (auto& [name, value] : call.named) rest.emplace_back(text(name), value);
    names.emplace_back("kwargs", dict(std::move(rest)));
  }
  if (call.positional.size() > count && !macro.uses_varargs) {
    fail(format("the macro '{}' takes at most {} arguments", macro.name, count));
  } else if (macro.uses_varargs) {
    Values rest(call.positional.begin() + static_cast<std::ptrdiff_t>(taken), call.positional.end());
    names.emplace_back("varargs", list(std::move(rest), Form::tuple));
  }
  return !failed();
}

Value Evaluator::attribute(const Value& object, std::string_view name) {
  if (object.is(Kind::undefined)) return fail(object.text());
  if (object.is(Kind::space)) {
    step(object.space().attributes.size() / 8);
    for (const auto& [key, value] : object.space().attributes) {
      if (key == name) return value;
    }
  }
  if (object.is(Kind::loop)) {
    const Value value = loop_attribute(object, name);
    if (!value.is(Kind::missing)) return value;
  }
  if (object.is(Kind::list) && object.list().form == Form::group && (name == "grouper" || name == "list")) {
    return object.list().items[name == "list" ? 1 : 0];
  }
  if (const Row* row = find_method(object, name)) {
    if (depth_of(object) >= kValueDepthMax) return fail("values are nested too deeply");
    auto method = std::make_shared<Callable>(this);
    method->row = row;
    method->self = object;
    return Value(Kind::function, std::move(method));
  }
  if (object.is(Kind::dict)) {
    // The sandbox hides what would change a dict, even behind a key of that name.
    static constexpr std::string_view kHidden[] = {"clear", "pop", "popitem", "setdefault", "update"};
    const bool hidden = std::find(std::begin(kHidden), std::end(kHidden), name) != std::end(kHidden);
    if (hidden) return undefined("access to attribute '{}' of 'dict' object is unsafe", name);
    step(object.dict().entries.size() / 8);
    for (const auto& [key, value] : object.dict().entries) {
      if (key.is(Kind::string) && key.text() == name) return value;
    }
  }
  return undefined(format("'{}' has no attribute '{}'", object_name(object), "{}"), name);
}

Value Evaluator::loop_attribute(const Value& object, std::string_view name) {
  const Loop& loop = object.loop();
  const auto count = static_cast<int64_t>(loop.items.size());
  const auto neighbour = [&](int64_t at, std::string_view what) {
    if (at >= 0 && at < count) return loop.items[static_cast<size_t>(at)];
    return undefined("there is no {} item", what);
  };
  if (name == "index") return Value::integer(loop.index + 1);
  if (name == "index0") return Value::integer(loop.index);
  if (name == "first") return Value::boolean(loop.index == 0);
  if (name == "last") return Value::boolean(loop.index + 1 == count);
  if (name == "length") return Value::integer(count);
  if (name == "revindex") return Value::integer(count - loop.index);
  if (name == "revindex0") return Value::integer(count - loop.index - 1);
  if (name == "previtem") return neighbour(loop.index - 1, "previous");
  if (name == "nextitem") return neighbour(loop.index + 1, "next");
  if (name == "depth") return Value::integer(1);
  if (name == "depth0") return Value::integer(0);
  return Value();
}

Value Evaluator::item(const Value& object, const Value& key) {
  if (object.is(Kind::undefined)) return fail(object.text());
  if (object.is(Kind::dict) && !(key.is(Kind::list) && key.list().form == Form::list) && !key.is(Kind::dict)) {
    if (const Value* value = find(*this, object.dict(), key)) return *value;
  }
  const bool sequence = object.is(Kind::list) && object.list().form <= Form::range;
  if (key.is_int() && (sequence || object.is(Kind::string))) {
    const int64_t count = length(*this, object);
    const int64_t at = key.integer() < 0 ? key.integer() + count : key.integer();
    if (at >= 0 && at < count) {
      if (sequence) return object.list().items[static_cast<size_t>(at)];
      const std::string& all = object.text();
      const size_t start = byte_offset(all, at);
      size_t end = start;
      next_char(all, end);
      return text(all.substr(start, end - start));
    }
  }
  if (key.is(Kind::string) && !object.is(Kind::dict)) return attribute(object, key.text());
  if (key.is(Kind::string) && find_method(object, key.text())) return attribute(object, key.text());
  std::string shown;
  if (!key.is(Kind::string) || key.text().size() < 200) append_repr(*this, key, shown);
  if (key.is(Kind::string)) return undefined(format("'{}' has no attribute {}", object_name(object), "{}"), shown);
  return undefined(format("{} has no element {}", object_name(object), "{}"), shown);
}

}  // namespace pensee::jinja
