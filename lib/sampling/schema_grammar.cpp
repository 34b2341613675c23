#include "sampling/schema_grammar.h"

#include <algorithm>
#include <utility>

#include "sampling/schema_converter.h"
#include "sampling/schema_numbers.h"

namespace pensee {
namespace {

constexpr size_t kRulesMax = 512 * 1024;  // bytes

// Digits are bounded as whitespace is, and exponents by what a double holds.
constexpr const char* kInteger = "\"-\"? (\"0\" | [1-9] [0-9]{0,18})";
constexpr const char* kNumber =
    "\"-\"? (\"0\" | [1-9] [0-9]{0,18}) (\".\" [0-9]{1,20})? ([eE] ([+]? [0-9]{1,2} | \"-\" [0-9]{1,3}))?";

// The types that the keywords of a schema without "type" speak of; empty: any.
std::vector<std::string> implied_types(const json::Value& schema) {
  std::vector<std::string> out;
  const auto imply = [&](const char* type, std::initializer_list<const char*> keywords) {
    if (std::any_of(keywords.begin(), keywords.end(), [&](const char* k) { return schema.find(k) != nullptr; })) {
      out.push_back(type);
    }
  };
  imply("object", {"properties", "required", "additionalProperties", "patternProperties", "propertyNames",
                   "minProperties", "maxProperties"});
  imply("array", {"items", "prefixItems", "minItems", "maxItems"});
  imply("string", {"pattern", "minLength", "maxLength", "format"});
  imply("number", {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"});
  return out;
}

}  // namespace

void SchemaConverter::space() { rules_.shared("space", grammar::space()); }
std::string SchemaConverter::character() { return rules_.shared("char", grammar::json_character()); }
// A string to its end, once the quotation mark was opened: recursive to the right, which the engine likes best.
std::string SchemaConverter::string_rest() { return rules_.shared("rest", grammar::json_string_rest()); }
std::string SchemaConverter::any_string() { return rules_.shared("string", "\"\\\"\" " + string_rest()); }

std::string SchemaConverter::any_value() {
  space();
  any_string();
  rules_.shared("number", kNumber);
  rules_.shared("object", "\"{\" (space member (\",\" space member)* space)? \"}\"");
  rules_.shared("member", "string \":\" \" \"? value");
  rules_.shared("array", "\"[\" (space value (\",\" space value)* space)? \"]\"");
  return rules_.shared("value", "object | array | string | number | \"true\" | \"false\" | \"null\"");
}

Result<std::string> SchemaConverter::whole() {
  references_[&root_] = "root";
  open_.push_back(&root_);
  PENSEE_ASSIGN(std::string body, schema(root_, ""));
  rules_.define("root", std::move(body));
  return rules_.text();
}

Result<std::string> SchemaConverter::schema(const json::Value& schema, const std::string& where) {
  if (rules_.size() > kRulesMax) return Status(Code::bad_argument, "JSON schema: too large");
  if (const bool* all = schema.boolean()) {
    if (*all) return any_value();
    return Status::format(Code::bad_argument, "JSON schema: {} is false: no value fits", where);
  }
  if (!schema.object()) {
    return Status::format(Code::bad_argument, "JSON schema: {} is to be a schema and is {}", where, schema.kind());
  }
  PENSEE_TRY(check_keywords(schema, where));
  if (schema.find("$ref")) return reference(schema, where);
  if (const json::Value* all = schema.find("allOf")) {
    const std::string other = other_constraint(schema, {"allOf"});
    if (all->array()->size() > 1 || !other.empty()) {
      return Status::unsupported("JSON schema: {}/allOf is not supported with {}", where,
                                 other.empty() ? "several schemas" : "'" + other + "' beside it");
    }
    return this->schema((*all->array())[0], where + "/allOf/0");
  }
  if (schema.find("const") || schema.find("enum")) return listed(schema, where);
  for (const char* keyword : {"anyOf", "oneOf"}) {
    if (schema.find(keyword)) return alternatives(schema, keyword, where);
  }
  std::vector<std::string> types = types_of(schema);
  if (types.empty()) types = implied_types(schema);
  if (types.empty()) return any_value();
  std::vector<std::string> all;
  for (const std::string& type : types) {
    PENSEE_ASSIGN(std::string piece, typed(schema, type, where));
    all.push_back(std::move(piece));
  }
  return all.size() == 1 ? all[0] : grammar::choice(all);
}

Result<std::string> SchemaConverter::reference(const json::Value& schema, const std::string& where) {
  if (const std::string other = other_constraint(schema, {"$ref"}); !other.empty()) {
    return Status::unsupported("JSON schema: {}/{} is not supported beside $ref", where, other);
  }
  PENSEE_ASSIGN(const json::Value* target, resolve(root_, *schema.find("$ref")->string(), where));
  if (std::find(open_.begin(), open_.end(), target) != open_.end()) {
    return Status::format(Code::bad_argument, "JSON schema: {}/$ref '{}' leads back to itself", where,
                          *schema.find("$ref")->string());
  }
  if (const auto known = references_.find(target); known != references_.end()) return known->second;
  const std::string name = references_[target] = rules_.reserve("ref");
  open_.push_back(target);
  auto made = this->schema(*target, schema.find("$ref")->string()->substr(1));
  if (!open_.empty()) open_.pop_back();
  PENSEE_ASSIGN(std::string body, std::move(made));
  rules_.define(name, std::move(body));
  return name;
}

Result<std::string> SchemaConverter::alternatives(const json::Value& schema, const char* keyword,
                                                  const std::string& where) {
  const json::Array& options = *schema.find(keyword)->array();
  const auto types = types_of(schema);
  const std::string other = other_constraint(schema, {keyword, "type"});
  // A type beside the options is fine where every option says the same.
  const bool same = types.empty() || std::all_of(options.begin(), options.end(), [&](const json::Value& option) {
                      auto target = option.find("$ref") && option.find("$ref")->string()
                                        ? resolve(root_, *option.find("$ref")->string(), where)
                                        : Result<const json::Value*>(&option);
                      return target.ok() && types_of(**target) == types;
                    });
  if (!other.empty() || !same) {
    return Status::unsupported("JSON schema: {}/{} is not supported beside {}", where, other.empty() ? "type" : other,
                               keyword);
  }
  std::vector<std::string> all;
  for (size_t i = 0; i < options.size(); ++i) {
    for (size_t j = 0; j < i && std::string_view(keyword) == "oneOf"; ++j) {
      if (surely_apart(root_, options[i], options[j])) continue;
      return Status::unsupported(
          "JSON schema: {}/oneOf: a value might fit both {} and {}, which is not supported; give "
          "both a required property with its own const, or write anyOf",
          where, j, i);
    }
    if (options[i].boolean() && !*options[i].boolean()) continue;
    PENSEE_ASSIGN(const std::string piece, this->schema(options[i], where + "/" + keyword + "/" + std::to_string(i)));
    all.push_back(rules_.add("case", piece));
  }
  if (all.empty()) return Status::format(Code::bad_argument, "JSON schema: {}/{}: no value fits", where, keyword);
  return grammar::choice(all);
}

Result<std::string> SchemaConverter::listed(const json::Value& schema, const std::string& where) {
  const bool one = schema.find("const");
  const char* keyword = one ? "const" : "enum";
  if (const std::string other = other_constraint(schema, {keyword, "type"}); !other.empty()) {
    return Status::unsupported("JSON schema: {}/{} is not supported beside {}", where, other, keyword);
  }
  const auto types = types_of(schema);
  const auto fits = [&](const json::Value& value) {
    return types.empty() ||
           std::any_of(types.begin(), types.end(), [&](const auto& type) { return has_type(value, type); });
  };
  space();
  std::vector<std::string> all;
  if (one && fits(*schema.find("const"))) all.push_back(grammar::json_value(*schema.find("const")));
  for (size_t i = 0; !one && i < schema.find("enum")->array()->size(); ++i) {
    const json::Value& value = (*schema.find("enum")->array())[i];
    if (fits(value)) all.push_back(grammar::json_value(value));
  }
  if (all.empty()) {
    return Status::format(Code::bad_argument, "JSON schema: {}/{}: no value has the type beside it", where, keyword);
  }
  return grammar::choice(all);
}

Result<std::string> SchemaConverter::typed(const json::Value& schema, const std::string& type,
                                           const std::string& where) {
  if (type == "null") return std::string("\"null\"");
  if (type == "boolean") return std::string("(\"true\" | \"false\")");
  if (type == "string") return string(schema, where);
  if (type == "array" || type == "object") {
    const auto outside = std::exchange(open_, {});  // inside its brackets a reference may come back
    auto piece = type == "array" ? array(schema, where) : object(schema, where);
    open_ = outside;
    return piece;
  }
  return number(schema, type == "integer", where);
}

Result<std::string> SchemaConverter::number(const json::Value& schema, bool whole, const std::string& where) {
  NumberBounds bounds;
  bounds.minimum = schema.find("minimum");
  bounds.maximum = schema.find("maximum");
  bounds.exclusive_minimum = schema.find("exclusiveMinimum");
  bounds.exclusive_maximum = schema.find("exclusiveMaximum");
  bounds.multiple_of = schema.find("multipleOf");
  if (!bounds.any()) return rules_.shared(whole ? "integer" : "number", whole ? kInteger : kNumber);
  const std::string place = "JSON schema: " + where;
  PENSEE_ASSIGN(const std::string piece,
                whole ? integer_grammar(bounds, rules_, place) : number_grammar(bounds, rules_, place));
  return rules_.add(whole ? "integer" : "number", piece);
}

Result<std::string> schema_grammar(const json::Value& schema) { return SchemaConverter(schema).whole(); }

}  // namespace pensee
