// Options and prompts at the border: every field checked, then in the core's terms.
#include <cmath>

#include "api/api.h"

namespace pensee::api {
namespace {

Status read_text_field(const char* from, const char* name, std::optional<std::string>& to) {
  if (!from) return Status();
  to = from;
  size_t bad = 0;
  if (!valid_utf8(*to, &bad)) return Status::format(Code::bad_argument, "{}: invalid UTF-8 at byte {}", name, bad);
  return Status();
}

Status read_json_field(const char* from, const char* name, std::optional<json::Value>& to) {
  if (!from) return Status();
  auto parsed = json::parse(from, name);
  if (!parsed.ok()) return Status(Code::bad_argument, parsed.status().message());
  to = *std::move(parsed);
  return Status();
}

Status range(bool good, const char* name, double value, const char* wanted) {
  if (good) return Status();
  return Status::format(Code::bad_argument, "{} is {}; {}", name, value, wanted);
}

Status value_of(int32_t value, int32_t most, const char* name) {
  return range(value >= 0 && value <= most, name, value, "one of its PENSEE_ values");
}

}  // namespace

Status read_prompt(const pensee_prompt* from, Prompt& to) {
  if (!from) return null_argument("prompt");
  pensee_prompt raw = PENSEE_PROMPT_INIT;
  PENSEE_TRY(read_struct(from, "pensee_prompt", raw));
  const int given = (raw.text != nullptr) + (raw.messages_json != nullptr) + (raw.ids != nullptr);
  if (given != 1) return Status(Code::bad_argument, "a prompt needs exactly one of text, messages_json and ids");
  PENSEE_TRY(read_text_field(raw.text, "prompt.text", to.text));
  PENSEE_TRY(read_text_field(raw.system, "prompt.system", to.system));
  PENSEE_TRY(read_json_field(raw.messages_json, "prompt.messages_json", to.messages));
  PENSEE_TRY(read_json_field(raw.tools_json, "prompt.tools_json", to.tools));
  if (to.system && !to.text) {
    return Status(Code::bad_argument,
                  "prompt.system goes with prompt.text; a conversation holds its own system message");
  }
  if (raw.ids) to.ids.emplace(raw.ids, raw.ids + raw.num_ids);
  return Status();
}

namespace {

constexpr int32_t kMostSamples = 1024;

Status read_thought_options(const pensee_options& raw, GenerateOptions& to) {
  const auto count = [](int64_t value, const char* name) {
    return range(value >= 0, name, static_cast<double>(value), "0 or more");
  };
  PENSEE_TRY(count(raw.answer_budget, "answer_budget"));
  PENSEE_TRY(count(raw.min_thought, "min_thought"));
  PENSEE_TRY(value_of(raw.loop_guard, PENSEE_LOOP_GUARD_OFF, "loop_guard"));
  constexpr int32_t most = 1 << 20;
  PENSEE_TRY(range(raw.loop_ngram >= 0 && raw.loop_ngram <= 4096, "loop_ngram", raw.loop_ngram, "0 to 4096"));
  PENSEE_TRY(range(raw.loop_repeats == 0 || (raw.loop_repeats >= 2 && raw.loop_repeats <= most), "loop_repeats",
                   raw.loop_repeats, "2 to 1048576, or 0"));
  PENSEE_TRY(range(raw.loop_window >= 0 && raw.loop_window <= most, "loop_window", raw.loop_window, "0 to 1048576"));
  to.answer_budget = raw.answer_budget;
  to.min_thought = raw.min_thought;
  to.open_thought = raw.open_thought != 0;
  to.loop_guard = raw.loop_guard == PENSEE_LOOP_GUARD_ON;
  if (raw.loop_ngram > 0) to.loop_ngram = raw.loop_ngram;
  if (raw.loop_repeats > 0) to.loop_repeats = raw.loop_repeats;
  if (raw.loop_window > 0) to.loop_window = raw.loop_window;
  std::optional<std::string> thought, answer;
  PENSEE_TRY(read_text_field(raw.thought_prefix, "thought_prefix", thought));
  PENSEE_TRY(read_text_field(raw.answer_prefix, "answer_prefix", answer));
  PENSEE_TRY(read_text_field(raw.budget_text, "budget_text", to.budget_text));
  to.thought_prefix = thought.value_or("");
  to.answer_prefix = answer.value_or("");
  return Status();
}

Status read_constraint(const pensee_options& raw, GenerateOptions& to) {
  const struct {
    const char* text;
    const char* name;
    ConstraintKind kind;
  } given[] = {{raw.json_schema, "json_schema", ConstraintKind::json_schema},
               {raw.regex, "regex", ConstraintKind::regex},
               {raw.grammar, "grammar", ConstraintKind::grammar}};
  for (const auto& one : given) {
    if (!one.text) continue;
    if (to.constraint) return Status(Code::bad_argument, "give at most one of json_schema, regex and grammar");
    std::optional<std::string> text;
    PENSEE_TRY(read_text_field(one.text, one.name, text));
    to.constraint = ConstraintText{one.kind, *std::move(text)};
  }
  return Status();
}

Status read_sampling(const pensee_sampling* from, const char* name, std::vector<std::string>& breakers,
                     std::optional<SamplerSettings>& to) {
  pensee_sampling raw = PENSEE_SAMPLING_INIT;
  PENSEE_TRY(read_struct(from, name, raw));
  const auto penalty = [](float value, const char* field) {
    return range(value >= -2 && value <= 2, field, static_cast<double>(value), "-2 to 2");
  };
  PENSEE_TRY(penalty(raw.frequency_penalty, "frequency_penalty"));
  PENSEE_TRY(penalty(raw.presence_penalty, "presence_penalty"));
  PENSEE_TRY(range(raw.xtc_threshold >= 0 && raw.xtc_threshold <= 0.5f, "xtc_threshold",
                   static_cast<double>(raw.xtc_threshold), "0 to 0.5"));
  SamplerSettings s;
  s.temperature = raw.temperature;  // below 0: as elsewhere; settle_options fills it
  s.top_p = raw.top_p;
  s.min_p = raw.min_p;
  s.top_k = raw.top_k;
  s.typical_p = raw.typical_p != 0 ? raw.typical_p : 1.0f;
  s.top_n_sigma = raw.top_n_sigma;
  s.xtc_probability = raw.xtc_probability;
  s.xtc_threshold = raw.xtc_threshold != 0 ? raw.xtc_threshold : 0.1f;
  s.repetition_penalty = raw.repetition_penalty != 0 ? raw.repetition_penalty : 1.0f;
  s.frequency_penalty = raw.frequency_penalty;
  s.presence_penalty = raw.presence_penalty;
  s.penalty_last_n = raw.penalty_last_n != 0 ? raw.penalty_last_n : 64;
  s.dry_multiplier = raw.dry_multiplier;
  s.dry_base = raw.dry_base != 0 ? raw.dry_base : 1.75f;
  s.dry_allowed_length = raw.dry_allowed_length != 0 ? raw.dry_allowed_length : 2;
  s.dry_last_n = raw.dry_last_n != 0 ? raw.dry_last_n : 1024;
  s.mirostat = raw.mirostat;
  s.mirostat_tau = raw.mirostat_tau != 0 ? raw.mirostat_tau : 5.0f;
  s.mirostat_eta = raw.mirostat_eta != 0 ? raw.mirostat_eta : 0.1f;
  if (raw.num_logit_bias > 0 && !raw.logit_bias) return null_argument("logit_bias");
  for (size_t i = 0; i < raw.num_logit_bias; ++i) {
    s.logit_bias.emplace_back(raw.logit_bias[i].token_id, raw.logit_bias[i].bias);
  }
  if (raw.num_order > 0 && !raw.order) return null_argument("order");
  for (size_t i = 0; i < raw.num_order; ++i) {
    PENSEE_TRY(range(raw.order[i] >= 1 && raw.order[i] <= PENSEE_SAMPLER_XTC, "order", raw.order[i],
                     "PENSEE_SAMPLER_ values"));
    s.order.push_back(static_cast<SamplerKind>(raw.order[i]));
  }
  if (raw.num_dry_breakers > 0 && !raw.dry_breakers) return null_argument("dry_breakers");
  for (size_t i = 0; i < raw.num_dry_breakers; ++i) {
    std::optional<std::string> text;
    PENSEE_TRY(read_text_field(raw.dry_breakers[i], "dry_breakers", text));
    if (!text || text->empty()) return Status::format(Code::bad_argument, "dry_breakers[{}] is empty", i);
    breakers.push_back(*std::move(text));
  }
  if (!raw.dry_breakers) breakers = {"\n", ":", "\"", "*"};
  to = std::move(s);
  return Status();
}

}  // namespace

Status read_options(const pensee_options* from, GenerateOptions& to) {
  pensee_options raw = PENSEE_OPTIONS_INIT;
  PENSEE_TRY(read_struct(from, "pensee_options", raw));
  PENSEE_TRY(range(raw.max_tokens >= 0, "max_tokens", static_cast<double>(raw.max_tokens), "0 or more"));
  PENSEE_TRY(range(raw.think_budget >= -1, "think_budget", static_cast<double>(raw.think_budget), "-1 or more"));
  PENSEE_TRY(range(raw.temperature == -1 || (raw.temperature >= 0 && raw.temperature <= 1e4f), "temperature",
                   static_cast<double>(raw.temperature), "0 or more, or -1"));
  PENSEE_TRY(range(raw.top_p == -1 || (raw.top_p > 0 && raw.top_p <= 1), "top_p", static_cast<double>(raw.top_p),
                   "above 0 to 1, or -1"));
  PENSEE_TRY(range(raw.min_p >= 0 && raw.min_p <= 1, "min_p", static_cast<double>(raw.min_p), "0 to 1"));
  PENSEE_TRY(range(raw.top_k >= -1, "top_k", raw.top_k, "0 or more, or -1"));
  PENSEE_TRY(range(raw.top_logprobs >= 0 && raw.top_logprobs <= 20, "top_logprobs", raw.top_logprobs, "0 to 20"));
  PENSEE_TRY(range(raw.effort >= 0 && raw.effort <= PENSEE_EFFORT_MAX, "effort", raw.effort, "a PENSEE_EFFORT_ value"));
  if (raw.num_stop > 0 && !raw.stop) return null_argument("stop");
  to.max_tokens = raw.max_tokens;
  to.think_budget = raw.think_budget;
  if (raw.temperature >= 0) to.temperature = raw.temperature;
  if (raw.top_p > 0) to.top_p = raw.top_p;
  if (raw.top_k >= 0) to.top_k = raw.top_k;
  to.min_p = raw.min_p;
  to.seed = raw.seed;
  to.ignore_eos = raw.ignore_eos != 0;
  to.top_logprobs = raw.top_logprobs;
  to.effort = static_cast<Effort>(raw.effort);
  for (size_t i = 0; i < raw.num_stop; ++i) {
    std::optional<std::string> text;
    PENSEE_TRY(read_text_field(raw.stop[i], "stop", text));
    if (!text || text->empty()) return Status::format(Code::bad_argument, "stop[{}] is empty", i);
    to.stop.push_back(*std::move(text));
  }
  PENSEE_TRY(read_thought_options(raw, to));
  PENSEE_TRY(read_constraint(raw, to));
  PENSEE_TRY(range(raw.n >= 0 && raw.n <= kMostSamples, "n", raw.n, "0 to 1024"));
  PENSEE_TRY(range(raw.priority >= -100 && raw.priority <= 100, "priority", raw.priority, "-100 to 100"));
  PENSEE_TRY(value_of(raw.tool_choice, PENSEE_TOOLS_NONE, "tool_choice"));
  PENSEE_TRY(value_of(raw.speculation, PENSEE_SPECULATION_DRAFT, "speculation"));
  PENSEE_TRY(range(raw.draft_max >= 0 && raw.draft_max <= 64, "draft_max", raw.draft_max, "0 to 64"));
  to.n = raw.n == 0 ? 1 : raw.n;
  to.priority = raw.priority;
  to.tool_choice = static_cast<ToolChoice>(raw.tool_choice);
  to.speculation = static_cast<Speculation>(raw.speculation);
  if (raw.draft_max > 0) to.draft_max = raw.draft_max;
  if (raw.draft_model) to.draft_model = raw.draft_model->engine;
  to.trace_experts = raw.trace_experts != 0;
  if (raw.sampling) PENSEE_TRY(read_sampling(raw.sampling, "sampling", to.dry_breakers, to.sampling));
  if (raw.answer_sampling) {
    PENSEE_TRY(read_sampling(raw.answer_sampling, "answer_sampling", to.answer_dry_breakers, to.answer_sampling));
  }
  return Status();
}

Status read_question(const Engine& engine, const pensee_prompt* prompt, const pensee_options* options, Asked& to) {
  Prompt read;
  PENSEE_TRY(read_prompt(prompt, read));
  PENSEE_TRY(read_options(options, to.options));
  PENSEE_TRY(engine.require_weights());
  to.options.tools = read.tools;
  PENSEE_ASSIGN(to.ids, engine.prompt_ids(read, to.options));
  return Status();
}

}  // namespace pensee::api
