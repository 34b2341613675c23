// Rotary position embedding and its stretchings: linear, Llama-3's, and YaRN (Peng et al. 2023) with DeepSeek's
// attention factors. The frequencies are made once at load; a pass makes one table of cosines for its positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/view.h"

namespace pensee {

enum class RopeScaling : uint8_t { none, linear, llama3, yarn };

struct RopeConfig {
  int32_t dim = 0;  // numbers rotated
  double theta = 10000.0;
  bool interleaved = false;  // pairs (2i, 2i+1) instead of (i, i + dim/2)
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;
  double original_context = 0;                           // positions that the model was first trained on
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn: rotations at the two ends of the ramp
  bool truncate = true;                                  // yarn: ramp ends rounded to whole dimensions
  double mscale = 0.0, mscale_all_dim = 0.0;             // yarn, DeepSeek's; 0: absent
  double attention_factor = 0.0;                         // yarn: given outright; 0: computed
  std::vector<float> frequency_factors;                  // divide each frequency (a GGUF's rope_freqs); or empty
};

struct Rope {
  int32_t dim = 0;
  bool interleaved = false;
  std::vector<float> inverse_frequencies;  // [dim / 2]
  float magnitude = 1.0f;                  // multiplies cosines and sines
};

Rope make_rope(const RopeConfig& config);
// 0.1 * mscale * ln(factor) + 1 (YaRN, section 3.4): the factor by which logits of attention grow, before squaring.
double yarn_mscale(double factor, double mscale);
// cos, sin [positions, dim / 2]
void fill_rope_table(const Rope& rope, std::span<const int32_t> positions, MutableView cos, MutableView sin) noexcept;

}  // namespace pensee
