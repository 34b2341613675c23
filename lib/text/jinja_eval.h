// The evaluator: walks a parsed template with one rendering's variables. Names are looked up lexically: a block that
// opens a scope (loop round, macro, with, captured block) sees its parents and assigns only in itself. Builtins
// (filters, tests, methods, globals) are rows of tables; a row's `parameters` is its Python signature.
// One evaluator renders once, on one thread; nothing of it outlives the rendering.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/jinja_ast.h"

namespace pensee::jinja {

inline constexpr int kCallDepthMax = 1000;  // nested evaluations, over macros that call each other
inline constexpr int kParametersMax = 5;

struct Call {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;
  Value arg[kParametersMax];  // in the order of the row's parameters; missing when not given
};

class Evaluator;
// `self` is a filter's or a test's input, or the object of a method.
using Builtin = Value (*)(Evaluator& run, const Value& self, Call& call);
struct Row {
  std::string_view name;
  std::string_view parameters;  // names with a space between; "*": the builtin reads `positional` and `named` itself
  int required;                 // how many of them must be given
  Builtin builtin;
};
const Row* find_filter(std::string_view name);
const Row* find_test(std::string_view name);
const Row* find_method(const Value& object, std::string_view name);
std::pair<const Row*, size_t> global_rows();

struct Scope {
  std::vector<std::pair<std::string_view, Value>> names;
  std::shared_ptr<Scope> parent;
};

class Evaluator : public Run {
 public:
  explicit Evaluator(std::string_view name);
  ~Evaluator();
  Result<std::string> render(const Node& root, const json::Value& variables);

  // For builtins.
  Value apply_filter(std::string_view name, const Value& input, Call& call);
  bool apply_test(std::string_view name, const Value& input, Call& call);
  Value invoke(const Value& callee, Call& call);
  Value attribute(const Value& object, std::string_view name);
  Value item(const Value& object, const Value& key);
  Value make_space(std::vector<std::pair<std::string, Value>> attributes);

 private:
  enum class Flow { normal, leave, proceed };
  struct Depth;
  class Capture;

  Flow exec(const Node& node);
  Flow exec_body(const Node& node);
  Flow exec_branch(const Node& node);
  void exec_loop(const Node& node);
  bool loop_items(const Node& node, Values& items);
  void exec_assign_block(const Node& node);
  void exec_macro(const Node& node);
  void exec_call_block(const Node& node);
  void exec_filter_block(const Node& node);
  Flow exec_with(const Node& node);
  Flow exec_scope(const Node& node);
  void write(std::string_view text);
  void assign(const Node& target, const Value& value);
  void assign_attribute(const Node& target, const Value& value);
  std::shared_ptr<Scope> inner_scope();

  Value eval(const Node& node);
  Value eval_name(const Node& node);
  Value eval_list(const Node& node);
  Value eval_dict(const Node& node);
  Value eval_slice(const Node& node);
  Value eval_call(const Node& node);
  Value eval_filter(const Node& node);
  Value eval_test(const Node& node);
  Value eval_concat(const Node& node);
  Value eval_compare(const Node& node);
  Value eval_conditional(const Node& node);
  Value eval_two(const Node& node);
  void make_call(const Node& node, Call& call);
  void spread(const Node& node, bool named, Call& call);
  bool charge_inputs(const Value& self, const Call& call);
  bool bind(const Row& row, Call& call);
  Value invoke_macro(const Callable& macro, Call& call);
  bool bind_macro(const Node& macro, Call& call);
  Value loop_attribute(const Value& object, std::string_view name);
  Value convert(const json::Value& v, int depth);

  std::shared_ptr<Scope> scope_;
  std::string* out_ = nullptr;
  Value captured_;  // what the block of a filter printed
  int depth_ = 0;
  // What may be part of a circle of references; taken apart when the rendering is over.
  std::vector<std::shared_ptr<Scope>> owned_scopes_;
  std::vector<std::shared_ptr<Space>> owned_spaces_;
};

// Operators (jinja_operators.cpp).
Value arithmetic(Run& run, std::string_view op, const Value& a, const Value& b);
Value negate(Run& run, const Value& v);
bool compare(Run& run, char op, const Value& a, const Value& b);
Value slice(Run& run, const Value& object, const Value& start, const Value& stop, const Value& step);
Value percent_format(Run& run, const std::string& pattern, const Call& call);

}  // namespace pensee::jinja
