// Makes OpenAI-shaped conversations fit a chat template. Templates differ in what they take: a call's arguments as an
// object or as JSON text, null or "" for no content, one call a message or many, ids of nine letters, a system turn or
// none, tools or no word of them. What a template takes is found once, by rendering small conversations with it and
// looking at what comes out (probe_template); after that a conversation is checked and rewritten (fit_conversation).
// Where a template knows nothing of tools, they are described in a system text in Hermes' form, which every dialect
// reads back, and calls and results in the history become text of that form.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace pensee {

// What a template takes. The defaults are what transformers assumes: everything, as it stands.
struct TemplateShape {
  bool tools = true;            // writes the tools that it is given
  bool calls = true;            // writes an assistant's tool_calls
  bool tool_role = true;        // writes messages of the role "tool"
  bool system_role = true;      // ... "system"
  bool developer_role = false;  // ... "developer"; else they are rendered as "system"
  enum class Arguments : unsigned char { as_given, object, text } arguments = Arguments::as_given;  // of calls
  enum class Empty : unsigned char {
    as_given,
    null,
    text
  } empty = Empty::as_given;    // content beside calls: null or ""
  bool single_calls = false;    // writes only one call a message
  bool content_apart = false;   // writes no calls of a message that has content too
  bool short_ids = false;       // insists on ids of nine letters and digits
  bool thinking_field = false;  // reads "thinking" where others read "reasoning_content"
};

// Renders messages with tools (null: none) and whatever else the engine gives its template.
using RenderMessages = std::function<Result<std::string>(const json::Value& messages, const json::Value* tools)>;

TemplateShape probe_template(std::string_view source, const RenderMessages& render);

struct Conversation {
  json::Value messages;
  std::optional<json::Value> tools;  // for the template; absent: none, or described in the messages
};

// An error names the message and what is wrong with it. `tools` may be null.
Result<Conversation> fit_conversation(const TemplateShape& shape, const json::Value& messages,
                                      const json::Value* tools);

}  // namespace pensee
