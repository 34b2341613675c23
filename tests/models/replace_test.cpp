// Weights replaced in place, held to the same weights loaded from a file: bit for bit, whatever part is replaced.
#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data/";
const char* const kCases[] = {
    "llama_plain",   "llama3_as_shipped", "qwen2", "qwen2_tied", "v2_odd", "v2_group_odd", "v3_odd",
    "v3_as_shipped", "v3_no_interleave",  "v3_mtp"};

std::vector<std::byte> bytes_of(const Tensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes);
  REQUIRE(tensor.file->read(tensor.offset, bytes).ok());
  return bytes;
}

// The numbers of a tensor in another order: as good as other random ones.
std::vector<std::byte> turned(std::vector<std::byte> bytes, size_t number) {
  const size_t by = bytes.size() / number / 3 * number;
  std::rotate(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(by), bytes.end());
  return bytes;
}

// A copy of a Hugging Face folder in which the tensors that `changes` names are other ones.
struct Folder {
  std::string path;
  template <class F>
  Folder(const std::string& from, F&& changes) {
    path = std::filesystem::temp_directory_path() / ("pensee_replace_" + std::to_string(std::random_device()()));
    std::filesystem::copy(from, path);
    auto tensors = open_safetensors_folder(path);
    REQUIRE(tensors.ok());
    for (const Tensor& tensor : (*tensors)->tensors()) {
      if (!changes(tensor.name)) continue;
      const auto bytes = turned(bytes_of(tensor), static_cast<size_t>(info(tensor.type).block_bytes));
      std::fstream file(tensor.file->name(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(tensor.offset));
      file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      REQUIRE(file.good());
    }
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

// Tensors with the memory that they lie in.
struct Given {
  std::vector<std::vector<std::byte>> memory;
  std::vector<NamedTensor> tensors;

  void add(const std::string& name, StoredType type, std::vector<int64_t> shape, std::vector<std::byte> bytes) {
    memory.push_back(std::move(bytes));
    tensors.push_back({name, type, std::move(shape), memory.back()});
  }
};

bool of_model(const Model& m, const std::string& name) {
  return m.mtp || !name.starts_with("model.layers." + std::to_string(m.config.num_hidden_layers) + ".");
}

template <class F>
Given tensors_of(const Model& m, const std::string& folder, F&& wanted) {
  Given given;
  auto tensors = open_safetensors_folder(folder);
  REQUIRE(tensors.ok());
  given.memory.reserve((*tensors)->tensors().size());
  for (const Tensor& tensor : (*tensors)->tensors()) {
    if (of_model(m, tensor.name) && wanted(tensor.name)) {
      given.add(tensor.name, tensor.type, tensor.shape, bytes_of(tensor));
    }
  }
  return given;
}

bool everything(const std::string&) { return true; }

Status replace(Runner& runner, const std::vector<NamedTensor>& tensors, MemoryBudget* budget = nullptr) {
  return replace_weights(*runner.model, tensors, {runner.backend.get(), runner.pool.get(), budget});
}

// Logits of a prompt, and of the prediction layer's drafts behind it where there is one.
std::vector<float> compute(Runner& runner) {
  const std::vector<int32_t> ids = {5, 9, 200, 31, 31, 77, 140, 3, 12, 54, 99, 7};
  CacheSequence sequence(runner.model->cache_shape, runner.budget);
  std::vector<float> logits = runner.feed(sequence, ids);
  if (!runner.model->mtp) return logits;
  const auto rows = static_cast<int32_t>(ids.size());
  const auto width = static_cast<size_t>(runner.model->config.hidden_size), vocab = logits.size() / ids.size();
  std::vector<float> hidden(ids.size() * width, 0.5f), drafted(logits.size());
  for (size_t i = 0; i < hidden.size(); ++i) hidden[i] = static_cast<float>(i % 17) / 9 - 1;
  std::vector<int32_t> places(ids.size());
  for (int32_t i = 0; i < rows; ++i) places[static_cast<size_t>(i)] = i;
  const Run run = {&sequence, 0, rows, 0};
  DraftBatch d;
  d.batch.runs = std::span(&run, 1);
  d.batch.token_ids = ids;
  d.batch.positions = d.batch.rows_with_logits = places;
  d.hidden = View(hidden.data(), rows, static_cast<int64_t>(width));
  REQUIRE(runner.scratch.reserve(draft_scratch_bytes(*runner.model, rows, rows, rows, 2)).ok());
  Compute with = {*runner.pool, runner.scratch, **kernels_for("")};
  REQUIRE(draft(*runner.model, d, with, MutableView(drafted.data(), rows, static_cast<int64_t>(vocab)), {}));
  logits.insert(logits.end(), drafted.begin(), drafted.end());
  return logits;
}

Runner open(const std::string& folder) {
  return Runner(folder, 2, "native", CacheType::f32, folder.find("mtp") != std::string::npos);
}

}  // namespace

TEST_CASE("replace: all weights replaced is the other checkpoint loaded, bit for bit") {
  for (const char* name : kCases) {
    CAPTURE(std::string(name));
    const Folder other(kData + name, everything);
    Runner runner = open(kData + name),
           expected(other.path, 2, "native", CacheType::f32, runner.model->mtp.has_value());
    const auto before = compute(runner);
    const Given given = tensors_of(*runner.model, other.path, everything);
    const Status status = replace(runner, given.tensors);
    REQUIRE_MESSAGE(status.ok(), status.message());
    CHECK(compute(runner) == compute(expected));
    CHECK(compute(runner) != before);
    CHECK(runner.model->facts.weight_bytes == expected.model->facts.weight_bytes);
    CHECK(runner.model->facts.active_weight_bytes == expected.model->facts.active_weight_bytes);
  }
}

TEST_CASE("replace: any part replaced is the checkpoint with that part, and parts add up in any order") {
  std::mt19937 random(3);
  for (const char* name : kCases) {
    for (int round = 0; round < 3; ++round) {
      CAPTURE(std::string(name));
      CAPTURE(round);
      std::set<std::string> first, rest;
      Runner runner = open(kData + name);
      const bool mtp = runner.model->mtp.has_value();
      const Folder other(kData + name, everything);
      const bool tied = runner.model->config.tie_word_embeddings;
      for (const auto& tensor : tensors_of(*runner.model, other.path, everything).tensors) {
        if (tied && tensor.name == "lm_head.weight") continue;
        (random() % 3 == 0 ? first : rest).insert(tensor.name);
      }
      const auto in = [](const std::set<std::string>& names) {
        return [&names](const std::string& n) { return names.contains(n); };
      };
      const Folder mixed(kData + name, in(first));
      Runner expected_first(mixed.path, 2, "native", CacheType::f32, mtp);
      Runner expected_all(other.path, 2, "native", CacheType::f32, mtp);
      Status status = replace(runner, tensors_of(*runner.model, other.path, in(first)).tensors);
      REQUIRE_MESSAGE(status.ok(), status.message());
      CHECK(compute(runner) == compute(expected_first));
      status = replace(runner, tensors_of(*runner.model, other.path, in(rest)).tensors);
      REQUIRE_MESSAGE(status.ok(), status.message());
      CHECK(compute(runner) == compute(expected_all));
    }
  }
}

TEST_CASE("replace: 16-bit weights given as F32 compute the same; experts may come stacked") {
  for (const char* name : {"v3_as_shipped", "v2_group_odd"}) {
    CAPTURE(std::string(name));
    const Folder other(kData + name, everything);
    Runner runner = open(kData + name), expected(other.path, 2);
    auto tensors = open_safetensors_folder(other.path);
    REQUIRE(tensors.ok());
    Given given;
    given.memory.reserve((*tensors)->tensors().size());
    const ModelConfig& c = runner.model->config;
    for (const Tensor& tensor : (*tensors)->tensors()) {
      if (!of_model(*runner.model, tensor.name) || tensor.name.find(".mlp.experts.") != std::string::npos) continue;
      std::vector<float> numbers(static_cast<size_t>(tensor.elements()));
      REQUIRE(read_rows_float(tensor, 0, tensor.rows(), numbers).ok());
      const auto bytes = std::as_bytes(std::span(numbers));
      given.add(tensor.name, StoredType::f32, tensor.shape, {bytes.begin(), bytes.end()});
    }
    for (int64_t layer = c.first_k_dense_replace; layer < c.num_hidden_layers; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".mlp.experts.";
      std::vector<std::byte> gate_up, down;
      for (int64_t e = 0; e < c.n_routed_experts; ++e) {
        for (const char* part : {".gate_proj.weight", ".up_proj.weight", ".down_proj.weight"}) {
          const auto bytes = bytes_of(*(*tensors)->find(prefix + std::to_string(e) + part));
          auto& stack = std::string(part) == ".down_proj.weight" ? down : gate_up;
          stack.insert(stack.end(), bytes.begin(), bytes.end());
        }
      }
      const StoredType type = (*tensors)->find(prefix + "0.down_proj.weight")->type;
      given.add(prefix + "gate_up_proj", type, {c.n_routed_experts, 2 * c.moe_intermediate_size, c.hidden_size},
                gate_up);
      given.add(prefix + "down_proj", type, {c.n_routed_experts, c.hidden_size, c.moe_intermediate_size}, down);
    }
    const Status status = replace(runner, given.tensors);
    REQUIRE_MESSAGE(status.ok(), status.message());
    CHECK(largest_difference(compute(runner), compute(expected)) < 2e-5f);
  }
}

TEST_CASE("replace: a GGUF takes Hugging Face's weights, llama's rotated rows turned into its order") {
  // The same numbers as in the folder, and then others.
  Runner runner(kData + "gguf_v3_mtp", 2, "native", CacheType::f32, true);
  const auto before = compute(runner);
  const Given same = tensors_of(*runner.model, kData + "v3_mtp", everything);
  REQUIRE(replace(runner, same.tensors).ok());
  CHECK(compute(runner) == before);

  // llama: the rows of the file, put back into Hugging Face's order here.
  Runner llama(kData + "gguf_llama3_f16", 2);
  const auto logits = compute(llama);
  auto file = open_file(kData + "gguf_llama3_f16/model.gguf");
  REQUIRE(file.ok());
  auto gguf = open_gguf(*file);
  REQUIRE(gguf.ok());
  Given given;
  given.memory.reserve(4);
  for (const int layer : {0, 1}) {
    for (const char* part : {"q", "k"}) {
      const Tensor* tensor = (*gguf)->find("blk." + std::to_string(layer) + ".attn_" + part + ".weight");
      REQUIRE(tensor);
      const auto from = bytes_of(*tensor);
      std::vector<std::byte> to(from.size());
      const size_t row = from.size() / static_cast<size_t>(tensor->shape[0]);
      const auto dim = static_cast<size_t>(llama.model->config.head_dim);
      for (size_t r = 0; r < static_cast<size_t>(tensor->shape[0]); ++r) {
        const size_t head = r / dim, pair = r % dim / 2, half = r % 2;
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(r * row), row,
                    to.begin() + static_cast<std::ptrdiff_t>((head * dim + half * dim / 2 + pair) * row));
      }
      CHECK(to != from);
      given.add("model.layers." + std::to_string(layer) + ".self_attn." + part + "_proj.weight", tensor->type,
                tensor->shape, to);
    }
  }
  auto negated = given;
  for (size_t i = 0; i < 4; ++i) {
    for (size_t b = 1; b < negated.memory[i].size(); b += 4) negated.memory[i][b] ^= std::byte{0x80};
    negated.tensors[i].data = negated.memory[i];
  }
  REQUIRE(replace(llama, negated.tensors).ok());
  CHECK(compute(llama) != logits);
  REQUIRE(replace(llama, given.tensors).ok());
  CHECK(compute(llama) == logits);
}

TEST_CASE("replace: quantised neighbours are read from the file again, or asked for by name") {
  const std::string path = kData + "gguf_llama3_q4_0";
  Runner runner(path, 2);
  const auto before = compute(runner);
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  const ModelConfig c = runner.model->config;  // a copy: the model is loaded again below
  std::vector<float> zeros(static_cast<size_t>(c.kv_dim * c.hidden_size));
  const NamedTensor k = {name, StoredType::f32, {c.kv_dim, c.hidden_size}, std::as_bytes(std::span(zeros))};
  const Status refused = replace(runner, {k});
  CHECK(refused.code() == Code::bad_argument);
  CHECK(refused.message().find("'model.layers.1.self_attn.q_proj.weight' is missing") != std::string::npos);
  CHECK(compute(runner) == before);

  LoadOptions options;
  options.backend = runner.backend.get();
  options.pool = runner.pool.get();
  options.keep_file = true;
  auto loaded = Runner::load_gguf(path + "/model.gguf", options);
  REQUIRE(loaded.ok());
  runner.model = *std::move(loaded);
  const Status status = replace(runner, {k});
  REQUIRE_MESSAGE(status.ok(), status.message());
  const auto& parts = std::get<GroupedQuery>(runner.model->layers[1].attention).qkv.parts;
  REQUIRE(parts.size() == 3);
  CHECK(parts[0]->stored == StoredType::q4_0);
  CHECK(parts[1]->stored == StoredType::f32);
  CHECK(parts[2]->stored == StoredType::q4_0);
  CHECK(compute(runner) != before);

  // The numbers that were there, as F32: what differs is how activations meet them.
  auto file = open_file(path + "/model.gguf");
  auto gguf = open_gguf(*file);
  REQUIRE(gguf.ok());
  const Tensor* stored = (*gguf)->find("blk.1.attn_k.weight");
  std::vector<float> rows(zeros.size()), back(zeros.size());
  REQUIRE(read_rows_float(*stored, 0, c.kv_dim, rows).ok());
  const auto dim = static_cast<size_t>(c.head_dim), cols = static_cast<size_t>(c.hidden_size);
  for (size_t r = 0; r < static_cast<size_t>(c.kv_dim); ++r) {
    const size_t to = r / dim * dim + r % 2 * dim / 2 + r % dim / 2;
    std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(r * cols), cols,
                back.begin() + static_cast<std::ptrdiff_t>(to * cols));
  }
  REQUIRE(replace(runner, {{name, StoredType::f32, {c.kv_dim, c.hidden_size}, std::as_bytes(std::span(back))}}).ok());
  CHECK(largest_difference(compute(runner), before) < 5e-3f);
}

TEST_CASE("replace: neighbours in 8 bits keep their numbers, and F32 computes with the same numbers to the same bits") {
  Runner runner(kData + "v3_fp8_blocks", 2);
  const auto before = compute(runner);
  auto tensors = open_safetensors_folder(kData + "v3_fp8_blocks");
  REQUIRE(tensors.ok());
  const auto layout = [&] {
    const auto& moe = std::get<MixtureOfExperts>(runner.model->layers[1].feed_forward);
    return std::string(moe.gate_up.parts.front()->layout);
  };
  CHECK(layout() == "f8");
  const uint64_t bytes = runner.model->facts.weight_bytes;
  for (const char* name : {"model.layers.1.mlp.experts.2.up_proj.weight", "model.layers.0.self_attn.q_a_proj.weight",
                           "model.layers.1.self_attn.kv_b_proj.weight", "model.layers.0.mlp.down_proj.weight"}) {
    const Tensor* tensor = (*tensors)->find(name);
    REQUIRE(tensor);
    REQUIRE(tensor->type == StoredType::f8_e4m3);
    std::vector<float> numbers(static_cast<size_t>(tensor->elements()));
    REQUIRE(read_rows_float(*tensor, 0, tensor->rows(), numbers).ok());
    REQUIRE(replace(runner, {{name, StoredType::f32, tensor->shape, std::as_bytes(std::span(numbers))}}).ok());
    CHECK(compute(runner) == before);
  }
  CHECK(layout() == "f32");
  CHECK(runner.model->facts.weight_bytes > bytes);
}

TEST_CASE("replace: what does not fit is refused by name, and nothing has changed") {
  Runner runner(kData + "v3_odd", 2);
  const auto before = compute(runner);
  const Folder other(kData + "v3_odd", everything);
  const Given given = tensors_of(*runner.model, other.path, everything);
  const auto refused = [&](auto&& spoil) {
    std::vector<NamedTensor> tensors = given.tensors;
    spoil(tensors);
    const Status status = replace(runner, tensors);
    CHECK(status.code() == Code::bad_argument);
    CHECK(compute(runner) == before);
    return status.message();
  };
  const std::string last = given.tensors.back().name;
  CHECK(refused([](auto& t) { t.back().name = "model.layers.3.self_attn.o_proj.weight"; }) ==
        "weight 'model.layers.3.self_attn.o_proj.weight' is none of this model's");
  CHECK(refused([](auto& t) { t.back().name = "x"; }) == "weight 'x' is none of this model's");
  CHECK(refused([](auto& t) { t.back().type = StoredType::q4_0; }) ==
        "weight '" + last + "' is of type Q4_0; give F32, F16 or BF16");
  CHECK(refused([](auto& t) { t.back().type = StoredType::bf16; }).starts_with("weight '" + last + "' has "));
  CHECK(refused([](auto& t) { t.back().data = {}; }).starts_with("weight '" + last + "' has 0 bytes where"));
  CHECK(refused([](auto& t) { t.back().shape.push_back(1); }).starts_with("weight '" + last + "' has shape ["));
  CHECK(refused([](auto& t) { t.back().shape = {}; }).starts_with("weight '" + last + "' has "));
  CHECK(refused([](auto& t) { t.back().shape = {INT64_MAX, INT64_MAX}; }) == "weight '" + last + "' has no size");
  CHECK(refused([](auto& t) { t.back().shape.front() = -1; }) == "weight '" + last + "' has no size");
  CHECK(refused([](auto& t) { t.push_back(t.back()); }) == "weight '" + last + "' is given twice");
  for (size_t i = 0; i < given.tensors.size(); i += 7) {  // anywhere: rows and columns exchanged
    if (given.tensors[i].shape.size() != 2 || given.tensors[i].shape[0] == given.tensors[i].shape[1]) continue;
    const std::string message = refused([i](auto& t) { std::swap(t[i].shape[0], t[i].shape[1]); });
    CHECK(message.starts_with("weight '" + given.tensors[i].name + "' has shape ["));
  }
  std::vector<float> zeros(64);
  const auto bytes = std::as_bytes(std::span(zeros));
  CHECK(replace(runner, {{"model.layers.2.mlp.experts.down_proj", StoredType::f32, {4, 4, 4}, bytes}}).message() ==
        "weight 'model.layers.2.mlp.experts.down_proj' does not stack the model's 12 experts");
  Runner tied(kData + "qwen2_tied", 1);
  const ModelConfig& c = tied.model->config;
  zeros.resize(static_cast<size_t>(c.vocab_size * c.hidden_size));
  const NamedTensor head = {
      "lm_head.weight", StoredType::f32, {c.vocab_size, c.hidden_size}, std::as_bytes(std::span(zeros))};
  CHECK(replace(tied, {head}).message() ==
        "weight 'lm_head.weight' is tied to the embedding: give 'model.embed_tokens.weight'");
  Runner without(kData + "v3_mtp", 1);
  std::vector<float> norm(static_cast<size_t>(without.model->config.hidden_size));
  const NamedTensor of_mtp = {"model.layers.2.hnorm.weight", StoredType::f32, {72}, std::as_bytes(std::span(norm))};
  CHECK(replace(without, {of_mtp}).message() ==
        "weight 'model.layers.2.hnorm.weight' is of the prediction layer, which was not loaded");
  CHECK(replace(runner, {}).ok());
  CHECK(compute(runner) == before);
}

TEST_CASE("replace: fifty times takes no more memory than once, and a budget that is too small changes nothing") {
  Runner runner(kData + "deepseek_v3", 2);
  const Folder other(kData + "deepseek_v3", everything);
  const Given a = tensors_of(*runner.model, kData + "deepseek_v3", everything);
  const Given b = tensors_of(*runner.model, other.path, everything);
  const auto of_a = compute(runner);
  const uint64_t bytes = runner.model->facts.weight_bytes;
  MemoryBudget budget(2 * bytes + 1000);
  REQUIRE(budget.take(bytes));
  REQUIRE(replace(runner, b.tensors, &budget).ok());
  const auto of_b = compute(runner);
  CHECK(of_b != of_a);
#ifdef __GLIBC__
  const auto held = [] {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  size_t after_five = 0;
#endif
  for (int round = 0; round < 50; ++round) {
    REQUIRE(replace(runner, round % 2 == 0 ? a.tensors : b.tensors, &budget).ok());
    CHECK(budget.used() == bytes);
#ifdef __GLIBC__
    if (round == 5) after_five = held();
#endif
  }
  CHECK(compute(runner) == of_b);
#ifdef __GLIBC__
  CHECK(held() < after_five + (64 << 10));
#endif

  MemoryBudget small(bytes + bytes / 2);
  REQUIRE(small.take(bytes));
  const Status status = replace(runner, a.tensors, &small);
  CHECK(status.code() == Code::out_of_memory);
  CHECK(small.used() == bytes);
  CHECK(compute(runner) == of_b);
}

TEST_CASE("replace: every backend that is built in") {
  for (const char* backend : {"onednn", "blas"}) {
    if (!backend_built_in(backend)) continue;
    const auto experts = [](const std::string& n) { return n.find(".experts.3.") != std::string::npos; };
    const Folder other(kData + "v3_odd", experts);
    Runner runner(kData + "v3_odd", 2, backend), expected(other.path, 2, backend);
    REQUIRE(replace(runner, tensors_of(*runner.model, other.path, experts).tensors).ok());
    CHECK(largest_difference(compute(runner), compute(expected)) < 1e-4f);
  }
}
