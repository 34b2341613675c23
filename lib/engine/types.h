// What goes into a generation and what comes out, in the core's own types; api/ turns pensee.h's structs into these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "sampling/sampler.h"

namespace pensee {

enum class Effort : int32_t { unspecified, none, minimal, low, medium, high, xhigh, max };

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
};

struct Prompt {
  std::optional<std::string> text;
  std::optional<std::string> system;
  std::optional<json::Value> messages;
  std::optional<json::Value> tools;
  std::optional<std::vector<int32_t>> ids;
};

enum class EventKind : int32_t { thought = 1, answer = 2, tool_call = 3, end = 4 };
enum class Finish : int32_t { none, stop, length, budget, loop, cancelled, tool_call, error };

struct Usage {
  int64_t prompt_tokens = 0, cached_tokens = 0, thought_tokens = 0, answer_tokens = 0;
  double seconds_to_first_token = 0, seconds = 0;
  double prompt_tokens_per_second = 0, tokens_per_second = 0;
  int64_t parameters_active = 0;
  double flops = 0, weight_bytes_read = 0;
  uint64_t seed = 0;
};

struct Event {
  EventKind kind = EventKind::end;
  Finish finish = Finish::none;
  std::string text;
  int32_t token_id = -1;
  float logprob = 0;
  int64_t position = 0;
  std::vector<Alternative> alternatives;
  Usage usage;    // END
  Status status;  // END with Finish::error
};

}  // namespace pensee
