// Prompts: from what a caller gives (a question, a conversation, ids) to the tokens that the model reads.
#include "engine/engine.h"

namespace pensee {
namespace {

json::Value conversation(const Prompt& prompt) {
  if (prompt.messages) return *prompt.messages;
  json::Array messages;
  const auto add = [&](const char* role, const std::string& content) {
    messages.emplace_back(json::Object{{"role", role}, {"content", content}});
  };
  if (prompt.system) add("system", *prompt.system);
  add("user", *prompt.text);
  return messages;
}

}  // namespace

Result<std::string> Engine::render_messages(const json::Value& messages, const json::Value* tools,
                                            Effort effort) const {
  json::Value variables;
  variables.set("messages", messages);
  variables.set("add_generation_prompt", true);
  variables.set("bos_token", content.bos_token);
  variables.set("eos_token", content.eos_token);
  if (tools) variables.set("tools", *tools);
  for (const auto& [name, value] : plan_effort(content.dialect, effort).variables) variables.set(name, value);
  return content.chat_template->render(variables);
}

// What the template takes is found by the first prompt that it renders.
const TemplateShape& Engine::template_shape() const {
  std::lock_guard lock(shape_mutex_);
  if (!shape_) {
    shape_ = probe_template(content.template_source, [&](const json::Value& messages, const json::Value* tools) {
      return render_messages(messages, tools, Effort::unspecified);
    });
  }
  return *shape_;
}

Result<std::string> Engine::render(const Prompt& prompt, const GenerateOptions& generate) const {
  if (!content.chat_template) {
    if (prompt.text && !prompt.system && !prompt.tools) return *prompt.text;
    return Status::unsupported("the model has no chat template: give the prompt as plain text or token ids");
  }
  const bool told = prompt.tools && generate.tool_choice != ToolChoice::none;
  PENSEE_ASSIGN(const Conversation fitted,
                fit_conversation(template_shape(), conversation(prompt), told ? &*prompt.tools : nullptr));
  return render_messages(fitted.messages, fitted.tools ? &*fitted.tools : nullptr, generate.effort);
}

Result<std::vector<int32_t>> Engine::prompt_ids(const Prompt& prompt, const GenerateOptions& generate) const {
  std::vector<int32_t> ids;
  if (prompt.ids) {
    ids = *prompt.ids;
  } else {
    PENSEE_TRY(require_tokenizer());
    PENSEE_ASSIGN(const std::string text, render(prompt, generate));
    // A template writes the special tokens itself; plain text gets what the tokenizer adds.
    Tokenizer::EncodeOptions encode;
    encode.add_special = content.chat_template == nullptr;
    PENSEE_ASSIGN(ids, content.tokenizer->encode(text, encode));
  }
  if (ids.empty()) return Status(Code::bad_argument, "the prompt has no tokens");
  PENSEE_TRY(check_ids(ids));
  if (static_cast<int64_t>(ids.size()) >= context_max) {
    return Status::format(Code::context_full,
                          "the prompt has {} tokens but the context holds {}, one of them for the reply", ids.size(),
                          context_max);
  }
  return ids;
}

}  // namespace pensee
