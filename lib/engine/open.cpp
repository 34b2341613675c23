// Opening: which files make up a model, and what they say besides weights (tokenizer, chat template, end tokens,
// recommended sampling).
#include <algorithm>
#include <chrono>
#include <functional>

#include "backends/tuned/tuning.h"
#include "engine/engine.h"
#include "formats/tensors.h"

namespace pensee {
namespace {

// An absent text is null, a broken one an error.
Result<json::Value> read_json(const ModelTexts& texts, const std::string& name) {
  PENSEE_ASSIGN(const std::optional<std::string> text, texts.read(name));
  if (!text) return json::Value();
  return json::parse(*text, texts.path(name));
}

void add_eos(const json::Value* value, std::set<int32_t>& ids) {
  if (!value) return;
  const auto add = [&](const json::Value& v) {
    if (v.integer() && *v.integer() >= 0 && *v.integer() <= INT32_MAX) ids.insert(static_cast<int32_t>(*v.integer()));
  };
  add(*value);
  if (value->array()) std::for_each(value->array()->begin(), value->array()->end(), add);
}

// A token's text in tokenizer_config.json is a string or an object with "content".
std::string token_text(const json::Value& config, std::string_view key) {
  const json::Value* value = config.find(key);
  if (value && value->object()) value = value->find("content");
  return value && value->string() ? *value->string() : std::string();
}

struct DefaultKeys {
  std::string_view temperature, top_p, top_k;
};
constexpr DefaultKeys kHuggingFaceKeys = {"temperature", "top_p", "top_k"};  // of generation_config.json
constexpr DefaultKeys kGgufKeys = {"general.sampling.temp", "general.sampling.top_p", "general.sampling.top_k"};

void read_defaults(const json::Value& from, const DefaultKeys& keys, GenerationDefaults& d) {
  const auto real = [&](std::string_view key) -> std::optional<float> {
    const json::Value* value = from.find(key);
    if (!value || !value->is_number()) return std::nullopt;
    return static_cast<float>(value->number());
  };
  // do_sample false is transformers' default for files that say nothing, no recommendation.
  if (const auto t = real(keys.temperature); t && *t >= 0 && *t <= 1e4f) d.temperature = t;
  if (const auto p = real(keys.top_p); p && *p > 0 && *p <= 1) d.top_p = p;
  if (const auto k = real(keys.top_k); k && *k >= 0 && *k <= 1e6f) d.top_k = static_cast<int32_t>(*k);
}

// chat_template: a text, or a list of named ones of which "default" is meant.
std::string template_text(const json::Value* value) {
  if (!value) return "";
  if (value->string()) return *value->string();
  if (!value->array()) return "";
  for (const json::Value& entry : *value->array()) {
    const json::Value* name = entry.find("name");
    const json::Value* text = entry.find("template");
    if (name && text && name->string() && text->string() && *name->string() == "default") return *text->string();
  }
  return "";
}

// A template that cannot be parsed must not keep the weights from being used: it is reported when it is asked for.
class BrokenTemplate final : public ChatTemplate {
 public:
  explicit BrokenTemplate(Status status) : status_(std::move(status)) {}
  Result<std::string> render(const json::Value&) const override { return status_; }

 private:
  Status status_;
};

void set_template(const std::string& text, const std::string& name, const Log& log, Content& content) {
  if (text.empty()) return;
  auto parsed = parse_chat_template(text, name);
  if (parsed.ok()) {
    content.chat_template = *std::move(parsed);
  } else {
    log.warn("the chat template cannot be used: " + parsed.status().message());
    content.chat_template = std::make_shared<BrokenTemplate>(parsed.status());
  }
  content.template_source = text;
}

// What ends a turn, by the names that the families gave it.
void finish_content(Content& c) {
  c.dialect = detect_dialect(c.template_source, c.tokenizer.get(), c.model->config.architecture);
  if (!c.tokenizer) return;
  const Tokenizer& t = *c.tokenizer;
  if (t.eos() >= 0) c.eos_ids.insert(t.eos());
  for (const char* name :
       {"<|im_end|>", "<|return|>", "<|call|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "</s>",
        "<\xef\xbd\x9c"
        "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"}) {
    const TokenId id = t.find(name);
    if (id >= 0 && t.is_special(id)) c.eos_ids.insert(id);
  }
  const auto text_of = [&](TokenId id) {
    std::string text;
    if (id >= 0 && !t.decode_append(id, false, text).ok()) text.clear();
    return text;
  };
  if (c.bos_token.empty()) c.bos_token = text_of(t.bos());
  if (c.eos_token.empty()) c.eos_token = text_of(t.eos());
}

LoadOptions load_options(const Engine& engine) {
  LoadOptions o;
  o.backend = engine.options.skip_weights ? nullptr : engine.backend.get();
  o.pool = engine.pool.get();
  o.cache_type = engine.options.cache_type;
  o.value_cache_type = engine.options.value_cache_type;
  o.load_mtp = engine.options.mtp;
  o.keep_file = engine.options.keep_file;
  o.context_max = engine.options.context_max;
  o.budget = &engine.budget;
  o.progress = engine.options.progress;
  o.progress_user = engine.options.progress_user;
  return o;
}

// Config and naming to a model without or with its weights.
using Load = std::function<Result<std::unique_ptr<Model>>(const json::Value& config, const std::string& name)>;

Status read_hugging_face(std::shared_ptr<const ModelTexts> texts, const Load& load, Engine& engine) {
  Content& c = engine.content;
  PENSEE_ASSIGN(const json::Value config, read_json(*texts, "config.json"));
  PENSEE_ASSIGN(const json::Value generation, read_json(*texts, "generation_config.json"));
  PENSEE_ASSIGN(const json::Value tokenizer_config, read_json(*texts, "tokenizer_config.json"));
  PENSEE_ASSIGN(const json::Value tokenizer, read_json(*texts, "tokenizer.json"));
  if (config.is_null()) return Status::format(Code::file_not_found, "{}: is missing", texts->path("config.json"));
  if (!tokenizer.is_null()) {
    PENSEE_ASSIGN(c.tokenizer, make_tokenizer(tokenizer, tokenizer_config));
  }
  add_eos(config.find("eos_token_id"), c.eos_ids);
  add_eos(generation.find("eos_token_id"), c.eos_ids);
  read_defaults(generation, kHuggingFaceKeys, c.defaults);
  c.bos_token = token_text(tokenizer_config, "bos_token");
  c.eos_token = token_text(tokenizer_config, "eos_token");
  const std::string template_name = "chat_template.jinja", config_name = "tokenizer_config.json";
  PENSEE_ASSIGN(const std::optional<std::string> text, texts->read(template_name));
  if (text) {
    set_template(*text, texts->path(template_name), engine.options.log, c);
  } else {
    set_template(template_text(tokenizer_config.find("chat_template")), texts->path(config_name), engine.options.log,
                 c);
  }
  PENSEE_ASSIGN(c.model, load(config, texts->path("config.json")));
  c.texts = std::move(texts);
  return Status();
}

Status read_gguf(const json::Value& metadata, std::shared_ptr<const ModelTexts> texts, const Load& load,
                 Engine& engine) {
  Content& c = engine.content;
  const std::string name = texts->path(kHeaderText);
  if (metadata.find("tokenizer.ggml.model")) {
    PENSEE_ASSIGN(c.tokenizer, make_tokenizer_gguf(metadata, name));
  }
  add_eos(metadata.find("tokenizer.ggml.eos_token_id"), c.eos_ids);
  add_eos(metadata.find("tokenizer.ggml.eot_token_id"), c.eos_ids);
  read_defaults(metadata, kGgufKeys, c.defaults);
  set_template(template_text(metadata.find("tokenizer.chat_template")), name, engine.options.log, c);
  PENSEE_ASSIGN(c.model, load(metadata, name));
  c.texts = std::move(texts);
  return Status();
}

Status read_safetensors(const std::string& folder, const TensorFile& tensors, Engine& engine) {
  const Load load = [&](const json::Value& config, const std::string& name) {
    return load_model(config, name, tensors, Naming::hugging_face, load_options(engine));
  };
  return read_hugging_face(texts_of_folder(folder), load, engine);
}

Status read_packed(std::shared_ptr<const File> file, Engine& engine) {
  PENSEE_ASSIGN(const auto packed, PackedFile::open(std::move(file)));
  auto texts = texts_of_packed(packed);
  const Load load = [&](const json::Value& config, const std::string& name) {
    return load_packed_model(config, name, packed, engine.options.packed_use, load_options(engine));
  };
  PENSEE_ASSIGN(const Naming naming, naming_of(*packed));
  if (naming == Naming::hugging_face) return read_hugging_face(std::move(texts), load, engine);
  PENSEE_ASSIGN(const std::optional<std::string> header, texts->read(kHeaderText));
  if (!header) return Status::corrupt("{}: it has no config", packed->name());
  const auto bytes = wrap_memory(std::as_bytes(std::span(*header)), texts->path(kHeaderText));
  PENSEE_ASSIGN(const json::Value metadata, read_gguf_metadata(*bytes));
  return read_gguf(metadata, std::move(texts), load, engine);
}

// A GGUF or a packed file.
Status read_file(const std::shared_ptr<const File>& file, const std::string& path, Engine& engine) {
  PENSEE_ASSIGN(const bool packed, PackedFile::begins(*file));
  if (packed) return read_packed(file, engine);
  if (engine.options.keep_file && !file->lasts()) {
    return Status::unsupported("{}: keep_file needs a file: memory is read during the call only", file->name());
  }
  PENSEE_ASSIGN(const auto gguf, open_gguf(file));
  const Load load = [&](const json::Value& metadata, const std::string& name) {
    return load_model(metadata, name, *gguf, Naming::gguf, load_options(engine));
  };
  return read_gguf(gguf->metadata(), texts_of_gguf(file, path, engine.options.keep_file), load, engine);
}

Result<std::shared_ptr<Engine>> start(const EngineOptions& options) {
  PENSEE_ASSIGN(const Kernels* kernels, kernels_for(options.isa));
  auto engine = std::make_shared<Engine>(options, *kernels);
  PENSEE_ASSIGN(engine->pool,
                ThreadPool::create(options.threads > 0 ? options.threads : available_cpus(), options.thread_priority));
  engine->threads = engine->pool->threads();
  BackendOptions backend_options;
  backend_options.kernels = kernels;
  backend_options.activations = options.activations;
  backend_options.exact = options.exact;
  Tuning tuning;
  if (options.backend == "auto" && !options.exact && !options.tuning_file.empty()) {
    PENSEE_ASSIGN(tuning, read_tuning(options.tuning_file));
    backend_options.tuning = &tuning;
  }
  PENSEE_ASSIGN(engine->backend, make_backend(options.backend, backend_options));
  return engine;
}

Status tell_progress(const EngineOptions& options, float fraction) {
  if (!options.progress || options.progress(options.progress_user, fraction)) return Status();
  return Status(Code::cancelled, "loading was cancelled by the progress callback");
}

template <class Read>
Result<std::shared_ptr<Engine>> open_with(const EngineOptions& options, Read&& read) {
  const auto begin = std::chrono::steady_clock::now();
  PENSEE_TRY(tell_progress(options, 0));
  PENSEE_ASSIGN(auto engine, start(options));
  PENSEE_TRY(read(*engine));
  finish_content(engine->content);
  engine->finish();
  PENSEE_TRY(tell_progress(options, 1));
  engine->load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return engine;
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::shared_ptr<Engine>> open_engine(const std::string& path, const EngineOptions& options) {
  if (is_directory(path)) {
    return open_with(options, [&](Engine& engine) -> Status {
      if (!file_exists(path + "/config.json")) {
        return Status::format(Code::file_not_found,
                              "{}: the folder has no config.json; give a Hugging Face folder or a GGUF file", path);
      }
      PENSEE_ASSIGN(auto tensors, open_safetensors_folder(path));
      return read_safetensors(path, *tensors, engine);
    });
  }
  PENSEE_ASSIGN(auto file, open_file(path));
  return open_with(options, [&](Engine& engine) -> Status {
    if (path.size() <= 12 || !path.ends_with(".safetensors")) return read_file(file, path, engine);
    PENSEE_ASSIGN(auto tensors, open_safetensors(file));
    return read_safetensors(parent_of(path), *tensors, engine);
  });
}

Result<std::shared_ptr<Engine>> open_engine(std::shared_ptr<const File> file, const EngineOptions& options) {
  return open_with(options, [&](Engine& engine) -> Status {
    PENSEE_TRY(read_file(file, "", engine));
    if (!file->lasts()) engine.content.texts = nullptr;
    return Status();
  });
}

}  // namespace pensee
