// Every decoder-only model runs here: DeepSeek-V3 is Latent attention and a MixtureOfExperts, Llama is GroupedQuery
// and Dense. x [rows, hidden_size] is the residual stream; rows of many sequences and positions mix in one batch.
#include <algorithm>

#include "models/model.h"
#include "models/slices.h"

namespace pensee {
namespace {

Pass begin(const Model& m, const Batch& batch, Compute& compute) noexcept {
  MutableView cos = compute.scratch.matrix(batch.rows(), m.rope.dim / 2);
  MutableView sin = compute.scratch.matrix(batch.rows(), m.rope.dim / 2);
  fill_rope_table(m.rope, batch.positions, cos, sin);
  return {batch, compute, cos, sin};
}

void embed(const PackedWeight& embedding, const Batch& batch, MutableView x, Compute& compute) noexcept {
  for_rows(compute, x.rows, x.cols,
           [&](int64_t r) { embedding.row(batch.token_ids[static_cast<size_t>(r)], x.row(r)); });
}

// x += attention(norm(x)), then x += feed-forward(norm(x)); h is room.
void run_layer(const Layer& layer, float eps, MutableView x, MutableView h, const Pass& pass) noexcept {
  Scratch::Scope scope(pass.scratch());
  norm_rows(x, layer.attention_norm, eps, h, pass.compute);
  add_rows(x, std::visit([&](const auto& attention) { return attend(attention, h, pass); }, layer.attention),
           pass.compute);
  norm_rows(x, layer.ffn_norm, eps, h, pass.compute);
  add_rows(x, std::visit([&](const auto& ffn) { return feed_forward(ffn, h, pass); }, layer.feed_forward),
           pass.compute);
}

// What a head reads: rows of x behind the last norm.
void head_rows(View x, std::span<const int32_t> rows, const std::vector<float>& norm, float eps, MutableView out,
               Compute& compute) noexcept {
  for (size_t i = 0; i < rows.size(); ++i) std::copy_n(x.row(rows[i]), x.cols, out.row(static_cast<int64_t>(i)));
  norm_rows(out, norm, eps, out, compute);
}

bool cancelled(const Batch& batch) noexcept { return batch.cancelled && batch.cancelled(batch.cancelled_user); }

size_t scratch_of(const Layer& layer, int64_t rows, int threads) {
  return std::visit([&](const auto& attention) { return scratch_bytes(attention, rows); }, layer.attention) +
         std::visit([&](const auto& ffn) { return scratch_bytes(ffn, rows, threads); }, layer.feed_forward);
}

// Beside the blocks' own: x, h, the rotary table and what the head reads.
size_t shared_scratch(const Model& m, int64_t rows, int64_t logits_rows, int64_t context, int threads) {
  const ModelConfig& c = m.config;
  const int64_t key_dim = c.is_latent() ? c.kv_down_dim : c.head_dim;
  const int64_t value_dim = c.is_latent() ? c.kv_lora_rank : c.head_dim;
  const int64_t floats = rows * (2 * c.hidden_size + m.rope.dim) + logits_rows * c.hidden_size;
  return static_cast<size_t>(floats) * sizeof(float) + 8 * Scratch::kAlign +
         attend_cache_scratch_bytes(c.num_attention_heads, key_dim, value_dim, rows, context, threads);
}

bool decode_rows(const Model& m, const Batch& batch, Compute& compute, MutableView logits) noexcept {
  Scratch::Scope scope(compute.scratch);
  const float eps = m.config.rms_norm_eps;
  const Pass pass = begin(m, batch, compute);
  MutableView x = compute.scratch.matrix(batch.rows(), m.config.hidden_size);
  MutableView h = compute.scratch.matrix(x.rows, x.cols);
  embed(*m.embedding, batch, x, compute);
  for (const Layer& layer : m.layers) {
    if (cancelled(batch)) return false;
    run_layer(layer, eps, x, h, pass);
  }
  if (batch.hidden.rows > 0) head_rows(x, batch.rows_with_hidden, m.final_norm, eps, batch.hidden, compute);
  if (logits.rows == 0) return true;
  MutableView last = compute.scratch.matrix(logits.rows, x.cols);
  head_rows(x, batch.rows_with_logits, m.final_norm, eps, last, compute);
  m.head().multiply(last, logits, compute);
  return true;
}

bool draft_rows(const Model& m, const DraftBatch& draft, Compute& compute, MutableView logits,
                MutableView hidden_out) noexcept {
  Scratch::Scope scope(compute.scratch);
  const Mtp& mtp = *m.mtp;
  const Batch& batch = draft.batch;
  const float eps = m.config.rms_norm_eps;
  const int64_t hidden_size = m.config.hidden_size;
  if (cancelled(batch)) return false;
  const Pass pass = begin(m, batch, compute);
  MutableView both = compute.scratch.matrix(batch.rows(), 2 * hidden_size);
  MutableView embedded = both.columns(0, hidden_size);
  embed(mtp.embedding ? *mtp.embedding : *m.embedding, batch, embedded, compute);
  norm_rows(embedded, mtp.embedding_norm, eps, embedded, compute);
  norm_rows(draft.hidden, mtp.hidden_norm, eps, both.columns(hidden_size, hidden_size), compute);
  MutableView x = project(mtp.join, both, compute);
  MutableView h = compute.scratch.matrix(x.rows, x.cols);
  run_layer(mtp.layer, eps, x, h, pass);
  if (logits.rows == 0) return true;
  MutableView last = compute.scratch.matrix(logits.rows, hidden_size);
  head_rows(x, batch.rows_with_logits, mtp.head_norm, eps, last, compute);
  (mtp.head ? *mtp.head : m.head()).multiply(last, logits, compute);
  if (!hidden_out.data) return true;
  for (int64_t r = 0; r < last.rows; ++r) std::copy_n(last.row(r), last.cols, hidden_out.row(r));
  return true;
}

size_t decode_bytes(const Model& m, int64_t rows, int64_t logits_rows, int64_t context, int threads) {
  size_t widest = m.head().scratch_bytes(logits_rows, logits_rows);
  for (const Layer& layer : m.layers) widest = std::max(widest, scratch_of(layer, rows, threads));
  return widest + shared_scratch(m, rows, logits_rows, context, threads);
}

size_t draft_bytes(const Model& m, int64_t rows, int64_t logits_rows, int64_t context, int threads) {
  const Mtp& mtp = *m.mtp;
  const PackedWeight& head = mtp.head ? *mtp.head : m.head();
  const size_t widest = std::max(
      {head.scratch_bytes(logits_rows, logits_rows), scratch_of(mtp.layer, rows, threads),
       mtp.join.scratch_bytes(rows, rows)});
  const auto both = static_cast<size_t>(rows * 2 * m.config.hidden_size) * sizeof(float);
  return widest + both + shared_scratch(m, rows, logits_rows, context, threads);
}

}  // namespace

bool decode(const Model& m, const Batch& batch, Compute& compute, MutableView logits) noexcept {
  return each_slice(m, batch, compute, decode_bytes, [&](const Slice& slice, Compute& own) {
    return decode_rows(m, slice.batch, own, logits.slice(slice.first_logits_row, slice.logits_rows()));
  });
}

bool draft(const Model& m, const DraftBatch& draft, Compute& compute, MutableView logits,
           MutableView hidden_out) noexcept {
  return each_slice(m, draft.batch, compute, draft_bytes, [&](const Slice& slice, Compute& own) {
    const DraftBatch rows = {slice.batch, draft.hidden.slice(slice.first_row, slice.batch.rows())};
    const auto part = [&](MutableView v) { return v.data ? v.slice(slice.first_logits_row, slice.logits_rows()) : v; };
    return draft_rows(m, rows, own, part(logits), part(hidden_out));
  });
}

size_t decode_scratch_bytes(const Model& m, int64_t rows, int64_t logits_rows, int64_t context, int threads) {
  return sliced_scratch_bytes(m, rows, logits_rows, context, threads, decode_bytes);
}

size_t draft_scratch_bytes(const Model& m, int64_t rows, int64_t logits_rows, int64_t context, int threads) {
  return sliced_scratch_bytes(m, rows, logits_rows, context, threads, draft_bytes);
}

}  // namespace pensee
