// Every weight of a model once, by a name of ours and with the shape that the config gives it: what is saved and
// restored as it was packed. The shapes repeat what the weight tables say of tensors, for what tensors are packed into.
#pragma once

#include <string>

#include "models/model.h"

namespace pensee {

struct PartShape {
  int64_t matrices, rows, cols;
  bool required = true;
};

// Calls, with M a Model or a const one:
//   visit.numbers(name, std::vector<float>&, length, required)
//   visit.weight(name, std::unique_ptr<PackedWeight>&, PartShape)
//   visit.linear(name, Linear&, PartShape)
// Each returns a Status; the first error ends the walk.
template <class M, class Visitor>
class PartWalk {
 public:
  PartWalk(M& model, Visitor& visit) : m_(model), c_(model.config), v_(visit) {}

  Status all() {
    const PartShape vocabulary = {1, c_.vocab_size, c_.hidden_size};
    PENSEE_TRY(v_.weight("embedding", m_.embedding, vocabulary));
    PENSEE_TRY(v_.weight("lm_head", m_.lm_head, {1, c_.vocab_size, c_.hidden_size, !c_.tie_word_embeddings}));
    PENSEE_TRY(v_.numbers("final_norm", m_.final_norm, c_.hidden_size, true));
    for (size_t i = 0; i < m_.layers.size(); ++i) PENSEE_TRY(layer(format("layers.{}", i), m_.layers[i]));
    return m_.mtp ? mtp(*m_.mtp) : Status();
  }

 private:
  template <class L>
  Status layer(const std::string& name, L& layer) {
    PENSEE_TRY(v_.numbers(name + ".attention_norm", layer.attention_norm, c_.hidden_size, true));
    PENSEE_TRY(std::visit([&](auto& a) { return attention(name + ".attention", a); }, layer.attention));
    PENSEE_TRY(v_.linear(name + ".attention.out", out_of(layer.attention), {1, c_.hidden_size, c_.attention_out_dim}));
    PENSEE_TRY(v_.numbers(name + ".ffn_norm", layer.ffn_norm, c_.hidden_size, true));
    return std::visit([&](auto& f) { return feed_forward(name + ".ffn", f); }, layer.feed_forward);
  }

  template <class A>
  static auto& out_of(A& attention) {
    if (auto* a = std::get_if<GroupedQuery>(&attention)) return a->out;
    return std::get_if<Latent>(&attention)->out;
  }

  template <class A>
  Status attention(const std::string& name, A& a) {
    if constexpr (std::is_same_v<std::remove_const_t<A>, GroupedQuery>) {
      return v_.linear(name + ".qkv", a.qkv, {1, c_.q_dim + 2 * c_.kv_dim, c_.hidden_size});
    } else {
      const int64_t queries = c_.q_lora_rank > 0 ? c_.q_lora_rank : c_.q_direct_dim;
      PENSEE_TRY(v_.linear(name + ".down", a.down, {1, queries + c_.kv_down_dim, c_.hidden_size}));
      if (c_.q_lora_rank > 0) {
        PENSEE_TRY(v_.numbers(name + ".q_norm", a.q_norm, c_.q_lora_rank, true));
        PENSEE_TRY(v_.linear(name + ".q_up", a.q_up, {1, c_.q_up_dim, c_.q_lora_rank}));
      }
      PENSEE_TRY(v_.numbers(name + ".kv_norm", a.kv_norm, c_.kv_lora_rank, true));
      const int64_t heads = c_.num_attention_heads;
      PENSEE_TRY(v_.linear(name + ".fold_key", a.fold_key, {heads, c_.kv_lora_rank, c_.qk_nope_head_dim}));
      return v_.linear(name + ".fold_value", a.fold_value, {heads, c_.v_head_dim, c_.kv_lora_rank});
    }
  }

  template <class D>
  Status dense(const std::string& name, D& f, int64_t width) {
    PENSEE_TRY(v_.linear(name + ".gate_up", f.gate_up, {1, 2 * width, c_.hidden_size}));
    return v_.linear(name + ".down", f.down, {1, c_.hidden_size, width});
  }

  template <class F>
  Status feed_forward(const std::string& name, F& f) {
    if constexpr (std::is_same_v<std::remove_const_t<F>, Dense>) {
      return dense(name, f, c_.intermediate_size);
    } else {
      const int64_t experts = c_.n_routed_experts, width = c_.moe_intermediate_size;
      PENSEE_TRY(v_.linear(name + ".router", f.router.weight, {1, experts, c_.hidden_size}));
      PENSEE_TRY(v_.numbers(name + ".router.correction", f.router.bias, experts, false));
      PENSEE_TRY(v_.linear(name + ".experts.gate_up", f.gate_up, {experts, 2 * width, c_.hidden_size}));
      PENSEE_TRY(v_.linear(name + ".experts.down", f.down, {experts, c_.hidden_size, width}));
      return f.shared ? dense(name + ".shared", *f.shared, c_.shared_intermediate_size) : Status();
    }
  }

  template <class T>
  Status mtp(T& mtp) {
    const PartShape vocabulary = {1, c_.vocab_size, c_.hidden_size, false};
    PENSEE_TRY(v_.numbers("mtp.embedding_norm", mtp.embedding_norm, c_.hidden_size, true));
    PENSEE_TRY(v_.numbers("mtp.hidden_norm", mtp.hidden_norm, c_.hidden_size, true));
    PENSEE_TRY(v_.linear("mtp.join", mtp.join, {1, c_.hidden_size, c_.mtp_join_dim}));
    PENSEE_TRY(v_.numbers("mtp.head_norm", mtp.head_norm, c_.hidden_size, true));
    PENSEE_TRY(v_.weight("mtp.embedding", mtp.embedding, vocabulary));
    PENSEE_TRY(v_.weight("mtp.head", mtp.head, vocabulary));
    return layer("mtp.layer", mtp.layer);
  }

  M& m_;
  const ModelConfig& c_;
  Visitor& v_;
};

template <class M, class Visitor>
Status each_part(M& model, Visitor& visitor) {
  return PartWalk<M, Visitor>(model, visitor).all();
}

}  // namespace pensee
