// The mixture: tokens are sorted by expert, so each expert's weights are read once a batch.
#include "nn/moe.h"

#include <algorithm>
#include <limits>

namespace pensee {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kTaken = std::numeric_limits<float>::quiet_NaN();  // no choice is NaN before

// Keeps the topk_group best groups, the others' experts can not be chosen (V2 report 2.2.2; V3 report 2.1.2).
void keep_best_groups(const Router& r, float* choice) {
  const int32_t size = r.n_routed_experts / r.n_group;
  constexpr int32_t max_groups = 256;  // checked at load
  float rank[max_groups];
  for (int32_t g = 0; g < r.n_group; ++g) {
    float best = kNever, second = kNever;
    for (int32_t e = g * size; e < (g + 1) * size; ++e) {
      if (choice[e] > best) {
        second = best;
        best = choice[e];
      } else if (choice[e] > second) {
        second = choice[e];
      }
    }
    rank[g] = r.group_rank == GroupRank::best || size == 1 ? best : best + second;
  }
  for (int32_t g = 0; g < r.n_group; ++g) {
    int32_t better = 0;
    for (int32_t other = 0; other < r.n_group; ++other) {
      better += rank[other] > rank[g] || (rank[other] == rank[g] && other < g);
    }
    if (better >= r.topk_group) std::fill_n(choice + g * size, size, kNever);
  }
}

Routing route(const MixtureOfExperts& f, View h, const Pass& pass) noexcept {
  const Router& r = f.router;
  const RoutingTrace& trace = pass.batch.trace;
  const RoutingReplay& replay = pass.batch.replay;
  const int64_t k = r.num_experts_per_tok;
  int32_t* expert_ids = pass.scratch().take<int32_t>(h.rows * k);
  float* weights = pass.scratch().take<float>(h.rows * k);
  Scratch::Scope scope(pass.scratch());
  MutableView scores = project(r.weight, h, pass.compute);
  MutableView choice = pass.scratch().matrix(h.rows, scores.cols);
  const auto squash = r.score == RouterScore::sigmoid ? pass.kernels().sigmoid : pass.kernels().softmax;
  for_rows(pass.compute, h.rows, 16 * scores.cols, [&](int64_t t) {
    squash(scores.row(t), scores.row(t), scores.cols);
    const int64_t place = (t * f.moe_layers + f.moe_layer) * k;  // in the trace and the replay
    if (replay.expert_ids && replay.expert_ids[place] >= 0) {
      std::copy_n(replay.expert_ids + place, k, expert_ids + t * k);
      weigh_experts(r, scores.row(t), expert_ids + t * k, weights + t * k);
    } else {
      choose_experts(r, scores.row(t), choice.row(t), expert_ids + t * k, weights + t * k);
    }
    if (trace.expert_ids) std::copy_n(expert_ids + t * k, k, trace.expert_ids + place);
    if (trace.weights) std::copy_n(weights + t * k, k, trace.weights + place);
  });
  return {expert_ids, weights};
}

struct ExpertGroups {
  Groups gate_up;  // token rows in, slots out
  Groups down;     // slots in, rows (token, k) out
};

ExpertGroups group_by_expert(const Routing& routing, int64_t tokens, const Router& r, Scratch& scratch) {
  const int64_t k = r.num_experts_per_tok;
  const int64_t slots = tokens * k;
  int32_t* offsets = scratch.take<int32_t>(r.n_routed_experts + 1);
  int32_t* next = scratch.take<int32_t>(r.n_routed_experts);
  int32_t* token_rows = scratch.take<int32_t>(slots);
  int32_t* slot_rows = scratch.take<int32_t>(slots);
  int32_t* choice_rows = scratch.take<int32_t>(slots);
  std::fill_n(offsets, r.n_routed_experts + 1, 0);
  for (int64_t i = 0; i < slots; ++i) ++offsets[routing.expert_ids[i] + 1];
  for (int32_t e = 0; e < r.n_routed_experts; ++e) {
    offsets[e + 1] += offsets[e];
    next[e] = offsets[e];
  }
  for (int64_t i = 0; i < slots; ++i) {
    const int32_t slot = next[routing.expert_ids[i]]++;
    token_rows[slot] = static_cast<int32_t>(i / k);
    choice_rows[slot] = static_cast<int32_t>(i);
    slot_rows[slot] = slot;
  }
  return {{offsets, token_rows, slot_rows}, {offsets, slot_rows, choice_rows}};
}

// gate_up [rows, 2 n] -> its first n columns hold silu(gate) * up.
MutableView swiglu(MutableView gate_up, const Pass& pass) noexcept {
  const int64_t n = gate_up.cols / 2;
  for_rows(pass.compute, gate_up.rows, 4 * n,
           [&](int64_t r) { pass.kernels().swiglu(gate_up.row(r), gate_up.row(r) + n, gate_up.row(r), n); });
  return gate_up.columns(0, n);
}

}  // namespace

void choose_experts(const Router& r, const float* scores, float* choice, int32_t* expert_ids, float* weights) noexcept {
  for (int32_t e = 0; e < r.n_routed_experts; ++e) {
    const float biased = r.bias.empty() ? scores[e] : scores[e] + r.bias[static_cast<size_t>(e)];
    choice[e] = biased == biased ? biased : kNever;  // NaN from broken weights must not break the choice
  }
  if (r.n_group > 1) keep_best_groups(r, choice);
  for (int32_t i = 0; i < r.num_experts_per_tok; ++i) {
    int32_t best = -1;
    for (int32_t e = 0; e < r.n_routed_experts; ++e) {
      const bool taken = choice[e] != choice[e];
      if (!taken && (best < 0 || choice[e] > choice[best])) best = e;
    }
    choice[best] = kTaken;
    expert_ids[i] = best;
  }
  weigh_experts(r, scores, expert_ids, weights);
}

void weigh_experts(const Router& r, const float* scores, const int32_t* expert_ids, float* weights) noexcept {
  float sum = 0.0f;
  for (int32_t i = 0; i < r.num_experts_per_tok; ++i) {
    PENSEE_DCHECK(expert_ids[i] >= 0 && expert_ids[i] < r.n_routed_experts);
    weights[i] = scores[expert_ids[i]];
    sum += weights[i];
  }
  for (int32_t i = 0; i < r.num_experts_per_tok; ++i) {
    if (r.norm_topk_prob) weights[i] /= sum + 1e-20f;
    weights[i] *= r.routed_scaling_factor;
  }
}

MutableView feed_forward(const Dense& f, View h, const Pass& pass) noexcept {
  MutableView result = pass.scratch().matrix(h.rows, f.down.rows);
  Scratch::Scope scope(pass.scratch());
  multiply(f.down, swiglu(project(f.gate_up, h, pass.compute), pass), result, pass.compute);
  return result;
}

MutableView feed_forward(const MixtureOfExperts& f, View h, const Pass& pass) noexcept {
  const int64_t k = f.router.num_experts_per_tok;
  const int64_t slots = h.rows * k;
  MutableView result = pass.scratch().matrix(h.rows, f.down.rows);
  Scratch::Scope scope(pass.scratch());
  const Routing routing = route(f, h, pass);
  const ExpertGroups groups = group_by_expert(routing, h.rows, f.router, pass.scratch());
  MutableView gate_up = pass.scratch().matrix(slots, f.gate_up.rows);
  multiply_grouped(f.gate_up, groups.gate_up, h, gate_up, pass.compute);
  MutableView expert_out = pass.scratch().matrix(slots, f.down.rows);
  multiply_grouped(f.down, groups.down, swiglu(gate_up, pass), expert_out, pass.compute);
  for_rows(pass.compute, h.rows, k * result.cols, [&](int64_t t) {  // in the order of choice: house rule 7
    std::fill_n(result.row(t), result.cols, 0.0f);
    for (int64_t i = t * k; i < (t + 1) * k; ++i) {
      pass.kernels().add_scaled(result.row(t), expert_out.row(i), routing.weights[i], result.cols);
    }
  });
  if (f.shared) add_rows(result, feed_forward(*f.shared, h, pass), pass.compute);
  return result;
}

size_t scratch_bytes(const Dense& f, int64_t tokens) {
  return static_cast<size_t>(tokens * (f.down.rows + f.gate_up.rows)) * sizeof(float) + 2 * Scratch::kAlign +
         std::max(f.gate_up.scratch_bytes(tokens, tokens), f.down.scratch_bytes(tokens, tokens));
}

size_t scratch_bytes(const MixtureOfExperts& f, int64_t tokens) {
  const Router& r = f.router;
  const int64_t slots = tokens * r.num_experts_per_tok;
  const int64_t floats = tokens * (f.down.rows + 2 * int64_t{r.n_routed_experts}) +
                         slots * (f.gate_up.rows + f.down.rows + 5) + 2 * int64_t{r.n_routed_experts} + 1;
  const size_t widest = std::max({r.weight.scratch_bytes(tokens, tokens), f.gate_up.scratch_bytes(tokens, slots),
                                  f.down.scratch_bytes(slots, slots)});
  return static_cast<size_t>(floats) * sizeof(float) + 16 * Scratch::kAlign + widest +
         (f.shared ? scratch_bytes(*f.shared, tokens) : 0);
}

}  // namespace pensee
