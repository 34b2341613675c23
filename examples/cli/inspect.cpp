// `pensee inspect`: what a model is. Reads headers only, in milliseconds, so that it answers also for a model that this
// machine could not run.
#include <cstdio>

#include "commands.h"
#include "json_writer.h"
#include "settings.h"

namespace cli {
namespace {

std::string as_json(const pensee_model_info& info) {
  JsonWriter json;
  json.begin_object();
  json.member("architecture", info.architecture).member("name", info.name);
  json.member("quantization", info.quantization);
  json.member("parameters_total", info.parameters_total).member("parameters_active", info.parameters_active);
  json.member("num_hidden_layers", info.num_hidden_layers).member("hidden_size", info.hidden_size);
  json.member("vocab_size", info.vocab_size).member("context_max", info.context_max);
  json.member("n_routed_experts", info.n_routed_experts).member("num_experts_per_tok", info.num_experts_per_tok);
  json.member("n_shared_experts", info.n_shared_experts);
  json.member("cache_bytes_per_token", info.cache_bytes_per_token);
  json.member("weight_bytes", info.weight_bytes).member("active_weight_bytes", info.active_weight_bytes);
  json.member("memory_bytes", info.memory_bytes);
  json.member("has_chat_template", info.has_chat_template != 0).member("thinks", info.thinks != 0);
  json.member("bos_token_id", info.bos_token_id).member("eos_token_id", info.eos_token_id);
  json.member("num_mtp_layers", info.num_mtp_layers).member("num_moe_layers", info.num_moe_layers);
  json.member("tool_format", info.tool_format);
  json.member("backend", info.backend).member("isa", info.isa).member("threads", info.threads);
  return json.end_object().line();
}

void row(std::string& out, const char* name, const std::string& value) {
  char text[24];
  std::snprintf(text, sizeof text, "%-20s", name);
  out += text + without_controls(value) + "\n";
}

std::string as_text(const pensee_model_info& info) {
  const auto number = [](int64_t n) { return std::to_string(n); };
  const std::string active = short_count(static_cast<double>(info.parameters_active));
  std::string out;
  row(out, "architecture", info.architecture);
  if (info.name && *info.name) row(out, "name", info.name);
  row(out, "parameters", short_count(static_cast<double>(info.parameters_total)) + " (" + active + " active a token)");
  row(out, "quantization", info.quantization);
  row(out, "layers", number(info.num_hidden_layers) + " of width " + number(info.hidden_size));
  row(out, "experts",
      info.n_routed_experts == 0
          ? "none (dense)"
          : number(info.num_experts_per_tok) + " of " + number(info.n_routed_experts) + " a token" +
                (info.n_shared_experts > 0 ? ", " + number(info.n_shared_experts) + " shared" : ""));
  row(out, "vocabulary", number(info.vocab_size) + " tokens");
  row(out, "context", number(info.context_max) + " tokens");
  row(out, "cache", short_bytes(static_cast<double>(info.cache_bytes_per_token)) + " a token");
  row(out, "weights",
      short_bytes(static_cast<double>(info.weight_bytes)) + " (" +
          short_bytes(static_cast<double>(info.active_weight_bytes)) + " read a token)");
  row(out, "memory needed",
      short_bytes(static_cast<double>(info.memory_bytes)) + " with a session of " +
          number(info.context_max < 4096 ? info.context_max : 4096) + " tokens");
  row(out, "chat template", info.has_chat_template ? "yes" : "no");
  row(out, "thinks", info.thinks ? "yes: thought and answer come apart" : "no");
  row(out, "tool calls", info.tool_format && *info.tool_format ? info.tool_format : "described in the system message");
  if (info.num_mtp_layers > 0)
    row(out, "speculation", number(info.num_mtp_layers) + " layer(s) of multi-token prediction");
  return out;
}

}  // namespace

int inspect_command(int argc, char** argv) {
  ModelSettings settings;
  bool json = false;
  Flags flags = {{"json", nullptr, "one JSON object", [&json](const char*) { json = true; }}};
  add_model_flags(flags, settings);
  const Command command = {"inspect", "[OPTION]... [MODEL]", "Says what a model is, without loading its weights."};
  std::vector<std::string> positionals;
  if (!parse(command, flags, argc, argv, positionals)) return exit_ok;

  settings.options.skip_weights = 1;
  const ModelHandle model = open_model(only_model(positionals), settings);
  const pensee_model_info info = model_info(model);
  write_output(json ? as_json(info) : as_text(info));
  return exit_ok;
}

}  // namespace cli
