// The samplers as flags: --temperature and its like, and the same again, one NAME=VALUE at a time, for what holds after
// the thought.
#pragma once

#include <pensee/pensee.h>

#include <vector>

#include "args.h"

namespace cli {

struct SamplingSettings {
  SamplingSettings() = default;
  SamplingSettings(const SamplingSettings&) = delete;  // `c` points into the vectors
  SamplingSettings& operator=(const SamplingSettings&) = delete;

  pensee_sampling c = PENSEE_SAMPLING_INIT;
  std::vector<const char*> dry_breakers;
  std::vector<pensee_logit_bias> logit_bias;
  std::vector<int32_t> order;
};
// A row a sampler's number; `settings` outlives the flags.
Flags sampling_flags(SamplingSettings& settings);

// Sets what "temperature=0" or "sampler-order=top_k,temperature" says.
void set_by_name(const char* what, SamplingSettings& settings, const char* name_and_value);

}  // namespace cli
