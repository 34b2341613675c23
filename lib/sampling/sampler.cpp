#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>

#include "sampling/sampler_chain.h"

namespace pensee {

uint64_t Random::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t sample_seed(uint64_t seed, int32_t index) {
  if (index == 0) return seed;
  const uint64_t mixed = Random(seed ^ static_cast<uint64_t>(index) * 0xd1342543de82ef95u).next();
  return mixed != 0 ? mixed : 1;
}

Sampler::Sampler(const SamplerSettings& settings, uint64_t seed, const Kernels& kernels)
    : random_(seed), chain_(std::make_unique<SamplerChain>(kernels)) {
  set(settings);
  mu_ = 2 * static_cast<double>(settings_.mirostat_tau);
}
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler::~Sampler() = default;

void Sampler::set(const SamplerSettings& settings) {
  if (settings.mirostat != settings_.mirostat || settings.mirostat_tau != settings_.mirostat_tau) {
    mu_ = 2 * static_cast<double>(settings.mirostat_tau);
  }
  settings_ = settings;
  std::sort(settings_.dry_breakers.begin(), settings_.dry_breakers.end());
  const bool truncates = settings_.temperature > 0 && settings_.mirostat != 2;
  plan_.clear();
  const auto plan = [&](const SamplerRow* row) {
    if (row && row->on(settings_) && (truncates || !row->truncates)) plan_.push_back(row);
  };
  if (settings_.order.empty()) {
    for (const SamplerRow& row : sampler_table()) plan(&row);
  }
  for (const SamplerKind kind : settings_.order) plan(find_sampler(kind));
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> history,
                        std::span<const uint32_t> allowed) {
  if (logits.empty()) return -1;
  const bool greedy = settings_.temperature <= 0;
  if (greedy && plan_.empty() && settings_.logit_bias.empty() && allowed.empty()) {
    return best_token(logits);
  }
  chain_->start(logits, history, allowed);
  if (!settings_.logit_bias.empty()) chain_->add_bias(settings_);
  if (!allowed.empty() && !chain_->any_allowed()) return -1;
  for (const SamplerRow* row : plan_) chain_->run(*row, settings_, random_);
  if (greedy) return chain_->best();
  return settings_.mirostat == 2 ? chain_->draw_mirostat(settings_, mu_, random_) : chain_->draw(random_);
}

// The largest probability is exp(0) / sum: so the vectorised softmax gives the sum as well.
float log_sum_exp(std::span<const float> logits, const Kernels& kernels, std::vector<float>& room) {
  const auto n = static_cast<int64_t>(logits.size());
  const auto best = static_cast<size_t>(best_token(logits));
  if (!std::isfinite(logits[best])) return logits[best];
  room.resize(logits.size());
  kernels.softmax(logits.data(), room.data(), n);
  return logits[best] - std::log(room[best]);
}

std::vector<Alternative> top_alternatives(std::span<const float> logits, float log_denominator, int32_t count) {
  std::vector<int32_t> ids(logits.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  const auto logit = [&](int32_t id) { return logits[static_cast<size_t>(id)]; };
  const auto rank = [&](int32_t id) { return logit(id) == logit(id) ? logit(id) : -INFINITY; };  // NaN has no order
  const auto wanted = std::min<std::ptrdiff_t>(count, static_cast<std::ptrdiff_t>(ids.size()));
  std::partial_sort(ids.begin(), ids.begin() + wanted, ids.end(),
                    [&](int32_t a, int32_t b) { return rank(a) > rank(b) || (rank(a) == rank(b) && a < b); });
  std::vector<Alternative> out;
  for (std::ptrdiff_t i = 0; i < wanted; ++i) {
    const int32_t id = ids[static_cast<size_t>(i)];
    out.push_back({id, logit(id) - log_denominator});
  }
  return out;
}

}  // namespace pensee
