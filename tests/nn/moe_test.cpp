// The router, by hand on small cases and against a plain reading of the DeepSeek-V3 report (2.1.2) on random ones. What
// experts compute is held to transformers' logits in tests/models.
#include "nn/moe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
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

}  // namespace

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
