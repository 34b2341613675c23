// Fuzz target: any bytes as a chat template, rendered over a small conversation. It must return, with text or an error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pensee::json::Value;
  static const Value variables = [] {
    const auto parsed = pensee::json::parse(
        R"({"messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Hi \u00e9"},)"
        R"( {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [{"type": "function",)"
        R"( "function": {"name": "f", "arguments": {"a": [1, 2.5, null]}}}]}, {"role": "tool", "content": "1"}],)"
        R"( "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],)"
        R"( "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "enable_thinking": false})",
        "variables");
    return parsed.ok() ? *parsed : Value(pensee::json::Object{});
  }();
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = pensee::parse_chat_template(source, "fuzz");
  if (parsed.ok()) (void)(*parsed)->render(variables);
  return 0;
}
