// The parser's two halves share this class: statements (jinja_parser.cpp) and expressions (jinja_expressions.cpp).
// After the first error the parser stands at the end token for good, so every loop below ends; nodes may then miss
// kids, and nobody sees them. Nesting is bounded by kNestingMax (its own calls) and kNodeDepthMax (the tree).
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja_ast.h"

namespace pensee::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view template_name)
      : tokens_(std::move(tokens)), template_name_(template_name) {}
  Result<std::shared_ptr<const Node>> run();

 private:
  struct Macro {
    bool varargs = false, kwargs = false, caller = false;
  };
  struct Nesting {
    explicit Nesting(Parser& p) : parser(p) {
      if (++parser.nesting_ > kNestingMax) parser.fail("the template is nested too deeply");
    }
    ~Nesting() { --parser.nesting_; }
    Parser& parser;
  };
  static constexpr int kNestingMax = 200;

  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token next();
  bool is(Token::Type type) const { return current().type == type; }
  bool is_op(std::string_view op) const { return is(Token::op) && current().text == op; }
  bool is_name(std::string_view name) const { return is(Token::name) && current().text == name; }
  bool skip_op(std::string_view op) { return is_op(op) && (next(), true); }
  bool skip_name(std::string_view name) { return is_name(name) && (next(), true); }
  void expect(Token::Type type, std::string_view what);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string identifier();
  std::string describe() const;
  void fail(std::string_view message, Code code = Code::bad_argument);
  bool failed() const { return !status_.ok(); }
  NodePtr node(Op op, int line, std::string name = "");
  void add(Node& parent, NodePtr kid);
  NodePtr constant(int line, Value value);

  // Statements. `body` reads up to one of `ends` and stands behind its name.
  NodePtr body(std::initializer_list<std::string_view> ends, std::string* end = nullptr);
  NodePtr block_body(std::initializer_list<std::string_view> ends, std::string* end = nullptr);
  NodePtr statement();
  NodePtr parse_if();
  NodePtr parse_for();
  NodePtr parse_set();
  NodePtr parse_macro();
  NodePtr parse_call_block();
  NodePtr parse_filter_block();
  NodePtr parse_with();
  NodePtr parse_generation();
  NodePtr parse_leave();
  NodePtr parse_proceed();
  void signature(Node& macro);
  void macro_body(Node& macro, std::string_view end);
  NodePtr target(bool with_namespace);
  NodePtr target_part(bool with_namespace);

  // Expressions.
  NodePtr expression();
  NodePtr tuple(bool with_conditional, bool parentheses = false);
  struct Operator {
    int level = 0;  // 0: no binary operator stands here
    int tokens = 1;
    std::string_view name;
  };
  Operator binary_operator() const;
  NodePtr binary(int level_min);
  NodePtr chain(NodePtr left, const Operator& first);
  NodePtr unary(bool with_filters);
  NodePtr primary();
  NodePtr literal();
  NodePtr list_literal();
  NodePtr dict_literal();
  NodePtr postfix(NodePtr node);
  NodePtr filters(NodePtr node);
  NodePtr filter(NodePtr input);
  NodePtr filter_chain(NodePtr input);
  NodePtr test(NodePtr input);
  NodePtr subscript(NodePtr object);
  NodePtr index(NodePtr object, int line);
  NodePtr call(NodePtr callee);
  void arguments(Node& call);
  std::string dotted_name();

  std::vector<Token> tokens_;
  std::string_view template_name_;
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;  // loops around this place, for break and continue
  std::vector<Macro> macros_;
  Status status_;

  struct Statement {
    std::string_view name;
    NodePtr (Parser::*parse)();
  };
  static const Statement kStatements[];
};

}  // namespace pensee::jinja
