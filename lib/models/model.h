// A loaded model: its config, its packed weights layer by layer, and the one forward pass over them. Immutable once
// loaded, so any number of threads may run decode at once, each with a Compute of its own.
#pragma once

#include <memory>
#include <optional>
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

// Multi-token prediction (DeepSeek-V3 report, 2.2): one more layer, which guesses the token after the next from the
// hidden state at a position and the token that follows it.
struct Mtp {
  std::vector<float> embedding_norm;        // enorm
  std::vector<float> hidden_norm;           // hnorm
  Linear join;                              // eh_proj [hidden_size, 2 * hidden_size]: embedding, then hidden state
  Layer layer;                              // its cache layer is the last one
  std::vector<float> head_norm;             // shared_head.norm
  std::unique_ptr<PackedWeight> embedding;  // null: the model's
  std::unique_ptr<PackedWeight> head;       // null: the model's
};

// Counted from the file's tensors, so known without loading any.
struct ModelFacts {
  int64_t parameters_total = 0;
  int64_t parameters_active = 0;  // that one token meets; the embedding row is not counted
  std::string quantization;       // "Q4_1 97%, F32 3%"
  uint64_t stored_bytes = 0;
  uint64_t weight_bytes = 0;         // packed; 0 before loading
  uint64_t mapped_bytes = 0;         // of them: in a packed file, shared with other processes
  uint64_t active_weight_bytes = 0;  // packed (before loading: stored), read for one token
  bool has_mtp = false;              // the file holds a prediction layer, loaded or not
};

struct Architecture;

struct Model {
  ModelConfig config;
  ModelFacts facts;
  CacheShape cache_shape;
  Rope rope;
  std::unique_ptr<PackedWeight> embedding;  // [vocab_size, hidden_size]; also the head where that is tied
  std::vector<Layer> layers;
  std::vector<float> final_norm;
  std::unique_ptr<PackedWeight> lm_head;  // null: tied to the embedding

  std::optional<Mtp> mtp;  // when the file has it and it was asked for

  const Architecture* architecture = nullptr;
  Naming origin_naming = Naming::hugging_face;
  std::shared_ptr<const TensorFile> origin;  // the quantised tensors that were loaded, with keep_file

  const PackedWeight& head() const { return lm_head ? *lm_head : *embedding; }
  bool loaded() const { return embedding != nullptr; }
};

// logits [batch.rows_with_logits, vocab_size]. The caller has checked ids and positions, reserved the pages of every
// run and decode_scratch_bytes of scratch. False: cancelled; the cache rows of this batch hold nothing of use then.
bool decode(const Model& model, const Batch& batch, Compute& compute, MutableView logits) noexcept;

// What decode takes from the scratch at most, for a batch of `rows` rows over positions up to `context`.
size_t decode_scratch_bytes(const Model& model, int64_t rows, int64_t logits_rows, int64_t context, int threads);

// Rows for the prediction layer. A row of `batch` has the position p of its hidden state and the token at p + 1, and
// writes row p of the prediction layer's cache: its page must be the sequence's own
// (CacheSequence::share(..).shared()). It attends to the rows up to p; those of positions that were never drafted are
// zeros, which costs accuracy alone.
struct DraftBatch {
  Batch batch;
  View hidden;  // [batch.rows, hidden_size]: Batch::hidden of decode, or hidden_out of a draft before
};

// Logits [batch.rows_with_logits, vocab_size] of the tokens at p + 2, and (data null: not wanted) hidden_out
// [batch.rows_with_logits, hidden_size], from which a further draft takes the token drafted, at position p + 1. Needs
// model.mtp and draft_scratch_bytes of scratch; otherwise as decode.
bool draft(const Model& model, const DraftBatch& draft, Compute& compute, MutableView logits,
           MutableView hidden_out) noexcept;
size_t draft_scratch_bytes(const Model& model, int64_t rows, int64_t logits_rows, int64_t context, int threads);

struct LoadOptions {
  const Backend* backend = nullptr;  // null: bind and count only
  ThreadPool* pool = nullptr;
  CacheType cache_type = CacheType::f32;
  std::optional<CacheType> value_cache_type;  // absent: the same; latent models keep values inside their keys
  bool load_mtp = false;                                   // the prediction layer too, if the file has one
  bool keep_file = false;                                  // for replace_weights; the files stay open
  int64_t context_max = 0;                                 // more than the model's own is refused before it is packed
  MemoryBudget* budget = nullptr;                          // may be null
  bool (*progress)(void* user, float fraction) = nullptr;  // while weights are packed; false cancels
  void* progress_user = nullptr;
};

// `config` is config.json (Hugging Face) or GGUF metadata; `config_name` is for messages.
Result<std::unique_ptr<Model>> load_model(const json::Value& config, const std::string& config_name,
                                          const TensorFile& file, Naming naming, const LoadOptions& options);

// A weight in the caller's memory, which is read during the call only.
struct NamedTensor {
  std::string
      name;  // as in Hugging Face files; also "model.layers.0.mlp.experts.gate_up_proj" and ".down_proj", stacked
  StoredType type = StoredType::f32;  // f32, f16 or bf16
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // rows without gaps
};

struct ReplaceOptions {
  const Backend* backend = nullptr;  // that the model was loaded with
  ThreadPool* pool = nullptr;
  MemoryBudget* budget = nullptr;  // may be null
};

// Puts `tensors` in the place of the model's weights, packed in their own types. All or nothing: an error names the
// tensor and changes nothing. While it works, old and new lie in memory together: a caller who is short of it gives a
// layer at a time. Where q, k, v (or gate, up of all experts) are packed together and only some are given, the others
// are kept; a quantised one is read from the model's file again, for which the model must have been loaded with
// keep_file. Nobody may compute with the model meanwhile; caches of before hold what the old weights made.
// facts go on describing the file, but for weight_bytes and active_weight_bytes.
Status replace_weights(Model& model, std::span<const NamedTensor> tensors, const ReplaceOptions& options);

}  // namespace pensee
