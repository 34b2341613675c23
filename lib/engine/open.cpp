// Opening: which files make up a model, and what they say besides weights (tokenizer, chat template, end tokens,
// recommended sampling).
#include <algorithm>
#include <chrono>

#include "engine/engine.h"
#include "formats/tensors.h"

namespace pensee {
namespace {

constexpr uint64_t kTextLimit = uint64_t{256} << 20;  // of a JSON file

Result<json::Value> read_json(const std::string& path) {
  PENSEE_ASSIGN(auto file, open_file(path));
  PENSEE_ASSIGN(const std::string text, read_text(*file, kTextLimit));
  return json::parse(text, path);
}

// An absent file is null, a broken one an error.
Result<json::Value> read_json_if_there(const std::string& path) {
  if (!file_exists(path)) return json::Value();
  return read_json(path);
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

void read_defaults(const json::Value& generation, GenerationDefaults& d) {
  const auto real = [&](std::string_view key) -> std::optional<float> {
    const json::Value* value = generation.find(key);
    if (!value || !value->is_number()) return std::nullopt;
    return static_cast<float>(value->number());
  };
  // do_sample false is transformers' default for files that say nothing, no recommendation.
  if (const auto t = real("temperature"); t && *t >= 0 && *t <= 1e4f) d.temperature = t;
  if (const auto p = real("top_p"); p && *p > 0 && *p <= 1) d.top_p = p;
  if (const auto k = real("top_k"); k && *k >= 0 && *k <= 1e6f) d.top_k = static_cast<int32_t>(*k);
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
  content.thinks = text.find(content.tags.close) != text.npos || text.find(content.tags.open) != text.npos;
}

// What ends a turn, by the names that the families gave it.
void finish_content(Content& c) {
  if (!c.tokenizer) return;
  const Tokenizer& t = *c.tokenizer;
  if (t.eos() >= 0) c.eos_ids.insert(t.eos());
  for (const char* name : {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "</s>",
                           "<\xef\xbd\x9c"
                           "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"}) {
    const TokenId id = t.find(name);
    if (id >= 0 && t.is_special(id)) c.eos_ids.insert(id);
  }
  if (t.find(c.tags.close) >= 0) c.thinks = true;
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
  o.context_max = engine.options.context_max;
  o.budget = &engine.budget;
  o.progress = engine.options.progress;
  o.progress_user = engine.options.progress_user;
  return o;
}

Status read_folder(const std::string& folder, std::shared_ptr<const TensorFile> tensors, Engine& engine) {
  Content& c = engine.content;
  const std::string config_path = folder + "/config.json";
  PENSEE_ASSIGN(const json::Value config, read_json(config_path));
  PENSEE_ASSIGN(const json::Value generation, read_json_if_there(folder + "/generation_config.json"));
  PENSEE_ASSIGN(const json::Value tokenizer_config, read_json_if_there(folder + "/tokenizer_config.json"));
  PENSEE_ASSIGN(const json::Value tokenizer, read_json_if_there(folder + "/tokenizer.json"));
  if (!tokenizer.is_null()) {
    PENSEE_ASSIGN(c.tokenizer, make_tokenizer(tokenizer, tokenizer_config));
  }
  add_eos(config.find("eos_token_id"), c.eos_ids);
  add_eos(generation.find("eos_token_id"), c.eos_ids);
  read_defaults(generation, c.defaults);
  c.bos_token = token_text(tokenizer_config, "bos_token");
  c.eos_token = token_text(tokenizer_config, "eos_token");
  const std::string jinja_path = folder + "/chat_template.jinja";
  if (file_exists(jinja_path)) {
    PENSEE_ASSIGN(auto file, open_file(jinja_path));
    PENSEE_ASSIGN(const std::string text, read_text(*file, kTextLimit));
    set_template(text, jinja_path, engine.options.log, c);
  } else {
    set_template(template_text(tokenizer_config.find("chat_template")), folder + "/tokenizer_config.json",
                 engine.options.log, c);
  }
  PENSEE_ASSIGN(c.model, load_model(config, config_path, *tensors, Naming::hugging_face, load_options(engine)));
  return Status();
}

Status read_gguf(std::shared_ptr<const File> file, Engine& engine) {
  Content& c = engine.content;
  PENSEE_ASSIGN(auto gguf, open_gguf(file));
  const json::Value& metadata = gguf->metadata();
  if (metadata.find("tokenizer.ggml.model")) {
    PENSEE_ASSIGN(c.tokenizer, make_tokenizer_gguf(metadata, file->name()));
  }
  add_eos(metadata.find("tokenizer.ggml.eos_token_id"), c.eos_ids);
  add_eos(metadata.find("tokenizer.ggml.eot_token_id"), c.eos_ids);
  set_template(template_text(metadata.find("tokenizer.chat_template")), file->name(), engine.options.log, c);
  PENSEE_ASSIGN(c.model, load_model(metadata, file->name(), *gguf, Naming::gguf, load_options(engine)));
  return Status();
}

Result<std::shared_ptr<Engine>> start(const EngineOptions& options) {
  PENSEE_ASSIGN(const Kernels* kernels, kernels_for(options.isa));
  auto engine = std::make_shared<Engine>(options, *kernels);
  PENSEE_ASSIGN(engine->pool, ThreadPool::create(options.threads > 0 ? options.threads : available_cpus()));
  BackendOptions backend_options;
  backend_options.kernels = kernels;
  backend_options.activations = options.activations;
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
  engine->context_max =
      options.context_max > 0 ? options.context_max : engine->content.model->config.max_position_embeddings;
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
      return read_folder(path, std::move(tensors), engine);
    });
  }
  PENSEE_ASSIGN(auto file, open_file(path));
  if (path.size() > 12 && path.ends_with(".safetensors")) {
    return open_with(options, [&](Engine& engine) -> Status {
      PENSEE_ASSIGN(auto tensors, open_safetensors(file));
      return read_folder(parent_of(path), std::move(tensors), engine);
    });
  }
  return open_engine(std::move(file), options);
}

Result<std::shared_ptr<Engine>> open_engine(std::shared_ptr<const File> file, const EngineOptions& options) {
  return open_with(options, [&](Engine& engine) { return read_gguf(file, engine); });
}

}  // namespace pensee
