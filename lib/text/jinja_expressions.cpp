// Expressions of the template language into nodes (see jinja_parser.h). Binary operators are read by precedence
// climbing over one table; comparisons chain as in Python, and "-x|abs" binds the filter to "-x", as Jinja does.
#include <algorithm>

#include "text/jinja_parser.h"

namespace pensee::jinja {
namespace {

enum Level { kOr = 1, kAnd, kNot, kCompare, kAdd, kConcat, kMultiply, kPower };

struct OperatorRow {
  std::string_view token;
  int level;
  std::string_view name;
};
constexpr OperatorRow kNamed[] = {{"or", kOr, "or"}, {"and", kAnd, "and"}, {"in", kCompare, "i"}};
constexpr OperatorRow kSigns[] = {
    {"==", kCompare, "="}, {"!=", kCompare, "!"},   {"<", kCompare, "<"},  {">", kCompare, ">"}, {"<=", kCompare, "l"},
    {">=", kCompare, "g"}, {"+", kAdd, "+"},        {"-", kAdd, "-"},      {"~", kConcat, "~"},  {"*", kMultiply, "*"},
    {"/", kMultiply, "/"}, {"//", kMultiply, "//"}, {"%", kMultiply, "%"}, {"**", kPower, "**"}};

}  // namespace

NodePtr Parser::expression() {
  Nesting nesting(*this);
  NodePtr value = failed() ? nullptr : binary(kOr);
  while (!failed() && is_name("if")) {
    NodePtr conditional = node(Op::conditional, next().line);
    NodePtr condition = binary(kOr);
    NodePtr otherwise = skip_name("else") ? expression() : nullptr;
    add(*conditional, std::move(value));
    add(*conditional, std::move(condition));
    add(*conditional, std::move(otherwise));
    value = std::move(conditional);
  }
  return value;
}

NodePtr Parser::tuple(bool with_conditional, bool parentheses) {
  const int line = current().line;
  const auto ends = [&] { return is(Token::variable_end) || is(Token::block_end) || is_op(")"); };
  const auto part = [&] { return with_conditional ? expression() : binary(kOr); };
  if (ends()) {
    if (!parentheses) fail(format("expected an expression, got {}", describe()));
    return node(Op::tuple, line);
  }
  NodePtr first = part();
  if (!is_op(",")) return first;
  NodePtr tuple = node(Op::tuple, line);
  add(*tuple, std::move(first));
  while (!failed() && skip_op(",")) {
    if (ends()) break;
    add(*tuple, part());
  }
  return tuple;
}

Parser::Operator Parser::binary_operator() const {
  if (is(Token::op)) {
    for (const OperatorRow& row : kSigns) {
      if (current().text == row.token) return {row.level, 1, row.name};
    }
  } else if (is(Token::name)) {
    for (const OperatorRow& row : kNamed) {
      if (current().text == row.token) return {row.level, 1, row.name};
    }
    if (is_name("not") && ahead().type == Token::name && ahead().text == "in") return {kCompare, 2, "n"};
  }
  return {};
}

NodePtr Parser::binary(int level_min) {
  Nesting nesting(*this);
  if (failed()) return nullptr;
  NodePtr left;
  if (level_min <= kNot && is_name("not")) {
    left = node(Op::logical_not, next().line);
    add(*left, binary(kNot));
  } else {
    left = unary(true);
  }
  while (!failed()) {
    const Operator op = binary_operator();
    if (op.level == 0 || op.level < level_min) break;
    if (op.level == kCompare || op.level == kConcat) {
      left = chain(std::move(left), op);
      continue;
    }
    const int line = next().line;
    NodePtr right = binary(op.level + 1);
    const Op kind = op.level == kOr ? Op::logical_or : op.level == kAnd ? Op::logical_and : Op::binary;
    NodePtr joined = node(kind, line, std::string(op.name));
    add(*joined, std::move(left));
    add(*joined, std::move(right));
    left = std::move(joined);
  }
  return left;
}

// a < b <= c, or a ~ b ~ c: one node for the whole chain.
NodePtr Parser::chain(NodePtr left, const Operator& first) {
  NodePtr made = node(first.level == kCompare ? Op::compare : Op::concat, current().line);
  add(*made, std::move(left));
  for (Operator op = first; !failed() && op.level == first.level; op = binary_operator()) {
    made->name += op.name;
    for (int i = 0; i < op.tokens; ++i) next();
    add(*made, binary(first.level + 1));
  }
  return made;
}

NodePtr Parser::unary(bool with_filters) {
  Nesting nesting(*this);
  if (failed()) return nullptr;
  NodePtr made;
  if (is_op("-") || is_op("+")) {
    made = node(is_op("-") ? Op::negative : Op::positive, current().line);
    next();
    add(*made, unary(false));
  } else {
    made = primary();
  }
  made = postfix(std::move(made));
  return with_filters ? filters(std::move(made)) : std::move(made);
}

NodePtr Parser::primary() {
  const int line = current().line;
  if (is(Token::string) || is(Token::number)) return literal();
  if (skip_op("(")) {
    NodePtr inner = tuple(true, true);
    expect_op(")");
    return inner;
  }
  if (is_op("[")) return list_literal();
  if (is_op("{")) return dict_literal();
  if (!is(Token::name)) {
    fail(format("unexpected {}", describe()));
    return nullptr;
  }
  const std::string name = next().text;
  if (name == "true" || name == "True") return constant(line, Value::boolean(true));
  if (name == "false" || name == "False") return constant(line, Value::boolean(false));
  if (name == "none" || name == "None") return constant(line, Value::none());
  for (Macro& macro : macros_) {
    macro.varargs = macro.varargs || name == "varargs";
    macro.kwargs = macro.kwargs || name == "kwargs";
    macro.caller = macro.caller || name == "caller";
  }
  return node(Op::name, line, name);
}

NodePtr Parser::literal() {
  const int line = current().line;
  if (is(Token::number)) return constant(line, next().value);
  std::string text;
  while (is(Token::string)) text += next().text;
  return constant(line, Value::string(std::move(text)));
}

NodePtr Parser::list_literal() {
  NodePtr list = node(Op::list, next().line);
  while (!failed() && !is_op("]")) {
    if (!list->kids.empty()) expect_op(",");
    if (!is_op("]")) add(*list, expression());
  }
  expect_op("]");
  return list;
}

NodePtr Parser::dict_literal() {
  NodePtr dict = node(Op::dict, next().line);
  while (!failed() && !is_op("}")) {
    if (!dict->kids.empty()) expect_op(",");
    if (is_op("}")) break;
    add(*dict, expression());
    expect_op(":");
    add(*dict, expression());
  }
  expect_op("}");
  return dict;
}

NodePtr Parser::postfix(NodePtr made) {
  while (!failed()) {
    if (is_op(".") || is_op("[")) {
      made = subscript(std::move(made));
    } else if (is_op("(")) {
      made = call(std::move(made));
    } else {
      break;
    }
  }
  return made;
}

NodePtr Parser::filters(NodePtr made) {
  while (!failed()) {
    if (is_op("|")) {
      next();
      made = filter(std::move(made));
    } else if (is_name("is")) {
      made = test(std::move(made));
    } else if (is_op("(")) {
      made = call(std::move(made));
    } else {
      break;
    }
  }
  return made;
}

std::string Parser::dotted_name() {
  std::string name = identifier();
  while (!failed() && skip_op(".")) name += "." + identifier();
  return name;
}

NodePtr Parser::filter(NodePtr input) {
  NodePtr made = node(Op::filter, current().line, dotted_name());
  add(*made, std::move(input));
  if (is_op("(")) arguments(*made);
  return made;
}

NodePtr Parser::filter_chain(NodePtr input) {
  while (!failed() && skip_op("|")) input = filter(std::move(input));
  return input;
}

NodePtr Parser::test(NodePtr input) {
  const int line = next().line;
  const bool negated = skip_name("not");
  NodePtr made = node(Op::test, line, dotted_name());
  add(*made, std::move(input));
  const bool operand = is(Token::name) || is(Token::string) || is(Token::number) || is_op("[") || is_op("{");
  if (is_op("(")) {
    arguments(*made);
  } else if (operand && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail("tests with 'is' cannot be chained");
    NodePtr value = failed() ? nullptr : postfix(primary());
    if (value) made->depth = std::max(made->depth, value->depth + 1);
    made->arguments.push_back({"", std::move(value)});
  }
  if (!negated) return made;
  NodePtr inverse = node(Op::logical_not, line);
  add(*inverse, std::move(made));
  return inverse;
}

NodePtr Parser::subscript(NodePtr object) {
  const int line = current().line;
  if (next().text == "[") return index(std::move(object), line);
  if (is(Token::number)) {  // x.0 is x[0]
    NodePtr made = node(Op::subscript, line);
    add(*made, std::move(object));
    add(*made, literal());
    return made;
  }
  NodePtr made = node(Op::attribute, line, identifier());
  add(*made, std::move(object));
  return made;
}

NodePtr Parser::index(NodePtr object, int line) {
  NodePtr start = is_op(":") ? nullptr : expression();
  if (!is_op(":")) {
    NodePtr made = node(Op::subscript, line);
    add(*made, std::move(object));
    add(*made, std::move(start));
    if (is_op(",")) fail("an index of several parts is not supported", Code::unsupported);
    expect_op("]");
    return made;
  }
  NodePtr made = node(Op::slice, line);
  add(*made, std::move(object));
  add(*made, std::move(start));
  for (int part = 0; part < 2; ++part) {
    const bool present = skip_op(":") && !is_op(":") && !is_op("]");
    add(*made, present ? expression() : nullptr);
  }
  expect_op("]");
  return made;
}

NodePtr Parser::call(NodePtr callee) {
  NodePtr made = node(Op::call, current().line);
  add(*made, std::move(callee));
  arguments(*made);
  return made;
}

void Parser::arguments(Node& call) {
  expect_op("(");
  bool named = false;
  while (!failed() && !is_op(")")) {
    if (!call.arguments.empty()) expect_op(",");
    if (is_op(")")) break;
    Argument argument;
    if (is_op("*") || is_op("**")) {
      argument.name = next().text;
      named = true;
    } else if (is(Token::name) && ahead().type == Token::op && ahead().text == "=") {
      argument.name = next().text;
      next();
      named = true;
    } else if (named) {
      fail("a positional argument follows a named one");
    }
    argument.value = expression();
    if (argument.value) call.depth = std::max(call.depth, argument.value->depth + 1);
    if (call.depth > kNodeDepthMax) fail("an expression is nested too deeply");
    call.arguments.push_back(std::move(argument));
  }
  expect_op(")");
}

}  // namespace pensee::jinja
