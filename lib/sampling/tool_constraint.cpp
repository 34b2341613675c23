#include "sampling/tool_constraint.h"

#include <algorithm>

namespace pensee {
namespace {

struct Tool {
  std::string_view name;
  const json::Value* parameters = nullptr;
};

Result<std::vector<Tool>> read_tools(const json::Value& tools) {
  if (!tools.array() || tools.array()->empty()) return Status(Code::bad_argument, "tools: an array of tools is wanted");
  std::vector<Tool> out;
  for (size_t i = 0; i < tools.array()->size(); ++i) {
    const json::Value& entry = (*tools.array())[i];
    const json::Value* function = entry.find("function");
    if (!function) function = &entry;  // some send the function without its wrapping
    const json::Value* name = function->find("name");
    if (!name || !name->string() || name->string()->empty()) {
      return Status::format(Code::bad_argument, "tools: entry {} has no name", i);
    }
    Tool tool = {*name->string(), function->find("parameters")};
    if (tool.parameters && !tool.parameters->object()) {
      return Status::format(Code::bad_argument, "tools: the parameters of '{}' are to be a schema", tool.name);
    }
    out.push_back(tool);
  }
  return out;
}

// Without parameters a tool takes none. References inside a tool's schema start at that schema, which moves to `base`.
json::Value arguments_of(const Tool& tool) {
  if (tool.parameters && !tool.parameters->object()->empty()) return *tool.parameters;
  return json::Object{{"type", "object"}, {"additionalProperties", false}};
}

// "#/..." becomes `base` + "/...": the schema is about to be part of a larger one.
void rebase(json::Value& schema, const std::string& base) {
  if (json::Array* array = schema.array()) {
    for (json::Value& item : *array) rebase(item, base);
  }
  if (!schema.object()) return;
  for (auto& [key, value] : *schema.object()) {
    if (key == "const" || key == "enum" || key == "default" || key == "examples") continue;
    if (std::string* reference = key == "$ref" ? value.string() : nullptr; reference && reference->starts_with("#")) {
      *reference = base + reference->substr(1);
    } else {
      rebase(value, base);
    }
  }
}

}  // namespace

Result<std::string> tool_call_schema(const json::Value& tools) {
  PENSEE_ASSIGN(const std::vector<Tool> all, read_tools(tools));
  json::Array calls;
  for (size_t i = 0; i < all.size(); ++i) {
    json::Value arguments = arguments_of(all[i]);
    rebase(arguments, "#/anyOf/" + std::to_string(i) + "/properties/arguments");
    json::Value properties = json::Object{{"name", json::Object{{"const", all[i].name}}}};
    properties.set("arguments", std::move(arguments));
    json::Value call = json::Object{{"type", "object"}};
    call.set("properties", std::move(properties));
    call.set("required", json::Array{"name", "arguments"});
    call.set("additionalProperties", false);
    calls.push_back(std::move(call));
  }
  json::Value schema;
  schema.set("anyOf", std::move(calls));
  return json::dump_compact(schema);
}

Result<std::string> tool_arguments_schema(const json::Value& tools, std::string_view name) {
  PENSEE_ASSIGN(const std::vector<Tool> all, read_tools(tools));
  const auto tool = std::find_if(all.begin(), all.end(), [&](const Tool& t) { return t.name == name; });
  if (tool == all.end()) return Status::format(Code::bad_argument, "tools: there is no tool '{}'", name);
  return json::dump_compact(arguments_of(*tool));
}

}  // namespace pensee
