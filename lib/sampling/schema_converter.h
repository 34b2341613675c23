// The walk over a schema that writes its grammar. schema_grammar.cpp has references, alternatives and values;
// schema_objects.cpp objects and arrays; schema_strings.cpp strings; schema_checks.cpp what is asked before.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "sampling/grammar_text.h"

namespace pensee {

// ---- What is asked before anything is written (schema_checks.cpp).

// A keyword that no grammar of ours can hold a text to is an error; so is one with a value that it cannot have.
Status check_keywords(const json::Value& schema, std::string_view where);
// The first keyword beside `allowed` that constrains; "" when there is none.
std::string other_constraint(const json::Value& schema, std::initializer_list<std::string_view> allowed);
// What a "$ref" leads to, itself no reference; a place in messages is a JSON pointer.
Result<const json::Value*> resolve(const json::Value& root, std::string_view reference, std::string_view where);
// Whether no value fits both: by type, by listed values, or by a property that both require.
bool surely_apart(const json::Value& root, const json::Value& a, const json::Value& b);
// "type" as a list; empty when absent.
std::vector<std::string> types_of(const json::Value& schema);
bool has_type(const json::Value& value, std::string_view type);
// A keyword's number: `otherwise` when absent.
Result<uint64_t> count_of(const json::Value& schema, std::string_view keyword, uint64_t otherwise,
                          std::string_view where);

// ---- Writing. Every function returns a piece; `where` is the schema's place.

class SchemaConverter {
 public:
  explicit SchemaConverter(const json::Value& root) : root_(root) {}
  Result<std::string> whole();

 private:
  Result<std::string> schema(const json::Value& schema, const std::string& where);
  Result<std::string> reference(const json::Value& schema, const std::string& where);
  Result<std::string> alternatives(const json::Value& schema, const char* keyword, const std::string& where);
  Result<std::string> listed(const json::Value& schema, const std::string& where);
  Result<std::string> typed(const json::Value& schema, const std::string& type, const std::string& where);
  Result<std::string> number(const json::Value& schema, bool whole, const std::string& where);
  Result<std::string> array(const json::Value& schema, const std::string& where);
  Result<std::string> string(const json::Value& schema, const std::string& where);
  Result<std::string> string_inside(const json::Value& schema, const std::string& where);
  // Objects.
  struct Members;
  Result<std::string> object(const json::Value& schema, const std::string& where);
  Status properties(const json::Value& schema, const std::string& where, Members& members);
  Status others(const json::Value& schema, const std::string& where, Members& members);
  Result<std::string> key_other_than(const std::vector<std::string>& names);
  std::string key_node(const std::vector<std::u32string>& names, size_t begin, size_t end, size_t depth);

  std::string any_value();
  std::string any_string();
  std::string string_rest();
  std::string character();
  void space();

  const json::Value& root_;
  grammar::Rules rules_;
  std::map<const json::Value*, std::string> references_;
  std::vector<const json::Value*> open_;  // references since the last object or array: one may not meet itself
};

}  // namespace pensee
