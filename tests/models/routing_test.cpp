// The routing seen and replayed: what a pass traces is what transformers' gate chooses (routing.safetensors, made by
// tests/goldens/make_routing.py), and experts that are given are computed with as transformers computes with them.
#include <algorithm>
#include <numeric>

#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data";
const char* const kCases[] = {"v3_odd", "v3_as_shipped", "v2_group_odd"};

struct Routed {
  std::vector<int32_t> experts;
  std::vector<float> weights;
  std::vector<float> logits;
};

Routed route(Runner& runner, std::span<const int32_t> ids, std::span<const int32_t> replay = {}) {
  const ModelConfig& c = runner.model->config;
  const size_t numbers = ids.size() * static_cast<size_t>(c.moe_layers() * c.num_experts_per_tok);
  Routed r = {std::vector<int32_t>(numbers, -7), std::vector<float>(numbers, -7), {}};
  CacheSequence sequence(runner.model->cache_shape, runner.budget);
  if (!replay.empty()) REQUIRE(replay.size() == numbers);
  r.logits =
      runner.feed(sequence, ids, {r.experts.data(), r.weights.data()}, {replay.empty() ? nullptr : replay.data()});
  return r;
}

// Each layer's experts in ascending order: their order in a tie of scores is nobody's promise.
Routed by_id(Routed r, size_t k) {
  for (size_t first = 0; first < r.experts.size(); first += k) {
    std::vector<std::pair<int32_t, float>> pairs;
    for (size_t i = first; i < first + k; ++i) pairs.emplace_back(r.experts[i], r.weights[i]);
    std::sort(pairs.begin(), pairs.end());
    for (size_t i = 0; i < k; ++i) std::tie(r.experts[first + i], r.weights[first + i]) = pairs[i];
  }
  return r;
}

std::vector<int32_t> golden_ids(const std::string& name, int k) {
  return Numbers(kData + "/" + name + "/golden.safetensors").integers("ids." + std::to_string(k));
}

}  // namespace

TEST_CASE("routing: a pass traces the experts and weights that transformers' gate gives") {
  for (const char* name : kCases) {
    Runner runner(kData + "/" + name, 2);
    const Numbers expected(kData + "/" + name + "/routing.safetensors");
    for (const int k : {0, 1}) {
      CAPTURE(std::string(name));
      CAPTURE(k);
      const Routed r =
          by_id(route(runner, golden_ids(name, k)), static_cast<size_t>(runner.model->config.num_experts_per_tok));
      CHECK(r.experts == expected.integers("experts." + std::to_string(k)));
      CHECK(largest_difference(r.weights, expected.floats("weights." + std::to_string(k))) < 1e-5f);
    }
  }
}

TEST_CASE("routing: seeing it moves no bit, and the pass that is cut into pieces traces the same") {
  for (const char* name : kCases) {
    Runner runner(kData + "/" + name, 2);
    const auto ids = golden_ids(name, 1);
    const Routed whole = route(runner, ids);
    CacheSequence plain(runner.model->cache_shape, runner.budget);
    CHECK(runner.feed(plain, ids) == whole.logits);
    const ModelConfig& c = runner.model->config;
    const auto row = static_cast<size_t>(c.moe_layers() * c.num_experts_per_tok);
    Routed pieces = whole;
    std::fill(pieces.experts.begin(), pieces.experts.end(), -7);
    CacheSequence sequence(runner.model->cache_shape, runner.budget);
    for (size_t first = 0, rows = 1; first < ids.size(); first += rows, rows = 2 * rows + 1) {
      rows = std::min(rows, ids.size() - first);
      runner.feed(sequence, std::span(ids).subspan(first, rows),
                  {pieces.experts.data() + first * row, pieces.weights.data() + first * row});
    }
    CHECK(pieces.experts == whole.experts);
    CHECK(pieces.weights == whole.weights);
  }
}

TEST_CASE("routing: a trace that is replayed gives the same bits, whole or for some rows and layers") {
  for (const char* name : kCases) {
    Runner runner(kData + "/" + name, 2);
    const auto ids = golden_ids(name, 1);
    const Routed traced = route(runner, ids);
    REQUIRE(check_replay(runner.model->config, traced.experts).ok());
    const Routed replayed = route(runner, ids, traced.experts);
    CHECK(replayed.logits == traced.logits);
    CHECK(replayed.weights == traced.weights);
    const auto k = static_cast<size_t>(runner.model->config.num_experts_per_tok);
    std::vector<int32_t> some = traced.experts;
    for (size_t first = 0; first < some.size(); first += 3 * k) std::fill_n(&some[first], k, -1);
    REQUIRE(check_replay(runner.model->config, some).ok());
    CHECK(route(runner, ids, some).logits == traced.logits);
  }
}

TEST_CASE("routing: other experts compute as transformers computes with them; only rows that have some change") {
  for (const char* name : kCases) {
    Runner runner(kData + "/" + name, 2);
    const Numbers expected(kData + "/" + name + "/routing.safetensors");
    for (const int k : {0, 1}) {
      CAPTURE(std::string(name));
      CAPTURE(k);
      const auto ids = golden_ids(name, k);
      auto replay = expected.integers("replay." + std::to_string(k));
      REQUIRE(check_replay(runner.model->config, replay).ok());
      const Routed plain = route(runner, ids);
      const Routed r = route(runner, ids, replay);
      CHECK(r.experts == replay);
      CHECK(largest_difference(r.logits, expected.floats("replay_logits." + std::to_string(k))) < 2e-4f);
      CHECK(largest_difference(r.logits, plain.logits) > 0.01f);

      const size_t half = ids.size() / 2, row = replay.size() / ids.size();
      const size_t vocab = r.logits.size() / ids.size();
      std::fill_n(replay.begin(), half * row, -1);
      const Routed later = route(runner, ids, replay);
      CHECK(std::equal(plain.logits.begin(), plain.logits.begin() + static_cast<std::ptrdiff_t>(half * vocab),
                       later.logits.begin()));
      CHECK(!std::equal(plain.logits.end() - static_cast<std::ptrdiff_t>(vocab), plain.logits.end(),
                        later.logits.end() - static_cast<std::ptrdiff_t>(vocab)));
    }
  }
}

TEST_CASE("routing: what cannot be replayed is refused by the place and the id") {
  ModelConfig c;
  c.num_hidden_layers = 3;
  c.first_k_dense_replace = 1;
  c.n_routed_experts = 8;
  c.num_experts_per_tok = 2;
  CHECK(c.moe_layers() == 2);
  const auto message = [&](std::vector<int32_t> ids) {
    const Status status = check_replay(c, ids);
    CHECK((status.ok() || status.code() == Code::bad_argument));
    return status.message();
  };
  CHECK(message({}) == "");
  CHECK(message({0, 7, -1, -1}) == "");
  CHECK(message({0, 7, 1}) == "3 expert ids to replay are no whole rows of 2 layers with 2 each");
  CHECK(message({0, 7, 1, 2, 3, 4, 5, 8}) ==
        "expert id 8 to replay, of row 1 and mixture 1, is not one of the model's 8 experts");
  CHECK(message({0, 7, 1, -1}) ==
        "expert id -1 to replay, of row 0 and mixture 1, is not one of the model's 8 experts");
  CHECK(message({3, 3, 1, 2}) == "expert id 3 to replay, of row 0 and mixture 0, stands there twice");
  c.n_routed_experts = 0;
  CHECK(message({0, 1}) == "a routing to replay was given but the model has no experts");
}
