// Text of a section that begins with blank lines, as most thoughts do, is shown without them; JSON shows all.
#include "reply_printer.h"

#include <unistd.h>

#include <cstdio>

#include "generate.h"
#include "json_writer.h"

namespace cli {
namespace {

std::string_view text_of(const pensee_event& event) {
  return event.text ? std::string_view(event.text, event.text_length) : std::string_view();
}

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
  json.end_object();
}

void write_text_event(JsonWriter& json, const pensee_event& event) {
  json.member("kind", event.kind == PENSEE_EVENT_THOUGHT ? "thought" : "answer");
  json.member("text", text_of(event));
  if (event.token_id < 0) return;
  json.member("token_id", event.token_id);
  json.member("logprob", static_cast<double>(event.logprob));
  json.member("position", event.position);
  if (event.num_alternatives == 0) return;
  json.key("alternatives").begin_array();
  for (size_t i = 0; i < event.num_alternatives; i++) {
    json.begin_object();
    json.member("token_id", event.alternatives[i].token_id);
    json.member("logprob", static_cast<double>(event.alternatives[i].logprob));
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string event_json(const pensee_event& event) {
  JsonWriter json;
  json.begin_object();
  if (event.kind == PENSEE_EVENT_END) {
    json.member("kind", "end").member("finish_reason", finish_reason_name(event.finish_reason));
    if (event.usage) write_usage(json, *event.usage);
  } else if (event.kind == PENSEE_EVENT_TOOL_CALL) {
    json.member("kind", "tool_call").member("tool_call_id", event.tool_call_id);
    json.member("tool_name", event.tool_name).member("tool_arguments", event.tool_arguments_json);
  } else {
    write_text_event(json, event);
  }
  return json.end_object().line();
}

std::string statistics(const pensee_usage& usage, int32_t finish_reason, const pensee_model_info& info) {
  const std::string active = short_count(static_cast<double>(info.parameters_active));
  const std::string total = short_count(static_cast<double>(info.parameters_total));
  char text[320];
  std::snprintf(text, sizeof text,
                "%lld thought + %lld answer tokens | %.1f tokens/s | first token after %.2f s | %s of %s parameters "
                "active | %s",
                static_cast<long long>(usage.thought_tokens), static_cast<long long>(usage.answer_tokens),
                usage.tokens_per_second, usage.seconds_to_first_token, active.c_str(), total.c_str(),
                finish_reason_name(finish_reason));
  return text;
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

void ReplyPrinter::print(const pensee_event& event) {
  if (event.kind == PENSEE_EVENT_END) return end_section();
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

}  // namespace cli
