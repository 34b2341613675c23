#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pensee {
namespace {

// Llama 3.1: long waves are slowed by `factor`, short ones kept, those between blended.
double llama3_frequency(double frequency, const RopeConfig& c) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < c.original_context / c.high_freq_factor) return frequency;
  if (wavelength > c.original_context / c.low_freq_factor) return frequency / c.factor;
  const double smooth =
      (c.original_context / wavelength - c.low_freq_factor) / (c.high_freq_factor - c.low_freq_factor);
  return (1 - smooth) * frequency / c.factor + smooth * frequency;
}

// The dimension whose wave turns `rotations` times over the original context (YaRN, eq. 17-18 by its reference code).
double correction_dim(double rotations, const RopeConfig& c) {
  return c.dim * std::log(c.original_context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(c.theta));
}

struct YarnRamp {
  double low, high;
  explicit YarnRamp(const RopeConfig& c) : low(correction_dim(c.beta_fast, c)), high(correction_dim(c.beta_slow, c)) {
    if (c.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(c.dim - 1));
    if (low == high) high += 0.001;  // no division by zero
  }
  // 0: extrapolate (keep the frequency) ... 1: interpolate (divide it).
  double at(int32_t i) const { return std::clamp((i - low) / (high - low), 0.0, 1.0); }
};

double yarn_magnitude(const RopeConfig& c) {
  if (c.attention_factor != 0) return c.attention_factor;
  if (c.mscale != 0 && c.mscale_all_dim != 0) {
    return yarn_mscale(c.factor, c.mscale) / yarn_mscale(c.factor, c.mscale_all_dim);
  }
  return yarn_mscale(c.factor, 1.0);
}

}  // namespace

double yarn_mscale(double factor, double mscale) { return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

Rope make_rope(const RopeConfig& c) {
  Rope rope;
  rope.dim = c.dim;
  rope.interleaved = c.interleaved;
  const YarnRamp ramp(c);
  for (int32_t i = 0; i < c.dim / 2; ++i) {
    double frequency = std::pow(c.theta, -2.0 * i / c.dim);
    if (static_cast<size_t>(i) < c.frequency_factors.size()) frequency /= c.frequency_factors[static_cast<size_t>(i)];
    if (c.scaling == RopeScaling::linear) frequency /= c.factor;
    if (c.scaling == RopeScaling::llama3) frequency = llama3_frequency(frequency, c);
    if (c.scaling == RopeScaling::yarn) {
      frequency = frequency * (1 - ramp.at(i)) + frequency / c.factor * ramp.at(i);
    }
    rope.inverse_frequencies.push_back(static_cast<float>(frequency));
  }
  if (c.scaling == RopeScaling::yarn) rope.magnitude = static_cast<float>(yarn_magnitude(c));
  return rope;
}

void fill_rope_table(const Rope& rope, std::span<const int32_t> positions, MutableView cos, MutableView sin) noexcept {
  for (size_t r = 0; r < positions.size(); ++r) {
    float* c = cos.row(static_cast<int64_t>(r));
    float* s = sin.row(static_cast<int64_t>(r));
    for (size_t i = 0; i < rope.inverse_frequencies.size(); ++i) {
      const double angle = static_cast<double>(rope.inverse_frequencies[i]) * positions[r];
      c[i] = static_cast<float>(std::cos(angle)) * rope.magnitude;
      s[i] = static_cast<float>(std::sin(angle)) * rope.magnitude;
    }
  }
}

}  // namespace pensee
