// What is asked of a schema before its grammar is written: keywords that we cannot hold a text to, values that a
// keyword cannot have, references that lead nowhere, alternatives that may overlap.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "sampling/schema_converter.h"

namespace pensee {
namespace {

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}
bool contains(std::initializer_list<std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Every keyword that constrains a value. Those that no grammar of ours can hold a text to are refused wherever they
// would mean something.
constexpr std::string_view kRefused[] = {"not",
                                         "if",
                                         "then",
                                         "else",
                                         "dependentRequired",
                                         "dependentSchemas",
                                         "dependencies",
                                         "contains",
                                         "unevaluatedItems",
                                         "unevaluatedProperties",
                                         "additionalItems",
                                         "$dynamicRef",
                                         "$recursiveRef",
                                         "extends",
                                         "disallow",
                                         "divisibleBy"};
constexpr std::string_view kConstraints[] = {"$ref",
                                             "allOf",
                                             "anyOf",
                                             "oneOf",
                                             "const",
                                             "enum",
                                             "type",
                                             "minimum",
                                             "maximum",
                                             "exclusiveMinimum",
                                             "exclusiveMaximum",
                                             "multipleOf",
                                             "minLength",
                                             "maxLength",
                                             "pattern",
                                             "format",
                                             "items",
                                             "prefixItems",
                                             "minItems",
                                             "maxItems",
                                             "uniqueItems",
                                             "minContains",
                                             "maxContains",
                                             "properties",
                                             "required",
                                             "additionalProperties",
                                             "patternProperties",
                                             "propertyNames",
                                             "minProperties",
                                             "maxProperties"};

const json::Value* follow_all(const json::Value& root, const json::Value* schema) {
  for (int i = 0; schema && i < 32; ++i) {
    const json::Value* reference = schema->find("$ref");
    if (!reference || !reference->string()) return schema;
    auto next = resolve(root, *reference->string(), "");
    schema = next.ok() ? *next : nullptr;
  }
  return nullptr;
}

// The values of "const" or "enum"; nullptr when there is neither. `room` holds the one of "const".
const json::Array* values_of(const json::Value& schema, json::Array& room) {
  if (const json::Value* one = schema.find("const")) return room = {*one}, &room;
  const json::Value* all = schema.find("enum");
  return all ? all->array() : nullptr;
}

bool same_value(const json::Value& a, const json::Value& b) {
  return a == b || (a.is_number() && b.is_number() && a.number() == b.number());
}

bool required(const json::Value& schema, std::string_view name) {
  const json::Value* list = schema.find("required");
  return list && list->array() && std::any_of(list->array()->begin(), list->array()->end(), [&](const json::Value& v) {
           return v.string() && *v.string() == name;
         });
}

bool is_object_schema(const json::Value& schema) { return types_of(schema) == std::vector<std::string>{"object"}; }

// An object of `a` has no property but its own ones, and `b` requires another.
bool lacks_required(const json::Value& a, const json::Value& b) {
  const json::Value* others = a.find("additionalProperties");
  const json::Value* own = a.find("properties");
  const json::Value* list = b.find("required");
  if (!others || !others->boolean() || *others->boolean() || a.find("patternProperties") || !list || !list->array()) {
    return false;
  }
  return std::any_of(list->array()->begin(), list->array()->end(),
                     [&](const json::Value& name) { return name.string() && (!own || !own->find(*name.string())); });
}

bool apart(const json::Value& root, const json::Value* a, const json::Value* b, int depth) {
  a = follow_all(root, a);
  b = follow_all(root, b);
  if (!a || !b || !a->object() || !b->object() || depth > 4) return false;
  json::Array room_a, room_b;
  const json::Array *values_a = values_of(*a, room_a), *values_b = values_of(*b, room_b);
  if (values_a && values_b) {
    return std::none_of(values_a->begin(), values_a->end(), [&](const json::Value& x) {
      return std::any_of(values_b->begin(), values_b->end(), [&](const json::Value& y) { return same_value(x, y); });
    });
  }
  const auto types_a = types_of(*a), types_b = types_of(*b);
  if (values_a || values_b) {
    const auto& types = values_a ? types_b : types_a;
    const json::Array& values = *(values_a ? values_a : values_b);
    return !types.empty() && std::none_of(values.begin(), values.end(), [&](const json::Value& v) {
      return std::any_of(types.begin(), types.end(), [&](const std::string& type) { return has_type(v, type); });
    });
  }
  if (types_a.empty() || types_b.empty()) return false;
  const bool share = std::any_of(types_a.begin(), types_a.end(), [&](const std::string& x) {
    return std::any_of(types_b.begin(), types_b.end(), [&](const std::string& y) {
      return x == y || (x == "integer" && y == "number") || (x == "number" && y == "integer");
    });
  });
  if (!share) return true;
  if (!is_object_schema(*a) || !is_object_schema(*b)) return false;
  if (lacks_required(*a, *b) || lacks_required(*b, *a)) return true;
  const json::Value *own_a = a->find("properties"), *own_b = b->find("properties");
  if (!own_a || !own_b || !own_a->object()) return false;
  return std::any_of(own_a->object()->begin(), own_a->object()->end(), [&](const json::Member& member) {
    return required(*a, member.first) && required(*b, member.first) &&
           apart(root, &member.second, own_b->find(member.first), depth + 1);
  });
}

// A part of a pointer, with %XX, ~0 and ~1 undone.
std::string undo(std::string_view part) {
  std::string bytes, out;
  for (size_t i = 0; i < part.size(); ++i) {
    unsigned value = 0;
    if (part[i] == '%' && i + 2 < part.size() &&
        std::from_chars(part.data() + i + 1, part.data() + i + 3, value, 16).ptr == part.data() + i + 3) {
      bytes += static_cast<char>(value);
      i += 2;
    } else {
      bytes += part[i];
    }
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool tilde = bytes[i] == '~' && i + 1 < bytes.size() && (bytes[i + 1] == '0' || bytes[i + 1] == '1');
    out += tilde ? (bytes[i + 1] == '0' ? '~' : '/') : bytes[i];
    i += tilde;
  }
  return out;
}

}  // namespace

std::vector<std::string> types_of(const json::Value& schema) {
  const json::Value* type = schema.find("type");
  std::vector<std::string> out;
  if (type && type->string()) out.push_back(*type->string());
  if (type && type->array()) {
    for (const json::Value& one : *type->array()) {
      if (one.string()) out.push_back(*one.string());
    }
  }
  return out;
}

bool has_type(const json::Value& value, std::string_view type) {
  if (type == "integer") return value.integer() || (value.real() && *value.real() == std::floor(*value.real()));
  return type == "number" ? value.is_number() : value.kind() == type;
}

Status check_keywords(const json::Value& schema, std::string_view where) {
  const auto wrong = [&](std::string_view keyword, std::string_view wanted, const json::Value& value) {
    return Status::format(Code::bad_argument, "JSON schema: {}/{} is to be {} and is {}", where, keyword, wanted,
                          value.kind());
  };
  for (const auto& [keyword, value] : *schema.object()) {
    if (keyword == "uniqueItems" && value.boolean() && !*value.boolean()) continue;
    const json::Value* contained = schema.find("contains");
    if (contains(kRefused, keyword) || keyword == "uniqueItems") {
      // Where properties and items are closed, "unevaluated" says nothing more.
      const bool closed = keyword.starts_with("unevaluated") && value.boolean() && !contained;
      if (!closed) return Status::unsupported("JSON schema: {}/{} is not supported", where, keyword);
    }
    const bool list = contains({"allOf", "anyOf", "oneOf", "enum", "prefixItems", "required"}, keyword);
    if (list && !value.array()) return wrong(keyword, "an array", value);
    if (list && keyword != "required" && value.array()->empty()) return wrong(keyword, "an array of some", value);
    if (contains({"properties", "patternProperties", "$defs", "definitions"}, keyword) && !value.object()) {
      return wrong(keyword, "an object", value);
    }
    if (contains({"$ref", "pattern", "format"}, keyword) && !value.string()) return wrong(keyword, "a string", value);
    if (contains({"items", "additionalProperties", "propertyNames"}, keyword) && !value.object() && !value.boolean()) {
      return keyword == "items" && value.array()
                 ? Status::unsupported("JSON schema: {}/items as an array is not supported; write prefixItems", where)
                 : wrong(keyword, "a schema", value);
    }
    if (keyword == "required") {
      for (const json::Value& name : *value.array()) {
        if (!name.string()) return wrong(keyword, "an array of strings", name);
      }
    }
    if (keyword != "type") continue;
    if (!value.string() &&
        (!value.array() || value.array()->empty() || types_of(schema).size() != value.array()->size())) {
      return wrong(keyword, "a type or an array of types", value);
    }
    for (const std::string& type : types_of(schema)) {
      if (!contains({"null", "boolean", "integer", "number", "string", "array", "object"}, type)) {
        return Status::format(Code::bad_argument, "JSON schema: {}/type: there is no type '{}'", where, type);
      }
    }
  }
  return Status();
}

std::string other_constraint(const json::Value& schema, std::initializer_list<std::string_view> allowed) {
  for (const auto& member : *schema.object()) {
    if (contains(kConstraints, member.first) && !contains(allowed, member.first)) return member.first;
  }
  return "";
}

Result<const json::Value*> resolve(const json::Value& root, std::string_view reference, std::string_view where) {
  const json::Value* at = &root;
  if (reference != "#" && !reference.starts_with("#/")) {
    return Status::unsupported("JSON schema: {}/$ref '{}' is not supported: only '#' and '#/...' are", where,
                               reference);
  }
  std::string_view rest = reference.substr(1);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const size_t slash = std::min(rest.find('/'), rest.size());
    const std::string name = undo(rest.substr(0, slash));
    rest.remove_prefix(slash);
    size_t index = 0;
    const json::Array* array = at->array();
    if (!array)
      at = at->find(name);
    else if (std::from_chars(name.data(), name.data() + name.size(), index).ptr == name.data() + name.size() &&
             !name.empty() && index < array->size())
      at = &(*array)[index];
    else
      at = nullptr;
    if (!at) return Status::format(Code::bad_argument, "JSON schema: {}/$ref '{}' leads nowhere", where, reference);
  }
  return at;
}

bool surely_apart(const json::Value& root, const json::Value& a, const json::Value& b) {
  return apart(root, &a, &b, 0);
}

Result<uint64_t> count_of(const json::Value& schema, std::string_view keyword, uint64_t otherwise,
                          std::string_view where) {
  constexpr int64_t most = 10000;
  const json::Value* value = schema.find(keyword);
  if (!value) return otherwise;
  const bool whole = value->is_number() && has_type(*value, "integer");
  const double number = value->number();
  if (!whole || number < 0) {
    return Status::format(Code::bad_argument, "JSON schema: {}/{} is to be a count", where, keyword);
  }
  if (number > static_cast<double>(most)) {
    return Status::format(Code::bad_argument, "JSON schema: {}/{} is more than {}", where, keyword, most);
  }
  return static_cast<uint64_t>(number);
}

}  // namespace pensee
