// A loaded model: its config, its packed weights layer by layer, and the one forward pass over them. Immutable once
// loaded, so any number of threads may run decode at once, each with a Compute of its own.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "backends/backend.h"
#include "cache/cache.h"
#include "formats/tensors.h"
#include "models/weights.h"
#include "nn/attention.h"
#include "nn/batch.h"
#include "nn/moe.h"

namespace pensee {

struct Layer {
  std::vector<float> attention_norm;
  std::variant<GroupedQuery, Latent> attention;
  std::vector<float> ffn_norm;
  std::variant<Dense, MixtureOfExperts> feed_forward;
};

// Counted from the file's tensors, so known without loading any.
struct ModelFacts {
  int64_t parameters_total = 0;
  int64_t parameters_active = 0;  // that one token meets; the embedding row is not counted
  std::string quantization;       // "Q4_1 97%, F32 3%"
  uint64_t stored_bytes = 0;
  uint64_t weight_bytes = 0;         // packed; 0 before loading
  uint64_t active_weight_bytes = 0;  // packed (before loading: stored), read for one token
};

struct Model {
  ModelConfig config;
  ModelFacts facts;
  CacheShape cache_shape;
  Rope rope;
  std::unique_ptr<PackedWeight> embedding;  // [vocab_size, hidden_size]; also the head where that is tied
  std::vector<Layer> layers;
  std::vector<float> final_norm;
  std::unique_ptr<PackedWeight> lm_head;  // null: tied to the embedding

  const PackedWeight& head() const { return lm_head ? *lm_head : *embedding; }
  bool loaded() const { return embedding != nullptr; }
};

// logits [batch.rows_with_logits, vocab_size]. The caller has checked ids and positions, reserved the pages of every
// run and decode_scratch_bytes of scratch. False: cancelled; the cache rows of this batch hold nothing of use then.
bool decode(const Model& model, const Batch& batch, Compute& compute, MutableView logits) noexcept;

// What decode takes from the scratch at most, for a batch of `rows` rows over positions up to `context`.
size_t decode_scratch_bytes(const Model& model, int64_t rows, int64_t logits_rows, int64_t context, int threads);

struct LoadOptions {
  const Backend* backend = nullptr;  // null: bind and count only
  ThreadPool* pool = nullptr;
  CacheType cache_type = CacheType::f32;
  int64_t context_max = 0;                                 // more than the model's own is refused before it is packed
  MemoryBudget* budget = nullptr;                          // may be null
  bool (*progress)(void* user, float fraction) = nullptr;  // while weights are packed; false cancels
  void* progress_user = nullptr;
};

// `config` is config.json (Hugging Face) or GGUF metadata; `config_name` is for messages.
Result<std::unique_ptr<Model>> load_model(const json::Value& config, const std::string& config_name,
                                          const TensorFile& file, Naming naming, const LoadOptions& options);

}  // namespace pensee
