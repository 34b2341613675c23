// Latent attention: see attention.h for where the projections went.
#include <algorithm>
#include <cstring>

#include "nn/attention.h"

namespace pensee {
namespace {

// Row (token, head) of a [tokens * heads, ..] matrix meets the matrix of its head.
struct HeadGroups {
  Groups groups;
  HeadGroups(int64_t tokens, int32_t heads, Scratch& scratch) {
    int32_t* offsets = scratch.take<int32_t>(heads + 1);
    int32_t* rows = scratch.take<int32_t>(tokens * heads);
    for (int32_t head = 0; head <= heads; ++head) offsets[head] = static_cast<int32_t>(head * tokens);
    for (int64_t slot = 0; slot < tokens * heads; ++slot) {
      rows[slot] = static_cast<int32_t>(slot % tokens * heads + slot / tokens);
    }
    groups = {offsets, rows, rows};
  }
};

// [tokens, heads * dim] seen as [tokens * heads, dim]; needs whole rows.
View by_head(View v, int32_t heads) {
  PENSEE_DCHECK(v.stride == v.cols);
  return View(v.data, v.rows * heads, v.cols / heads);
}
MutableView by_head(MutableView v, int32_t heads) {
  PENSEE_DCHECK(v.stride == v.cols);
  return MutableView(v.data, v.rows * heads, v.cols / heads);
}

}  // namespace

MutableView attend(const Latent& a, View h, const Pass& pass) noexcept {
  const int64_t qk_head_dim = a.qk_nope_head_dim + a.qk_rope_head_dim;
  const int64_t row_dim = a.kv_lora_rank + a.qk_rope_head_dim;
  const int64_t tokens = h.rows;
  MutableView result = pass.scratch().matrix(tokens, a.out.rows);
  Scratch::Scope scope(pass.scratch());

  MutableView down = project(a.down, h, pass.compute);
  MutableView row = down.columns(down.cols - row_dim, row_dim);  // latent, then the shared rotary key
  MutableView q = down.columns(0, down.cols - row_dim);
  norm_rows(row.columns(0, a.kv_lora_rank), a.kv_norm, a.norm_eps, row.columns(0, a.kv_lora_rank), pass.compute);
  if (a.q_lora_rank > 0) {
    norm_rows(q, a.q_norm, a.norm_eps, q, pass.compute);
    q = project(a.q_up, q, pass.compute);
  }

  // The query: its rotary part is copied and turned, its other part goes through the folded key projection.
  MutableView q_row = pass.scratch().matrix(tokens, a.num_heads * row_dim);
  MutableView q_nope = pass.scratch().matrix(tokens, int64_t{a.num_heads} * a.qk_nope_head_dim);
  for_rows(pass.compute, tokens, q.cols, [&](int64_t r) {
    const auto rotate = [&](float* x) {
      pass.kernels().rope(x, pass.rope_cos.row(r), pass.rope_sin.row(r), a.qk_rope_head_dim, a.rope_interleaved);
    };
    rotate(row.row(r) + a.kv_lora_rank);
    for (int64_t head = 0; head < a.num_heads; ++head) {
      const float* from = q.row(r) + head * qk_head_dim;
      float* rotary = q_row.row(r) + head * row_dim + a.kv_lora_rank;
      std::copy_n(from, a.qk_nope_head_dim, q_nope.row(r) + head * a.qk_nope_head_dim);
      std::copy_n(from + a.qk_nope_head_dim, a.qk_rope_head_dim, rotary);
      rotate(rotary);
    }
  });
  append_cache(row, View(), a.layer, pass);

  const HeadGroups heads(tokens, a.num_heads, pass.scratch());
  multiply_grouped(a.fold_key, heads.groups, by_head(View(q_nope), a.num_heads),
                   by_head(q_row, a.num_heads).columns(0, a.kv_lora_rank), pass.compute);

  MutableView mixed = pass.scratch().matrix(tokens, int64_t{a.num_heads} * a.kv_lora_rank);
  CacheAttention over_cache = {q_row,          mixed,   a.num_heads, static_cast<int32_t>(row_dim),
                               a.kv_lora_rank, a.layer, a.scale};
  attend_cache(over_cache, pass);

  MutableView values = pass.scratch().matrix(tokens, int64_t{a.num_heads} * a.v_head_dim);
  multiply_grouped(a.fold_value, heads.groups, by_head(View(mixed), a.num_heads), by_head(values, a.num_heads),
                   pass.compute);
  multiply(a.out, values, result, pass.compute);
  return result;
}

size_t scratch_bytes(const Latent& a, int64_t tokens) {
  const int64_t row_dim = a.kv_lora_rank + a.qk_rope_head_dim;
  const int64_t per_head = row_dim + a.qk_nope_head_dim + a.kv_lora_rank + a.v_head_dim + 1;
  const int64_t floats = tokens * (a.out.rows + a.down.rows + a.q_up.rows + a.num_heads * per_head) + a.num_heads + 1;
  const int64_t slots = tokens * a.num_heads;
  const size_t widest = std::max({a.down.scratch_bytes(tokens, tokens), a.q_up.scratch_bytes(tokens, tokens),
                                  a.fold_key.scratch_bytes(slots, slots), a.fold_value.scratch_bytes(slots, slots),
                                  a.out.scratch_bytes(tokens, tokens)});
  return static_cast<size_t>(floats) * sizeof(float) + 10 * Scratch::kAlign + widest;
}

}  // namespace pensee
