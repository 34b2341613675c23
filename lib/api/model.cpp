// Models at the border: opening, information, tokens, scoring.
#include <cmath>

#include "api/api.h"
#include "base/file.h"
#include "sampling/sampler.h"

namespace pensee::api {
namespace {

Status one_of(int32_t value, int32_t most, const char* name) {
  if (value >= 0 && value <= most) return Status();
  return Status::format(Code::bad_argument, "{} is {}, which is none of its values", name, value);
}

Status read_model_options(const pensee_model_options* from, pensee_model_options& raw, EngineOptions& to) {
  PENSEE_TRY(read_struct(from, "pensee_model_options", raw));
  PENSEE_TRY(one_of(raw.backend, PENSEE_BACKEND_BLAS, "backend"));
  PENSEE_TRY(one_of(raw.activations, PENSEE_ACTIVATIONS_INT8, "activations"));
  PENSEE_TRY(one_of(raw.cache_type, PENSEE_CACHE_BF16, "cache_type"));
  if (raw.threads < 0 || raw.threads > 1024) {
    return Status::format(Code::bad_argument, "threads is {}; 1 to 1024, or 0 for all", raw.threads);
  }
  if (raw.context_max < 0) return Status::format(Code::bad_argument, "context_max is {}", raw.context_max);
  constexpr const char* backends[] = {"native", "native", "onednn", "blas"};
  constexpr CacheType caches[] = {CacheType::f32, CacheType::f32, CacheType::f16, CacheType::bf16};
  to.threads = raw.threads;
  to.backend = backends[raw.backend];
  to.activations = raw.activations == PENSEE_ACTIVATIONS_INT8 ? Activations::int8 : Activations::int16;
  to.cache_type = caches[raw.cache_type];
  to.context_max = raw.context_max;
  to.memory_budget = raw.memory_budget;
  to.skip_weights = raw.skip_weights != 0;
  to.isa = raw.isa ? raw.isa : "";
  to.log.callback = raw.log;
  to.log.user = raw.log_user;
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
  return weights + cache + decode_scratch_bytes(m, kBatchRows, 1, context, engine.pool->threads());
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
  info.threads = engine.pool->threads();
  info.has_chat_template = c.chat_template != nullptr;
  info.thinks = c.thinks;
  info.bos_token_id = c.tokenizer ? c.tokenizer->bos() : -1;
  info.eos_token_id = c.eos_ids.empty() ? -1 : *c.eos_ids.begin();
}

}  // namespace
}  // namespace pensee::api

using namespace pensee;
using namespace pensee::api;

extern "C" {

pensee_status pensee_model_open(const char* path, const pensee_model_options* options, pensee_model** model,
                                pensee_error* error) {
  return open_model(options, model, error, [&](const EngineOptions& o) -> Result<std::shared_ptr<Engine>> {
    if (!path) return Status::unsupported("path is NULL and this build holds no default model: name a file or folder");
    return open_engine(std::string(path), o);
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
    std::string out;
    for (size_t i = 0; i < count; ++i) {
      PENSEE_TRY(model->engine->content.tokenizer->decode_append(ids[i], (flags & PENSEE_SKIP_SPECIAL) != 0, out));
    }
    if (capacity > 0) std::memcpy(text, out.data(), out.size() < capacity ? out.size() : capacity);
    *length = out.size();
    return Status();
  });
}

pensee_status pensee_logits(const pensee_model* model, const int32_t* ids, size_t count, float* logits,
                            pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!ids && count > 0) return null_argument("ids");
    if (!logits && count > 0) return null_argument("logits");
    return model->engine->score(std::span(ids, count), [&](int64_t i, std::span<const float> row) {
      std::memcpy(logits + static_cast<size_t>(i) * row.size(), row.data(), row.size_bytes());
    });
  });
}

pensee_status pensee_logprobs(const pensee_model* model, const int32_t* ids, size_t count, float* logprobs,
                              pensee_error* error) {
  return guard(error, [&]() -> Status {
    if (!model) return null_argument("model");
    if (!ids && count > 0) return null_argument("ids");
    if (!logprobs && count > 0) return null_argument("logprobs");
    std::vector<float> room, found(count, 0.0f);  // a failing call leaves the caller's alone
    PENSEE_TRY(model->engine->score(std::span(ids, count), [&](int64_t i, std::span<const float> row) {
      const auto next = static_cast<size_t>(i) + 1;
      if (next < count)
        found[next] = row[static_cast<size_t>(ids[next])] - log_sum_exp(row, model->engine->kernels, room);
    }));
    if (count > 0) std::memcpy(logprobs, found.data(), count * sizeof(float));
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
