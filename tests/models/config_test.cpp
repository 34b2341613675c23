// Configs of every kind of nonsense, and the defaults of Hugging Face and llama.cpp where a key is silent. A hostile
// value must end in an error that names the file, or in a model that still computes.
#include "models/architectures.h"
#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data";

std::vector<json::Value> hostile_values() {
  return {json::Value(),
          json::Value(0),
          json::Value(-1),
          json::Value(1),
          json::Value(7),
          json::Value(8191),
          json::Value(int64_t{1} << 24),
          json::Value(INT64_MAX),
          json::Value(0.5),
          json::Value(-1e300),
          json::Value(1e300),
          json::Value("x"),
          json::Value(false),
          json::Value(true),
          json::Value(json::Array()),
          json::Value(json::Object())};
}

// A folder's config and tensors, once read, to be loaded with one value changed.
struct Case {
  std::string name;
  json::Value config;
  std::shared_ptr<const TensorFile> tensors;
  Naming naming;

  explicit Case(const std::string& folder) : name(kData + "/" + folder) {
    if (file_exists(name + "/model.gguf")) {
      naming = Naming::gguf;
      name += "/model.gguf";
      auto file = open_file(name);
      REQUIRE(file.ok());
      auto gguf = open_gguf(*file);
      REQUIRE(gguf.ok());
      config = (*gguf)->metadata();
      tensors = *gguf;
      return;
    }
    naming = Naming::hugging_face;
    auto opened = open_safetensors_folder(name);
    REQUIRE(opened.ok());
    tensors = *opened;
    name += "/config.json";
    auto file = open_file(name);
    REQUIRE(file.ok());
    auto text = read_text(**file, 1 << 20);
    REQUIRE(text.ok());
    auto parsed = json::parse(*text, name);
    REQUIRE(parsed.ok());
    config = *parsed;
  }
};

void try_config(const Case& c, const json::Value& config, Runner& runner) {
  LoadOptions options;
  options.backend = runner.backend.get();
  options.pool = runner.pool.get();
  auto loaded = load_model(config, c.name, *c.tensors, c.naming, options);
  if (!loaded.ok()) {
    CHECK(loaded.status().code() != Code::internal);
    CHECK(loaded.status().message().find(".") != std::string::npos);  // a file
    return;
  }
  runner.model = *std::move(loaded);
  CacheSequence sequence(runner.model->cache_shape, runner.budget);
  const std::vector<int32_t> ids = {1, 2, 3};
  CHECK(runner.feed(sequence, ids).size() == 3 * static_cast<size_t>(runner.model->config.vocab_size));
}

void try_members(const Case& c, const std::string& inside, Runner& runner) {
  const json::Value& object = inside.empty() ? c.config : *c.config.find(inside);
  for (const auto& [key, old] : *object.object()) {
    if (old.array() && old.array()->size() > 64) continue;  // a vocabulary
    if (key.starts_with("tokenizer.")) continue;
    for (json::Value& value : hostile_values()) {
      CAPTURE(c.name);
      CAPTURE(key);
      CAPTURE(json::dump_compact(value));
      json::Value changed = object;
      changed.set(key, std::move(value));
      if (inside.empty()) {
        try_config(c, changed, runner);
        continue;
      }
      json::Value whole = c.config;
      whole.set(inside, std::move(changed));
      try_config(c, whole, runner);
    }
  }
}

ModelConfig read(void (*reader)(ConfigReader&, ModelConfig&), const char* text, const char* prefix = "") {
  auto parsed = json::parse(text, "config.json");
  REQUIRE(parsed.ok());
  ConfigReader r(*parsed, "config.json", prefix);
  ModelConfig c;
  reader(r, c);
  if (!r.status().ok()) FAIL(r.status().message());
  return c;
}

}  // namespace

TEST_CASE("config: any value in any place is an error that names a file, or a model that computes") {
  Runner runner(kData + "/qwen2", 1);
  for (const char* folder : {"llama3", "deepseek_v2_group", "deepseek_v3", "gguf_deepseek_v3_f32", "gguf_llama3_f16"}) {
    const Case c(folder);
    try_members(c, "", runner);
    if (const json::Value* rope = c.config.find("rope_parameters"); rope && rope->object()) {
      try_members(c, "rope_parameters", runner);
    }
  }
}

TEST_CASE("config: more heads than hidden_size leave no width for a head") {
  const Case c("llama3");
  json::Value config = c.config;
  config.set("num_attention_heads", 4096);
  config.set("num_key_value_heads", 4096);
  config.set("head_dim", json::Value());
  const auto loaded = load_model(config, c.name, *c.tensors, c.naming, LoadOptions());
  REQUIRE(!loaded.ok());
  CHECK(loaded.status().code() == Code::file_corrupt);
  CHECK(loaded.status().message().find("4096 attention heads") != std::string::npos);
}

TEST_CASE("config: what a DeepSeek-V3 config leaves out is what transformers takes") {
  const ModelConfig c = read(kDeepseekV3.read_hf, R"({"hidden_size": 64, "num_hidden_layers": 4, "vocab_size": 100,
      "num_attention_heads": 4, "intermediate_size": 96, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
      "qk_rope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 16, "num_experts_per_tok": 2})");
  CHECK(c.n_shared_experts == 1);
  CHECK(c.first_k_dense_replace == 3);
  CHECK(c.routed_scaling_factor == 2.5f);
  CHECK(c.n_group == 8);
  CHECK(c.topk_group == 4);
  CHECK(c.norm_topk_prob);
  CHECK(c.router_score == RouterScore::sigmoid);
}

TEST_CASE("config: YaRN without a factor takes the ratio of the contexts; linear scaling must have one") {
  const char* start = R"({"max_position_embeddings": 4096, )";
  const auto rope_of = [&](const char* rest, Status& status) {
    auto parsed = json::parse(std::string(start) + rest, "config.json");
    REQUIRE(parsed.ok());
    ConfigReader r(*parsed, "config.json");
    RopeConfig rope;
    rope.dim = 8;
    read_hf_rope(r, rope);
    status = r.status();
    return rope;
  };
  Status status;
  const RopeConfig yarn =
      rope_of(R"("rope_scaling": {"type": "yarn", "original_max_position_embeddings": 1024, "factor": null}})", status);
  CHECK(status.ok());
  CHECK(yarn.factor == 4.0);
  CHECK(yarn.original_context == 1024);
  rope_of(R"("rope_scaling": {"rope_type": "linear"}})", status);
  CHECK(status.code() == Code::unsupported);
}

TEST_CASE("config: a GGUF's zeros, old scaling keys and prediction layers are read as llama.cpp reads them") {
  const ModelConfig v3 = read(kDeepseekV3.read_gguf, R"({"x.embedding_length": 64, "x.block_count": 5,
      "x.context_length": 512, "x.attention.head_count": 4, "x.feed_forward_length": 96, "x.attention.kv_lora_rank": 16,
      "x.rope.dimension_count": 8, "x.attention.key_length": 24, "x.attention.value_length": 16,
      "x.attention.key_length_mla": 16, "x.attention.value_length_mla": 12, "x.expert_gating_func": 2,
      "x.expert_weights_scale": 0.0, "x.expert_group_count": 0, "x.expert_group_used_count": 0,
      "x.nextn_predict_layers": 1})",
                              "x.");
  CHECK(v3.num_hidden_layers == 4);
  CHECK(v3.routed_scaling_factor == 1.0f);
  CHECK(v3.n_group == 1);
  CHECK(v3.topk_group == 1);
  CHECK(v3.qk_nope_head_dim == 8);
  CHECK(v3.v_head_dim == 12);
  CHECK(v3.architecture == "deepseek_v3");
  const ModelConfig llama = read(kLlama.read_gguf, R"({"x.embedding_length": 64, "x.block_count": 5,
      "x.context_length": 512, "x.attention.head_count": 4, "x.feed_forward_length": 96,
      "x.rope.scale_linear": 4.0})",
                                 "x.");
  CHECK(llama.rope.scaling == RopeScaling::linear);
  CHECK(llama.rope.factor == 4.0);
}
