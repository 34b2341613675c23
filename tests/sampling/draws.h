// What tests of the sampler draw with, and from.
#pragma once

#include <random>
#include <vector>

#include "sampling/sampler.h"

namespace pensee::test {

inline const Kernels& kernels() { return **kernels_for(""); }

inline SamplerSettings at(float temperature) {
  SamplerSettings s;
  s.temperature = temperature;
  return s;
}

inline std::vector<float> random_logits(std::mt19937& random, size_t count, double spread) {
  std::normal_distribution<double> normal(0, spread);
  std::vector<float> logits(count);
  for (float& x : logits) x = static_cast<float>(normal(random));
  return logits;
}

}  // namespace pensee::test
