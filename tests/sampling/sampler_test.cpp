// The sampler against a plain reading of its settings in double precision: the set of tokens that may come, and how
// often each does.
#include "sampling/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

using namespace pensee;

namespace {

std::vector<float> room;

const Kernels& kernels() { return **kernels_for(""); }

std::vector<float> random_logits(std::mt19937& random, size_t count, double spread) {
  std::normal_distribution<double> normal(0, spread);
  std::vector<float> logits(count);
  for (float& x : logits) x = static_cast<float>(normal(random));
  return logits;
}

// What the settings mean, in the order that sampler.h names: probabilities of the tokens that are left.
std::map<int32_t, double> distribution(const std::vector<float>& logits, const SamplerSettings& s) {
  std::vector<std::pair<double, int32_t>> tokens;
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    tokens.emplace_back(-std::exp((logits[i] - most) / static_cast<double>(s.temperature)), static_cast<int32_t>(i));
  }
  std::sort(tokens.begin(), tokens.end());  // best first, ties to the lower id
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < tokens.size()) tokens.resize(static_cast<size_t>(s.top_k));
  for (const auto& token : tokens) sum -= token.first;
  std::map<int32_t, double> left;
  double before = 0, kept = 0;
  for (const auto& [minus_p, id] : tokens) {
    const double p = -minus_p / sum;
    if (before >= static_cast<double>(s.top_p)) break;  // the nucleus was full
    before += p;
    if (p < static_cast<double>(s.min_p) * -tokens[0].first / sum) continue;
    left[id] = p;
    kept += p;
  }
  for (auto& entry : left) entry.second /= kept;
  return left;
}

// Draws often and compares the counts by chi-square. The bound is mean + 5 standard deviations of its distribution.
void check_draws(const std::vector<float>& logits, const SamplerSettings& settings, uint64_t seed) {
  const auto expected = distribution(logits, settings);
  constexpr int draws = 40000;
  std::map<int32_t, int> counts;
  Sampler sampler(settings, seed, kernels());
  for (int i = 0; i < draws; ++i) ++counts[sampler.sample(logits)];
  double chi_square = 0, rare = 0;
  int rare_count = 0, degrees = 0;
  for (const auto& [id, p] : expected) {
    const auto found = counts.find(id);
    const int count = found == counts.end() ? 0 : found->second;
    if (p * draws < 10) {  // cells too small for the statistic go into one
      rare += p * draws;
      rare_count += count;
      continue;
    }
    chi_square += (count - p * draws) * (count - p * draws) / (p * draws);
    ++degrees;
  }
  if (rare > 10) {
    chi_square += (rare_count - rare) * (rare_count - rare) / rare;
    ++degrees;
  }
  for (const auto& entry : counts) CHECK_MESSAGE(expected.contains(entry.first), "token ", entry.first);
  CHECK(chi_square < degrees + 5 * std::sqrt(2.0 * degrees) + 5);
}

}  // namespace

TEST_CASE("sampler: temperature 0 takes the largest logit, the lower id of equals") {
  Sampler sampler({}, 1, kernels());
  CHECK(sampler.sample(std::vector<float>{0.5f, 2.0f, -1.0f, 2.0f}) == 1);
  CHECK(sampler.sample(std::vector<float>{-5.0f}) == 0);
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    const auto logits = random_logits(random, 1 + random() % 1000, 3);
    CHECK(sampler.sample(logits) == std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
}

TEST_CASE("sampler: each setting and their mixtures give the distribution that they describe") {
  std::mt19937 random(2);
  const SamplerSettings cases[] = {
      {1.0f, 0, 1.0f, 0.0f},    {0.3f, 0, 1.0f, 0.0f},  {3.0f, 0, 1.0f, 0.0f}, {1.0f, 1, 1.0f, 0.0f},
      {1.0f, 5, 1.0f, 0.0f},    {1.0f, 0, 0.5f, 0.0f},  {1.0f, 0, 0.9f, 0.0f}, {1.0f, 0, 0.99f, 0.0f},
      {1.0f, 0, 1e-6f, 0.0f},   {1.0f, 0, 1.0f, 0.1f},  {1.0f, 0, 1.0f, 1.0f}, {0.7f, 20, 0.8f, 0.02f},
      {1.5f, 30, 0.95f, 0.05f}, {0.6f, 0, 0.95f, 0.0f}, {1.0f, 9, 0.6f, 0.0f},
  };
  uint64_t seed = 1;
  for (const SamplerSettings& settings : cases) {
    for (const size_t count : {3u, 40u, 300u}) {
      CAPTURE(settings.temperature);
      CAPTURE(settings.top_k);
      CAPTURE(settings.top_p);
      CAPTURE(settings.min_p);
      CAPTURE(count);
      check_draws(random_logits(random, count, 2), settings, seed++);
    }
  }
}

TEST_CASE("sampler: the nucleus is that of the whole vocabulary, however long its tail") {
  // One token of 0.5, some of 0.01 each, and a tail that is rare by piece but not in sum.
  std::vector<float> logits(2000);
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = i == 0 ? 0.5 : i <= 46 ? 0.01 : 0.04 / 1953;
    logits[i] = static_cast<float>(std::log(p));
  }
  for (const float top_p : {0.505f, 0.705f, 0.905f, 0.945f, 0.955f}) {
    CAPTURE(top_p);
    const SamplerSettings settings = {1.0f, 0, top_p, 0.0f};
    check_draws(logits, settings, 11);
    std::map<int32_t, int> seen;
    Sampler sampler(settings, 5, kernels());
    for (int i = 0; i < 20000; ++i) ++seen[sampler.sample(logits)];
    if (top_p < 0.95f) CHECK(seen.size() == distribution(logits, settings).size());
  }
  check_draws(logits, {1.0f, 1000, 0.955f, 0.0f}, 12);
}

TEST_CASE("sampler: one seed gives the same draws, two seeds others") {
  std::mt19937 random(3);
  const auto logits = random_logits(random, 500, 1);
  const auto draws = [&](uint64_t seed) {
    Sampler sampler({1.0f, 0, 0.95f, 0.0f}, seed, kernels());
    std::vector<int32_t> ids;
    for (int i = 0; i < 100; ++i) ids.push_back(sampler.sample(logits));
    return ids;
  };
  CHECK(draws(9) == draws(9));
  CHECK(draws(9) != draws(10));
}

TEST_CASE("random: SplitMix64 gives the numbers that its authors print") {
  Random random(1234567);
  CHECK(random.next() == 6457827717110365317u);
  CHECK(random.next() == 3203168211198807973u);
  CHECK(random.next() == 9817491932198370423u);
}

TEST_CASE("sampler: every instruction set of this CPU draws the same tokens") {
  std::mt19937 random(4);
  const auto logits = random_logits(random, 777, 2);
  std::vector<std::vector<int32_t>> all;
  for (const std::string_view isa : available_isas()) {
    Sampler sampler({0.8f, 50, 0.95f, 0.01f}, 3, **kernels_for(isa));
    all.emplace_back();
    for (int i = 0; i < 200; ++i) all.back().push_back(sampler.sample(logits));
  }
  for (const auto& ids : all) CHECK(ids == all.front());
}

TEST_CASE("sampler: logits that are no numbers still give a token, a number where there is one") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  std::mt19937 random(5);
  const SamplerSettings cases[] = {
      {0, 0, 1, 0},      {1, 0, 1, 0},        {1, 3, 1, 0}, {1, 0, 0.9f, 0}, {1, 0, 1, 0.1f}, {1e-30f, 4, 0.5f, 0.5f},
      {1e-45f, 0, 1, 0}, {1e30f, 0, 0.9f, 0},
  };
  for (const SamplerSettings& settings : cases) {
    Sampler sampler(settings, 1, kernels());
    for (int round = 0; round < 300; ++round) {
      auto logits = random_logits(random, 1 + random() % 70, 5);
      const float odd[] = {nan, -nan, inf, -inf, 3e38f, -3e38f};
      for (float& x : logits) {
        if (random() % (1 + static_cast<unsigned>(round) % 9) == 0) x = odd[random() % std::size(odd)];
      }
      const int32_t token = sampler.sample(logits);
      REQUIRE(token >= 0);
      REQUIRE(token < static_cast<int32_t>(logits.size()));
      const bool any_number = std::any_of(logits.begin(), logits.end(), [](float x) { return x == x; });
      if (any_number) CHECK(logits[static_cast<size_t>(token)] == logits[static_cast<size_t>(token)]);
      const float total = log_sum_exp(logits, kernels(), room);
      const auto best = top_alternatives(logits, total, 5);
      REQUIRE(best.size() == std::min<size_t>(5, logits.size()));
      for (const Alternative& a : best) {
        REQUIRE(a.token_id >= 0);
        REQUIRE(a.token_id < static_cast<int32_t>(logits.size()));
      }
    }
  }
}

TEST_CASE("log_sum_exp: equals double precision, also for logits far from zero") {
  std::mt19937 random(6);
  for (const float shift : {0.0f, 500.0f, -500.0f, 1e6f}) {
    auto logits = random_logits(random, 5000, 4);
    for (float& x : logits) x += shift;
    const double most = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x) - most);
    CHECK(log_sum_exp(logits, kernels(), room) == doctest::Approx(most + std::log(sum)).epsilon(1e-6));
  }
  CHECK(log_sum_exp(std::vector<float>{0.0f, 0.0f}, kernels(), room) == doctest::Approx(std::log(2.0)));
}

TEST_CASE("top_alternatives: the most probable, best first, ties to the lower id, as log-probabilities") {
  std::mt19937 random(7);
  auto logits = random_logits(random, 300, 2);
  for (size_t i = 0; i < logits.size(); i += 3) logits[i] = logits[0];  // ties
  const float total = log_sum_exp(logits, kernels(), room);
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  for (const int32_t count : {0, 1, 20, 300, 400}) {
    const auto best = top_alternatives(logits, total, count);
    REQUIRE(best.size() == static_cast<size_t>(std::min(count, 300)));
    for (size_t i = 0; i < best.size(); ++i) {
      CHECK(best[i].token_id == order[i]);
      CHECK(best[i].logprob ==
            doctest::Approx(static_cast<double>(logits[static_cast<size_t>(order[i])]) - static_cast<double>(total)));
    }
  }
}
