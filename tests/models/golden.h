// Golden cases: tiny checkpoints with transformers' float32 logits and greedy tokens (tests/goldens/README.md).
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "models/model.h"

namespace pensee::test {

struct GoldenPrompt {
  std::vector<int32_t> ids;
  std::vector<float> logits;  // [ids, vocab]
  std::vector<int32_t> greedy;
};

// A safetensors file of F32 and I64 (which pensee itself does not read).
class Numbers {
 public:
  explicit Numbers(const std::string& path) {
    auto opened = open_file(path);
    if (!opened.ok()) FAIL(opened.status().message());
    file_ = *opened;
    REQUIRE(file_->read(0, std::as_writable_bytes(std::span(&header_bytes_, 1))).ok());
    std::string text(header_bytes_, ' ');
    REQUIRE(file_->read(8, std::as_writable_bytes(std::span(text.data(), text.size()))).ok());
    auto header = json::parse(text, path);
    REQUIRE(header.ok());
    header_ = *header;
  }
  bool has(const std::string& name) const { return header_.find(name) != nullptr; }
  std::vector<float> floats(const std::string& name) const { return numbers<float>(name); }
  std::vector<int32_t> integers(const std::string& name) const {
    const std::vector<int64_t> wide = numbers<int64_t>(name);
    return std::vector<int32_t>(wide.begin(), wide.end());
  }

 private:
  template <class T>
  std::vector<T> numbers(const std::string& name) const {
    REQUIRE(has(name));
    const json::Array& at = *header_.find(name)->find("data_offsets")->array();
    std::vector<T> out(static_cast<size_t>(*at[1].integer() - *at[0].integer()) / sizeof(T));
    const uint64_t begin = 8 + header_bytes_ + static_cast<uint64_t>(*at[0].integer());
    REQUIRE(file_->read(begin, std::as_writable_bytes(std::span(out))).ok());
    return out;
  }
  std::shared_ptr<const File> file_;
  uint64_t header_bytes_ = 0;
  json::Value header_;
};

inline std::vector<GoldenPrompt> read_golden(const std::string& path) {
  const Numbers file(path);
  std::vector<GoldenPrompt> prompts;
  for (int k = 0; file.has("ids." + std::to_string(k)); ++k) {
    const std::string suffix = "." + std::to_string(k);
    prompts.push_back(
        {file.integers("ids" + suffix), file.floats("logits" + suffix), file.integers("greedy" + suffix)});
  }
  return prompts;
}

// A model of tests/goldens/data with all that a pass over it needs.
struct Runner {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Model> model;
  MemoryBudget budget{0};
  Scratch scratch;

  Runner(const std::string& folder, int threads, const std::string& backend_name = "native",
         CacheType cache_type = CacheType::f32, bool load_mtp = false, bool exact = true,
         Activations activations = Activations::int16) {
    auto made_pool = ThreadPool::create(threads);
    REQUIRE(made_pool.ok());
    pool = *std::move(made_pool);
    auto kernels = kernels_for("");
    REQUIRE(kernels.ok());
    BackendOptions backend_options;
    backend_options.kernels = *kernels;
    backend_options.exact = exact;
    backend_options.activations = activations;
    auto made = make_backend(backend_name, backend_options);
    REQUIRE(made.ok());
    backend = *std::move(made);
    load(folder, cache_type, load_mtp);
  }

  void load(const std::string& folder, CacheType cache_type, bool load_mtp) {
    LoadOptions options;
    options.backend = backend.get();
    options.pool = pool.get();
    options.cache_type = cache_type;
    options.load_mtp = load_mtp;
    auto loaded =
        file_exists(folder + "/model.gguf") ? load_gguf(folder + "/model.gguf", options) : load_hf(folder, options);
    if (!loaded.ok()) FAIL(loaded.status().message());
    model = *std::move(loaded);
  }

  static Result<std::unique_ptr<Model>> load_gguf(const std::string& path, const LoadOptions& options) {
    PENSEE_ASSIGN(auto file, open_file(path));
    PENSEE_ASSIGN(auto gguf, open_gguf(file));
    return load_model(gguf->metadata(), path, *gguf, Naming::gguf, options);
  }

  static Result<std::unique_ptr<Model>> load_hf(const std::string& folder, const LoadOptions& options) {
    PENSEE_ASSIGN(auto tensors, open_safetensors_folder(folder));
    PENSEE_ASSIGN(auto file, open_file(folder + "/config.json"));
    PENSEE_ASSIGN(auto text, read_text(*file, 1 << 20));
    PENSEE_ASSIGN(auto config, json::parse(text, "config.json"));
    return load_model(config, folder + "/config.json", *tensors, Naming::hugging_face, options);
  }

  // Feeds ids to the sequence in one run and returns the logits of every row.
  std::vector<float> feed(CacheSequence& sequence, std::span<const int32_t> ids, RoutingTrace trace = {},
                          RoutingReplay replay = {}) {
    const auto rows = static_cast<int32_t>(ids.size());
    const auto first = static_cast<int32_t>(sequence.length());
    std::vector<int32_t> positions, wanted;
    for (int32_t i = 0; i < rows; ++i) {
      positions.push_back(first + i);
      wanted.push_back(i);
    }
    REQUIRE(sequence.reserve(first + rows).ok());
    const Run run = {&sequence, 0, rows, first};
    Batch batch;
    batch.runs = std::span(&run, 1);
    batch.token_ids = ids;
    batch.positions = positions;
    batch.rows_with_logits = wanted;
    batch.trace = trace;
    batch.replay = replay;
    std::vector<float> logits(static_cast<size_t>(rows * model->config.vocab_size));
    pass(batch, first + rows, logits);
    sequence.set_length(first + rows);
    return logits;
  }

  void pass(const Batch& batch, int64_t context, std::vector<float>& logits) {
    const size_t bound = decode_scratch_bytes(*model, batch.rows(), static_cast<int64_t>(batch.rows_with_logits.size()),
                                              context, pool->threads());
    REQUIRE(scratch.reserve(bound).ok());
    Compute compute = {*pool, scratch, **kernels_for("")};
    const int64_t vocab = model->config.vocab_size;
    MutableView out(logits.data(), static_cast<int64_t>(batch.rows_with_logits.size()), vocab);
    CHECK(decode(*model, batch, compute, out));
  }
};

inline float largest_difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
    if (!(difference <= most)) most = difference;  // NaN counts
  }
  return most;
}

inline std::vector<std::string> golden_folders(const std::string& data) {
  std::vector<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(data)) {
    if (entry.is_directory() && std::filesystem::exists(entry.path() / "golden.safetensors")) {
      folders.push_back(entry.path().string());
    }
  }
  REQUIRE(!folders.empty());
  return folders;
}

}  // namespace pensee::test
