#include "engine/engine.h"

#include <algorithm>
#include <cstring>

#include "engine/scheduler.h"
#include "engine/session_state.h"

namespace pensee {

Engine::Engine(EngineOptions engine_options, const Kernels& table)
    : options(std::move(engine_options)), kernels(table), budget(options.memory_budget, options.low_memory) {
  sessions_ = std::make_unique<SessionRegistry>();
  scheduler_ = std::make_unique<Scheduler>(*this);
}

Engine::~Engine() { scheduler_.reset(); }  // before what its thread uses

Status Engine::require_weights() const {
  if (content.model->loaded()) return Status();
  return Status::unsupported("the model was opened with skip_weights: it can be inspected but not computed with");
}

Status Engine::require_tokenizer() const {
  if (content.tokenizer) return Status();
  return Status::unsupported("the model's files hold no tokenizer: give token ids instead of text");
}

Status Engine::check_ids(std::span<const int32_t> ids) const {
  const int64_t vocab = content.model->config.vocab_size;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab) continue;
    return Status::format(Code::bad_argument, "token id {} at index {} is outside of the vocabulary of {}", ids[i], i,
                          vocab);
  }
  return Status();
}

size_t Engine::routing_numbers() const {
  const ModelConfig& config = content.model->config;
  return static_cast<size_t>(config.moe_layers() * config.num_experts_per_tok);
}

namespace {

// FNV-1a over the bits of a few embedding rows and all norms: weights that differ nowhere there are the same weights.
uint64_t fingerprint(const Model& model) {
  uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](std::span<const float> numbers) {
    for (const float number : numbers) {
      uint32_t bits = 0;
      std::memcpy(&bits, &number, sizeof bits);
      hash = (hash ^ bits) * 0x100000001b3u;
    }
  };
  constexpr int64_t rows = 16;
  std::vector<float> row(static_cast<size_t>(model.config.hidden_size));
  for (int64_t i = 0; i < rows; ++i) {
    model.embedding->row(i * (model.config.vocab_size - 1) / (rows - 1), row.data());
    add(row);
  }
  for (const Layer& layer : model.layers) {
    add(layer.attention_norm);
    add(layer.ffn_norm);
  }
  add(model.final_norm);
  return hash;
}

}  // namespace

std::string Engine::identity() const {
  std::shared_lock weights(weights_mutex_);
  const Model& model = *content.model;
  return format("architecture: {}\nlayers: {}\nbackend: {}{}\nactivations: {}\nweights: {}\n",
                model.config.architecture, model.config.num_hidden_layers, backend->name(),
                options.exact ? "" : ", not exact", options.activations == Activations::int8 ? "int8" : "int16",
                fingerprint(model));
}

void Engine::finish() {
  const Model& model = *content.model;
  context_max = options.context_max > 0 ? options.context_max : model.config.max_position_embeddings;
  if (content.tokenizer) {
    constraints_ = ConstraintCompiler::create(content.tokenizer, model.config.vocab_size, content.eos_ids);
  }
  if (model.loaded()) {
    prefix_cache = std::make_unique<PrefixCache>(model.cache_shape, budget, options.prefix_cache_bytes);
  }
}

Status Engine::save_packed(const std::string& path, bool (*progress)(void* user, float fraction), void* user) const {
  PENSEE_TRY(require_weights());
  if (!content.texts) return Status::unsupported("the model came from memory, of which nothing is kept: open its file");
  std::shared_lock weights(weights_mutex_);
  const double bytes = static_cast<double>(std::max<uint64_t>(content.model->facts.weight_bytes, 1));
  auto tell = [&](uint64_t written) {
    return !progress || progress(user, std::min(1.0f, static_cast<float>(static_cast<double>(written) / bytes)));
  };
  const auto cancelled = [] { return Status(Code::cancelled, "saving was cancelled by the progress callback"); };
  if (!tell(0)) return cancelled();
  constexpr unsigned for_all = 0666;  // less what the umask forbids: others may share the pages
  AtomicFile file(path, for_all);
  PENSEE_TRY(file.open());
  PackedWriter writer(file);
  writer.progress = [](void* f, uint64_t written) { return (*static_cast<decltype(tell)*>(f))(written); };
  writer.progress_user = &tell;
  PENSEE_TRY(writer.begin());
  PENSEE_TRY(write_texts(*content.texts, writer));
  json::Value about;
  PENSEE_TRY(write_packed_model(*content.model, *backend, writer, about));
  PENSEE_TRY(writer.end(std::move(about)));
  if (!tell(static_cast<uint64_t>(bytes))) return cancelled();
  return file.commit();
}

Status Engine::set_weights(std::span<const NamedTensor> tensors) {
  PENSEE_TRY(require_weights());
  std::unique_lock weights(weights_mutex_);
  return scheduler_->run_alone([&]() -> Status {
    PENSEE_TRY(replace_weights(*content.model, tensors, {backend.get(), pool.get(), &budget}));
    ++weights_version;
    prefix_cache->clear();
    return Status();
  });
}

}  // namespace pensee
