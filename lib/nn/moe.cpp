// The mixture: tokens are sorted by expert, so each expert's weights are read once a batch. Few tokens go through all
// experts step by step, all threads at each step; many go expert by expert, each thread at one of its own.
#include "nn/moe.h"

#include <algorithm>
#include <limits>
#include <numeric>

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

// Where each thread gets several experts, and these some rows each, a thread takes an expert through all its steps by
// itself: what stands between the matrices stays in the core's caches, and the threads meet but once.
constexpr int64_t kRowsAtOnce = 96;  // of an expert; more are another task

bool expert_by_expert(const MixtureOfExperts& f, int64_t tokens, int threads) {
  const int64_t experts = f.router.n_routed_experts, slots = tokens * f.router.num_experts_per_tok;
  return experts >= 8 * threads && slots >= 2 * experts && f.gate_up.many_at_once() && f.down.many_at_once();
}

struct Piece {
  int32_t expert, first_slot, rows;
};
int64_t pieces_max(const Router& r, int64_t slots) { return r.n_routed_experts + slots / kRowsAtOnce; }

// What a piece takes from its thread's scratch.
size_t piece_bytes(const MixtureOfExperts& f, int64_t tokens) {
  const int64_t rows = std::min(tokens, kRowsAtOnce);
  const int64_t numbers = rows * (f.gate_up.rows + 1) + f.router.n_routed_experts + 1;
  return Scratch::rounded(static_cast<size_t>(numbers) * sizeof(float) + 3 * Scratch::kAlign +
                          std::max(f.gate_up.scratch_bytes(tokens, rows), f.down.scratch_bytes(rows, rows)));
}

void run_piece(const MixtureOfExperts& f, const ExpertGroups& groups, const Piece& piece, View h,
               MutableView expert_out, const Pass& pass, Scratch& scratch) noexcept {
  Scratch::Scope scope(scratch);
  Compute alone = {pass.compute.pool, scratch, pass.kernels()};
  const int32_t experts = f.router.n_routed_experts;
  int32_t* offsets = scratch.take<int32_t>(experts + 1);
  std::fill_n(offsets, piece.expert + 1, 0);
  std::fill(offsets + piece.expert + 1, offsets + experts + 1, piece.rows);
  int32_t* rows = scratch.take<int32_t>(piece.rows);
  std::iota(rows, rows + piece.rows, 0);
  MutableView gate_up = scratch.matrix(piece.rows, f.gate_up.rows);
  multiply_grouped(f.gate_up, {offsets, groups.gate_up.rows_in + piece.first_slot, rows}, h, gate_up, alone);
  multiply_grouped(f.down, {offsets, rows, groups.down.rows_out + piece.first_slot}, swiglu(gate_up, pass), expert_out,
                   alone);
}

void run_expert_by_expert(const MixtureOfExperts& f, const ExpertGroups& groups, View h, MutableView expert_out,
                          const Pass& pass) noexcept {
  Scratch::Scope scope(pass.scratch());
  Piece* pieces = pass.scratch().take<Piece>(pieces_max(f.router, expert_out.rows));
  int64_t count = 0;
  for (int32_t e = 0; e < f.router.n_routed_experts; ++e) {
    const int32_t end = groups.gate_up.offsets[e + 1];
    for (int32_t s = groups.gate_up.offsets[e]; s < end; s += kRowsAtOnce) {
      pieces[count++] = {e, s, std::min<int32_t>(end - s, kRowsAtOnce)};
    }
  }
  // The fullest first: what is dealt last should be short.
  std::sort(pieces, pieces + count, [](const Piece& a, const Piece& b) {
    return a.rows != b.rows ? a.rows > b.rows : a.first_slot < b.first_slot;
  });
  const auto bytes = static_cast<int64_t>(piece_bytes(f, h.rows));
  auto* room = pass.scratch().take<std::byte>(bytes * pass.compute.pool.threads());
  pass.compute.pool.run(count, [&](int64_t i, int worker) {
    Scratch own(room + worker * bytes, static_cast<size_t>(bytes));
    run_piece(f, groups, pieces[i], h, expert_out, pass, own);
  });
}

// All experts together, step by step.
void run_step_by_step(const MixtureOfExperts& f, const ExpertGroups& groups, View h, MutableView expert_out,
                      const Pass& pass) noexcept {
  Scratch::Scope scope(pass.scratch());
  MutableView gate_up = pass.scratch().matrix(expert_out.rows, f.gate_up.rows);
  multiply_grouped(f.gate_up, groups.gate_up, h, gate_up, pass.compute);
  multiply_grouped(f.down, groups.down, swiglu(gate_up, pass), expert_out, pass.compute);
}

size_t step_bytes(const MixtureOfExperts& f, int64_t tokens) {
  const int64_t slots = tokens * f.router.num_experts_per_tok;
  return static_cast<size_t>(slots * f.gate_up.rows) * sizeof(float) + Scratch::kAlign +
         std::max(f.gate_up.scratch_bytes(tokens, slots), f.down.scratch_bytes(slots, slots));
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
  MutableView expert_out = pass.scratch().matrix(slots, f.down.rows);
  const bool by_expert = expert_by_expert(f, h.rows, pass.compute.pool.threads());
  (by_expert ? run_expert_by_expert : run_step_by_step)(f, groups, h, expert_out, pass);
  const View shared = f.shared ? View(feed_forward(*f.shared, h, pass)) : View();
  for_rows(pass.compute, h.rows, (k + 1) * result.cols, [&](int64_t t) {  // in the order of choice: house rule 7
    std::fill_n(result.row(t), result.cols, 0.0f);
    for (int64_t i = t * k; i < (t + 1) * k; ++i) {
      pass.kernels().add_scaled(result.row(t), expert_out.row(i), routing.weights[i], result.cols);
    }
    if (f.shared) pass.kernels().add(result.row(t), shared.row(t), result.cols);
  });
  return result;
}

size_t scratch_bytes(const Dense& f, int64_t tokens, int) {
  return static_cast<size_t>(tokens * (f.down.rows + f.gate_up.rows)) * sizeof(float) + 2 * Scratch::kAlign +
         std::max(f.gate_up.scratch_bytes(tokens, tokens), f.down.scratch_bytes(tokens, tokens));
}

size_t scratch_bytes(const MixtureOfExperts& f, int64_t tokens, int threads) {
  const Router& r = f.router;
  const int64_t slots = tokens * r.num_experts_per_tok;
  const int64_t floats = tokens * (f.down.rows + 2 * int64_t{r.n_routed_experts}) + slots * (f.down.rows + 5) +
                         2 * int64_t{r.n_routed_experts} + 1;
  size_t experts = step_bytes(f, tokens);
  if (expert_by_expert(f, tokens, threads)) {
    // Never less than for fewer tokens, which go step by step.
    const int64_t few = std::min<int64_t>(tokens, 2 * r.n_routed_experts / r.num_experts_per_tok);
    const size_t pieces = static_cast<size_t>(pieces_max(r, slots)) * sizeof(Piece) + 2 * Scratch::kAlign +
                          static_cast<size_t>(threads) * piece_bytes(f, tokens);
    experts = std::max(pieces, step_bytes(f, few));
  }
  return static_cast<size_t>(floats) * sizeof(float) + 16 * Scratch::kAlign +
         std::max(r.weight.scratch_bytes(tokens, tokens), experts) +
         (f.shared ? scratch_bytes(*f.shared, tokens, threads) : 0);
}

}  // namespace pensee
