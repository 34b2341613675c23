#include "engine/engine.h"

#include <algorithm>
#include <numeric>

#include "engine/scheduler.h"

namespace pensee {

Engine::Engine(EngineOptions engine_options, const Kernels& table)
    : options(std::move(engine_options)), kernels(table), budget(options.memory_budget) {
  scheduler_ = std::make_unique<Scheduler>(*this);
}

Engine::~Engine() { scheduler_.reset(); }  // before what its thread uses

Status Engine::require_weights() const {
  if (content.model->loaded()) return Status();
  return Status::unsupported("the model was opened with skip_weights: it can be inspected but not computed with");
}

Status Engine::require_tokenizer() const {
  if (content.tokenizer) return Status();
  return Status::unsupported("the model's files hold no tokenizer: give token ids instead of text");
}

Status Engine::check_ids(std::span<const int32_t> ids) const {
  const int64_t vocab = content.model->config.vocab_size;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab) continue;
    return Status::format(Code::bad_argument, "token id {} at index {} is outside of the vocabulary of {}", ids[i], i,
                          vocab);
  }
  return Status();
}

namespace {

const char* effort_name(Effort effort) {
  constexpr const char* names[] = {"", "none", "minimal", "low", "medium", "high", "xhigh", "max"};
  return names[static_cast<int32_t>(effort)];
}

Status check_messages(const json::Value& messages) {
  if (!messages.array() || messages.array()->empty()) {
    return Status(Code::bad_argument, "messages must be a JSON array of at least one message");
  }
  for (size_t i = 0; i < messages.array()->size(); ++i) {
    const json::Value& message = (*messages.array())[i];
    const json::Value* role = message.find("role");
    if (!role || !role->string()) return Status::format(Code::bad_argument, "message {} has no \"role\"", i);
  }
  return Status();
}

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

Result<std::string> Engine::render(const Prompt& prompt, const GenerateOptions& generate) const {
  if (!content.chat_template) {
    if (prompt.text && !prompt.system && !prompt.tools) return *prompt.text;
    return Status::unsupported("the model has no chat template: give the prompt as plain text or token ids");
  }
  const json::Value messages = conversation(prompt);
  PENSEE_TRY(check_messages(messages));
  json::Value variables;
  variables.set("messages", messages);
  variables.set("add_generation_prompt", true);
  variables.set("bos_token", content.bos_token);
  variables.set("eos_token", content.eos_token);
  if (prompt.tools) variables.set("tools", *prompt.tools);
  if (generate.effort != Effort::unspecified) {
    const bool thinks = generate.effort != Effort::none;
    variables.set("enable_thinking", thinks);  // Qwen3, GLM
    variables.set("thinking", thinks);         // DeepSeek-V3.1
    variables.set("reasoning_effort", effort_name(generate.effort));
  }
  return content.chat_template->render(variables);
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

Status Engine::score_rows(std::span<const int32_t> ids, void (*row)(void*, int64_t, std::span<const float>),
                          void* user) const {
  PENSEE_TRY(require_weights());
  PENSEE_TRY(check_ids(ids));
  const auto count = static_cast<int64_t>(ids.size());
  if (count > context_max) {
    return Status::format(Code::context_full, "{} tokens are more than the context of {}", count, context_max);
  }
  const auto vocab = static_cast<size_t>(content.model->config.vocab_size);
  CacheSequence cache(content.model->cache_shape, budget);
  constexpr int64_t chunk = 64;  // rows whose logits lie in memory together
  const auto most = static_cast<size_t>(std::min(chunk, count));
  std::vector<float> logits(most * vocab);
  std::vector<int32_t> positions(most), rows_of_chunk(most);
  std::iota(rows_of_chunk.begin(), rows_of_chunk.end(), 0);
  // All that may fail happens before the first row is given away, so that a failing call writes nothing.
  PENSEE_TRY(cache.reserve(count));
  for (int64_t first = 0; first < count; first += chunk) {
    const auto rows = static_cast<int32_t>(std::min(chunk, count - first));
    std::iota(positions.begin(), positions.end(), static_cast<int32_t>(first));
    const Run run = {&cache, 0, rows, static_cast<int32_t>(first)};
    Batch batch;
    batch.runs = std::span(&run, 1);
    batch.token_ids = ids.subspan(static_cast<size_t>(first), static_cast<size_t>(rows));
    batch.positions = std::span(positions).first(static_cast<size_t>(rows));
    batch.rows_with_logits = std::span(rows_of_chunk).first(static_cast<size_t>(rows));
    PENSEE_TRY(scheduler_->run_pass(batch, count, MutableView(logits.data(), rows, static_cast<int64_t>(vocab))));
    cache.set_length(first + rows);
    for (int32_t i = 0; i < rows; ++i) {
      row(user, first + i, std::span<const float>(logits).subspan(static_cast<size_t>(i) * vocab, vocab));
    }
  }
  return Status();
}

}  // namespace pensee
