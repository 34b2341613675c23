// Shared options. A field of pensee_model_options or pensee_options is named here once, as a flag (samplers: see
// sampling_flags.cpp); left out are the callbacks (progress, log), which the commands use themselves, skip_weights,
// which `inspect` and `tokenize` set, keep_file, which no command needs, and n and trace_experts, which are `run`'s.
#include "settings.h"

#include <sys/stat.h>

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
const std::vector<Choice> cache_types = {{"auto", PENSEE_CACHE_AUTO}, {"f32", PENSEE_CACHE_F32},
                                         {"f16", PENSEE_CACHE_F16},   {"bf16", PENSEE_CACHE_BF16},
                                         {"int8", PENSEE_CACHE_INT8}, {"int4", PENSEE_CACHE_INT4}};
const std::vector<Choice> thread_priorities = {{"normal", PENSEE_THREAD_PRIORITY_NORMAL},
                                               {"low", PENSEE_THREAD_PRIORITY_LOW},
                                               {"background", PENSEE_THREAD_PRIORITY_BACKGROUND}};
const std::vector<Choice> packed_files = {
    {"map", PENSEE_PACKED_MAP}, {"read", PENSEE_PACKED_READ}, {"verify", PENSEE_PACKED_VERIFY}};
const std::vector<Choice> efforts = {{"default", PENSEE_EFFORT_DEFAULT}, {"none", PENSEE_EFFORT_NONE},
                                     {"minimal", PENSEE_EFFORT_MINIMAL}, {"low", PENSEE_EFFORT_LOW},
                                     {"medium", PENSEE_EFFORT_MEDIUM},   {"high", PENSEE_EFFORT_HIGH},
                                     {"xhigh", PENSEE_EFFORT_XHIGH},     {"max", PENSEE_EFFORT_MAX}};
const std::vector<Choice> loop_guards = {{"on", PENSEE_LOOP_GUARD_ON}, {"off", PENSEE_LOOP_GUARD_OFF}};
const std::vector<Choice> tool_choices = {{"auto", PENSEE_TOOLS_AUTO},
                                          {"strict", PENSEE_TOOLS_STRICT},
                                          {"required", PENSEE_TOOLS_REQUIRED},
                                          {"none", PENSEE_TOOLS_NONE}};
const std::vector<Choice> speculations = {{"auto", PENSEE_SPECULATION_AUTO},
                                          {"off", PENSEE_SPECULATION_OFF},
                                          {"ngram", PENSEE_SPECULATION_NGRAM},
                                          {"mtp", PENSEE_SPECULATION_MTP},
                                          {"draft", PENSEE_SPECULATION_DRAFT}};
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

int32_t count(const char* what, const char* value) {
  return static_cast<int32_t>(parse_integer(what, value, 0, INT32_MAX));
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
      {"thread-priority", "NAME", "normal (default), low or background: of the library's own threads",
       [&o](const char* v) { o.thread_priority = parse_choice("--thread-priority", v, thread_priorities); }},
      {"backend", "NAME", "auto (default), native, onednn or blas; auto is native, see --no-exact",
       [&o](const char* v) { o.backend = parse_choice("--backend", v, backends); }},
      {"activations", "TYPE", "int16 (default) or int8: faster on prompts, slightly coarser; --no-exact: int8",
       [&o](const char* v) { o.activations = parse_choice("--activations", v, activations); }},
      {"cache", "TYPE", "f32 (default), f16, bf16 or int8: how keys and values are kept",
       [&o](const char* v) { o.cache_type = parse_choice("--cache", v, cache_types); }},
      {"value-cache", "TYPE", "the same for values, apart from keys; int4 too",
       [&o](const char* v) { o.value_cache_type = parse_choice("--value-cache", v, cache_types); }},
      {"prefix-cache", "BYTES", "as in 1G: kept for prompts that begin alike; 0: nothing (default 256M)",
       [&o](const char* v) {
         const uint64_t bytes = parse_bytes("--prefix-cache", v);
         o.prefix_cache_bytes = bytes == 0 ? -1 : static_cast<int64_t>(bytes);
       }},
      {"max-concurrent", "N", "generations that share the passes (default 64)",
       [&o](const char* v) { o.max_concurrent = count("--max-concurrent", v); }},
      {"max-waiting", "N", "generations that may wait (default 1024)",
       [&o](const char* v) { o.max_waiting = count("--max-waiting", v); }},
      {"no-mtp", nullptr, "leave out the layer of multi-token prediction", [&o](const char*) { o.mtp = -1; }},
      {"context", "N", "positions a session may hold (default: the model's own limit)",
       [&o](const char* v) { o.context_max = parse_integer("--context", v, 0, INT64_MAX); }},
      {"memory-budget", "BYTES", "as in 8G: fail rather than use more",
       [&o](const char* v) { o.memory_budget = parse_bytes("--memory-budget", v); }},
      {"isa", "NAME", "scalar, avx2, avx512 or neon (default: the best of this CPU)",
       [&o](const char* v) { o.isa = v; }},
      {"packed-file", "HOW", "map (default), read into memory, or verify first: a file of `pensee pack`",
       [&o](const char* v) { o.packed_file = parse_choice("--packed-file", v, packed_files); }},
      {"no-exact", nullptr, "allow what is faster and rounds in its own way", [&o](const char*) { o.exact = 0; }},
      {"tuning-file", "FILE", "of `pensee bench --tune`: which backend --backend auto --no-exact takes when",
       [&o](const char* v) { o.tuning_file = v; }},
      {"verbose", nullptr, "show what the library logs, on standard error", [&o](const char*) { o.log = on_log; }},
  };
  flags.insert(flags.end(), rows.begin(), rows.end());
}

namespace {

Flags length_flags(GenerationSettings& s) {
  pensee_options& o = s.options;
  return {
      {"max-tokens", "N", "thought and answer together (default: until the context is full)",
       [&o](const char* v) { o.max_tokens = parse_integer("--max-tokens", v, 0, INT64_MAX); }},
      {"think-budget", "N", "tokens of thought before it is closed; 0: none, -1: no limit (default)",
       [&o](const char* v) { o.think_budget = parse_integer("--think-budget", v, -1, INT64_MAX); }},
      {"answer-budget", "N", "tokens of answer (default: no limit)",
       [&o](const char* v) { o.answer_budget = parse_integer("--answer-budget", v, 0, INT64_MAX); }},
      {"min-thought", "N", "tokens of thought before which it may not be closed",
       [&o](const char* v) { o.min_thought = parse_integer("--min-thought", v, 0, INT64_MAX); }},
      {"effort", "LEVEL", "none, minimal, low, medium, high, xhigh or max",
       [&o](const char* v) { o.effort = parse_choice("--effort", v, efforts); }},
      {"open-thought", nullptr, "begin with an open thought", [&o](const char*) { o.open_thought = 1; }},
      {"thought-prefix", "TEXT", "begin the thought with it", [&o](const char* v) { o.thought_prefix = v; }},
      {"answer-prefix", "TEXT", "begin the answer with it", [&o](const char* v) { o.answer_prefix = v; }},
      {"budget-text", "TEXT", "what the thought says when it is closed for it",
       [&o](const char* v) { o.budget_text = v; }},
      {"loop-guard", "WHEN", "on (default): close a thought that goes in circles; or off",
       [&o](const char* v) { o.loop_guard = parse_choice("--loop-guard", v, loop_guards); }},
      {"loop-ngram", "N", "a circle: the same so many tokens (default 32)",
       [&o](const char* v) { o.loop_ngram = count("--loop-ngram", v); }},
      {"loop-repeats", "N", "came so many times (default 4)",
       [&o](const char* v) { o.loop_repeats = count("--loop-repeats", v); }},
      {"loop-window", "N", "within so many tokens (default 2048)",
       [&o](const char* v) { o.loop_window = count("--loop-window", v); }},
      {"stop", "TEXT", "end the answer before this text; may be repeated",
       [&s](const char* v) { s.stop.push_back(v); }},
      {"ignore-eos", nullptr, "go on past the end of the text", [&o](const char*) { o.ignore_eos = 1; }},
  };
}

Flags form_flags(GenerationSettings& s) {
  pensee_options& o = s.options;
  return {
      {"json-schema", "FILE|JSON", "the answer is JSON of this schema",
       [&s](const char* v) { s.json_schema = text_or_file(v, "{", nullptr); }},
      {"regex", "REGEX", "the whole answer matches it", [&o](const char* v) { o.regex = v; }},
      {"grammar", "FILE|TEXT", "the answer follows this GBNF grammar, from `root`",
       [&s](const char* v) { s.grammar = text_or_file(v, "", "::="); }},
      {"tools", "FILE|JSON", "JSON array of tools for the chat template",
       [&s](const char* v) { s.tools_json = text_or_file(v, "[", nullptr); }},
      {"tool-choice", "WHEN", "auto (default), strict, required or none",
       [&o](const char* v) { o.tool_choice = parse_choice("--tool-choice", v, tool_choices); }},
  };
}

Flags pace_flags(GenerationSettings& s) {
  pensee_options& o = s.options;
  return {
      {"seed", "N", "same seed, same text; 0: a new one each time (default)",
       [&o](const char* v) { o.seed = parse_unsigned("--seed", v); }},
      {"priority", "N", "-100 to 100: higher goes first",
       [&o](const char* v) { o.priority = static_cast<int32_t>(parse_integer("--priority", v, -100, 100)); }},
      {"speculation", "NAME", "auto (default), off, ngram, mtp or draft: the tokens stay the same",
       [&o](const char* v) { o.speculation = parse_choice("--speculation", v, speculations); }},
      {"draft-model", "MODEL", "a small model with the same tokens", [&s](const char* v) { s.draft_path = v; }},
      {"draft-max", "N", "tokens drafted ahead at most, 1 to 64 (default 16)",
       [&o](const char* v) { o.draft_max = static_cast<int32_t>(parse_integer("--draft-max", v, 0, 64)); }},
  };
}

Flags output_flags(GenerationSettings& s) {
  pensee_options& o = s.options;
  return {
      {"top-logprobs", "N", "alternatives with each token in --json, 0 to 20",
       [&o](const char* v) { o.top_logprobs = static_cast<int32_t>(parse_integer("--top-logprobs", v, 0, 20)); }},
      {"hide-thought", nullptr, "show the answer alone", [&s](const char*) { s.hide_thought = true; }},
      {"color", "WHEN", "auto (default; NO_COLOR is honoured), always or never",
       [&s](const char* v) { s.color = static_cast<ColorMode>(parse_choice("--color", v, colors)); }},
      {"no-stats", nullptr, "no line of statistics at the end", [&s](const char*) { s.quiet = true; }},
  };
}

}  // namespace

void add_generation_flags(Flags& flags, GenerationSettings& settings) {
  GenerationSettings& s = settings;
  const auto add = [&flags](const char* title, const Flags& rows) {
    flags.push_back({"", nullptr, title, {}});
    flags.insert(flags.end(), rows.begin(), rows.end());
  };
  add("prompt and length:", {{"system", "TEXT", "system message", [&s](const char* v) { s.system = v; }}});
  const Flags lengths = length_flags(s);
  flags.insert(flags.end(), lengths.begin(), lengths.end());
  add("form of the answer, and tools:", form_flags(s));
  add("sampling:", sampling_flags(s.sampling));
  flags.push_back({"answer-sampling", "NAME=VALUE", "any of these for the answer alone, as temperature=0; repeatable",
                   [&s](const char* v) {
                     set_by_name("--answer-sampling", s.answer_sampling, v);
                     s.has_answer_sampling = true;
                   }});
  add("pace:", pace_flags(s));
  add("output:", output_flags(s));
}

pensee_options GenerationSettings::request() const {
  pensee_options request = options;
  request.stop = stop.data();
  request.num_stop = stop.size();
  request.sampling = &sampling.c;
  if (has_answer_sampling) request.answer_sampling = &answer_sampling.c;
  if (!json_schema.empty()) request.json_schema = json_schema.c_str();
  if (!grammar.empty()) request.grammar = grammar.c_str();
  return request;
}

ModelHandle open_model(const char* path, ModelSettings settings) {
  const bool shows_bar = !settings.quiet && !settings.options.skip_weights;
  Interrupt interrupt;
  ProgressBar bar("loading");
  settings.options.progress = on_progress;
  settings.options.progress_user = shows_bar ? &bar : nullptr;
  pensee_model* model = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status status = pensee_model_open(path, &settings.options, &model, &error);
  check(status, error);
  return ModelHandle(model);
}

const char* only_model(const std::vector<std::string>& positionals) {
  if (positionals.size() > 1) throw UsageError("more than one MODEL");
  return positionals.empty() ? nullptr : positionals[0].c_str();
}

bool names_model(const std::string& argument) {
  struct stat info;
  if (stat(argument.c_str(), &info) == 0) return true;
  if (argument.find_first_of(" \t\r\n") != std::string::npos) return false;
  const auto ends_in = [&](const char* tail) {
    const size_t length = std::strlen(tail);
    return argument.size() > length && argument.compare(argument.size() - length, length, tail) == 0;
  };
  return argument.find('/') != std::string::npos || ends_in(".gguf") || ends_in(".safetensors");
}

ModelHandle open_draft(GenerationSettings& settings, const ModelSettings& model_settings) {
  if (!settings.draft_path) return nullptr;
  ModelHandle draft = open_model(settings.draft_path, model_settings);
  settings.options.draft_model = draft.get();
  return draft;
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

std::string text_or_file(const char* value, const char* openers, const char* mark) {
  const char* first = value + std::strspn(value, " \t\r\n");
  if ((*first && std::strchr(openers, *first)) || (mark && std::strstr(value, mark))) return value;
  return read_file(value);
}

std::string short_count(double count) { return scaled(count, " KMBT", ""); }
std::string short_bytes(double bytes) { return scaled(bytes, " KMGT", "B"); }

}  // namespace cli
