// Shared options. A field of pensee_model_options or pensee_options is named here once, as a flag; left out are the
// callbacks (progress, log), which the commands use themselves, and skip_weights, which `inspect` and `tokenize` set.
#include "settings.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace cli {
namespace {

const std::vector<Choice> backends = {{"auto", PENSEE_BACKEND_AUTO},
                                      {"native", PENSEE_BACKEND_NATIVE},
                                      {"onednn", PENSEE_BACKEND_ONEDNN},
                                      {"blas", PENSEE_BACKEND_BLAS}};
const std::vector<Choice> activations = {
    {"auto", PENSEE_ACTIVATIONS_AUTO}, {"int16", PENSEE_ACTIVATIONS_INT16}, {"int8", PENSEE_ACTIVATIONS_INT8}};
const std::vector<Choice> cache_types = {
    {"auto", PENSEE_CACHE_AUTO}, {"f32", PENSEE_CACHE_F32}, {"f16", PENSEE_CACHE_F16}, {"bf16", PENSEE_CACHE_BF16}};
const std::vector<Choice> efforts = {{"default", PENSEE_EFFORT_DEFAULT}, {"none", PENSEE_EFFORT_NONE},
                                     {"minimal", PENSEE_EFFORT_MINIMAL}, {"low", PENSEE_EFFORT_LOW},
                                     {"medium", PENSEE_EFFORT_MEDIUM},   {"high", PENSEE_EFFORT_HIGH},
                                     {"xhigh", PENSEE_EFFORT_XHIGH},     {"max", PENSEE_EFFORT_MAX}};
const std::vector<Choice> colors = {{"auto", static_cast<int32_t>(ColorMode::automatic)},
                                    {"always", static_cast<int32_t>(ColorMode::always)},
                                    {"never", static_cast<int32_t>(ColorMode::never)}};

int on_progress(void* user, float fraction) {
  if (user) static_cast<ProgressBar*>(user)->show(fraction);
  return Interrupt::requested();
}

void on_log(void*, int32_t level, const char* text) {
  const char* names[] = {"debug", "info", "warning"};
  std::fprintf(stderr, "pensee: %s: %s\n", level >= 0 && level < 3 ? names[level] : "log", text);
}

std::string scaled(double value, const char* units, const char* suffix) {
  size_t unit = 0;
  while (value >= 999.5 && units[unit + 1]) {
    value /= 1000;
    unit++;
  }
  char text[48];
  const std::string tail = (units[unit] == ' ' ? "" : std::string(1, units[unit])) + suffix;
  std::snprintf(text, sizeof text, unit > 0 && value < 99.95 ? "%.1f%s" : "%.0f%s", value, tail.c_str());
  return text;
}

}  // namespace

void check(pensee_status status, const pensee_error& error) {
  if (status != PENSEE_OK) throw Failure(status, error.message);
}

void add_model_flags(Flags& flags, ModelSettings& settings) {
  pensee_model_options& o = settings.options;
  const Flags rows = {
      {"", nullptr, "model options:", {}},
      {"threads", "N", "1 to 1024 (default: the CPUs that this process may use)",
       [&o](const char* v) { o.threads = static_cast<int32_t>(parse_integer("--threads", v, 0, 1024)); }},
      {"backend", "NAME", "auto, native, onednn or blas (auto is native)",
       [&o](const char* v) { o.backend = parse_choice("--backend", v, backends); }},
      {"activations", "TYPE", "int16 (default) or int8: faster on prompts, slightly coarser",
       [&o](const char* v) { o.activations = parse_choice("--activations", v, activations); }},
      {"cache", "TYPE", "f32 (default), f16 or bf16: how keys and values are kept",
       [&o](const char* v) { o.cache_type = parse_choice("--cache", v, cache_types); }},
      {"context", "N", "positions a session may hold (default: the model's own limit)",
       [&o](const char* v) { o.context_max = parse_integer("--context", v, 0, INT64_MAX); }},
      {"memory-budget", "BYTES", "as in 8G: fail rather than use more",
       [&o](const char* v) { o.memory_budget = parse_bytes("--memory-budget", v); }},
      {"isa", "NAME", "scalar, avx2, avx512 or neon (default: the best of this CPU)",
       [&o](const char* v) { o.isa = v; }},
      {"no-exact", nullptr, "allow what rounds in its own way", [&o](const char*) { o.exact = 0; }},
      {"verbose", nullptr, "show what the library logs, on standard error", [&o](const char*) { o.log = on_log; }},
  };
  flags.insert(flags.end(), rows.begin(), rows.end());
}

void add_generation_flags(Flags& flags, GenerationSettings& settings) {
  GenerationSettings& s = settings;
  pensee_options& o = settings.options;
  const Flags rows = {
      {"", nullptr, "generation options:", {}},
      {"system", "TEXT", "system message", [&s](const char* v) { s.system = v; }},
      {"tools", "FILE", "JSON array of tools for the chat template",
       [&s](const char* v) { s.tools_json = read_file(v); }},
      {"max-tokens", "N", "thought and answer together (default: until the context is full)",
       [&o](const char* v) { o.max_tokens = parse_integer("--max-tokens", v, 0, INT64_MAX); }},
      {"think-budget", "N", "tokens of thought before it is closed; 0: none, -1: no limit (default)",
       [&o](const char* v) { o.think_budget = parse_integer("--think-budget", v, -1, INT64_MAX); }},
      {"effort", "LEVEL", "none, minimal, low, medium, high, xhigh or max, for models that know it",
       [&o](const char* v) { o.effort = parse_choice("--effort", v, efforts); }},
      {"temperature", "X", "0: greedy (default: as the model recommends)",
       [&o](const char* v) { o.temperature = static_cast<float>(parse_real("--temperature", v, 0, 1e6)); }},
      {"top-k", "N", "0: off (default: as the model recommends)",
       [&o](const char* v) { o.top_k = static_cast<int32_t>(parse_integer("--top-k", v, 0, INT32_MAX)); }},
      {"top-p", "X", "above 0, up to 1: off (default: as the model recommends)",
       [&o](const char* v) { o.top_p = static_cast<float>(parse_real("--top-p", v, 1e-6, 1)); }},
      {"min-p", "X", "0 to 1, 0: off (default)",
       [&o](const char* v) { o.min_p = static_cast<float>(parse_real("--min-p", v, 0, 1)); }},
      {"seed", "N", "same seed, same text; 0: a new one each time (default)",
       [&o](const char* v) { o.seed = parse_unsigned("--seed", v); }},
      {"stop", "TEXT", "end the answer before this text; may be repeated",
       [&s](const char* v) { s.stop.push_back(v); }},
      {"ignore-eos", nullptr, "go on past the end of the text", [&o](const char*) { o.ignore_eos = 1; }},
      {"top-logprobs", "N", "alternatives with each token in --json, 0 to 20",
       [&o](const char* v) { o.top_logprobs = static_cast<int32_t>(parse_integer("--top-logprobs", v, 0, 20)); }},
      {"hide-thought", nullptr, "show the answer alone", [&s](const char*) { s.hide_thought = true; }},
      {"color", "WHEN", "auto (default; NO_COLOR is honoured), always or never",
       [&s](const char* v) { s.color = static_cast<ColorMode>(parse_choice("--color", v, colors)); }},
      {"no-stats", nullptr, "no line of statistics at the end", [&s](const char*) { s.quiet = true; }},
  };
  flags.insert(flags.end(), rows.begin(), rows.end());
}

pensee_options GenerationSettings::request() const {
  pensee_options request = options;
  request.stop = stop.data();
  request.num_stop = stop.size();
  return request;
}

ModelHandle open_model(const std::string& path, ModelSettings settings) {
  const bool shows_bar = !settings.quiet && !settings.options.skip_weights;
  Interrupt interrupt;
  ProgressBar bar("loading");
  settings.options.progress = on_progress;
  settings.options.progress_user = shows_bar ? &bar : nullptr;
  pensee_model* model = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_model_open(path.c_str(), &settings.options, &model, &error);
  check(status, error);
  return ModelHandle(model);
}

SessionHandle new_session(const ModelHandle& model) {
  pensee_session* session = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_session_new(model.get(), &session, &error);
  check(status, error);
  return SessionHandle(session);
}

pensee_model_info model_info(const ModelHandle& model) {
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_model_get_info(model.get(), &info, &error);
  check(status, error);
  return info;
}

std::string read_file(const std::string& path) {
  const bool from_stdin = path == "-";
  std::FILE* file = from_stdin ? stdin : std::fopen(path.c_str(), "rb");
  if (!file) throw Failure(PENSEE_OK, path + ": " + std::strerror(errno));
  std::string text;
  char block[4096];
  for (size_t n; (n = std::fread(block, 1, sizeof block, file)) > 0;) text.append(block, n);
  const bool failed = std::ferror(file) != 0;
  const int why = errno;
  if (!from_stdin) std::fclose(file);
  if (failed) throw Failure(PENSEE_OK, (from_stdin ? "standard input" : path) + ": " + std::strerror(why));
  return text;
}

std::string short_count(double count) { return scaled(count, " KMBT", ""); }
std::string short_bytes(double bytes) { return scaled(bytes, " KMGT", "B"); }

}  // namespace cli
