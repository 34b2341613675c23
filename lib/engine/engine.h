// An engine is a model that can be asked: weights, tokenizer, chat template, the scheduler that batches what its
// sessions want, and the memory they share. Made by open_engine; lives until the last handle lets go.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/threads.h"
#include "cache/prefix_cache.h"
#include "engine/types.h"
#include "engine/texts.h"
#include "models/model.h"
#include "models/packed_model.h"
#include "reasoning/dialect.h"
#include "reasoning/messages.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pensee {

class Scheduler;
class SessionRegistry;
struct SessionState;

struct EngineOptions {
  int32_t threads = 0;  // 0: available_cpus()
  ThreadPriority thread_priority = ThreadPriority::normal;
  std::string backend = "native";
  Activations activations = Activations::int16;
  bool exact = true;        // as in BackendOptions
  std::string tuning_file;  // for backend "auto" with exact off; "": the default
  CacheType cache_type = CacheType::f32;
  std::optional<CacheType> value_cache_type;  // absent: the same; latent models keep values inside their keys
  bool mtp = true;                            // load the layer of multi-token prediction where there is one
  uint64_t prefix_cache_bytes = 256u << 20;   // 0: none
  int32_t max_concurrent = 64, max_waiting = 1024;
  bool keep_file = false;
  PackedUse packed_use = PackedUse::map;
  int64_t context_max = 0;  // 0: the model's
  uint64_t memory_budget = 0;
  bool skip_weights = false;
  std::string isa;  // "": the best
  bool (*progress)(void* user, float fraction) = nullptr;
  void* progress_user = nullptr;
  Log log;
  LowMemory low_memory;
};

// What generation_config.json or a GGUF recommends; absent where it is silent.
struct GenerationDefaults {
  std::optional<float> temperature, top_p;
  std::optional<int32_t> top_k;
};

// Everything that came out of a model's files.
struct Content {
  std::unique_ptr<Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;         // null: the files have none
  std::shared_ptr<const ChatTemplate> chat_template;  // null: none
  std::string template_source;
  std::string bos_token, eos_token;
  std::set<int32_t> eos_ids;
  GenerationDefaults defaults;
  Dialect dialect;
  std::shared_ptr<const ModelTexts> texts;  // what all this was read from, but for the weights
};

struct ScoreOptions {
  std::span<const int32_t> replay;  // [count, routing_numbers()] expert ids, -1: the router's choice; or empty
  ExpertRow* routing = nullptr;     // filled, if set
  bool (*progress)(void* user, float fraction) = nullptr;  // false cancels
  void* progress_user = nullptr;
};

class Engine {
 public:
  Engine(EngineOptions options, const Kernels& kernels);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Scores ids from the begin: calls row(i, logits) for each row, on this thread. Takes turns with other computing.
  template <class F>
  Status score(std::span<const int32_t> ids, const ScoreOptions& how, F&& row) const {
    return score_rows(
        ids, how, [](void* user, int64_t i, std::span<const float> l) { (*static_cast<F*>(user))(i, l); }, &row);
  }
  // Replaces weights by name; what was computed with the old ones is forgotten. busy: something generates.
  Status set_weights(std::span<const NamedTensor> tensors);
  // Everything into a packed file: see models/packed_model.h. Nothing changes meanwhile; others may compute.
  Status save_packed(const std::string& path, bool (*progress)(void* user, float fraction), void* user) const;
  // Measures every backend on the shapes of the weights and writes a tuning (backends/tuned/tuning.h).
  Status tune(const std::string& path, bool (*progress)(void* user, float fraction), void* user) const;

  Result<std::string> render(const Prompt& prompt, const GenerateOptions& options) const;
  Result<std::vector<int32_t>> prompt_ids(const Prompt& prompt, const GenerateOptions& options) const;
  Status check_ids(std::span<const int32_t> ids) const;
  Status require_weights() const;
  Status require_tokenizer() const;
  Scheduler& scheduler() const { return *scheduler_; }
  ConstraintCompiler& constraints() const { return *constraints_; }  // after require_tokenizer()
  // Numbers of one position of a routing: layers with experts times num_experts_per_tok.
  size_t routing_numbers() const;
  // Who computed a cache, in lines "what: value": snapshots hold it. Tells models with the same shapes apart.
  std::string identity() const;
  std::shared_ptr<SessionState> new_session();
  // Gives memory back: what is kept for later prompts, scratch, and (sessions) what idle sessions have computed.
  // Returns the bytes; what a pass uses is given back after it and not counted. Any thread; does not wait for a pass.
  uint64_t trim(bool sessions) const;
  // What open_engine calls when content is complete.
  void finish();

  EngineOptions options;
  const Kernels& kernels;
  Content content;
  int64_t context_max = 0;
  double load_seconds = 0;
  std::unique_ptr<ThreadPool> pool;
  mutable std::atomic<int> threads{0};  // that the next pass uses
  std::unique_ptr<Backend> backend;
  mutable MemoryBudget budget;
  std::unique_ptr<PrefixCache> prefix_cache;  // null without weights
  std::atomic<uint64_t> weights_version{0};

 private:
  Status score_rows(std::span<const int32_t> ids, const ScoreOptions& how,
                    void (*row)(void*, int64_t, std::span<const float>), void* user) const;
  Result<std::string> render_messages(const json::Value& messages, const json::Value* tools, Effort effort) const;
  const TemplateShape& template_shape() const;
  mutable std::mutex shape_mutex_;
  mutable std::optional<TemplateShape> shape_;
  Status check_replay_of(std::span<const int32_t> ids, std::span<const int32_t> replay) const;
  mutable std::shared_mutex weights_mutex_;  // scoring reads, set_weights writes; generations are kept out otherwise
  std::unique_ptr<SessionRegistry> sessions_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<ConstraintCompiler> constraints_;
};

// A folder, a .safetensors file, a GGUF or a packed file.
Result<std::shared_ptr<Engine>> open_engine(const std::string& path, const EngineOptions& options);
// A GGUF or a packed file.
Result<std::shared_ptr<Engine>> open_engine(std::shared_ptr<const File> file, const EngineOptions& options);

}  // namespace pensee
