// Passes of small models cut by rows: the bits of a pass by one thread, wherever the cuts fall.
#include <atomic>
#include <cstring>

#include "models/golden.h"
#include "models/slices.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data";

// Three sequences of 5, 1 and 7 rows, the first with 3 positions before them; logits of some rows of each.
struct Mixed {
  Runner runner;
  std::vector<CacheSequence> sequences;
  std::vector<int32_t> ids, positions;
  std::vector<Run> runs;
  const std::vector<int32_t> wanted = {2, 4, 5, 6, 12};
  Batch batch;

  Mixed(const std::string& folder, int threads) : runner(folder, threads) {
    runner.model->facts.active_weight_bytes = 1 << 20;  // the models of these tests are smaller than is worth cutting
    const auto prompt = read_golden(folder + "/golden.safetensors")[1].ids;
    const int32_t rows_of[] = {5, 1, 7}, before[] = {3, 0, 0};
    for (int i = 0; i < 3; ++i) sequences.emplace_back(runner.model->cache_shape, runner.budget);
    for (int i = 0; i < 3; ++i) {
      CacheSequence& sequence = sequences[static_cast<size_t>(i)];
      if (before[i] > 0) runner.feed(sequence, std::span(prompt).first(static_cast<size_t>(before[i])));
      REQUIRE(sequence.reserve(before[i] + rows_of[i]).ok());
      runs.push_back({&sequence, static_cast<int32_t>(ids.size()), rows_of[i], before[i]});
      for (int32_t r = 0; r < rows_of[i]; ++r) {
        positions.push_back(before[i] + r);
        ids.push_back(prompt[static_cast<size_t>(before[i] + r) % prompt.size()] + (i == 2));
      }
    }
    batch.runs = runs;
    batch.token_ids = ids;
    batch.positions = positions;
    batch.rows_with_logits = wanted;
  }

  std::vector<float> logits() {
    std::vector<float> out(wanted.size() * static_cast<size_t>(runner.model->config.vocab_size));
    runner.pass(batch, 64, out);
    return out;
  }
};

}  // namespace

TEST_CASE("slices: wherever rows are cut, the bits are those of one thread") {
  for (const char* name : {"/v3_mtp", "/qwen2_tied"}) {
    CAPTURE(name);
    Mixed alone(kData + name, 1);
    const std::vector<float> expected = alone.logits();
    for (const int threads : {2, 3, 4, 13, 16}) {
      CAPTURE(threads);
      Mixed cut(kData + name, threads);
      const int64_t slices = slices_of(*cut.runner.model, cut.batch.rows(), cut.runner.pool->threads());
      REQUIRE(slices == std::min(threads, 13));
      for (int round = 0; round < 20; ++round) {
        const std::vector<float> logits = cut.logits();
        REQUIRE(std::memcmp(logits.data(), expected.data(), logits.size() * sizeof(float)) == 0);
      }
      CHECK(cut.runner.scratch.peak() <= decode_scratch_bytes(*cut.runner.model, 13, 5, 64, threads));
    }
  }
}

TEST_CASE("slices: one that is cancelled ends the pass, and nobody waits for it") {
  Mixed cut(kData + "/v3_mtp", 3);
  std::vector<float> logits(cut.wanted.size() * static_cast<size_t>(cut.runner.model->config.vocab_size));
  for (int after = 0; after < 6; ++after) {  // the call, of any slice, that is told so first
    std::atomic<int> left = after;
    cut.batch.cancelled = [](void* user) { return static_cast<std::atomic<int>*>(user)->fetch_sub(1) <= 0; };
    cut.batch.cancelled_user = &left;
    REQUIRE(cut.runner.scratch.reserve(decode_scratch_bytes(*cut.runner.model, 13, 5, 64, 3)).ok());
    Compute compute = {*cut.runner.pool, cut.runner.scratch, **kernels_for("")};
    const auto vocab = cut.runner.model->config.vocab_size;
    CHECK_FALSE(decode(*cut.runner.model, cut.batch, compute, MutableView(logits.data(), 5, vocab)));
  }
}

TEST_CASE("slices: large models, tiny ones and long passes stay whole") {
  Runner runner(kData + "/v3_mtp", 2);
  CHECK(slices_of(*runner.model, 2, 2) == 1);
  runner.model->facts.active_weight_bytes = 1 << 20;
  CHECK(slices_of(*runner.model, kSlicedRowsMax, 2) == 2);
  CHECK(slices_of(*runner.model, kSlicedRowsMax + 1, 2) == 1);
  runner.model->facts.active_weight_bytes = 64 << 20;
  CHECK(slices_of(*runner.model, 2, 2) == 1);
}
