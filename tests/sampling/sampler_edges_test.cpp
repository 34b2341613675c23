// The sampler at its edges: masks, ties, logits that are no numbers, extreme settings, a change of settings in the
// middle, and what check() refuses.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "sampling/draws.h"

using namespace pensee;
using namespace pensee::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

std::vector<uint32_t> mask_of(size_t vocab, const std::set<int32_t>& ids) {
  std::vector<uint32_t> mask((vocab + 31) / 32);
  for (const int32_t id : ids) mask[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
  return mask;
}

// One of everything, at random, sometimes at the ends of its range.
SamplerSettings random_settings(std::mt19937& random, int32_t vocab) {
  const auto pick = [&](std::initializer_list<float> values) { return values.begin()[random() % values.size()]; };
  SamplerSettings s;
  s.temperature = pick({0, 1e-30f, 1e-45f, 0.1f, 0.7f, 1, 1.5f, 1e9f});
  s.top_k = static_cast<int32_t>(pick({0, 0, 1, 3, 50, 2e9f}));
  s.top_p = pick({0, 1e-30f, 0.5f, 0.95f, 1, 1});
  s.min_p = pick({0, 0, 1e-30f, 0.1f, 1});
  s.typical_p = pick({0, 0.3f, 0.95f, 1, 1});
  s.top_n_sigma = pick({0, 0, 1e-20f, 1, 1e9f});
  s.xtc_probability = pick({0, 0, 0.5f, 1});
  s.xtc_threshold = pick({0, 0.1f, 0.5f, 1});
  s.dry_multiplier = pick({0, 0.8f, 1e9f});
  s.dry_base = pick({1, 1.75f, 1e9f});
  s.dry_allowed_length = static_cast<int32_t>(pick({0, 2, 2e9f}));
  s.dry_last_n = static_cast<int32_t>(pick({-1, 0, 5, 2e9f}));
  s.repetition_penalty = pick({1, 1.2f, 1e-3f, 1e3f});
  s.frequency_penalty = pick({0, 0, 0.5f, -100, 100});
  s.presence_penalty = pick({0, 0, 0.5f, -100, 100});
  s.penalty_last_n = static_cast<int32_t>(pick({-1, 0, 5, 2e9f}));
  s.mirostat = static_cast<int32_t>(pick({0, 0, 2}));
  s.mirostat_tau = pick({0, 5, 1e3f});
  s.mirostat_eta = pick({0, 0.1f, 1e3f});
  if (random() % 3 == 0) s.dry_breakers = {vocab - 1, 0, vocab / 2};
  if (random() % 3 == 0) s.logit_bias = {{0, 1e30f}, {vocab - 1, -kInf}, {0, -3.0f}};
  if (random() % 2 == 0) {
    for (int32_t kind = 1; kind <= 9; ++kind) s.order.push_back(static_cast<SamplerKind>(kind));
    std::shuffle(s.order.begin(), s.order.end(), random);
    s.order.resize(1 + random() % s.order.size());
  }
  return s;
}

std::vector<int32_t> draws(Sampler& sampler, const std::vector<float>& logits, int count) {
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i) ids.push_back(sampler.sample(logits));
  return ids;
}

}  // namespace

TEST_CASE("sampler: whatever the settings, the logits and the mask, the token is one that may come") {
  std::mt19937 random(1);
  for (int round = 0; round < 6000; ++round) {
    const size_t vocab = round % 3 == 0 ? 1 + random() % 3 : 1 + random() % 100;
    const SamplerSettings settings = random_settings(random, static_cast<int32_t>(vocab));
    REQUIRE(check(settings, static_cast<int32_t>(vocab)).ok());
    auto logits = random_logits(random, vocab, 1 + static_cast<double>(random() % 30));
    const float odd[] = {kNan, -kNan, kInf, -kInf, 3e38f, -3e38f, 0.0f, -0.0f};
    const unsigned one_in = 1 + static_cast<unsigned>(round) % 12;
    if (round % 2 == 0) {
      for (float& x : logits) x = random() % one_in == 0 ? odd[random() % std::size(odd)] : x;
    }
    if (round % 17 == 0) std::fill(logits.begin(), logits.end(), odd[random() % std::size(odd)]);
    std::vector<int32_t> history;
    for (size_t i = random() % 40; i > 0; --i) history.push_back(static_cast<int32_t>(random() % (vocab + 3)) - 1);
    std::set<int32_t> ids;
    for (size_t i = random() % 4; i > 0; --i) ids.insert(static_cast<int32_t>(random() % vocab));
    const std::vector<uint32_t> mask = round % 4 == 1 ? mask_of(vocab, ids) : std::vector<uint32_t>();
    Sampler sampler(settings, random(), kernels());
    for (int i = 0; i < 4; ++i) {
      const int32_t token = sampler.sample(logits, history, mask);
      if (!mask.empty()) {
        REQUIRE((ids.empty() ? token == -1 : ids.contains(token)));
        continue;
      }
      REQUIRE(token >= 0);
      REQUIRE(token < static_cast<int32_t>(vocab));
      history.push_back(token);
    }
  }
}

TEST_CASE("sampler: greedy takes the best of the allowed; with none allowed there is no token") {
  const std::vector<float> logits = {5, 1, 4, 2, 4, -kInf};
  for (const float bias : {0.0f, 1.0f}) {  // with and without a change to the logits
    SamplerSettings s;
    if (bias != 0) s.logit_bias = {{1, bias}};
    Sampler sampler(s, 1, kernels());
    CHECK(sampler.sample(logits, {}, mask_of(6, {1, 2, 3, 4})) == 2);
    CHECK(sampler.sample(logits, {}, mask_of(6, {5})) == 5);
    CHECK(sampler.sample(logits, {}, mask_of(6, {})) == -1);
    CHECK(sampler.sample(logits, {}, std::vector<uint32_t>{1u << 6}) == -1);  // beyond the vocabulary
    CHECK(sampler.sample(logits, {}, std::vector<uint32_t>{~0u}) == 0);
  }
  Sampler drawing(at(1), 1, kernels());
  CHECK(drawing.sample(logits, {}, mask_of(6, {})) == -1);
  CHECK(drawing.sample(logits, {}, mask_of(6, {5})) == 5);
  CHECK(drawing.sample(std::vector<float>{}) == -1);
  // A mask that is too short allows nothing beyond its end.
  const std::vector<float> flat(100, 0.0f);
  for (int i = 0; i < 200; ++i) CHECK(drawing.sample(flat, {}, std::vector<uint32_t>{~0u}) < 32);
}

TEST_CASE("sampler: a mask that allows all changes no draw") {
  std::mt19937 random(2);
  const auto logits = random_logits(random, 500, 2);
  SamplerSettings s = at(0.8f);
  s.top_p = 0.95f;
  Sampler plain(s, 4, kernels()), masked(s, 4, kernels());
  const std::vector<uint32_t> all(16, ~0u);
  for (int i = 0; i < 300; ++i) CHECK(plain.sample(logits) == masked.sample(logits, {}, all));
}

TEST_CASE("sampler: a banned token never comes, one with a large bias always") {
  std::mt19937 random(3);
  auto logits = random_logits(random, 40, 1);
  logits[7] = 20;
  SamplerSettings s = at(1);
  s.logit_bias = {{7, -kInf}};
  Sampler banned(s, 1, kernels());
  for (const int32_t id : draws(banned, logits, 500)) CHECK(id != 7);
  s.logit_bias = {{9, 100.0f}};
  Sampler wanted(s, 1, kernels());
  for (const int32_t id : draws(wanted, logits, 100)) CHECK(id == 9);
}

TEST_CASE("sampler: the order decides: nucleus before temperature is that of the model's own distribution") {
  // 0.6, 0.3, 0.1: at temperature 3 the nucleus of 0.85 needs all three, before it only two.
  const std::vector<float> logits = {std::log(0.6f), std::log(0.3f), std::log(0.1f)};
  SamplerSettings s = at(3);
  s.top_p = 0.85f;
  const auto kept = [&](std::vector<SamplerKind> order) {
    s.order = std::move(order);
    Sampler sampler(s, 1, kernels());
    const auto ids = draws(sampler, logits, 300);
    return std::set<int32_t>(ids.begin(), ids.end()).size();
  };
  CHECK(kept({}) == 3);
  CHECK(kept({SamplerKind::temperature, SamplerKind::top_p}) == 3);
  CHECK(kept({SamplerKind::top_p, SamplerKind::temperature}) == 2);
  CHECK(kept({SamplerKind::temperature}) == 3);
  s.temperature = 0.1f;  // what `order` does not name does not run: neither cools nor cuts
  s.top_p = 0.1f;
  CHECK(kept({SamplerKind::min_p}) == 3);
}

TEST_CASE("sampler: ids that only change places change what comes in the same way") {
  std::mt19937 random(5);
  const size_t vocab = 400;
  std::vector<float> logits(vocab);
  for (size_t i = 0; i < vocab; ++i) logits[i] = 12.0f - 0.03f * static_cast<float>(i);
  std::vector<int32_t> place(vocab);
  std::iota(place.begin(), place.end(), 0);
  std::shuffle(place.begin(), place.end(), random);
  std::vector<float> moved(vocab);
  for (size_t i = 0; i < vocab; ++i) moved[static_cast<size_t>(place[i])] = logits[i];
  SamplerSettings s = at(0.9f);
  s.top_k = 200;
  s.top_p = 0.9f;
  s.typical_p = 0.9f;
  s.xtc_probability = 0.5f;
  s.xtc_threshold = 0.02f;
  Sampler here(s, 8, kernels()), there(s, 8, kernels());
  for (int i = 0; i < 500; ++i) CHECK(place[static_cast<size_t>(here.sample(logits))] == there.sample(moved));
}

TEST_CASE("sampler: of equal tokens top-k keeps the lower ids, typical-p all") {
  const std::vector<float> flat(3000, 1.5f);
  for (const bool tempered : {false, true}) {
    SamplerSettings s = at(1);
    s.top_k = 7;
    s.order = {SamplerKind::top_k};
    if (tempered) s.order = {SamplerKind::temperature, SamplerKind::top_k};
    Sampler sampler(s, 1, kernels());
    const auto ids = draws(sampler, flat, 200);
    CHECK(std::set<int32_t>(ids.begin(), ids.end()) == std::set<int32_t>{0, 1, 2, 3, 4, 5, 6});
  }
  SamplerSettings s = at(1);
  s.typical_p = 0.2f;
  Sampler sampler(s, 1, kernels());
  const auto ids = draws(sampler, flat, 2000);
  CHECK(*std::max_element(ids.begin(), ids.end()) > 2900);
}

TEST_CASE("sampler: XTC acts as often as its probability says, and never on a single top token") {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  SamplerSettings s = at(1);
  s.xtc_probability = 0.3f;
  s.xtc_threshold = 0.25f;
  Sampler sampler(s, 3, kernels());
  std::map<int32_t, int> counts;
  for (const int32_t id : draws(sampler, logits, 20000)) ++counts[id];
  // Acting leaves 0.3 and 0.2. Five standard deviations are at most 355.
  CHECK(std::abs(counts[0] - 20000 * 0.7 * 0.5) < 355);
  CHECK(std::abs(counts[1] - 20000 * (0.7 * 0.3 + 0.3 * 0.6)) < 355);
  s.xtc_probability = 1;
  s.xtc_threshold = 0.4f;
  Sampler one(s, 3, kernels());
  const auto ids = draws(one, logits, 200);
  CHECK(std::count(ids.begin(), ids.end(), 0) > 50);
}

TEST_CASE("sampler: mirostat 2 holds the surprise of what comes near its target") {
  std::mt19937 random(9);
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 16; ++i) rows.push_back(random_logits(random, 2000, 2.5 + 0.1 * i));
  for (const float tau : {2.5f, 3.0f, 3.5f}) {
    SamplerSettings s = at(1);
    s.mirostat = 2;
    s.mirostat_tau = tau;
    Sampler sampler(s, 5, kernels());
    std::vector<float> room;
    double bits = 0;
    constexpr int count = 2000;
    for (int i = 0; i < count; ++i) {
      const auto& logits = rows[static_cast<size_t>(i) % rows.size()];
      const int32_t token = sampler.sample(logits);
      const float log_p = logits[static_cast<size_t>(token)] - log_sum_exp(logits, kernels(), room);
      if (i >= 200) bits -= static_cast<double>(log_p) / std::log(2.0);
    }
    CHECK(bits / (count - 200) == doctest::Approx(static_cast<double>(tau)).epsilon(0.05));
  }
}

TEST_CASE("sampler: DRY finds the longest repetition that each token would prolong, breakers not crossed") {
  std::mt19937 random(12);
  for (int round = 0; round < 1500; ++round) {
    const int32_t words = 2 + static_cast<int32_t>(random() % 5);
    std::vector<int32_t> history(random() % 25);
    for (int32_t& id : history)
      id = static_cast<int32_t>(random()) & 1 ? 0 : static_cast<int32_t>(random() % 5) % words;
    SamplerSettings s;
    s.dry_multiplier = 1;
    s.dry_base = 2;
    s.dry_allowed_length = 1;
    if (round % 2 == 0) s.dry_breakers = {words - 1};
    const auto breaks = [&](int32_t id) { return round % 2 == 0 && id == words - 1; };
    std::vector<size_t> longest(static_cast<size_t>(words), 0);
    for (size_t place = 1; place < history.size(); ++place) {  // compares token by token
      size_t length = 0;
      while (length < place && history[place - 1 - length] == history[history.size() - 1 - length] &&
             !breaks(history[place - 1 - length])) {
        ++length;
      }
      if (!breaks(history[place])) {
        size_t& most = longest[static_cast<size_t>(history[place])];
        most = std::max(most, length);
      }
    }
    // Flat logits, and a penalty that doubles with each token: greedy names the least repetitive first.
    Sampler sampler(s, 1, kernels());
    const std::vector<float> flat(static_cast<size_t>(words), 0.0f);
    std::set<int32_t> left;
    for (int32_t id = 0; id < words; ++id) left.insert(id);
    while (!left.empty()) {
      const int32_t best = *std::min_element(left.begin(), left.end(), [&](int32_t a, int32_t b) {
        return longest[static_cast<size_t>(a)] < longest[static_cast<size_t>(b)];
      });
      REQUIRE(sampler.sample(flat, history, mask_of(flat.size(), left)) == best);
      left.erase(best);
    }
  }
}

TEST_CASE("sampler: DRY is linear in a history that repeats one token, and its penalty stays a number") {
  const std::vector<int32_t> history(200000, 3);
  SamplerSettings s;
  s.dry_multiplier = 0.8f;
  Sampler sampler(s, 1, kernels());
  CHECK(sampler.sample(std::vector<float>{0, 1, 2, 1e9f}, history) == 2);
  CHECK(sampler.sample(std::vector<float>{-kInf, -kInf, -kInf, 1e9f}, history) == 3);
}

TEST_CASE("sampler: other settings take effect at once, and the random stream goes on") {
  std::mt19937 random(10);
  const auto logits = random_logits(random, 300, 1.5);
  const SamplerSettings thought = at(1), answer = [] {
    SamplerSettings s = at(0.5f);
    s.top_k = 4;
    return s;
  }();
  Sampler changing(thought, 6, kernels()), reference(answer, 6, kernels());
  const auto before = draws(changing, logits, 50);
  Sampler same(thought, 6, kernels());
  CHECK(before == draws(same, logits, 50));
  draws(reference, logits, 50);
  changing.set(answer);
  CHECK(draws(changing, logits, 100) == draws(reference, logits, 100));
  changing.set(at(0));
  CHECK(changing.sample(logits) == std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST_CASE("sample_seed: the first is the seed itself, the others differ from it and from each other") {
  CHECK(sample_seed(42, 0) == 42);
  std::set<uint64_t> seeds;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{42}, ~uint64_t{0}}) {
    for (int32_t i = 1; i < 1000; ++i) seeds.insert(sample_seed(seed, i));
  }
  CHECK(seeds.size() == 5 * 999);
  CHECK(!seeds.contains(0));
  // Their streams are no shifted copies of one another, as neighbouring states of one SplitMix64 would be.
  std::set<uint64_t> numbers;
  for (int32_t i = 0; i < 64; ++i) {
    Random random(sample_seed(42, i));
    for (int j = 0; j < 100; ++j) numbers.insert(random.next());
  }
  CHECK(numbers.size() == 6400);
}

TEST_CASE("check: a setting out of its range is named") {
  const auto message = [](auto change) {
    SamplerSettings s;
    change(s);
    return check(s, 100).message();
  };
  const auto names = [&](const char* field, auto change) {
    CAPTURE(std::string(field));
    CHECK(message(change).find(field) == 0);
  };
  CHECK(check({}, 100).ok());
  names("temperature", [](auto& s) { s.temperature = -0.1f; });
  names("temperature", [](auto& s) { s.temperature = kNan; });
  names("temperature", [](auto& s) { s.temperature = kInf; });
  names("top_k", [](auto& s) { s.top_k = -1; });
  names("top_p", [](auto& s) { s.top_p = 1.01f; });
  names("min_p", [](auto& s) { s.min_p = -1; });
  names("typical_p", [](auto& s) { s.typical_p = 2; });
  names("top_n_sigma", [](auto& s) { s.top_n_sigma = -1; });
  names("xtc_probability", [](auto& s) { s.xtc_probability = 1.5f; });
  names("xtc_threshold", [](auto& s) { s.xtc_threshold = kNan; });
  names("dry_multiplier", [](auto& s) { s.dry_multiplier = -1; });
  names("dry_base", [](auto& s) { s.dry_base = 0.5f; });
  names("dry_allowed_length", [](auto& s) { s.dry_allowed_length = -1; });
  names("dry_last_n", [](auto& s) { s.dry_last_n = -2; });
  names("dry_breakers", [](auto& s) { s.dry_breakers = {100}; });
  names("repetition_penalty", [](auto& s) { s.repetition_penalty = 0; });
  names("frequency_penalty", [](auto& s) { s.frequency_penalty = kInf; });
  names("presence_penalty", [](auto& s) { s.presence_penalty = kNan; });
  names("penalty_last_n", [](auto& s) { s.penalty_last_n = -2; });
  names("mirostat", [](auto& s) { s.mirostat = 1; });
  names("mirostat_tau", [](auto& s) { s.mirostat_tau = -1; });
  names("mirostat_eta", [](auto& s) { s.mirostat_eta = kNan; });
  names("logit_bias", [](auto& s) { s.logit_bias = {{100, 1.0f}}; });
  names("logit_bias", [](auto& s) { s.logit_bias = {{-1, 1.0f}}; });
  names("logit_bias", [](auto& s) { s.logit_bias = {{1, kInf}}; });
  names("order", [](auto& s) { s.order = {static_cast<SamplerKind>(77)}; });
  names("order", [](auto& s) { s.order = {SamplerKind::top_k, SamplerKind::top_k}; });
}

TEST_CASE("sampler_kind: names go there and back, an unknown one is answered with those that are") {
  for (int32_t i = 1; i <= 9; ++i) {
    const auto name = sampler_name(static_cast<SamplerKind>(i));
    REQUIRE(!name.empty());
    CHECK(static_cast<int32_t>(*sampler_kind(name)) == i);
  }
  CHECK(sampler_name(static_cast<SamplerKind>(0)).empty());
  CHECK(sampler_kind("top_z").status().message().find("min_p") != std::string::npos);
}
