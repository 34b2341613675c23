// The parsed template: one kind of node for everything, so that the tree is walked, measured and freed in one way.
// `kids` are the parts in the order of the table below; an absent optional part is null. Depth is bounded while
// parsing, so recursion over a tree is bounded too. A tree is immutable and shared by all renderings.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja_value.h"

namespace pensee::jinja {

inline constexpr int kNodeDepthMax = 250;

enum class Op : uint8_t {
  // Expressions         kids                                    other members
  constant,     //                                               constant
  name,         //                                               name
  list,         // items
  tuple,        // items
  dict,         // key, value, key, value ...
  attribute,    // object                                        name
  subscript,    // object, index
  slice,        // object, start?, stop?, step?
  call,         // callee                                        arguments
  filter,       // input? (null: what a block captured)          name, arguments
  test,         // input                                         name, arguments
  logical_not,  // operand
  negative,     // operand
  positive,     // operand
  binary,       // left, right                                   name: "+" "-" "*" "/" "//" "%" "**"
  concat,       // parts
  compare,      // first, second ...                             name: a letter each: = ! < > l(<=) g(>=) i(n) n(ot in)
  logical_and,  // left, right
  logical_or,   // left, right
  conditional,  // value, condition, otherwise?
  // Targets of an assignment; a tuple of them is Op::tuple
  store,            //                                            name
  store_attribute,  //                                            name, attribute
  // Statements
  body,          // statements
  data,          //                                               constant
  output,        // expression
  branch,        // condition, body, condition, body ..., else body (when the count is odd)
  loop,          // target, iterable, condition?, body, else?
  assign,        // target, value
  assign_block,  // target, filter?, body
  macro,         // body, default of the last parameters ...      name, parameters, uses_*
  call_block,    // call, macro
  filter_block,  // filter, body
  with,          // target, value, ..., body
  scope,         // body
  leave,         // break
  proceed,       // continue
};

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Argument {
  std::string name;  // "": positional, "*" and "**": spread
  NodePtr value;
};

struct Node {
  Op op = Op::body;
  int line = 0;
  int depth = 1;
  bool uses_varargs = false;  // a macro's body names them
  bool uses_kwargs = false;
  bool uses_caller = false;
  std::string name;
  std::string attribute;
  Value constant;
  std::vector<NodePtr> kids;
  std::vector<Argument> arguments;
  std::vector<std::string> parameters;
};

struct Token {
  enum Type : uint8_t { data, variable_begin, variable_end, block_begin, block_end, name, string, number, op, end };
  Type type = end;
  int line = 0;
  std::string text;  // decoded, for data and strings
  Value value;       // of a number
};

Result<std::vector<Token>> tokenize(std::string_view source, std::string_view template_name);
Result<std::shared_ptr<const Node>> parse(std::string_view source, std::string_view template_name);

}  // namespace pensee::jinja
