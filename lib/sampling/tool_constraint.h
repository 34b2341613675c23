// The constraints of tool calls, from OpenAI's list of tools: [{"type": "function", "function": {"name": ...,
// "parameters": SCHEMA}}, ...]. Each result is a text for ConstraintCompiler::compile, kind json_schema.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace pensee {

// A whole call as Hermes and Qwen write it between <tool_call> and </tool_call>: {"name": one of the names,
// "arguments": what its schema asks}, in this order.
Result<std::string> tool_call_schema(const json::Value& tools);
// The arguments alone of the tool `name`. A tool without parameters takes an empty object.
Result<std::string> tool_arguments_schema(const json::Value& tools, std::string_view name);

}  // namespace pensee
