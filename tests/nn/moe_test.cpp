// The router, by hand on small cases and against a plain reading of the DeepSeek-V3 report (2.1.2) on random ones; the
// two ways through the experts, against each other. What experts compute is held to transformers' logits in
// tests/models.
#include "nn/moe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

using namespace pensee;

namespace {

struct Chosen {
  std::vector<int32_t> expert_ids;
  std::vector<float> weights;
};

Router router(int32_t experts, int32_t k) {
  Router r;
  r.n_routed_experts = experts;
  r.num_experts_per_tok = k;
  return r;
}

Chosen choose(const Router& r, const std::vector<float>& scores) {
  const auto k = static_cast<size_t>(r.num_experts_per_tok);
  Chosen c = {std::vector<int32_t>(k, -1), std::vector<float>(k, -1)};
  std::vector<float> room(scores.size());
  choose_experts(r, scores.data(), room.data(), c.expert_ids.data(), c.weights.data());
  return c;
}

// Sorting whole lists instead of searching for the next best.
Chosen described(const Router& r, const std::vector<float>& scores) {
  const auto experts = static_cast<size_t>(r.n_routed_experts);
  const size_t size = experts / static_cast<size_t>(r.n_group);
  std::vector<double> choice(scores.begin(), scores.end());
  for (size_t e = 0; e < r.bias.size(); ++e) choice[e] = static_cast<double>(scores[e] + r.bias[e]);
  std::vector<std::pair<double, size_t>> groups;
  for (size_t g = 0; g < static_cast<size_t>(r.n_group); ++g) {
    std::vector<float> members;
    for (size_t e = g * size; e < (g + 1) * size; ++e) members.push_back(static_cast<float>(choice[e]));
    std::sort(members.rbegin(), members.rend());
    const bool two = r.group_rank == GroupRank::two_best && size > 1;
    groups.emplace_back(-static_cast<double>(two ? members[0] + members[1] : members[0]), g);
  }
  std::sort(groups.begin(), groups.end());
  std::vector<std::pair<double, int32_t>> allowed;
  for (size_t i = 0; i < static_cast<size_t>(r.topk_group); ++i) {
    for (size_t e = groups[i].second * size; e < (groups[i].second + 1) * size; ++e) {
      allowed.emplace_back(-choice[e], static_cast<int32_t>(e));
    }
  }
  std::sort(allowed.begin(), allowed.end());
  Chosen c;
  double sum = 0;
  for (size_t i = 0; i < static_cast<size_t>(r.num_experts_per_tok); ++i) {
    c.expert_ids.push_back(allowed[i].second);
    sum += static_cast<double>(scores[static_cast<size_t>(allowed[i].second)]);
  }
  for (const int32_t id : c.expert_ids) {
    const double weight = static_cast<double>(scores[static_cast<size_t>(id)]) / (r.norm_topk_prob ? sum + 1e-20 : 1.0);
    c.weights.push_back(static_cast<float>(weight * static_cast<double>(r.routed_scaling_factor)));
  }
  return c;
}

// Bytes below 64: halves stay small.
class Noise : public WeightSource {
 public:
  Noise(StoredType t, int64_t m, int64_t r, int64_t c) {
    name = "noise";
    type = t;
    matrices = m;
    rows = r;
    cols = c;
  }
  Status read(int64_t first, int64_t, std::span<std::byte> out) const override {
    std::mt19937 random(static_cast<uint32_t>(first + 7 * cols));
    for (std::byte& b : out) b = static_cast<std::byte>(random() & 0x3f);
    return Status();
  }
};

Linear noise(StoredType type, int64_t matrices, int64_t rows, int64_t cols, Activations activations, ThreadPool& pool) {
  Linear linear;
  auto backend = make_backend("native", {nullptr, activations});
  auto packed = (*backend)->pack(Noise(type, matrices, rows, cols), pool);
  REQUIRE(packed.ok());
  linear.parts.push_back(std::move(*packed));
  linear.rows = rows;
  linear.cols = cols;
  return linear;
}

// Outputs [tokens, hidden] of a mixture; the scratch has no more than it was said to need.
std::vector<float> mixed(const MixtureOfExperts& f, const std::vector<float>& h, int64_t tokens, int threads) {
  auto pool = std::move(*ThreadPool::create(threads));
  Scratch scratch;
  REQUIRE(scratch.reserve(scratch_bytes(f, tokens, threads)).ok());
  Compute compute = {*pool, scratch, **kernels_for("")};
  Batch batch;
  const Pass pass = {batch, compute, {}, {}};
  Scratch::Scope scope(scratch);
  const MutableView y = feed_forward(f, View(h.data(), tokens, f.down.rows), pass);
  CHECK(scratch.peak() <= scratch.size());
  return std::vector<float>(y.data, y.data + tokens * y.cols);
}

}  // namespace

TEST_CASE("mixture: expert by expert, step by step, or a token alone: the same bits") {
  const int64_t hidden = 96, width = 64, tokens = 230;
  auto pool = std::move(*ThreadPool::create(1));
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> h(static_cast<size_t>(tokens * hidden));
  for (float& x : h) x = normal(random);
  for (const StoredType type : {StoredType::q8_0, StoredType::f16}) {
    for (const Activations activations : {Activations::int16, Activations::int8}) {
      MixtureOfExperts f;
      f.router = router(16, 3);
      f.router.score = RouterScore::sigmoid;
      f.router.bias.assign(16, 0.0f);
      f.router.bias[5] = 9.0f;  // everybody's: more rows than a task takes
      f.router.weight = noise(StoredType::f16, 1, 16, hidden, activations, *pool);
      f.gate_up = noise(type, 16, 2 * width, hidden, activations, *pool);
      f.down = noise(type, 16, hidden, width, activations, *pool);
      f.shared = Dense{noise(type, 1, 2 * width, hidden, activations, *pool),
                       noise(type, 1, hidden, width, activations, *pool)};
      const auto by_step = mixed(f, h, tokens, 3);  // 16 experts are too few for three threads
      for (const int threads : {1, 2}) {
        const auto by_expert = mixed(f, h, tokens, threads);
        CHECK(std::memcmp(by_expert.data(), by_step.data(), by_step.size() * sizeof(float)) == 0);
      }
      for (const int64_t t : {int64_t{0}, tokens - 1}) {
        const std::vector<float> row(h.begin() + t * hidden, h.begin() + (t + 1) * hidden);
        const auto alone = mixed(f, row, 1, 1);
        CHECK(std::memcmp(alone.data(), by_step.data() + t * hidden, alone.size() * sizeof(float)) == 0);
      }
    }
  }
  MixtureOfExperts f;  // a scratch for many serves few
  f.router = router(16, 3);
  f.router.weight = noise(StoredType::f16, 1, 16, hidden, Activations::int8, *pool);
  f.gate_up = noise(StoredType::q8_0, 16, 2 * width, hidden, Activations::int8, *pool);
  f.down = noise(StoredType::q8_0, 16, hidden, width, Activations::int8, *pool);
  for (int64_t t = 2; t < tokens; ++t) REQUIRE(scratch_bytes(f, t, 2) >= scratch_bytes(f, t - 1, 2));
}

TEST_CASE("router: bias decides who is chosen, never how much they weigh") {
  Router r = router(4, 2);
  const std::vector<float> scores = {0.9f, 0.5f, 0.3f, 0.1f};
  CHECK(choose(r, scores).expert_ids == std::vector<int32_t>{0, 1});
  r.bias = {0, 0, 0, 5.0f};
  const Chosen c = choose(r, scores);
  CHECK(c.expert_ids == std::vector<int32_t>{3, 0});
  CHECK(c.weights == std::vector<float>{0.1f, 0.9f});
  r.norm_topk_prob = true;
  CHECK(choose(r, scores).weights[0] == doctest::Approx(0.1));
  CHECK(choose(r, scores).weights[1] == doctest::Approx(0.9));
}

TEST_CASE("router: equals go to the lower id, within and between groups") {
  Router r = router(6, 3);
  CHECK(choose(r, std::vector<float>(6, 0.25f)).expert_ids == std::vector<int32_t>{0, 1, 2});
  CHECK(choose(r, {0.1f, 0.2f, 0.2f, 0.1f, 0.2f, 0.2f}).expert_ids == std::vector<int32_t>{1, 2, 4});
  r.n_group = 3;
  r.topk_group = 2;
  CHECK(choose(r, {0.1f, 0.2f, 0.2f, 0.1f, 0.2f, 0.2f}).expert_ids == std::vector<int32_t>{1, 2, 0});
  r.group_rank = GroupRank::two_best;
  CHECK(choose(r, {0.1f, 0.2f, 0.2f, 0.1f, 0.2f, 0.2f}).expert_ids == std::vector<int32_t>{1, 4, 5});
}

TEST_CASE("router: groups are ranked by their best expert or by their two best together") {
  Router r = router(8, 2);
  r.n_group = 4;
  r.topk_group = 1;
  const std::vector<float> scores = {0.9f, 0.0f, 0.6f, 0.5f, 0.2f, 0.2f, 0.1f, 0.0f};
  CHECK(choose(r, scores).expert_ids == std::vector<int32_t>{0, 1});
  r.group_rank = GroupRank::two_best;
  CHECK(choose(r, scores).expert_ids == std::vector<int32_t>{2, 3});
  r.bias = {0, 1.0f, 0, 0, 0, 0, 0, 0};  // the ranking of groups sees the bias as well
  CHECK(choose(r, scores).expert_ids == std::vector<int32_t>{1, 0});
}

TEST_CASE("router: an expert outside of the chosen groups stays out, however negative the others are") {
  Router r = router(4, 2);
  r.n_group = 2;
  r.topk_group = 1;
  r.bias = {-3.0f, -3.0f, -9.0f, -2.0f};
  CHECK(choose(r, {0.5f, 0.4f, 0.3f, 0.2f}).expert_ids == std::vector<int32_t>{3, 2});
}

TEST_CASE("router: weights are normed, then scaled") {
  Router r = router(4, 2);
  r.routed_scaling_factor = 2.5f;
  const std::vector<float> scores = {0.1f, 0.3f, 0.2f, 0.0f};
  CHECK(choose(r, scores).weights[0] == doctest::Approx(0.75));
  CHECK(choose(r, scores).weights[1] == doctest::Approx(0.5));
  r.norm_topk_prob = true;
  CHECK(choose(r, scores).weights[0] == doctest::Approx(1.5));
  CHECK(choose(r, scores).weights[1] == doctest::Approx(1.0));
  CHECK(choose(r, std::vector<float>(4, 0.0f)).weights == std::vector<float>{0, 0});  // no division by zero
}

TEST_CASE("router: random scores are routed as the report describes") {
  std::mt19937 random(8);
  std::uniform_real_distribution<float> uniform(0, 1);
  for (int round = 0; round < 5000; ++round) {
    const auto groups = static_cast<int32_t>(1 + random() % 8), size = static_cast<int32_t>(1 + random() % 8);
    Router r = router(groups * size, 1);
    r.n_group = groups;
    r.topk_group = static_cast<int32_t>(1 + random() % static_cast<unsigned>(groups));
    r.num_experts_per_tok = static_cast<int32_t>(1 + random() % static_cast<unsigned>(r.topk_group * size));
    r.group_rank = random() % 2 == 0 ? GroupRank::best : GroupRank::two_best;
    r.norm_topk_prob = random() % 2 == 0;
    r.routed_scaling_factor = 0.5f + uniform(random);
    std::vector<float> scores(static_cast<size_t>(groups * size));
    const bool ties = random() % 3 == 0;
    for (float& s : scores) s = ties ? static_cast<float>(random() % 4) / 4 : uniform(random);
    if (random() % 2 == 0) {
      for (size_t e = 0; e < scores.size(); ++e) r.bias.push_back(ties ? 0.25f : uniform(random) - 0.5f);
    }
    const Chosen found = choose(r, scores), expected = described(r, scores);
    REQUIRE(found.expert_ids == expected.expert_ids);
    for (size_t i = 0; i < found.weights.size(); ++i) {
      REQUIRE(std::abs(found.weights[i] - expected.weights[i]) <= 1e-5f * (1 + std::abs(expected.weights[i])));
    }
  }
}

TEST_CASE("router: scores that are no numbers still choose as many different experts") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  std::mt19937 random(9);
  for (int round = 0; round < 500; ++round) {
    Router r = router(8, static_cast<int32_t>(1 + random() % 4));
    r.n_group = 4;
    r.topk_group = 2;
    r.group_rank = GroupRank::two_best;
    std::vector<float> scores(8);
    const float odd[] = {nan, inf, -inf, 0.5f, 0.25f};
    for (float& s : scores) s = odd[random() % 5];
    Chosen c = choose(r, scores);
    std::sort(c.expert_ids.begin(), c.expert_ids.end());
    CHECK(std::adjacent_find(c.expert_ids.begin(), c.expert_ids.end()) == c.expert_ids.end());
    CHECK(c.expert_ids.front() >= 0);
    CHECK(c.expert_ids.back() < 8);
  }
}
