// An engine is a model that can be asked: weights, tokenizer, chat template, the scheduler that batches what its
// sessions want, and the memory they share. Made by open_engine; lives until the last handle lets go.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/log.h"
#include "base/threads.h"
#include "engine/types.h"
#include "models/model.h"
#include "reasoning/splitter.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pensee {

class Scheduler;

struct EngineOptions {
  int32_t threads = 0;  // 0: available_cpus()
  std::string backend = "native";
  Activations activations = Activations::int16;
  CacheType cache_type = CacheType::f32;
  int64_t context_max = 0;  // 0: the model's
  uint64_t memory_budget = 0;
  bool skip_weights = false;
  std::string isa;  // "": the best
  bool (*progress)(void* user, float fraction) = nullptr;
  void* progress_user = nullptr;
  Log log;
};

// What generation_config.json recommends; absent where it is silent.
struct GenerationDefaults {
  std::optional<float> temperature, top_p;
  std::optional<int32_t> top_k;
};

// Everything that came out of a model's files.
struct Content {
  std::unique_ptr<Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;         // null: the files have none
  std::shared_ptr<const ChatTemplate> chat_template;  // null: none
  std::string bos_token, eos_token;
  std::set<int32_t> eos_ids;
  GenerationDefaults defaults;
  ThinkTags tags;
  bool thinks = false;
};

class Engine {
 public:
  Engine(EngineOptions options, const Kernels& kernels);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Scores ids from the begin: calls row(i, logits) for each row, on this thread. Takes turns with other computing.
  template <class F>
  Status score(std::span<const int32_t> ids, F&& row) const {
    return score_rows(
        ids, [](void* user, int64_t i, std::span<const float> l) { (*static_cast<F*>(user))(i, l); }, &row);
  }

  Result<std::string> render(const Prompt& prompt, const GenerateOptions& options) const;
  Result<std::vector<int32_t>> prompt_ids(const Prompt& prompt, const GenerateOptions& options) const;
  Status check_ids(std::span<const int32_t> ids) const;
  Status require_weights() const;
  Status require_tokenizer() const;
  Scheduler& scheduler() const { return *scheduler_; }

  EngineOptions options;
  const Kernels& kernels;
  Content content;
  int64_t context_max = 0;
  double load_seconds = 0;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Backend> backend;
  mutable MemoryBudget budget;

 private:
  Status score_rows(std::span<const int32_t> ids, void (*row)(void*, int64_t, std::span<const float>),
                    void* user) const;
  std::unique_ptr<Scheduler> scheduler_;
};

// A folder, a .safetensors file or a GGUF.
Result<std::shared_ptr<Engine>> open_engine(const std::string& path, const EngineOptions& options);
// A GGUF.
Result<std::shared_ptr<Engine>> open_engine(std::shared_ptr<const File> file, const EngineOptions& options);

}  // namespace pensee
