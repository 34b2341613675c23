#include "models/assemble.h"

#include <algorithm>

#include "models/load_steps.h"

namespace pensee {
namespace {

GroupedQuery grouped_query(const ModelConfig& c, int64_t index) {
  GroupedQuery a;
  a.num_heads = static_cast<int32_t>(c.num_attention_heads);
  a.num_kv_heads = static_cast<int32_t>(c.num_key_value_heads);
  a.head_dim = static_cast<int32_t>(c.head_dim);
  a.layer = static_cast<int32_t>(index);
  a.scale = c.attention_scale;
  a.rope_interleaved = c.rope.interleaved;
  return a;
}

Latent latent(const ModelConfig& c, int64_t index) {
  Latent a;
  a.num_heads = static_cast<int32_t>(c.num_attention_heads);
  a.q_lora_rank = static_cast<int32_t>(c.q_lora_rank);
  a.kv_lora_rank = static_cast<int32_t>(c.kv_lora_rank);
  a.qk_nope_head_dim = static_cast<int32_t>(c.qk_nope_head_dim);
  a.qk_rope_head_dim = static_cast<int32_t>(c.qk_rope_head_dim);
  a.v_head_dim = static_cast<int32_t>(c.v_head_dim);
  a.layer = static_cast<int32_t>(index);
  a.scale = c.attention_scale;
  a.rope_interleaved = c.rope.interleaved;
  return a;
}

MixtureOfExperts mixture(const ModelConfig& c, int64_t index) {
  MixtureOfExperts f;
  f.moe_layer = static_cast<int32_t>(index - c.first_k_dense_replace);
  f.moe_layers = static_cast<int32_t>(c.moe_layers());
  Router& r = f.router;
  r.score = c.router_score;
  r.group_rank = c.group_rank;
  r.n_routed_experts = static_cast<int32_t>(c.n_routed_experts);
  r.num_experts_per_tok = static_cast<int32_t>(c.num_experts_per_tok);
  r.n_group = static_cast<int32_t>(c.n_group);
  r.topk_group = static_cast<int32_t>(c.topk_group);
  r.norm_topk_prob = c.norm_topk_prob;
  r.routed_scaling_factor = c.routed_scaling_factor;
  if (c.shared_intermediate_size > 0) f.shared.emplace();
  return f;
}

uint64_t owned_bytes(const Linear& linear) {
  uint64_t bytes = 0;
  for (const auto& part : linear.parts) bytes += part->owned_bytes();
  return bytes;
}

StoredType common_type(const std::vector<const Tensor*>& tensors) {
  const auto other = [&](const Tensor* t) { return t->type != tensors.front()->type; };
  return std::any_of(tensors.begin(), tensors.end(), other) ? StoredType::f32 : tensors.front()->type;
}

Result<bool> same_numbers(const Tensor& a, const Tensor& b) {
  if (a.type != b.type || a.shape != b.shape) return false;
  constexpr uint64_t at_once = 1 << 20;
  std::vector<std::byte> from_a(std::min(at_once, a.bytes)), from_b(from_a.size());
  for (uint64_t done = 0; done < a.bytes; done += at_once) {
    const auto size = static_cast<size_t>(std::min(at_once, a.bytes - done));
    PENSEE_TRY(a.file->read(a.offset + done, std::span(from_a).first(size)));
    PENSEE_TRY(b.file->read(b.offset + done, std::span(from_b).first(size)));
    if (!std::equal(from_a.begin(), from_a.begin() + static_cast<std::ptrdiff_t>(size), from_b.begin())) return false;
  }
  return true;
}

}  // namespace

// Bytes of packed weights: of all, and of those that one token meets.
void count_packed(Model& m) {
  uint64_t all = 0, mapped = 0;
  double active = 0;
  const auto add_weight = [&](const PackedWeight& weight, double share) {
    all += weight.bytes + weight.copy_bytes;
    mapped += weight.in_file ? weight.bytes : 0;
    active += share * static_cast<double>(weight.bytes);
  };
  const auto add = [&](const Linear& linear, double share) {
    for (const auto& part : linear.parts) add_weight(*part, share);
  };
  const auto add_dense = [&](const Dense& f, double share) {
    add(f.gate_up, share);
    add(f.down, share);
  };
  const auto add_layer = [&](const Layer& layer, double share) {
    if (const auto* a = std::get_if<GroupedQuery>(&layer.attention)) {
      for (const Linear* l : {&a->qkv, &a->out}) add(*l, share);
    } else {
      const auto& b = std::get<Latent>(layer.attention);
      for (const Linear* l : {&b.down, &b.q_up, &b.fold_key, &b.fold_value, &b.out}) add(*l, share);
    }
    if (const auto* f = std::get_if<Dense>(&layer.feed_forward)) return add_dense(*f, share);
    const auto& moe = std::get<MixtureOfExperts>(layer.feed_forward);
    const double chosen = static_cast<double>(moe.router.num_experts_per_tok) / moe.router.n_routed_experts;
    add(moe.router.weight, share);
    for (const Linear* l : {&moe.gate_up, &moe.down}) add(*l, share * chosen);
    if (moe.shared) add_dense(*moe.shared, share);
  };
  add_weight(*m.embedding, m.lm_head ? 0 : 1);
  if (m.lm_head) add_weight(*m.lm_head, 1);
  for (const Layer& layer : m.layers) add_layer(layer, 1);
  if (m.mtp) {
    add_layer(m.mtp->layer, 0);
    add(m.mtp->join, 0);
    for (const auto* own : {m.mtp->embedding.get(), m.mtp->head.get()}) {
      if (own) add_weight(*own, 0);
    }
  }
  m.facts.weight_bytes = all;
  m.facts.mapped_bytes = mapped;
  m.facts.active_weight_bytes = static_cast<uint64_t>(active);
}

Layer make_layer(const ModelConfig& c, int64_t index) {
  Layer layer;
  if (c.is_latent()) {
    layer.attention = latent(c, index);
  } else {
    layer.attention = grouped_query(c, index);
  }
  if (c.is_moe_layer(index)) layer.feed_forward = mixture(c, index);
  return layer;
}

Assembler::Assembler(Model& model, const Backend& backend, ThreadPool& pool, MemoryBudget* budget, KeptWeights* kept)
    : model_(model), c_(model.config), backend_(backend), pool_(pool), budget_(budget), kept_(kept) {}

Assembler::~Assembler() {
  if (budget_) budget_->give(taken_);
}

Status Assembler::assemble(const Bound& bound) {
  PENSEE_TRY(tell_progress());
  PENSEE_TRY(packed(bound.model, Slot::embedding, model_.embedding));
  PENSEE_TRY(vector(bound.model, Slot::final_norm, model_.final_norm));
  PENSEE_TRY(packed(bound.model, Slot::lm_head, model_.lm_head));
  for (size_t i = 0; i < bound.layers.size(); ++i) {
    layer_ = static_cast<int64_t>(i);
    PENSEE_TRY(layer(bound.layers[i], model_.layers[i]));
  }
  layer_ = c_.num_hidden_layers;
  return bound.mtp ? predictions(*bound.mtp, bound.model, *model_.mtp) : Status();
}

void Assembler::commit() noexcept {
  uint64_t freed = 0;
  for (auto& [target, fresh] : packed_) {
    freed += *target ? (*target)->owned_bytes() : 0;
    *target = std::move(fresh);
  }
  for (auto& [target, fresh] : linears_) {
    freed += owned_bytes(*target);
    *target = std::move(fresh);
  }
  for (auto& [target, fresh] : vectors_) *target = std::move(fresh);
  if (budget_) budget_->give(freed);
  taken_ = 0;
  packed_.clear();
  linears_.clear();
  vectors_.clear();
  count_packed(model_);
}

Status Assembler::tell_progress() {
  if (!progress) return Status();
  const double total = std::max(1.0, static_cast<double>(model_.facts.stored_bytes));
  const float fraction = std::min(1.0f, static_cast<float>(static_cast<double>(stored_done_) / total));
  if (progress(progress_user, fraction)) return Status();
  return Status(Code::cancelled, "loading was cancelled by the progress callback");
}

Result<Assembler::Packed> Assembler::pack_source(const WeightSource& source) {
  PENSEE_TRY(tell_progress());
  PENSEE_ASSIGN(auto made, backend_.pack(source, pool_));
  if (!budget_) return made;
  // Copies give way to what cannot be done without.
  const auto fits = [&] {
    return budget_->limit() == 0 || budget_->used() + made->owned_bytes() <= budget_->limit();
  };
  if (!fits()) made->drop_copy();
  while (!fits() && drop_a_copy()) {
  }
  if (!budget_->take(made->owned_bytes())) {
    return Status::format(Code::out_of_memory, "'{}': the weights need more than the memory_budget of {} bytes",
                          source.name, budget_->limit());
  }
  taken_ += made->owned_bytes();
  return made;
}

bool Assembler::drop_a_copy() {
  const auto drop = [&](PackedWeight* weight) {
    if (!weight || weight->copy_bytes == 0) return false;
    budget_->give(weight->copy_bytes);
    taken_ -= weight->copy_bytes;
    weight->drop_copy();
    return true;
  };
  for (auto& [target, linear] : linears_) {
    for (const auto& part : linear.parts) {
      if (drop(part.get())) return true;
    }
  }
  return std::any_of(packed_.begin(), packed_.end(), [&](auto& one) { return drop(one.second.get()); });
}

Result<Assembler::Packed> Assembler::pack(std::vector<StackedRows::Piece> pieces, int64_t matrices, bool by_row) {
  for (const auto& piece : pieces) {
    stored_done_ += row_bytes(piece.tensor->type, piece.tensor->cols()) * static_cast<uint64_t>(piece.rows);
  }
  StackedRows source(std::move(pieces), matrices);
  source.by_row = by_row;
  return pack_source(source);
}

Status Assembler::packed(const BoundWeights& w, Slot slot, Packed& target) {
  const Tensor* tensor = w.one(slot);
  if (!tensor) return Status();
  const bool by_row = (slot == Slot::embedding && !c_.tie_word_embeddings) || slot == Slot::mtp_embedding;
  PENSEE_ASSIGN(auto made, pack({{tensor, 0, tensor->rows()}}, 1, by_row));
  packed_.emplace_back(&target, std::move(made));
  return Status();
}

Status Assembler::read_vector(const Tensor& tensor, std::vector<float>& out) {
  stored_done_ += tensor.bytes;
  out.resize(static_cast<size_t>(tensor.elements()));
  return read_rows_float(tensor, 0, 1, out);
}

Status Assembler::vector(const BoundWeights& w, Slot slot, std::vector<float>& target) {
  if (!w.one(slot)) return Status();
  std::vector<float> fresh;
  PENSEE_TRY(read_vector(*w.one(slot), fresh));
  vectors_.emplace_back(&target, std::move(fresh));
  return Status();
}

// One Linear from slots stacked in order, neighbours of one stored type packed together; biases likewise. Where
// experts have a tensor each, `matrices` of them are stacked.
Status Assembler::linear(const BoundWeights& w, Slots slots, Slots biases, int64_t matrices, Linear& target) {
  const auto bound = [&](Slot slot) { return w.any(slot); };
  if (std::none_of(slots.begin(), slots.end(), bound) && std::none_of(biases.begin(), biases.end(), bound)) {
    return Status();
  }
  Linear fresh;
  std::vector<SlotTensors> group;
  int64_t first_row = 0;
  for (const Slot slot : slots) {
    if (w.rows_of(slot) == 0) continue;  // not of this model
    PENSEE_ASSIGN(auto found, tensors_of(w, slot, matrices, first_row, target));
    first_row += w.rows_of(slot);
    if (!group.empty() && group.front().type != found.type) {
      PENSEE_TRY(part(group, matrices, fresh));
      group.clear();
    }
    group.push_back(std::move(found));
  }
  PENSEE_TRY(part(group, matrices, fresh));
  PENSEE_TRY(bias(w, slots, biases, target, fresh));
  linears_.emplace_back(&target, std::move(fresh));
  return Status();
}

Result<Assembler::SlotTensors> Assembler::tensors_of(const BoundWeights& w, Slot slot, int64_t matrices,
                                                     int64_t first_row, const Linear& held) {
  SlotTensors found;
  found.tensors = w.all(slot);
  if (found.tensors.empty()) found.tensors.resize(static_cast<size_t>(matrices));
  for (size_t m = 0; m < found.tensors.size(); ++m) {
    if (found.tensors[m]) continue;
    PENSEE_DCHECK(kept_);
    PENSEE_ASSIGN(Tensor kept, kept_->kept(held, layer_, slot, static_cast<int64_t>(m), first_row, w.rows_of(slot)));
    found.tensors[m] = &made_.emplace_back(std::move(kept));
  }
  found.type = common_type(found.tensors);
  return found;
}

Status Assembler::part(const std::vector<SlotTensors>& group, int64_t matrices, Linear& out) {
  PENSEE_DCHECK(!group.empty());
  std::vector<StackedRows::Piece> pieces;
  for (int64_t m = 0; m < matrices; ++m) {
    for (const SlotTensors& slot : group) {
      const bool own = slot.tensors.size() > 1 || matrices == 1;
      const Tensor* tensor = slot.tensors[own ? static_cast<size_t>(m) : 0];
      const int64_t rows = own ? tensor->rows() : tensor->rows() / matrices;
      pieces.push_back({tensor, own ? 0 : m * rows, rows});
    }
  }
  PENSEE_ASSIGN(auto made, pack(std::move(pieces), matrices));
  out.rows += made->rows;
  out.cols = made->cols;
  out.parts.push_back(std::move(made));
  return Status();
}

// A bias that some of the stacked slots lack is zero there.
Status Assembler::bias(const BoundWeights& w, Slots slots, Slots biases, const Linear& held, Linear& out) {
  const bool any = std::any_of(biases.begin(), biases.end(), [&](Slot slot) { return w.any(slot); });
  if (!any && held.bias.empty()) return Status();
  out.bias = held.bias;
  out.bias.resize(static_cast<size_t>(out.rows), 0.0f);
  auto bias_slot = biases.begin();
  int64_t first_row = 0;
  for (const Slot slot : slots) {
    const Slot own = bias_slot != biases.end() ? *bias_slot++ : Slot::count;
    if (w.rows_of(slot) == 0) continue;
    if (own != Slot::count && w.one(own)) {
      std::vector<float> numbers;
      PENSEE_TRY(read_vector(*w.one(own), numbers));
      std::copy(numbers.begin(), numbers.end(), out.bias.begin() + static_cast<std::ptrdiff_t>(first_row));
    }
    first_row += w.rows_of(slot);
  }
  return Status();
}

Status Assembler::layer(const BoundWeights& w, Layer& layer) {
  PENSEE_TRY(vector(w, Slot::attention_norm, layer.attention_norm));
  PENSEE_TRY(vector(w, Slot::ffn_norm, layer.ffn_norm));
  PENSEE_TRY(std::visit([&](auto& a) { return attention(w, a); }, layer.attention));
  return std::visit([&](auto& f) { return feed_forward(w, f); }, layer.feed_forward);
}

Status Assembler::attention(const BoundWeights& w, GroupedQuery& a) {
  PENSEE_TRY(linear(w, {Slot::q, Slot::k, Slot::v}, {Slot::q_bias, Slot::k_bias, Slot::v_bias}, 1, a.qkv));
  return linear(w, {Slot::out}, {Slot::out_bias}, 1, a.out);
}

Status Assembler::attention(const BoundWeights& w, Latent& a) {
  if (a.q_lora_rank > 0) {
    PENSEE_TRY(linear(w, {Slot::q_down, Slot::kv_down}, {Slot::q_down_bias, Slot::kv_down_bias}, 1, a.down));
    PENSEE_TRY(linear(w, {Slot::q_up}, {}, 1, a.q_up));
  } else {
    PENSEE_TRY(linear(w, {Slot::q, Slot::kv_down}, {Slot::q_bias, Slot::kv_down_bias}, 1, a.down));
  }
  PENSEE_TRY(vector(w, Slot::q_norm, a.q_norm));
  PENSEE_TRY(vector(w, Slot::kv_norm, a.kv_norm));
  PENSEE_TRY(fold(w, a));
  return linear(w, {Slot::out}, {Slot::out_bias}, 1, a.out);
}

Status Assembler::fold(const BoundWeights& w, Latent& a) {
  const int64_t heads = c_.num_attention_heads;
  if (w.one(Slot::key_fold) && w.one(Slot::value_fold)) {
    PENSEE_TRY(linear(w, {Slot::key_fold}, {}, heads, a.fold_key));
    return linear(w, {Slot::value_fold}, {}, heads, a.fold_value);
  }
  const Tensor* kv_up = w.one(Slot::kv_up);
  if (!kv_up) return Status();
  const auto keep = [&](Linear& target, Packed made) {
    Linear fresh;
    fresh.rows = made->rows;
    fresh.cols = made->cols;
    fresh.parts.push_back(std::move(made));
    linears_.emplace_back(&target, std::move(fresh));
  };
  PENSEE_ASSIGN(auto keys, pack_source(FoldedKeys(*kv_up, c_)));
  keep(a.fold_key, std::move(keys));
  std::vector<StackedRows::Piece> pieces;
  const int64_t rows_a_head = c_.qk_nope_head_dim + c_.v_head_dim;
  for (int64_t head = 0; head < heads; ++head) {
    pieces.push_back({kv_up, head * rows_a_head + c_.qk_nope_head_dim, c_.v_head_dim});
  }
  PENSEE_ASSIGN(auto values, pack(std::move(pieces), heads));
  keep(a.fold_value, std::move(values));
  return Status();
}

Status Assembler::feed_forward(const BoundWeights& w, Dense& f) {
  PENSEE_TRY(linear(w, {Slot::gate, Slot::up}, {Slot::gate_bias, Slot::up_bias}, 1, f.gate_up));
  return linear(w, {Slot::down}, {Slot::down_bias}, 1, f.down);
}

Status Assembler::feed_forward(const BoundWeights& w, MixtureOfExperts& f) {
  PENSEE_TRY(linear(w, {Slot::router}, {}, 1, f.router.weight));
  PENSEE_TRY(vector(w, Slot::router_bias, f.router.bias));
  PENSEE_TRY(linear(w, {Slot::expert_gate, Slot::expert_up}, {}, c_.n_routed_experts, f.gate_up));
  PENSEE_TRY(linear(w, {Slot::expert_down}, {}, c_.n_routed_experts, f.down));
  if (!f.shared) return Status();
  PENSEE_TRY(linear(w, {Slot::shared_gate, Slot::shared_up}, {}, 1, f.shared->gate_up));
  return linear(w, {Slot::shared_down}, {}, 1, f.shared->down);
}

// Files repeat the model's embedding and head for the prediction layer; copies are not packed again.
Status Assembler::predictions(const BoundWeights& w, const BoundWeights& model, Mtp& mtp) {
  PENSEE_TRY(linear(w, {Slot::mtp_join}, {}, 1, mtp.join));
  PENSEE_TRY(vector(w, Slot::mtp_embedding_norm, mtp.embedding_norm));
  PENSEE_TRY(vector(w, Slot::mtp_hidden_norm, mtp.hidden_norm));
  PENSEE_TRY(vector(w, Slot::mtp_head_norm, mtp.head_norm));
  const auto unless_same = [&](Slot own, Slot of_model, Packed& target) -> Status {
    if (w.one(own) && model.one(of_model)) {
      PENSEE_ASSIGN(const bool same, same_numbers(*w.one(own), *model.one(of_model)));
      if (same) {
        packed_.emplace_back(&target, nullptr);
        return Status();
      }
    }
    return packed(w, own, target);
  };
  PENSEE_TRY(unless_same(Slot::mtp_embedding, Slot::embedding, mtp.embedding));
  PENSEE_TRY(unless_same(Slot::mtp_head, c_.tie_word_embeddings ? Slot::embedding : Slot::lm_head, mtp.head));
  return layer(w, mtp.layer);
}

}  // namespace pensee
