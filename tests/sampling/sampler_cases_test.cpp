// Every sampler against make_sampler_cases.py: transformers' processors and the papers' formulas say which tokens are
// left, how probable each is, how penalties rank them, and which tokens a whole run gives for a seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "sampling/draws.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const json::Value& all_cases() {
  static const json::Value cases = [] {
    const auto file = open_file(PENSEE_TEST_DATA "/sampling/sampler_cases.json");
    REQUIRE(file.ok());
    const auto text = read_text(**file, 1 << 22);
    REQUIRE(text.ok());
    auto value = json::parse(*text, "sampler_cases.json");
    REQUIRE(value.ok());
    return *std::move(value);
  }();
  return cases;
}

template <class T>
std::vector<T> numbers(const json::Value* array) {
  std::vector<T> out;
  if (array && array->array()) {
    for (const json::Value& v : *array->array()) out.push_back(static_cast<T>(v.number()));
  }
  return out;
}

SamplerSettings settings_of(const json::Value& from) {
  SamplerSettings s;
  const std::map<std::string, float*> floats = {
      {"temperature", &s.temperature},
      {"top_p", &s.top_p},
      {"min_p", &s.min_p},
      {"typical_p", &s.typical_p},
      {"top_n_sigma", &s.top_n_sigma},
      {"xtc_probability", &s.xtc_probability},
      {"xtc_threshold", &s.xtc_threshold},
      {"dry_multiplier", &s.dry_multiplier},
      {"dry_base", &s.dry_base},
      {"repetition_penalty", &s.repetition_penalty},
      {"frequency_penalty", &s.frequency_penalty},
      {"presence_penalty", &s.presence_penalty},
      {"mirostat_tau", &s.mirostat_tau},
      {"mirostat_eta", &s.mirostat_eta},
  };
  const std::map<std::string, int32_t*> integers = {
      {"top_k", &s.top_k},       {"dry_allowed_length", &s.dry_allowed_length}, {"dry_last_n", &s.dry_last_n},
      {"mirostat", &s.mirostat}, {"penalty_last_n", &s.penalty_last_n},
  };
  for (const auto& [key, value] : *from.object()) {
    if (key == "dry_breakers") {
      s.dry_breakers = numbers<int32_t>(&value);
    } else if (key == "logit_bias") {
      for (const json::Value& pair : *value.array()) {
        const auto entry = numbers<float>(&pair);
        s.logit_bias.emplace_back(static_cast<int32_t>(entry[0]), entry[1]);
      }
    } else if (const auto found = floats.find(key); found != floats.end()) {
      *found->second = static_cast<float>(value.number());
    } else {
      *integers.at(key) = static_cast<int32_t>(value.number());
    }
  }
  return s;
}

struct Case {
  SamplerSettings settings;
  std::vector<float> logits;
  std::vector<int32_t> history, kept;
  std::vector<double> probabilities;
  std::vector<uint32_t> allowed;
  const json::Value* scores;
};

Case case_of(const json::Value& from) {
  Case c;
  c.settings = settings_of(*from.find("settings"));
  for (const json::Value& name : *from.find("order")->array()) {
    const auto kind = sampler_kind(*name.string());
    REQUIRE(kind.ok());
    c.settings.order.push_back(*kind);
  }
  c.logits =
      numbers<float>(&(*all_cases().find("rows")->array())[static_cast<size_t>(*from.find("logits")->integer())]);
  c.history = numbers<int32_t>(from.find("history"));
  c.kept = numbers<int32_t>(from.find("kept"));
  c.probabilities = numbers<double>(from.find("probabilities"));
  if (from.find("allowed")->array()) {
    c.allowed.resize((c.logits.size() + 31) / 32);
    for (const auto id : numbers<uint32_t>(from.find("allowed"))) c.allowed[id / 32] |= 1u << (id % 32);
  }
  c.scores = from.find("scores");
  REQUIRE(check(c.settings, static_cast<int32_t>(c.logits.size())).ok());
  return c;
}

bool has(const std::vector<SamplerKind>& order, SamplerKind kind) {
  return std::find(order.begin(), order.end(), kind) != order.end();
}

}  // namespace

TEST_CASE("samplers: each truncation leaves exactly the tokens that transformers or its paper leaves") {
  int seen_cases = 0;
  for (const json::Value& from : *all_cases().find("cases")->array()) {
    Case c = case_of(from);
    if (c.settings.order.size() != 1 || c.scores) continue;
    CAPTURE(*from.find("name")->string());
    // A high temperature behind it makes all that is left equally probable: then a few draws show every token.
    c.settings.order.push_back(SamplerKind::temperature);
    c.settings.temperature = 1e6f;
    Sampler sampler(c.settings, 3, kernels());
    std::set<int32_t> seen;
    for (size_t i = 0; i < 30 + 25 * c.kept.size(); ++i) seen.insert(sampler.sample(c.logits));
    CHECK(std::vector<int32_t>(seen.begin(), seen.end()) == c.kept);
    ++seen_cases;
  }
  CHECK(seen_cases > 100);
}

TEST_CASE("samplers: chains in the default order and in others give transformers' probabilities") {
  constexpr int draws = 3000;
  for (const json::Value& from : *all_cases().find("cases")->array()) {
    const Case c = case_of(from);
    CAPTURE(*from.find("name")->string());
    std::map<int32_t, int> counts;
    Sampler sampler(c.settings, 17, kernels());
    for (int i = 0; i < draws; ++i) ++counts[sampler.sample(c.logits, c.history, c.allowed)];
    double chi_square = 0, rare = 0;
    int rare_count = 0, degrees = 0, counted = 0;
    for (size_t i = 0; i < c.kept.size(); ++i) {
      const double expected = c.probabilities[i] * draws;
      const auto found = counts.find(c.kept[i]);
      const int count = found == counts.end() ? 0 : found->second;
      counted += count;
      if (expected < 10) {
        rare += expected;
        rare_count += count;
        continue;
      }
      chi_square += (count - expected) * (count - expected) / expected;
      ++degrees;
    }
    CHECK(counted == draws);  // no other token came
    if (rare > 10) chi_square += (rare_count - rare) * (rare_count - rare) / rare;
    CHECK(chi_square < degrees + 5 * std::sqrt(2.0 * degrees) + 5);
    CHECK(rare_count < rare + 6 * std::sqrt(rare) + 6);
  }
}

TEST_CASE("samplers: greedy ranks the tokens as the penalised logits do") {
  int seen_cases = 0;
  for (const json::Value& from : *all_cases().find("cases")->array()) {
    Case c = case_of(from);
    if (!c.scores || has(c.settings.order, SamplerKind::temperature)) continue;
    CAPTURE(*from.find("name")->string());
    const auto scores = numbers<double>(c.scores);
    c.settings.temperature = 0;
    Sampler sampler(c.settings, 1, kernels());
    std::vector<uint32_t> allowed((scores.size() + 31) / 32, ~0u);
    double before = INFINITY;
    for (size_t i = 0; i < scores.size(); ++i) {  // the best, then the best of the others ...
      const int32_t id = sampler.sample(c.logits, c.history, allowed);
      REQUIRE(id >= 0);
      REQUIRE((allowed[static_cast<size_t>(id) / 32] >> (id % 32) & 1u) == 1u);
      CHECK(scores[static_cast<size_t>(id)] <= before + 1e-5);
      before = scores[static_cast<size_t>(id)];
      allowed[static_cast<size_t>(id) / 32] &= ~(1u << (id % 32));
    }
    ++seen_cases;
  }
  CHECK(seen_cases > 30);
}

TEST_CASE("samplers: a seed gives token for token the run of mirostat 2, of XTC and of everything at once") {
  for (const std::string_view isa : available_isas()) {
    for (const json::Value& run : *all_cases().find("traces")->array()) {
      const SamplerSettings settings = settings_of(*run.find("settings"));
      std::vector<std::vector<float>> rows;
      for (const json::Value& row : *run.find("rows")->array()) rows.push_back(numbers<float>(&row));
      REQUIRE(check(settings, static_cast<int32_t>(rows[0].size())).ok());
      const auto expected = numbers<int32_t>(run.find("tokens"));
      REQUIRE(expected.size() >= 200);
      Sampler sampler(settings, static_cast<uint64_t>(*run.find("seed")->integer()), **kernels_for(isa));
      std::vector<int32_t> tokens;
      for (size_t i = 0; i < expected.size(); ++i) tokens.push_back(sampler.sample(rows[i % rows.size()], tokens));
      CHECK(tokens == expected);
    }
  }
}
