// What goes into a generation and what comes out, in the core's own types; api/ turns pensee.h's structs into these.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "reasoning/effort.h"
#include "reasoning/splitter.h"
#include "sampling/constraint.h"
#include "sampling/sampler.h"

namespace pensee {

class Engine;

enum class ToolChoice : int32_t { automatic, strict, required, none };
enum class Speculation : int32_t { automatic, off, ngram, mtp, draft };

struct ConstraintText {
  ConstraintKind kind;
  std::string text;
};

struct GenerateOptions {
  int64_t max_tokens = 0;                   // 0: until the context is full
  int64_t think_budget = -1;                // -1: no limit
  std::optional<float> temperature, top_p;  // absent: as the model recommends
  std::optional<int32_t> top_k;
  float min_p = 0;
  uint64_t seed = 0;  // 0: a new one
  std::vector<std::string> stop;
  bool ignore_eos = false;
  int32_t top_logprobs = 0;
  Effort effort = Effort::unspecified;
  int32_t n = 1;
  int32_t priority = 0;
  int64_t answer_budget = 0;  // 0: no limit
  int64_t min_thought = 0;
  bool open_thought = false;
  std::string thought_prefix, answer_prefix;
  std::optional<std::string> budget_text;  // absent: the family's
  bool loop_guard = true;
  int32_t loop_ngram = 32, loop_repeats = 4, loop_window = 2048;
  // Beyond the four above; a temperature, top_p, min_p or top_k below 0 is theirs. settle_options fills what depends on
  // the model. answer_sampling holds after the thought; absent: the same as before.
  std::optional<SamplerSettings> sampling, answer_sampling;
  std::vector<std::string> dry_breakers, answer_dry_breakers;
  std::optional<ConstraintText> constraint;
  ToolChoice tool_choice = ToolChoice::automatic;
  std::optional<json::Value> tools;  // that the prompt had, for ToolChoice::strict and required
  Speculation speculation = Speculation::automatic;
  int32_t draft_max = 16;
  std::shared_ptr<const Engine> draft_model;
  bool trace_experts = false;
};

struct Prompt {
  std::optional<std::string> text;
  std::optional<std::string> system;
  std::optional<json::Value> messages;
  std::optional<json::Value> tools;
  std::optional<std::vector<int32_t>> ids;
};

enum class EventKind : int32_t { thought = 1, answer = 2, tool_call = 3, end = 4 };
EventKind kind_of(Channel channel);
enum class Finish : int32_t { none, stop, length, budget, loop, cancelled, tool_call, error };

struct Usage {
  int64_t prompt_tokens = 0, cached_tokens = 0, thought_tokens = 0, answer_tokens = 0;
  double seconds_to_first_token = 0, seconds = 0, seconds_waiting = 0;
  double prompt_tokens_per_second = 0, tokens_per_second = 0;
  int64_t parameters_active = 0;
  double flops = 0, weight_bytes_read = 0;
  uint64_t seed = 0;
  int64_t drafted_tokens = 0, accepted_tokens = 0, passes = 0;
};

// One choice of experts a layer with experts: [layers, num_experts_per_tok].
struct ExpertRow {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

struct Event {
  EventKind kind = EventKind::end;
  Finish finish = Finish::none;
  std::string text;
  int32_t token_id = -1;
  float logprob = 0;
  int64_t position = 0;
  std::vector<Alternative> alternatives;
  int32_t sample = 0;
  bool forced = false;
  std::optional<ToolCall> call;  // complete with this event
  ExpertRow experts;             // with trace_experts
  Usage usage;                   // END
  Status status;                 // END with Finish::error
  // END with trace_experts: of every position, [positions, layers, num_experts_per_tok].
  std::shared_ptr<const ExpertRow> routing;
};

}  // namespace pensee
