// Frequencies against transformers' (make_rope.py), tables against the standard library's cosine.
#include "nn/rope.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "base/file.h"
#include "base/json.h"

using namespace pensee;

namespace {

json::Value read_cases() {
  const auto file = open_file(PENSEE_TEST_DATA "/nn/rope_cases.json");
  REQUIRE(file.ok());
  const auto text = read_text(**file, 1 << 20);
  REQUIRE(text.ok());
  auto value = json::parse(*text, "rope_cases.json");
  REQUIRE(value.ok());
  return *std::move(value);
}

RopeConfig config_of(const json::Value& c) {
  const auto number = [&](const char* key, double otherwise) {
    const json::Value* value = c.find(key);
    return value ? value->number() : otherwise;
  };
  const std::string type = *c.find("rope_type")->string();
  RopeConfig config;
  config.scaling = type == "linear" ? RopeScaling::linear : type == "llama3" ? RopeScaling::llama3 : RopeScaling::yarn;
  config.dim = static_cast<int32_t>(number("dim", 0));
  config.theta = number("theta", 0);
  config.factor = number("factor", 1);
  config.original_context = number("original_max_position_embeddings", 0);
  config.low_freq_factor = number("low_freq_factor", config.low_freq_factor);
  config.high_freq_factor = number("high_freq_factor", config.high_freq_factor);
  config.beta_fast = number("beta_fast", config.beta_fast);
  config.beta_slow = number("beta_slow", config.beta_slow);
  config.mscale = number("mscale", 0);
  config.mscale_all_dim = number("mscale_all_dim", 0);
  config.attention_factor = number("attention_factor", 0);
  if (const json::Value* truncate = c.find("truncate")) config.truncate = *truncate->boolean();
  return config;
}

}  // namespace

TEST_CASE("rope: stretched frequencies and attention factors equal transformers'") {
  const json::Value file = read_cases();
  const json::Array& cases = *file.find("cases")->array();
  REQUIRE(cases.size() >= 13);
  for (const json::Value& c : cases) {
    CAPTURE(*c.find("name")->string());
    const Rope rope = make_rope(config_of(c));
    const json::Array& expected = *c.find("inverse_frequencies")->array();
    REQUIRE(rope.inverse_frequencies.size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(rope.inverse_frequencies[i] - expected[i].number()) <= 1e-6 * expected[i].number());
    }
    CHECK(rope.magnitude == doctest::Approx(c.find("magnitude")->number()).epsilon(1e-6));
  }
}

TEST_CASE("rope: a GGUF's frequency factors divide the plain frequencies") {
  RopeConfig config;
  config.dim = 8;
  const Rope plain = make_rope(config);
  config.frequency_factors = {1.0f, 2.0f, 4.0f, 8.0f};
  const Rope divided = make_rope(config);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(plain.inverse_frequencies[i] == doctest::Approx(std::pow(10000.0, -2.0 * static_cast<double>(i) / 8)));
    CHECK(divided.inverse_frequencies[i] * config.frequency_factors[i] ==
          doctest::Approx(plain.inverse_frequencies[i]));
  }
}

TEST_CASE("rope: the table holds cosine and sine of position times frequency, times the magnitude") {
  RopeConfig config;
  config.dim = 12;
  config.scaling = RopeScaling::yarn;
  config.factor = 4;
  config.original_context = 64;
  const Rope rope = make_rope(config);
  CHECK(rope.magnitude > 1.0f);
  const int32_t positions[] = {0, 1, 17, 4095, 1000000};
  std::vector<float> cos(5 * 6), sin(5 * 6);
  fill_rope_table(rope, positions, MutableView(cos.data(), 5, 6), MutableView(sin.data(), 5, 6));
  for (size_t r = 0; r < 5; ++r) {
    for (size_t i = 0; i < 6; ++i) {
      const double angle = static_cast<double>(rope.inverse_frequencies[i]) * positions[r];
      CHECK(std::abs(cos[r * 6 + i] - std::cos(angle) * static_cast<double>(rope.magnitude)) < 1e-6);
      CHECK(std::abs(sin[r * 6 + i] - std::sin(angle) * static_cast<double>(rope.magnitude)) < 1e-6);
    }
  }
}
