// Statements of the template language into nodes (see jinja_parser.h).
#include "text/jinja_parser.h"

#include <algorithm>

namespace pensee::jinja {

const Parser::Statement Parser::kStatements[] = {
    {"if", &Parser::parse_if},           {"for", &Parser::parse_for},
    {"set", &Parser::parse_set},         {"macro", &Parser::parse_macro},
    {"call", &Parser::parse_call_block}, {"filter", &Parser::parse_filter_block},
    {"with", &Parser::parse_with},       {"generation", &Parser::parse_generation},
    {"break", &Parser::parse_leave},     {"continue", &Parser::parse_proceed},
};

// Tags that Jinja has and chat templates do not use.
static constexpr std::string_view kUnsupported[] = {"include", "import",     "from", "extends",
                                                    "block",   "autoescape", "print"};

void Parser::fail(std::string_view message, Code code) {
  if (failed()) return;
  status_ = Status::format(code, "{}:{}: {}", template_name_, current().line, message);
  at_ = tokens_.size() - 1;
}

Token Parser::next() {
  Token token = current();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

std::string Parser::describe() const {
  switch (current().type) {
    case Token::data:
      return "text";
    case Token::variable_begin:
      return "'{{'";
    case Token::variable_end:
      return "'}}'";
    case Token::block_begin:
      return "'{%'";
    case Token::block_end:
      return "'%}'";
    case Token::string:
      return "a string";
    case Token::end:
      return "the end of the template";
    default:
      return format("'{}'", current().text);
  }
}

void Parser::expect(Token::Type type, std::string_view what) {
  if (!is(type)) return fail(format("expected {}, got {}", what, describe()));
  next();
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail(format("expected '{}', got {}", op, describe()));
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail(format("expected '{}', got {}", name, describe()));
}

std::string Parser::identifier() {
  if (!is(Token::name)) {
    fail(format("expected a name, got {}", describe()));
    return "";
  }
  return next().text;
}

NodePtr Parser::node(Op op, int line, std::string name) {
  auto made = std::make_unique<Node>();
  made->op = op;
  made->line = line;
  made->name = std::move(name);
  return made;
}

void Parser::add(Node& parent, NodePtr kid) {
  if (kid) {
    parent.depth = std::max(parent.depth, kid->depth + 1);
    if (parent.depth > kNodeDepthMax) fail("an expression or a block is nested too deeply");
  }
  parent.kids.push_back(std::move(kid));
}

NodePtr Parser::constant(int line, Value value) {
  NodePtr made = node(Op::constant, line);
  made->constant = std::move(value);
  return made;
}

NodePtr Parser::body(std::initializer_list<std::string_view> ends, std::string* end) {
  Nesting nesting(*this);
  NodePtr body = node(Op::body, current().line);
  while (!failed()) {
    const int line = current().line;
    if (is(Token::data)) {
      NodePtr data = node(Op::data, line);
      data->constant = Value::string(next().text);
      add(*body, std::move(data));
    } else if (is(Token::variable_begin)) {
      next();
      NodePtr output = node(Op::output, line);
      add(*output, tuple(true));
      expect(Token::variable_end, "'}}'");
      add(*body, std::move(output));
    } else if (is(Token::block_begin)) {
      next();
      if (is(Token::name) && std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
        const std::string name = next().text;
        if (end) *end = name;
        return body;
      }
      add(*body, statement());
      expect(Token::block_end, "'%}'");
    } else {
      if (ends.size() != 0) fail(format("'{}' is missing", *(ends.end() - 1)));
      return body;
    }
  }
  return body;
}

// What a block tag encloses: the rest of the tag first.
NodePtr Parser::block_body(std::initializer_list<std::string_view> ends, std::string* end) {
  skip_op(":");
  expect(Token::block_end, "'%}'");
  return body(ends, end);
}

NodePtr Parser::statement() {
  if (!is(Token::name)) {
    fail(format("expected the name of a tag, got {}", describe()));
    return nullptr;
  }
  for (const Statement& row : kStatements) {
    if (is_name(row.name)) return (this->*row.parse)();
  }
  const bool known =
      std::find(std::begin(kUnsupported), std::end(kUnsupported), current().text) != std::end(kUnsupported);
  if (known) {
    fail(format("the tag '{}' is not supported in chat templates", current().text), Code::unsupported);
  } else {
    fail(format("unknown tag '{}'", current().text));
  }
  return nullptr;
}

NodePtr Parser::parse_if() {
  NodePtr branch = node(Op::branch, next().line);
  std::string end = "elif";
  while (!failed() && end == "elif") {
    add(*branch, tuple(false));
    add(*branch, block_body({"elif", "else", "endif"}, &end));
  }
  if (end == "else") add(*branch, block_body({"endif"}));
  return branch;
}

NodePtr Parser::parse_for() {
  NodePtr loop = node(Op::loop, next().line);
  ++loops_;
  add(*loop, target(false));
  expect_name("in");
  add(*loop, tuple(false));
  add(*loop, skip_name("if") ? expression() : nullptr);
  skip_name("recursive");  // calling the loop is what is not supported
  std::string end;
  add(*loop, block_body({"else", "endfor"}, &end));
  --loops_;
  add(*loop, end == "else" ? block_body({"endfor"}) : nullptr);
  return loop;
}

NodePtr Parser::parse_set() {
  const int line = next().line;
  NodePtr assigned = target(true);
  if (skip_op("=")) {
    NodePtr set = node(Op::assign, line);
    add(*set, std::move(assigned));
    add(*set, tuple(true));
    return set;
  }
  NodePtr set = node(Op::assign_block, line);
  add(*set, std::move(assigned));
  add(*set, is_op("|") ? filter_chain(nullptr) : nullptr);
  add(*set, block_body({"endset"}));
  return set;
}

// (a, b=1): names into `parameters`, defaults behind the body.
void Parser::signature(Node& macro) {
  expect_op("(");
  bool first = true, defaults = false;
  add(macro, nullptr);  // the body's place
  while (!failed() && !is_op(")")) {
    if (!first) expect_op(",");
    first = false;
    macro.parameters.push_back(identifier());
    if (skip_op("=")) {
      defaults = true;
      add(macro, expression());
    } else if (defaults) {
      fail("a parameter without a default follows one with a default");
    }
  }
  expect_op(")");
}

void Parser::macro_body(Node& macro, std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  macros_.emplace_back();
  NodePtr inner = block_body({end});
  if (inner) {
    macro.depth = std::max(macro.depth, inner->depth + 1);
    macro.kids[0] = std::move(inner);
  }
  macro.uses_varargs = macros_.back().varargs;
  macro.uses_kwargs = macros_.back().kwargs;
  macro.uses_caller = macros_.back().caller;
  macros_.pop_back();
  loops_ = loops;
}

NodePtr Parser::parse_macro() {
  NodePtr macro = node(Op::macro, next().line);
  macro->name = identifier();
  signature(*macro);
  macro_body(*macro, "endmacro");
  return macro;
}

NodePtr Parser::parse_call_block() {
  NodePtr block = node(Op::call_block, next().line);
  NodePtr macro = node(Op::macro, block->line, "caller");
  if (is_op("(")) {
    signature(*macro);
  } else {
    add(*macro, nullptr);
  }
  NodePtr called = expression();
  if (!failed() && called->op != Op::call) fail("expected a call");
  macro_body(*macro, "endcall");
  add(*block, std::move(called));
  add(*block, std::move(macro));
  return block;
}

NodePtr Parser::parse_filter_block() {
  NodePtr block = node(Op::filter_block, next().line);
  NodePtr first = filter(nullptr);
  add(*block, filter_chain(std::move(first)));
  add(*block, block_body({"endfilter"}));
  return block;
}

NodePtr Parser::parse_with() {
  NodePtr with = node(Op::with, next().line);
  while (!failed() && !is(Token::block_end)) {
    if (!with->kids.empty()) expect_op(",");
    add(*with, target_part(false));
    expect_op("=");
    add(*with, expression());
  }
  add(*with, block_body({"endwith"}));
  return with;
}

// transformers marks the assistant's tokens with it; what it encloses prints as it is.
NodePtr Parser::parse_generation() {
  NodePtr scope = node(Op::scope, next().line);
  const int loops = std::exchange(loops_, 0);
  add(*scope, block_body({"endgeneration"}));
  loops_ = loops;
  return scope;
}

NodePtr Parser::parse_leave() {
  if (loops_ == 0) fail("'break' outside of a loop");
  return node(Op::leave, next().line);
}

NodePtr Parser::parse_proceed() {
  if (loops_ == 0) fail("'continue' outside of a loop");
  return node(Op::proceed, next().line);
}

NodePtr Parser::target(bool with_namespace) {
  const int line = current().line;
  NodePtr first = target_part(with_namespace);
  if (!is_op(",")) return first;
  NodePtr tuple = node(Op::tuple, line);
  add(*tuple, std::move(first));
  while (!failed() && skip_op(",")) {
    if (is_name("in") || is_op("=") || is_op(")") || is(Token::block_end)) break;
    add(*tuple, target_part(with_namespace));
  }
  return tuple;
}

NodePtr Parser::target_part(bool with_namespace) {
  Nesting nesting(*this);
  const int line = current().line;
  if (skip_op("(")) {
    NodePtr inner = failed() ? nullptr : target(with_namespace);
    expect_op(")");
    return inner;
  }
  constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
  if (std::find(std::begin(kReserved), std::end(kReserved), current().text) != std::end(kReserved)) {
    fail("cannot assign to a constant");
  }
  NodePtr store = node(Op::store, line, identifier());
  if (with_namespace && skip_op(".")) {
    store->op = Op::store_attribute;
    store->attribute = identifier();
  } else if (store->name == "loop" && loops_ > 0) {
    fail("cannot assign to the special variable 'loop' inside of a loop");
  }
  return store;
}

Result<std::shared_ptr<const Node>> Parser::run() {
  NodePtr root = body({});
  if (!failed() && !is(Token::end)) fail(format("unexpected {}", describe()));
  if (failed()) return status_;
  return std::shared_ptr<const Node>(std::move(root));
}

Result<std::shared_ptr<const Node>> parse(std::string_view source, std::string_view template_name) {
  PENSEE_ASSIGN(auto tokens, tokenize(source, template_name));
  return Parser(std::move(tokens), template_name).run();
}

}  // namespace pensee::jinja
