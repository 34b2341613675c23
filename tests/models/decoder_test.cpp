// The forward pass against transformers' logits, and against itself in other shapes.
#include <algorithm>

#include "models/golden.h"
#include "models/quality.h"

using namespace pensee;
using namespace pensee::test;

namespace {

// Float weights are held to 2e-4. Quantised ones meet 16-bit activations: their rounding moves these tiny models, whose
// weights are random and far from smooth, by up to a few thousandths.
float tolerance(const std::string& folder) {
  for (const char* quantised : {"q4_", "mixed", "joined"}) {
    if (folder.find(quantised) != std::string::npos) return 5e-3f;
  }
  return 2e-4f;
}
const std::string kData = PENSEE_TEST_DATA "/goldens/data";

}  // namespace

TEST_CASE("decoder: logits equal transformers' in one pass, token by token, and greedily") {
  for (const std::string& folder : golden_folders(kData)) {
    Runner runner(folder, 2);
    for (const GoldenPrompt& prompt : read_golden(folder + "/golden.safetensors")) {
      CAPTURE(folder);
      CAPTURE(prompt.ids.size());
      CacheSequence whole(runner.model->cache_shape, runner.budget);
      const std::vector<float> in_one = runner.feed(whole, prompt.ids);
      CHECK(largest_difference(in_one, prompt.logits) <= tolerance(folder));

      CacheSequence stepwise(runner.model->cache_shape, runner.budget);
      std::vector<float> one_by_one, last;
      for (const int32_t id : prompt.ids) {
        last = runner.feed(stepwise, std::span(&id, 1));
        one_by_one.insert(one_by_one.end(), last.begin(), last.end());
      }
      CHECK(one_by_one == in_one);  // bit for bit: house rule 7

      std::vector<int32_t> greedy;
      for (size_t i = 0; i < prompt.greedy.size(); ++i) {
        greedy.push_back(static_cast<int32_t>(std::max_element(last.begin(), last.end()) - last.begin()));
        last = runner.feed(stepwise, std::span(&greedy.back(), 1));
      }
      CHECK(greedy == prompt.greedy);
    }
  }
}

TEST_CASE("decoder: one thread and two, a batch of strangers and a run alone give the same bits") {
  for (const std::string& folder : golden_folders(kData)) {
    CAPTURE(folder);
    const auto prompts = read_golden(folder + "/golden.safetensors");
    Runner one(folder, 1), two(folder, 2);
    std::vector<std::vector<float>> alone;
    std::vector<CacheSequence> sequences;
    std::vector<int32_t> ids, positions, wanted;
    std::vector<Run> runs;
    for (const GoldenPrompt& prompt : prompts) {
      CacheSequence sequence(one.model->cache_shape, one.budget);
      alone.push_back(one.feed(sequence, prompt.ids));
      sequences.emplace_back(two.model->cache_shape, two.budget);
    }
    for (size_t p = 0; p < prompts.size(); ++p) {
      const auto rows = static_cast<int32_t>(prompts[p].ids.size());
      REQUIRE(sequences[p].reserve(rows).ok());
      runs.push_back({&sequences[p], static_cast<int32_t>(ids.size()), rows, 0});
      for (int32_t i = 0; i < rows; ++i) {
        wanted.push_back(static_cast<int32_t>(ids.size()));
        positions.push_back(i);
        ids.push_back(prompts[p].ids[static_cast<size_t>(i)]);
      }
    }
    Batch batch;
    batch.runs = runs;
    batch.token_ids = ids;
    batch.positions = positions;
    batch.rows_with_logits = wanted;
    std::vector<float> together(ids.size() * static_cast<size_t>(two.model->config.vocab_size));
    two.pass(batch, 160, together);
    std::vector<float> expected;
    for (const auto& logits : alone) expected.insert(expected.end(), logits.begin(), logits.end());
    CHECK(together == expected);
    CHECK(two.scratch.peak() <= two.scratch.size());
  }
}

TEST_CASE("decoder: a 16-bit cache moves the logits a little, and really is used") {
  const std::string folder = kData + "/deepseek_v3";
  const auto prompts = read_golden(folder + "/golden.safetensors");
  for (const CacheType type : {CacheType::f16, CacheType::bf16}) {
    Runner runner(folder, 2, "native", type);
    CacheSequence sequence(runner.model->cache_shape, runner.budget);
    const auto logits = runner.feed(sequence, prompts[2].ids);
    const float difference = largest_difference(logits, prompts[2].logits);
    CHECK(difference > 0);
    CHECK(difference < (type == CacheType::f16 ? 0.1f : 4.0f));  // a flipped expert moves these tiny models far
  }
}

TEST_CASE("decoder: every backend that is built in agrees within the tolerance") {
  for (const char* name : {"onednn", "blas"}) {
    if (!backend_built_in(name)) continue;
    for (const std::string& folder : golden_folders(kData)) {
      CAPTURE(folder);
      CAPTURE(std::string(name));
      Runner runner(folder, 2, name);
      const auto prompts = read_golden(folder + "/golden.safetensors");
      CacheSequence sequence(runner.model->cache_shape, runner.budget);
      CHECK(largest_difference(runner.feed(sequence, prompts[1].ids), prompts[1].logits) <= tolerance(folder));
    }
  }
}

// Rounding activations to BF16 costs the logits their third digit. No mixture here: a router between two near experts
// may then choose the other.
TEST_CASE("decoder: only with exact off oneDNN may round activations to BF16, and stays near") {
  if (!backend_built_in("onednn")) return;
  for (const std::string name : {"gguf_qwen2_bf16", "qwen2_tied", "llama3_as_shipped"}) {
    CAPTURE(name);
    Runner runner(kData + "/" + name, 2, "onednn", CacheType::f32, false, false);
    const auto prompts = read_golden(kData + "/" + name + "/golden.safetensors");
    CacheSequence sequence(runner.model->cache_shape, runner.budget);
    const std::vector<float> logits = runner.feed(sequence, prompts[1].ids);
    CHECK(cosine_of(logits, prompts[1].logits) >= 0.9995);
  }
}
