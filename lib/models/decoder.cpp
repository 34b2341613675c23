// Every decoder-only model runs here: DeepSeek-V3 is Latent attention and a MixtureOfExperts, Llama is GroupedQuery
// and Dense. x [rows, hidden_size] is the residual stream; rows of many sequences and positions mix in one batch.
#include <algorithm>

#include "models/model.h"

namespace pensee {
namespace {

MutableView embed(const Model& m, const Batch& batch, Compute& compute) noexcept {
  MutableView x = compute.scratch.matrix(batch.rows(), m.config.hidden_size);
  for_rows(compute, x.rows, x.cols,
           [&](int64_t r) { m.embedding->row(batch.token_ids[static_cast<size_t>(r)], x.row(r)); });
  return x;
}

MutableView gather_rows(View x, std::span<const int32_t> rows, Scratch& scratch) noexcept {
  MutableView out = scratch.matrix(static_cast<int64_t>(rows.size()), x.cols);
  for (size_t i = 0; i < rows.size(); ++i) std::copy_n(x.row(rows[i]), x.cols, out.row(static_cast<int64_t>(i)));
  return out;
}

}  // namespace

bool decode(const Model& m, const Batch& batch, Compute& compute, MutableView logits) noexcept {
  Scratch::Scope scope(compute.scratch);
  const float eps = m.config.rms_norm_eps;
  MutableView cos = compute.scratch.matrix(batch.rows(), m.rope.dim / 2);
  MutableView sin = compute.scratch.matrix(batch.rows(), m.rope.dim / 2);
  fill_rope_table(m.rope, batch.positions, cos, sin);
  const Pass pass = {batch, compute, cos, sin};

  MutableView x = embed(m, batch, compute);
  MutableView h = compute.scratch.matrix(x.rows, x.cols);
  for (const Layer& layer : m.layers) {
    if (batch.cancelled && batch.cancelled(batch.cancelled_user)) return false;
    Scratch::Scope layer_scope(compute.scratch);
    norm_rows(x, layer.attention_norm, eps, h, compute);
    add_rows(x, std::visit([&](const auto& attention) { return attend(attention, h, pass); }, layer.attention),
             compute);
    norm_rows(x, layer.ffn_norm, eps, h, compute);
    add_rows(x, std::visit([&](const auto& ffn) { return feed_forward(ffn, h, pass); }, layer.feed_forward), compute);
  }
  if (logits.rows == 0) return true;
  MutableView last = gather_rows(x, batch.rows_with_logits, compute.scratch);
  norm_rows(last, m.final_norm, eps, last, compute);
  m.head().multiply(last, logits, compute);
  return true;
}

size_t decode_scratch_bytes(const Model& m, int64_t rows, int64_t logits_rows, int64_t context, int threads) {
  size_t widest = m.head().scratch_bytes(logits_rows, logits_rows);
  for (const Layer& layer : m.layers) {
    const auto bytes = [&](const auto& block) { return scratch_bytes(block, rows); };
    const size_t attention = std::visit(bytes, layer.attention);
    const size_t ffn = std::visit(bytes, layer.feed_forward);
    widest = std::max(widest, attention + ffn);
  }
  const ModelConfig& c = m.config;
  const int64_t key_dim = c.is_latent() ? c.kv_down_dim : c.head_dim;
  const int64_t value_dim = c.is_latent() ? c.kv_lora_rank : c.head_dim;
  const int64_t floats = rows * (2 * c.hidden_size + m.rope.dim) + logits_rows * c.hidden_size;
  return widest + static_cast<size_t>(floats) * sizeof(float) + 8 * Scratch::kAlign +
         attend_cache_scratch_bytes(c.num_attention_heads, key_dim, value_dim, rows, context, threads);
}

}  // namespace pensee
