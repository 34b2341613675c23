// What rounding activations to integers costs: quantised forward passes beside float32 on the decoded weights.
#include <doctest/doctest.h>

#include "models/golden.h"
#include "models/quality.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kRoot = PENSEE_TEST_DATA "/..";
// What the default model was made for, so that its distributions are sharp: a conversation as its template writes it.
const char* const kText =
    "What is 37 + 48?<think>37 + 48: 7 + 8 = 15, write 5, carry 1. 3 + 4 + 1 = 8. So 85.</think>The answer is 85. "
    "Sort 9, 4, 7, 1.<think>The smallest is 1, then 4, then 7, then 9.</think>1, 4, 7, 9";

struct Bound {
  Activations activations;
  double cosine, same_best;
};

}  // namespace

// transformers' logits are of the decoded weights in float32. Random weights; the mixed one is a small DeepSeek-V3:
// where two experts are near, 8 bits may choose the other, which among random experts changes everything, so those that
// 16 bits choose (and transformers) are replayed.
TEST_CASE("quality: on small random models 8-bit activations keep the cosine of the logits") {
  constexpr std::pair<const char*, double> kModels[] = {
      {"gguf_llama3_q4_0", 0.9995}, {"gguf_qwen2_tied_q4_1", 0.9995}, {"gguf_deepseek_v3_mixed", 0.999}};
  for (const auto& [model, least] : kModels) {
    const std::string name = model;
    CAPTURE(name);
    const std::string folder = kRoot + "/tests/goldens/data/" + name;
    Runner runner(folder, 2, "native", CacheType::f32, false, true, Activations::int8), finer(folder, 2);
    const ModelConfig& c = finer.model->config;
    for (const GoldenPrompt& prompt : read_golden(folder + "/golden.safetensors")) {
      std::vector<int32_t> experts(prompt.ids.size() * static_cast<size_t>(c.moe_layers() * c.num_experts_per_tok));
      std::vector<float> weights(experts.size());
      CacheSequence of_finer(finer.model->cache_shape, finer.budget);
      finer.feed(of_finer, prompt.ids, {experts.data(), weights.data()});
      CacheSequence sequence(runner.model->cache_shape, runner.budget);
      const std::vector<float> logits = runner.feed(sequence, prompt.ids, {}, {experts.data()});
      CHECK(largest_difference(logits, prompt.logits) > 5e-3f);  // else they were not 8 bits
      CHECK(cosine_of(logits, prompt.logits) >= least);
    }
  }
}

TEST_CASE("quality: on the default model 16-bit activations are as good as float32, 8-bit ones near") {
  if (!backend_built_in("blas")) return;  // float32 on the decoded weights
  const std::string model = kRoot + "/share/pensee/pensee-mini.gguf";
  EngineOptions options;
  options.threads = 2;
  options.backend = "blas";
  const auto truth = score_text(model, kText, 1000, options);
  REQUIRE_MESSAGE(truth.ok(), truth.status().message());
  options.backend = "native";
  constexpr Bound kBounds[] = {{Activations::int16, 0.999999, 1.0}, {Activations::int8, 0.9995, 0.97}};
  for (const Bound& bound : kBounds) {
    options.activations = bound.activations;
    const auto scored = score_text(model, kText, 1000, options);
    REQUIRE_MESSAGE(scored.ok(), scored.status().message());
    const Distance d = distance(*truth, *scored);
    CAPTURE(d.mean);
    CHECK(d.cosine >= bound.cosine);
    CHECK(d.same_best >= bound.same_best);
    CHECK((d.mean > 1e-5) == (bound.activations == Activations::int8));  // they do differ, and by that much
  }
}
