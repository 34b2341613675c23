// Models at the border: opening, information, weights, tokens, prompts.
#include "api/api.h"
#include "base/file.h"
#include "base/folders.h"

namespace pensee::api {
namespace {

Status one_of(int32_t value, int32_t most, const char* name) {
  if (value >= 0 && value <= most) return Status();
  return Status::format(Code::bad_argument, "{} is {}, which is none of its values", name, value);
}

Status check_threads(int32_t threads) {
  if (threads >= 0 && threads <= 1024) return Status();
  return Status::format(Code::bad_argument, "threads is {}; 1 to 1024, or 0 for all", threads);
}

Status read_model_options(const pensee_model_options* from, pensee_model_options& raw, EngineOptions& to) {
  PENSEE_TRY(read_struct(from, "pensee_model_options", raw));
  PENSEE_TRY(one_of(raw.backend, PENSEE_BACKEND_BLAS, "backend"));
  PENSEE_TRY(one_of(raw.activations, PENSEE_ACTIVATIONS_INT8, "activations"));
  PENSEE_TRY(one_of(raw.cache_type, PENSEE_CACHE_INT4, "cache_type"));
  PENSEE_TRY(one_of(raw.value_cache_type, PENSEE_CACHE_INT4, "value_cache_type"));
  PENSEE_TRY(one_of(raw.mtp + 1, 1, "mtp"));
  if (raw.prefix_cache_bytes < -1) {
    return Status::format(Code::bad_argument, "prefix_cache_bytes is {}; 0 or more, or -1", raw.prefix_cache_bytes);
  }
  if (raw.max_concurrent < 0 || raw.max_concurrent > 4096 || raw.max_waiting < 0) {
    return Status::format(Code::bad_argument, "max_concurrent is {} (0 to 4096), max_waiting {} (0 or more)",
                          raw.max_concurrent, raw.max_waiting);
  }
  PENSEE_TRY(check_threads(raw.threads));
  PENSEE_TRY(one_of(raw.thread_priority, PENSEE_THREAD_PRIORITY_BACKGROUND, "thread_priority"));
  PENSEE_TRY(one_of(raw.packed_file, PENSEE_PACKED_VERIFY, "packed_file"));
  if (raw.context_max < 0) return Status::format(Code::bad_argument, "context_max is {}", raw.context_max);
  constexpr const char* backends[] = {"auto", "native", "onednn", "blas"};
  constexpr CacheType caches[] = {CacheType::f32,  CacheType::f32,  CacheType::f16,
                                  CacheType::bf16, CacheType::int8, CacheType::int4};
  to.threads = raw.threads;
  to.thread_priority = static_cast<ThreadPriority>(raw.thread_priority);
  to.backend = backends[raw.backend];
  to.exact = raw.exact != 0;
  const bool int8 = raw.activations == PENSEE_ACTIVATIONS_INT8 ||
                    (raw.activations == PENSEE_ACTIVATIONS_AUTO && raw.backend == PENSEE_BACKEND_AUTO && !to.exact);
  to.activations = int8 ? Activations::int8 : Activations::int16;
  to.tuning_file = raw.tuning_file ? raw.tuning_file : "";
  to.cache_type = caches[raw.cache_type];
  if (raw.value_cache_type != PENSEE_CACHE_AUTO) to.value_cache_type = caches[raw.value_cache_type];
  to.mtp = raw.mtp == 0;
  if (raw.prefix_cache_bytes != 0) {
    to.prefix_cache_bytes = raw.prefix_cache_bytes < 0 ? 0 : static_cast<uint64_t>(raw.prefix_cache_bytes);
  }
  if (raw.max_concurrent > 0) to.max_concurrent = raw.max_concurrent;
  if (raw.max_waiting > 0) to.max_waiting = raw.max_waiting;
  to.keep_file = raw.keep_file != 0;
  to.packed_use = static_cast<PackedUse>(raw.packed_file);
  to.context_max = raw.context_max;
  to.memory_budget = raw.memory_budget;
  to.skip_weights = raw.skip_weights != 0;
  to.isa = raw.isa ? raw.isa : "";
  to.log.callback = raw.log;
  to.log.user = raw.log_user;
  to.low_memory = {raw.low_memory, raw.low_memory_user};
  if (raw.progress) {
    to.progress = [](void* user, float fraction) {
      const auto& o = *static_cast<const pensee_model_options*>(user);
      return o.progress(o.progress_user, fraction) == 0;
    };
    to.progress_user = &raw;
  }
  return Status();
}

template <class Open>
pensee_status open_model(const pensee_model_options* options, pensee_model** out, pensee_error* error, Open&& open) {
  return guard(error, [&]() -> Status {
    if (!out) return null_argument("model");
    pensee_model_options raw = PENSEE_MODEL_OPTIONS_INIT;
    EngineOptions engine_options;
    PENSEE_TRY(read_model_options(options, raw, engine_options));
    PENSEE_ASSIGN(auto engine, open(engine_options));
    engine->options.progress = nullptr;  // it points into this call
    *out = new pensee_model{std::move(engine)};
    return Status();
  });
}

uint64_t memory_bytes(const Engine& engine) {
  const Model& m = *engine.content.model;
  const int64_t context = engine.context_max < 4096 ? engine.context_max : 4096;
  const uint64_t cache =
      static_cast<uint64_t>((context + kPagePositions - 1) / kPagePositions * m.cache_shape.page_bytes);
  const uint64_t weights = m.loaded() ? m.facts.weight_bytes : m.facts.stored_bytes;
  if (!m.loaded()) return weights + cache;
  return weights + cache + decode_scratch_bytes(m, kBatchRows, 1, context, engine.threads);
}

// The caller gives no size: it follows from the shape.
Result<size_t> bytes_of(const pensee_tensor& tensor, std::span<const int64_t> shape) {
  uint64_t numbers = 1;
  for (const int64_t length : shape) {
    constexpr uint64_t most = uint64_t{1} << 40;
    if (length < 1 || static_cast<uint64_t>(length) > most / numbers) {
      return Status::format(Code::bad_argument, "tensor '{}': its shape has a side of {}", tensor.name, length);
    }
    numbers *= static_cast<uint64_t>(length);
  }
  return static_cast<size_t>(numbers * (tensor.dtype == PENSEE_DTYPE_F32 ? 4 : 2));
}

void fill_info(const Engine& engine, pensee_model_info& info) {
  const Content& c = engine.content;
  const ModelConfig& config = c.model->config;
  const ModelFacts& facts = c.model->facts;
  info.architecture = config.architecture.c_str();
  info.name = config.name.c_str();
  info.quantization = facts.quantization.c_str();
  info.backend = engine.backend->name();
  info.isa = engine.kernels.isa;
  info.parameters_total = facts.parameters_total;
  info.parameters_active = facts.parameters_active;
  info.num_hidden_layers = config.num_hidden_layers;
  info.hidden_size = config.hidden_size;
  info.vocab_size = config.vocab_size;
  info.context_max = engine.context_max;
  info.n_routed_experts = config.n_routed_experts;
  info.num_experts_per_tok = config.num_experts_per_tok;
  info.n_shared_experts = config.n_shared_experts;
  info.cache_bytes_per_token = c.model->cache_shape.bytes_per_token();
  info.weight_bytes = c.model->loaded() ? facts.weight_bytes : facts.stored_bytes;
  info.active_weight_bytes = facts.active_weight_bytes;
  info.memory_bytes = memory_bytes(engine);
  info.load_seconds = engine.load_seconds;
  info.threads = engine.threads;
  info.has_chat_template = c.chat_template != nullptr;
  info.thinks = c.dialect.thinks();
  info.num_mtp_layers = c.model->mtp.has_value();
  info.num_moe_layers = config.moe_layers();
  info.tool_format = c.dialect.calls.empty() ? "" : c.dialect.calls.front()->name;
  info.bos_token_id = c.tokenizer ? c.tokenizer->bos() : -1;
  info.eos_token_id = c.eos_ids.empty() ? -1 : *c.eos_ids.begin();
}

Result<std::string> default_model() {
  constexpr const char* name = "pensee-mini.gguf";
  for (const std::string& path : data_paths(name)) {
    if (file_exists(path)) return path;
  }
  return Status::unsupported(
      "path is NULL and no default model was installed: {} lies neither beside the library nor in share/pensee; name a "
      "file or folder",
      name);
}

// What writes a file of a model and tells how far it is.
using WriteFile = Status (Engine::*)(const std::string&, bool (*)(void*, float), void*) const;

pensee_status write_file(WriteFile write, const pensee_model* model, const char* path,
                         int (*progress)(void* user, float fraction), void* user, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!path) return null_argument("path");
    struct Caller {
      int (*progress)(void*, float);
      void* user;
    } caller = {progress, user};
    const auto tell = [](void* to, float fraction) {
      const auto& c = *static_cast<const Caller*>(to);
      return c.progress(c.user, fraction) == 0;
    };
    return ((*model->engine).*write)(path, progress ? +tell : nullptr, &caller);
  });
}

}  // namespace
}  // namespace pensee::api

using namespace pensee;
using namespace pensee::api;

extern "C" {

pensee_status pensee_model_open(const char* path, const pensee_model_options* options, pensee_model** model,
                                pensee_error* error) {
  return open_model(options, model, error, [&](const EngineOptions& o) -> Result<std::shared_ptr<Engine>> {
    if (path) return open_engine(std::string(path), o);
    PENSEE_ASSIGN(const std::string shipped, default_model());
    return open_engine(shipped, o);
  });
}

pensee_status pensee_model_open_fd(int fd, uint64_t offset, uint64_t length, const pensee_model_options* options,
                                   pensee_model** model, pensee_error* error) {
  return open_model(options, model, error, [&](const EngineOptions& o) -> Result<std::shared_ptr<Engine>> {
    PENSEE_ASSIGN(auto file, open_descriptor(fd, offset, length));
    return open_engine(std::move(file), o);
  });
}

pensee_status pensee_model_open_memory(const void* data, size_t size, const pensee_model_options* options,
                                       pensee_model** model, pensee_error* error) {
  return open_model(options, model, error, [&](const EngineOptions& o) -> Result<std::shared_ptr<Engine>> {
    if (!data) return null_argument("data");
    return open_engine(wrap_memory(std::span(static_cast<const std::byte*>(data), size)), o);
  });
}

void pensee_model_free(pensee_model* model) { delete model; }

pensee_status pensee_model_save_packed(const pensee_model* model, const char* path,
                                       int (*progress)(void* user, float fraction), void* user, pensee_error* error) {
  return write_file(&Engine::save_packed, model, path, progress, user, error);
}

pensee_status pensee_model_tune(const pensee_model* model, const char* path,
                                int (*progress)(void* user, float fraction), void* user, pensee_error* error) {
  return write_file(&Engine::tune, model, path, progress, user, error);
}

pensee_status pensee_model_get_info(const pensee_model* model, pensee_model_info* info, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    PENSEE_TRY(check_output(info, "pensee_model_info"));
    pensee_model_info filled = PENSEE_MODEL_INFO_INIT;
    fill_info(*model->engine, filled);
    write_struct(filled, info);
    return Status();
  });
}

void pensee_model_pause(const pensee_model* model) {
  if (model) model->engine->scheduler().pause();
}

void pensee_model_resume(const pensee_model* model) {
  if (model) model->engine->scheduler().resume();
}

pensee_status pensee_model_trim(const pensee_model* model, int32_t level, uint64_t* freed, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    PENSEE_TRY(one_of(level, PENSEE_TRIM_SESSIONS, "level"));
    const uint64_t bytes = model->engine->trim(level == PENSEE_TRIM_SESSIONS);
    if (freed) *freed = bytes;
    return Status();
  });
}

pensee_status pensee_model_set_threads(const pensee_model* model, int32_t threads, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    PENSEE_TRY(check_threads(threads));
    model->engine->threads = threads > 0 ? threads : available_cpus();
    return Status();
  });
}

pensee_status pensee_model_get_memory(const pensee_model* model, pensee_memory* memory, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    PENSEE_TRY(check_output(memory, "pensee_memory"));
    const Engine& engine = *model->engine;
    pensee_memory filled = PENSEE_MEMORY_INIT;
    filled.budget = engine.budget.limit();
    filled.used = engine.budget.used();
    const ModelFacts& facts = engine.content.model->facts;
    if (engine.content.model->loaded()) filled.weights = facts.weight_bytes - facts.mapped_bytes;
    filled.mapped = facts.mapped_bytes;
    filled.prefix_cache = engine.prefix_cache ? engine.prefix_cache->bytes() : 0;
    filled.scratch = engine.scheduler().scratch_bytes();
    write_struct(filled, memory);
    return Status();
  });
}

pensee_status pensee_model_set_weights(pensee_model* model, const pensee_tensor* tensors, size_t count,
                                       pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!tensors && count > 0) return null_argument("tensors");
    std::vector<NamedTensor> named;
    for (size_t i = 0; i < count; ++i) {
      const pensee_tensor& t = tensors[i];
      if (!t.name) return Status::format(Code::bad_argument, "tensors[{}].name is NULL", i);
      if (!t.data || (!t.shape && t.num_dims > 0)) {
        return Status::format(Code::bad_argument, "tensor '{}': data or shape is NULL", t.name);
      }
      if (t.dtype < PENSEE_DTYPE_F32 || t.dtype > PENSEE_DTYPE_BF16) {
        return Status::format(Code::bad_argument, "tensor '{}': dtype is {}, none of PENSEE_DTYPE_", t.name, t.dtype);
      }
      if (t.num_dims < 0 || t.num_dims > 8) {
        return Status::format(Code::bad_argument, "tensor '{}': num_dims is {}; 0 to 8", t.name, t.num_dims);
      }
      constexpr StoredType types[] = {StoredType::f32, StoredType::f32, StoredType::f16, StoredType::bf16};
      const std::vector<int64_t> shape(t.shape, t.shape + t.num_dims);
      PENSEE_ASSIGN(const size_t bytes, bytes_of(t, shape));
      named.push_back({t.name, types[t.dtype], shape, std::span(static_cast<const std::byte*>(t.data), bytes)});
    }
    return model->engine->set_weights(named);
  });
}

pensee_status pensee_tokenize(const pensee_model* model, const char* text, size_t length, uint32_t flags, int32_t* ids,
                              size_t capacity, size_t* count, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!text && length > 0) return null_argument("text");
    if (!ids && capacity > 0) return null_argument("ids");
    if (!count) return null_argument("count");
    if (flags & ~static_cast<uint32_t>(PENSEE_ADD_SPECIAL | PENSEE_PLAIN_TEXT)) {
      return Status::unsupported("flags {} hold some that pensee_tokenize does not know", flags);
    }
    PENSEE_TRY(model->engine->require_tokenizer());
    Tokenizer::EncodeOptions encode;
    encode.add_special = (flags & PENSEE_ADD_SPECIAL) != 0;
    encode.parse_special = (flags & PENSEE_PLAIN_TEXT) == 0;
    PENSEE_ASSIGN(const auto found,
                  model->engine->content.tokenizer->encode(std::string_view(text ? text : "", length), encode));
    for (size_t i = 0; i < found.size() && i < capacity; ++i) ids[i] = found[i];
    *count = found.size();
    return Status();
  });
}

pensee_status pensee_detokenize(const pensee_model* model, const int32_t* ids, size_t count, uint32_t flags, char* text,
                                size_t capacity, size_t* length, pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!ids && count > 0) return null_argument("ids");
    if (!text && capacity > 0) return null_argument("text");
    if (!length) return null_argument("length");
    if (flags & ~static_cast<uint32_t>(PENSEE_SKIP_SPECIAL)) {
      return Status::unsupported("flags {} hold some that pensee_detokenize does not know", flags);
    }
    PENSEE_TRY(model->engine->require_tokenizer());
    const int64_t vocab_size = model->engine->content.model->config.vocab_size;
    const bool skip_special = (flags & PENSEE_SKIP_SPECIAL) != 0;
    std::string out;
    for (size_t i = 0; i < count; ++i) {
      const Status appended = model->engine->content.tokenizer->decode_append(ids[i], skip_special, out);
      // Models have rows beyond their tokenizer (padding of the vocabulary) and may choose one: it says nothing.
      if (!appended.ok() && (ids[i] < 0 || ids[i] >= vocab_size)) return appended;
    }
    if (capacity > 0) std::memcpy(text, out.data(), out.size() < capacity ? out.size() : capacity);
    *length = out.size();
    return Status();
  });
}

pensee_status pensee_render_prompt(const pensee_model* model, const pensee_prompt* prompt,
                                   const pensee_options* options, char* text, size_t capacity, size_t* length,
                                   pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!text && capacity > 0) return null_argument("text");
    if (!length) return null_argument("length");
    Prompt read;
    GenerateOptions generate;
    PENSEE_TRY(read_prompt(prompt, read));
    PENSEE_TRY(read_options(options, generate));
    if (read.ids)
      return Status(Code::bad_argument, "a prompt of token ids is read as it is: there is nothing to render");
    PENSEE_ASSIGN(const std::string out, model->engine->render(read, generate));
    if (capacity > 0) std::memcpy(text, out.data(), out.size() < capacity ? out.size() : capacity);
    *length = out.size();
    return Status();
  });
}

}  // extern "C"
