// Chat templates: the Jinja text that a model brings, rendered over OpenAI-shaped messages, equal to what
// transformers' apply_chat_template gives. The language is Jinja's as the published templates use it; anything else
// is a clear error with its line, never a guess. Immutable after parsing; threads may render at once.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace pensee {

class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  // `variables`: an object with "messages", and as wanted "tools", "add_generation_prompt", "bos_token", "eos_token",
  // "enable_thinking" ... A template's raise_exception becomes Code::bad_argument with its words.
  virtual Result<std::string> render(const json::Value& variables) const = 0;
};

// `source` is the template's text, `name` what messages call it.
Result<std::shared_ptr<const ChatTemplate>> parse_chat_template(std::string_view source, std::string_view name);

}  // namespace pensee
