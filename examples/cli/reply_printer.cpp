// Text of a section that begins with blank lines, as most thoughts do, is shown without them; JSON shows all.
#include "reply_printer.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <type_traits>

#include "generate.h"
#include "json_writer.h"

namespace cli {
namespace {

std::string_view text_of(const pensee_event& event) {
  return event.text ? std::string_view(event.text, event.text_length) : std::string_view();
}

// [num_moe_layers][num_experts_per_tok]
template <class T>
void write_experts(JsonWriter& json, const char* name, const T* values, size_t count, size_t row) {
  json.key(name).begin_array();
  for (size_t i = 0; i < count; i++) {
    if (i % row == 0) json.begin_array();
    if constexpr (std::is_same_v<T, float>) {
      json.value(static_cast<double>(values[i]));
    } else {
      json.value(values[i]);
    }
    if (i % row == row - 1) json.end_array();
  }
  json.end_array();
}

void write_token(JsonWriter& json, const pensee_event& event, const pensee_model_info& info) {
  json.member("token_id", event.token_id);
  json.member("logprob", static_cast<double>(event.logprob));
  json.member("position", event.position);
  if (event.forced) json.member("forced", true);
  if (event.num_alternatives > 0) {
    json.key("alternatives").begin_array();
    for (size_t i = 0; i < event.num_alternatives; i++) {
      json.begin_object();
      json.member("token_id", event.alternatives[i].token_id);
      json.member("logprob", static_cast<double>(event.alternatives[i].logprob));
      json.end_object();
    }
    json.end_array();
  }
  const auto row = static_cast<size_t>(info.num_experts_per_tok);
  if (!event.expert_ids || row == 0 || event.num_experts % row != 0) return;
  write_experts(json, "expert_ids", event.expert_ids, event.num_experts, row);
  if (event.expert_weights) write_experts(json, "expert_weights", event.expert_weights, event.num_experts, row);
}

// JSON on one line: without the space between its tokens, which models write as they like.
std::string compact(std::string_view json) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); i++) {
    if (!in_string && std::strchr(" \t\r\n", json[i])) continue;
    out += json[i];
    if (in_string && json[i] == '\\' && i + 1 < json.size()) {
      out += json[++i];
    } else if (json[i] == '"') {
      in_string = !in_string;
    }
  }
  return out;
}

const char* kind_name(int32_t kind) {
  if (kind == PENSEE_EVENT_THOUGHT) return "thought";
  return kind == PENSEE_EVENT_TOOL_CALL ? "tool_call" : kind == PENSEE_EVENT_END ? "end" : "answer";
}

}  // namespace

void write_usage(JsonWriter& json, const pensee_usage& usage) {
  json.key("usage").begin_object();
  json.member("prompt_tokens", usage.prompt_tokens);
  json.member("cached_tokens", usage.cached_tokens);
  json.member("thought_tokens", usage.thought_tokens);
  json.member("answer_tokens", usage.answer_tokens);
  json.member("seconds_to_first_token", usage.seconds_to_first_token);
  json.member("seconds", usage.seconds);
  json.member("prompt_tokens_per_second", usage.prompt_tokens_per_second);
  json.member("tokens_per_second", usage.tokens_per_second);
  json.member("parameters_active", usage.parameters_active);
  json.member("flops", usage.flops);
  json.member("weight_bytes_read", usage.weight_bytes_read);
  json.member("seed", usage.seed);
  json.member("drafted_tokens", usage.drafted_tokens);
  json.member("accepted_tokens", usage.accepted_tokens);
  json.member("passes", usage.passes);
  json.member("seconds_waiting", usage.seconds_waiting);
  json.end_object();
}

std::string event_json(const pensee_event& event, const pensee_model_info& info) {
  JsonWriter json;
  json.begin_object().member("kind", kind_name(event.kind));
  if (event.kind == PENSEE_EVENT_END) {
    json.member("finish_reason", finish_reason_name(event.finish_reason));
  } else {
    json.member("text", text_of(event));
  }
  if (event.token_id >= 0) write_token(json, event, info);
  if (event.tool_name) {
    json.member("tool_call_id", event.tool_call_id).member("tool_name", event.tool_name);
    json.member("tool_arguments", event.tool_arguments_json);
  }
  json.member("sample", event.sample);
  if (event.usage) write_usage(json, *event.usage);
  return json.end_object().line();
}

std::string statistics(const pensee_usage& usage, int32_t finish_reason, const pensee_model_info& info) {
  const std::string active = short_count(static_cast<double>(info.parameters_active));
  const std::string total = short_count(static_cast<double>(info.parameters_total));
  const auto number = [](int64_t n) { return static_cast<long long>(n); };
  char text[320];
  std::snprintf(text, sizeof text,
                "%lld thought + %lld answer tokens | %.1f tokens/s | first token after %.2f s | %s of %s parameters "
                "active",
                number(usage.thought_tokens), number(usage.answer_tokens), usage.tokens_per_second,
                usage.seconds_to_first_token, active.c_str(), total.c_str());
  std::string line = text;
  if (usage.cached_tokens > 0) {
    std::snprintf(text, sizeof text, " | %lld of %lld prompt tokens kept", number(usage.cached_tokens),
                  number(usage.prompt_tokens));
    line += text;
  }
  if (usage.drafted_tokens > 0) {
    std::snprintf(text, sizeof text, " | %lld of %lld drafted tokens accepted", number(usage.accepted_tokens),
                  number(usage.drafted_tokens));
    line += text;
  }
  return line + " | " + finish_reason_name(finish_reason);
}

ReplyPrinter::ReplyPrinter(const GenerationSettings& settings)
    : color_(wants_color(settings.color, STDOUT_FILENO)),
      to_terminal_(is_terminal(STDOUT_FILENO)),
      hide_thought_(settings.hide_thought) {}

ReplyPrinter::~ReplyPrinter() {
  try {
    end_section();
  } catch (...) {  // nobody reads any more
  }
}

void ReplyPrinter::begin_section(int32_t kind) {
  const bool first = section_ == 0;
  end_section();
  std::string text = first ? "" : "\n";
  if (!color_ && kind == PENSEE_EVENT_THOUGHT) text += "[thought]\n";
  if (!color_ && kind == PENSEE_EVENT_ANSWER && !first) text += "[answer]\n";
  if (color_) text += kind == PENSEE_EVENT_THOUGHT ? style_thought : style_answer;
  styled_ = color_;
  section_ = kind;
  blank_ = true;
  write_output(text);
}

void ReplyPrinter::end_section() {
  std::string text = styled_ ? style_reset : "";
  if (!newline_) text += "\n";
  styled_ = false;
  newline_ = true;
  if (!text.empty()) write_output(text);
}

void ReplyPrinter::print_call(const pensee_event& event) {
  begin_section(event.kind);
  const std::string arguments = compact(event.tool_arguments_json ? event.tool_arguments_json : "");
  std::string text = std::string("[tool call] ") + event.tool_name + " " + arguments + "\n";
  if (to_terminal_) text = without_controls(text);
  write_output(text);
}

void ReplyPrinter::print(const pensee_event& event) {
  if (event.kind == PENSEE_EVENT_END) return end_section();
  if (event.kind == PENSEE_EVENT_TOOL_CALL && event.tool_name) return print_call(event);
  if (event.kind != PENSEE_EVENT_THOUGHT && event.kind != PENSEE_EVENT_ANSWER) return;
  if (event.kind == PENSEE_EVENT_THOUGHT && hide_thought_) return;
  std::string text(text_of(event));
  if (to_terminal_) text = without_controls(text);
  const bool same = section_ == event.kind;
  if (!same || blank_) text.erase(0, text.find_first_not_of(" \t\r\n"));
  if (text.empty()) return;
  if (!same) begin_section(event.kind);
  blank_ = false;
  newline_ = text.back() == '\n';
  write_output(text);
}

SamplesPrinter::SamplesPrinter(const GenerationSettings& settings, int32_t samples)
    : printer_(settings), waiting_(static_cast<size_t>(samples > 1 ? samples : 1)), ended_(waiting_.size(), false) {}

void SamplesPrinter::begin_sample() {
  if (waiting_.size() > 1) write_output((turn_ > 0 ? "\n[sample " : "[sample ") + std::to_string(turn_) + "]\n");
}

void SamplesPrinter::print(const Kept& kept) {
  pensee_event event = PENSEE_EVENT_INIT;
  event.kind = kept.kind;
  event.text = kept.text.c_str();
  event.text_length = kept.text.size();
  if (kept.is_call) {
    event.tool_name = kept.tool_name.c_str();
    event.tool_arguments_json = kept.tool_arguments_json.c_str();
  }
  printer_.print(event);
}

void SamplesPrinter::print(const pensee_event& event) {
  const auto sample = static_cast<size_t>(event.sample);
  if (sample >= waiting_.size()) return;
  if (!begun_) begin_sample();
  begun_ = true;
  if (event.kind == PENSEE_EVENT_END) ended_[sample] = true;
  if (sample == turn_) {
    printer_.print(event);
  } else {
    const auto text_or_empty = [](const char* text) { return std::string(text ? text : ""); };
    waiting_[sample].push_back({event.kind, std::string(text_of(event)), text_or_empty(event.tool_name),
                                text_or_empty(event.tool_arguments_json), event.tool_name != nullptr});
  }
  while (ended_[turn_] && turn_ + 1 < waiting_.size()) {
    turn_++;
    begin_sample();
    for (const Kept& kept : waiting_[turn_]) print(kept);
    waiting_[turn_].clear();
  }
}

}  // namespace cli
