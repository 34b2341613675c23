// Statements, scopes and the beginning and end of a rendering (see jinja_eval.h). Expressions are jinja_evaluate.cpp's.
#include "text/jinja_eval.h"

#include <algorithm>

#include "text/jinja_guard.h"

namespace pensee::jinja {

Evaluator::Evaluator(std::string_view name) { template_name = name; }

Evaluator::~Evaluator() {
  // Emptied first and released afterwards: no circle is left, and no chain of destructors is long.
  for (auto& scope : owned_scopes_) {
    const auto names = std::exchange(scope->names, {});
  }
  for (auto& space : owned_spaces_) {
    const auto attributes = std::exchange(space->attributes, {});
  }
}

Result<std::string> Evaluator::render(const Node& root, const json::Value& variables) {
  const json::Object* object = variables.object();
  if (!object) return Status::format(Code::bad_argument, "{}: the variables must be an object", template_name);
  auto globals = std::make_shared<Scope>();
  const auto [rows, count] = global_rows();
  for (size_t i = 0; i < count; ++i) {
    auto function = std::make_shared<Callable>(nullptr);
    function->row = rows + i;
    globals->names.emplace_back(rows[i].name, Value(Kind::function, std::move(function)));
  }
  // transformers always passes these three.
  auto given = std::make_shared<Scope>();
  given->parent = globals;
  for (const auto& [name, value] : *object) given->names.emplace_back(name, convert(value, 0));
  if (!variables.find("tools")) given->names.emplace_back("tools", Value::none());
  if (!variables.find("documents")) given->names.emplace_back("documents", Value::none());
  if (!variables.find("add_generation_prompt"))
    given->names.emplace_back("add_generation_prompt", Value::boolean(false));

  scope_ = std::make_shared<Scope>();
  scope_->parent = given;
  std::string out;
  out_ = &out;
  exec(root);
  out_ = nullptr;
  scope_.reset();
  if (failed()) return status();
  return out;
}

Value Evaluator::convert(const json::Value& v, int depth) {
  if (depth > kValueDepthMax) return fail("a variable is nested too deeply");
  if (failed() || v.is_null()) return Value::none();
  if (const bool* boolean = v.boolean()) return Value::boolean(*boolean);
  if (const int64_t* integer = v.integer()) return Value::integer(*integer);
  if (const double* real = v.real()) return Value::real(*real);
  if (const std::string* string = v.string()) return text(*string);
  if (const json::Array* array = v.array()) {
    Values items;
    items.reserve(array->size());
    for (const json::Value& item : *array) items.push_back(convert(item, depth + 1));
    return list(std::move(items));
  }
  Entries entries;
  for (const auto& [name, value] : *v.object()) entries.emplace_back(text(name), convert(value, depth + 1));
  return dict(std::move(entries));
}

// Redirects what is written into a text of its own, in a scope of its own.
class Evaluator::Capture {
 public:
  explicit Capture(Evaluator& e, std::shared_ptr<Scope> inside)
      : e_(e), out_(std::exchange(e.out_, &text)), scope_(std::exchange(e.scope_, std::move(inside))) {}
  ~Capture() {
    e_.release(text.size());
    close();
  }
  std::string take() {
    e_.release(text.size());
    return std::exchange(text, {});
  }
  void close() {
    if (!scope_) return;
    e_.out_ = out_;
    e_.scope_ = std::move(scope_);
    scope_ = nullptr;
  }
  std::string text;

 private:
  Evaluator& e_;
  std::string* out_;
  std::shared_ptr<Scope> scope_;
};

std::shared_ptr<Scope> Evaluator::inner_scope() {
  auto scope = std::make_shared<Scope>();
  scope->parent = scope_;
  return scope;
}

void Evaluator::write(std::string_view text) {
  if (out_->size() + text.size() > kOutputMax) {
    fail("the output grows beyond 64 MB");
    return;
  }
  if (charge(text.size()) && hold(text.size())) out_->append(text);
}

Evaluator::Flow Evaluator::exec(const Node& node) {
  const Depth depth(*this);
  line = node.line;
  if (!step()) return Flow::normal;
  switch (node.op) {
    case Op::body:
      return exec_body(node);
    case Op::data:
      write(node.constant.text());
      break;
    case Op::output: {
      const Value value = eval(*node.kids[0]);
      if (!failed()) write(value.is(Kind::string) ? value.text() : to_str(*this, value));
      break;
    }
    case Op::branch:
      return exec_branch(node);
    case Op::loop:
      exec_loop(node);
      break;
    case Op::assign: {
      const Value value = eval(*node.kids[1]);
      if (!failed()) assign(*node.kids[0], value);
      break;
    }
    case Op::assign_block:
      exec_assign_block(node);
      break;
    case Op::macro:
      exec_macro(node);
      break;
    case Op::call_block:
      exec_call_block(node);
      break;
    case Op::filter_block:
      exec_filter_block(node);
      break;
    case Op::with:
      return exec_with(node);
    case Op::scope:
      return exec_scope(node);
    case Op::leave:
      return Flow::leave;
    case Op::proceed:
      return Flow::proceed;
    default:
      break;
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::exec_body(const Node& node) {
  for (const NodePtr& kid : node.kids) {
    const Flow flow = exec(*kid);
    if (failed() || flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::exec_branch(const Node& node) {
  size_t i = 0;
  for (; i + 1 < node.kids.size(); i += 2) {
    const bool taken = truth(eval(*node.kids[i]));
    if (failed()) return Flow::normal;
    if (taken) return exec(*node.kids[i + 1]);
  }
  return i < node.kids.size() ? exec(*node.kids[i]) : Flow::normal;
}

// What the loop goes over: the iterable's items that meet the condition, which sees the target in a scope of its own.
bool Evaluator::loop_items(const Node& node, Values& items) {
  const Value iterable = eval(*node.kids[1]);
  if (failed() || !iterate(*this, iterable, items)) return false;
  if (!node.kids[2]) return true;
  const auto outer = scope_;
  size_t kept = 0;
  for (size_t i = 0; i < items.size() && !failed(); ++i) {
    scope_ = outer;
    scope_ = inner_scope();
    assign(*node.kids[0], items[i]);
    if (failed()) break;
    const bool keep = truth(eval(*node.kids[2]));
    if (keep) items[kept++] = items[i];
  }
  scope_ = outer;
  items.resize(kept);
  return !failed();
}

void Evaluator::exec_loop(const Node& node) {
  Values items;
  if (!loop_items(node, items)) return;
  auto loop = std::make_shared<Loop>(this, std::move(items));
  for (const Value& item : loop->items) loop->depth = std::max(loop->depth, depth_of(item) + 1);
  if (loop->depth > kValueDepthMax) {
    fail("values are nested too deeply");
    return;
  }
  const Value loop_value(Kind::loop, loop);
  const auto outer = scope_;
  bool completed = false;  // Jinja's `else` runs unless a round came to its end
  for (size_t i = 0; i < loop->items.size() && !failed(); ++i) {
    loop->index = static_cast<int64_t>(i);
    if (scope_ != outer && scope_.use_count() == 1) {
      scope_->names.clear();
    } else {
      scope_ = outer;
      scope_ = inner_scope();
    }
    scope_->names.emplace_back("loop", loop_value);
    assign(*node.kids[0], loop->items[i]);
    if (failed()) break;
    const Flow flow = exec(*node.kids[3]);
    completed = completed || flow == Flow::normal;
    if (flow == Flow::leave) break;
  }
  scope_ = outer;
  if (completed || failed() || !node.kids[4]) return;
  scope_ = inner_scope();
  exec(*node.kids[4]);
  scope_ = outer;
}

void Evaluator::exec_assign_block(const Node& node) {
  Capture capture(*this, inner_scope());
  exec(*node.kids[2]);
  Value value = text(capture.take());
  if (node.kids[1] && !failed()) {
    const Value before = std::exchange(captured_, value);
    value = eval(*node.kids[1]);
    captured_ = before;
  }
  capture.close();
  if (!failed()) assign(*node.kids[0], value);
}

void Evaluator::exec_macro(const Node& node) {
  auto macro = std::make_shared<Callable>(nullptr);
  macro->macro = &node;
  macro->scope = scope_;
  if (owned_scopes_.empty() || owned_scopes_.back() != scope_) owned_scopes_.push_back(scope_);
  hold(512);  // for good: the scope is kept too
  const Value value(Kind::function, std::move(macro));
  for (auto& [name, old] : scope_->names) {
    if (name == node.name) {
      old = value;
      return;
    }
  }
  scope_->names.emplace_back(node.name, value);
}

Value Evaluator::invoke_macro(const Callable& macro, Call& call) {
  auto inside = std::make_shared<Scope>();
  inside->parent = macro.scope;
  Capture capture(*this, std::move(inside));
  if (bind_macro(*macro.macro, call)) exec(*macro.macro->kids[0]);
  return failed() ? Value() : text(capture.take());
}

void Evaluator::exec_call_block(const Node& node) {
  auto macro = std::make_shared<Callable>(nullptr);
  macro->macro = node.kids[1].get();
  macro->scope = scope_;
  owned_scopes_.push_back(scope_);
  hold(512);  // for good: the scope is kept too
  const Value callee = eval(*node.kids[0]->kids[0]);
  Call call;
  make_call(*node.kids[0], call);
  call.named.emplace_back("caller", Value(Kind::function, std::move(macro)));
  const Value printed = failed() ? Value() : invoke(callee, call);
  if (!failed()) write(to_str(*this, printed));
}

void Evaluator::exec_filter_block(const Node& node) {
  Capture capture(*this, inner_scope());
  exec(*node.kids[1]);
  const Value before = std::exchange(captured_, text(capture.take()));
  const Value value = failed() ? Value() : eval(*node.kids[0]);
  captured_ = before;
  capture.close();
  if (!failed()) write(to_str(*this, value));
}

Evaluator::Flow Evaluator::exec_with(const Node& node) {
  Values values;
  for (size_t i = 1; i < node.kids.size(); i += 2) values.push_back(eval(*node.kids[i]));
  const auto outer = scope_;
  scope_ = inner_scope();
  for (size_t i = 0; i < values.size() && !failed(); ++i) assign(*node.kids[2 * i], values[i]);
  const Flow flow = failed() ? Flow::normal : exec(*node.kids.back());
  scope_ = outer;
  return flow;
}

Evaluator::Flow Evaluator::exec_scope(const Node& node) {
  const auto outer = scope_;
  scope_ = inner_scope();
  exec(*node.kids[0]);
  scope_ = outer;
  return Flow::normal;
}

void Evaluator::assign(const Node& target, const Value& value) {
  if (target.op == Op::store_attribute) return assign_attribute(target, value);
  if (target.op == Op::tuple) {
    Values parts;
    if (!iterate(*this, value, parts)) return;
    if (parts.size() != target.kids.size()) {
      fail(format("cannot unpack {} values into {} names", parts.size(), target.kids.size()));
      return;
    }
    for (size_t i = 0; i < parts.size() && !failed(); ++i) assign(*target.kids[i], parts[i]);
    return;
  }
  step(scope_->names.size() / 8);
  for (auto& [name, old] : scope_->names) {
    if (name == target.name) {
      old = value;
      return;
    }
  }
  scope_->names.emplace_back(target.name, value);
}

void Evaluator::assign_attribute(const Node& target, const Value& value) {
  const Value object = eval_name(target);
  if (!object.is(Kind::space)) {
    fail(format("cannot assign an attribute of '{}', which is no namespace", target.name));
    return;
  }
  if (target.attribute.starts_with('_')) {
    fail(format("a namespace's attribute may not begin with an underscore: '{}'", target.attribute));
    return;
  }
  auto& attributes = object.space().attributes;
  step(attributes.size() / 8);
  for (auto& [name, old] : attributes) {
    if (name == target.attribute) {
      old = value;
      return;
    }
  }
  hold(sizeof(Value) + 64);
  attributes.emplace_back(target.attribute, value);
}

Value Evaluator::make_space(std::vector<std::pair<std::string, Value>> attributes) {
  hold(attributes.size() * 96 + 256);
  auto space = std::make_shared<Space>();
  space->attributes = std::move(attributes);
  owned_spaces_.push_back(space);
  return Value(Kind::space, std::move(space));
}

}  // namespace pensee::jinja
