// Feed-forwards: the gated MLP and the mixture of experts with its router.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nn/batch.h"
#include "nn/linear.h"

namespace pensee {

// SwiGLU (Shazeer 2020): down(silu(gate x) * up x).
struct Dense {
  Linear gate_up;  // [2 * intermediate_size, hidden_size]: gate rows, then up rows
  Linear down;     // [hidden_size, intermediate_size]
};

enum class RouterScore : uint8_t { softmax, sigmoid };
enum class GroupRank : uint8_t { best, two_best };  // what a group of experts is ranked by

struct Router {
  Linear weight;            // [n_routed_experts, hidden_size]
  std::vector<float> bias;  // e_score_correction_bias [n_routed_experts]; decides who is chosen, never the weight
  RouterScore score = RouterScore::softmax;
  GroupRank group_rank = GroupRank::best;
  int32_t n_routed_experts = 0;
  int32_t num_experts_per_tok = 0;
  int32_t n_group = 1;
  int32_t topk_group = 1;
  bool norm_topk_prob = false;
  float routed_scaling_factor = 1.0f;
};

struct MixtureOfExperts {
  Router router;
  Linear gate_up;  // matrices = experts
  Linear down;
  std::optional<Dense> shared;
  int32_t moe_layer = 0;  // which of the model's moe_layers mixtures this is, for RoutingTrace and RoutingReplay
  int32_t moe_layers = 1;
};

// expert_ids and weights [tokens, num_experts_per_tok], best first, ties to the lower id.
struct Routing {
  const int32_t* expert_ids = nullptr;
  const float* weights = nullptr;
};

MutableView feed_forward(const Dense& f, View h, const Pass& pass) noexcept;
MutableView feed_forward(const MixtureOfExperts& f, View h, const Pass& pass) noexcept;
size_t scratch_bytes(const Dense& f, int64_t tokens, int threads);
size_t scratch_bytes(const MixtureOfExperts& f, int64_t tokens, int threads);

// Scores [n_routed_experts] of one token (after softmax or sigmoid) to its experts. `choice` is room for as many.
void choose_experts(const Router& r, const float* scores, float* choice, int32_t* expert_ids, float* weights) noexcept;
// The weights of experts that are chosen already.
void weigh_experts(const Router& r, const float* scores, const int32_t* expert_ids, float* weights) noexcept;

}  // namespace pensee
