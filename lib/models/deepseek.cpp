// DeepSeek-V2, V2-Lite, V3, R1 and Moonlight: latent attention and a mixture of experts behind first dense layers.
// V3's router (V3 report, 2.1.2) differs from V2's in three ways: sigmoid scores, a bias that decides the choice
// alone, and groups ranked by their two best experts instead of one.
#include <algorithm>
#include <cmath>

#include "models/architectures.h"

namespace pensee {
namespace {

using C = ModelConfig;

const WeightRow kWeights[] = {
    {Slot::embedding, Where::model, Need::required, "model.embed_tokens.weight", "token_embd.weight", &C::vocab_size,
     &C::hidden_size},
    {Slot::final_norm, Where::model, Need::required, "model.norm.weight", "output_norm.weight", nullptr,
     &C::hidden_size},
    {Slot::lm_head, Where::model, Need::optional, "lm_head.weight", "output.weight", &C::vocab_size, &C::hidden_size},
    {Slot::attention_norm, Where::layers, Need::required, "model.layers.{L}.input_layernorm.weight",
     "blk.{L}.attn_norm.weight", nullptr, &C::hidden_size},
    {Slot::q, Where::layers, Need::required, "model.layers.{L}.self_attn.q_proj.weight", "blk.{L}.attn_q.weight",
     &C::q_direct_dim, &C::hidden_size},
    {Slot::q_down, Where::layers, Need::required, "model.layers.{L}.self_attn.q_a_proj.weight",
     "blk.{L}.attn_q_a.weight", &C::q_lora_rank, &C::hidden_size},
    {Slot::q_down_bias, Where::layers, Need::optional, "model.layers.{L}.self_attn.q_a_proj.bias",
     "blk.{L}.attn_q_a.bias", nullptr, &C::q_lora_rank},
    {Slot::q_norm, Where::layers, Need::required, "model.layers.{L}.self_attn.q_a_layernorm.weight",
     "blk.{L}.attn_q_a_norm.weight", nullptr, &C::q_lora_rank},
    {Slot::q_up, Where::layers, Need::required, "model.layers.{L}.self_attn.q_b_proj.weight", "blk.{L}.attn_q_b.weight",
     &C::q_up_dim, &C::q_lora_rank},
    {Slot::kv_down, Where::layers, Need::required, "model.layers.{L}.self_attn.kv_a_proj_with_mqa.weight",
     "blk.{L}.attn_kv_a_mqa.weight", &C::kv_down_dim, &C::hidden_size},
    {Slot::kv_down_bias, Where::layers, Need::optional, "model.layers.{L}.self_attn.kv_a_proj_with_mqa.bias",
     "blk.{L}.attn_kv_a_mqa.bias", nullptr, &C::kv_down_dim},
    {Slot::kv_norm, Where::layers, Need::required, "model.layers.{L}.self_attn.kv_a_layernorm.weight",
     "blk.{L}.attn_kv_a_norm.weight", nullptr, &C::kv_lora_rank},
    {Slot::kv_up, Where::layers, Need::optional, "model.layers.{L}.self_attn.kv_b_proj.weight",
     "blk.{L}.attn_kv_b.weight", &C::kv_up_dim, &C::kv_lora_rank},
    {Slot::key_fold, Where::layers, Need::optional, nullptr, "blk.{L}.attn_k_b.weight", &C::kv_lora_rank,
     &C::qk_nope_head_dim, &C::num_attention_heads},
    {Slot::value_fold, Where::layers, Need::optional, nullptr, "blk.{L}.attn_v_b.weight", &C::v_head_dim,
     &C::kv_lora_rank, &C::num_attention_heads},
    {Slot::out, Where::layers, Need::required, "model.layers.{L}.self_attn.o_proj.weight", "blk.{L}.attn_output.weight",
     &C::hidden_size, &C::attention_out_dim},
    {Slot::out_bias, Where::layers, Need::optional, "model.layers.{L}.self_attn.o_proj.bias",
     "blk.{L}.attn_output.bias", nullptr, &C::hidden_size},
    {Slot::ffn_norm, Where::layers, Need::required, "model.layers.{L}.post_attention_layernorm.weight",
     "blk.{L}.ffn_norm.weight", nullptr, &C::hidden_size},
    {Slot::gate, Where::dense_layers, Need::required, "model.layers.{L}.mlp.gate_proj.weight",
     "blk.{L}.ffn_gate.weight", &C::intermediate_size, &C::hidden_size},
    {Slot::up, Where::dense_layers, Need::required, "model.layers.{L}.mlp.up_proj.weight", "blk.{L}.ffn_up.weight",
     &C::intermediate_size, &C::hidden_size},
    {Slot::down, Where::dense_layers, Need::required, "model.layers.{L}.mlp.down_proj.weight",
     "blk.{L}.ffn_down.weight", &C::hidden_size, &C::intermediate_size},
    {Slot::router, Where::moe_layers, Need::required, "model.layers.{L}.mlp.gate.weight", "blk.{L}.ffn_gate_inp.weight",
     &C::n_routed_experts, &C::hidden_size},
    {Slot::router_bias, Where::moe_layers, Need::optional, "model.layers.{L}.mlp.gate.e_score_correction_bias",
     "blk.{L}.exp_probs_b.bias", nullptr, &C::n_routed_experts},
    {Slot::expert_gate, Where::moe_layers, Need::required, "model.layers.{L}.mlp.experts.{E}.gate_proj.weight",
     "blk.{L}.ffn_gate_exps.weight", &C::moe_intermediate_size, &C::hidden_size, &C::n_routed_experts},
    {Slot::expert_up, Where::moe_layers, Need::required, "model.layers.{L}.mlp.experts.{E}.up_proj.weight",
     "blk.{L}.ffn_up_exps.weight", &C::moe_intermediate_size, &C::hidden_size, &C::n_routed_experts},
    {Slot::expert_down, Where::moe_layers, Need::required, "model.layers.{L}.mlp.experts.{E}.down_proj.weight",
     "blk.{L}.ffn_down_exps.weight", &C::hidden_size, &C::moe_intermediate_size, &C::n_routed_experts},
    {Slot::shared_gate, Where::moe_layers, Need::required, "model.layers.{L}.mlp.shared_experts.gate_proj.weight",
     "blk.{L}.ffn_gate_shexp.weight", &C::shared_intermediate_size, &C::hidden_size},
    {Slot::shared_up, Where::moe_layers, Need::required, "model.layers.{L}.mlp.shared_experts.up_proj.weight",
     "blk.{L}.ffn_up_shexp.weight", &C::shared_intermediate_size, &C::hidden_size},
    {Slot::shared_down, Where::moe_layers, Need::required, "model.layers.{L}.mlp.shared_experts.down_proj.weight",
     "blk.{L}.ffn_down_shexp.weight", &C::hidden_size, &C::shared_intermediate_size},
    {Slot::mtp_join, Where::mtp, Need::required, "model.layers.{L}.eh_proj.weight", "blk.{L}.nextn.eh_proj.weight",
     &C::hidden_size, &C::mtp_join_dim},
    {Slot::mtp_embedding_norm, Where::mtp, Need::required, "model.layers.{L}.enorm.weight",
     "blk.{L}.nextn.enorm.weight", nullptr, &C::hidden_size},
    {Slot::mtp_hidden_norm, Where::mtp, Need::required, "model.layers.{L}.hnorm.weight", "blk.{L}.nextn.hnorm.weight",
     nullptr, &C::hidden_size},
    {Slot::mtp_head_norm, Where::mtp, Need::required, "model.layers.{L}.shared_head.norm.weight",
     "blk.{L}.nextn.shared_head_norm.weight", nullptr, &C::hidden_size},
    {Slot::mtp_embedding, Where::mtp, Need::optional, "model.layers.{L}.embed_tokens.weight",
     "blk.{L}.nextn.embed_tokens.weight", &C::vocab_size, &C::hidden_size},
    {Slot::mtp_head, Where::mtp, Need::optional, "model.layers.{L}.shared_head.head.weight",
     "blk.{L}.nextn.shared_head_head.weight", &C::vocab_size, &C::hidden_size},
};

// 1/sqrt(qk_head_dim), and under YaRN the square of its mscale_all_dim factor, as the published code has it.
void set_attention_scale(ModelConfig& c) {
  double scale = 1.0 / std::sqrt(static_cast<double>(c.qk_nope_head_dim + c.qk_rope_head_dim));
  if (c.rope.scaling != RopeScaling::none && c.rope.mscale_all_dim != 0) {
    const double mscale = yarn_mscale(c.rope.factor, c.rope.mscale_all_dim);
    scale *= mscale * mscale;
  }
  c.attention_scale = static_cast<float>(scale);
}

// What V2 and V3 have in common. `c` holds the defaults of the numbers in which they differ.
void read_deepseek(ConfigReader& r, ModelConfig& c) {
  read_hf_common(r, c);
  c.q_lora_rank = r.count_or("q_lora_rank", 0, 0, kMaxDimension);
  c.kv_lora_rank = r.count("kv_lora_rank", 1, kMaxDimension);
  c.qk_nope_head_dim = r.count("qk_nope_head_dim", 1, kMaxDimension);
  c.qk_rope_head_dim = r.count("qk_rope_head_dim", 2, kMaxDimension);
  c.v_head_dim = r.count("v_head_dim", 1, kMaxDimension);
  c.n_routed_experts = r.count_or("n_routed_experts", 0, 0, kMaxExperts);
  c.num_experts_per_tok = r.count_or("num_experts_per_tok", 0, 0, kMaxExperts);
  c.n_shared_experts = r.count_or("n_shared_experts", c.n_shared_experts, 0, kMaxExperts);
  c.moe_intermediate_size = r.count_or("moe_intermediate_size", 0, 0, kMaxDimension);
  c.first_k_dense_replace = r.count_or("first_k_dense_replace", c.first_k_dense_replace, 0, kMaxLayers);
  c.routed_scaling_factor =
      static_cast<float>(r.real_or("routed_scaling_factor", static_cast<double>(c.routed_scaling_factor), 0, 1e6));
  if (r.count_or("moe_layer_freq", 1, 1, kMaxLayers) != 1) r.refuse("moe_layer_freq other than 1");
  if (r.flag_or("mlp_bias", false)) r.refuse("mlp_bias is true; this release knows DeepSeek's MLPs without biases");
  c.rope.dim = static_cast<int32_t>(c.qk_rope_head_dim);
  c.rope.interleaved = r.flag_or("rope_interleave", true);
  read_hf_rope(r, c.rope);
  set_attention_scale(c);
}

void read_groups(ConfigReader& r, ModelConfig& c) {
  c.n_group = r.count_or("n_group", c.n_group, 1, kMaxExperts);
  c.topk_group = r.count_or("topk_group", c.topk_group, 1, kMaxExperts);
}

// norm_topk_prob is false in every published V2, and transformers, our oracle, does not read it there.
void read_deepseek_v2(ConfigReader& r, ModelConfig& c) {
  c.n_shared_experts = 2;
  read_deepseek(r, c);
  const std::string method = r.text_or("topk_method", "greedy");
  if (method == "group_limited_greedy") {
    read_groups(r, c);
  } else if (method != "greedy") {
    r.refuse(format("topk_method is '{}'; 'greedy' and 'group_limited_greedy' are known", method));
  }
}

void read_deepseek_v3(ConfigReader& r, ModelConfig& c) {
  c.n_shared_experts = 1;
  c.first_k_dense_replace = 3;
  c.routed_scaling_factor = 2.5f;
  c.n_group = 8;
  c.topk_group = 4;
  read_deepseek(r, c);
  read_groups(r, c);
  c.router_score = RouterScore::sigmoid;
  c.group_rank = GroupRank::two_best;
  c.norm_topk_prob = r.flag_or("norm_topk_prob", true);
  c.num_nextn_predict_layers = r.count_or("num_nextn_predict_layers", 0, 0, kMaxLayers);
  const std::string scoring = r.text_or("scoring_func", "sigmoid");
  if (scoring != "sigmoid") r.refuse(format("scoring_func is '{}'; 'sigmoid' is known", scoring));
}

// One GGUF architecture holds both: expert_gating_func 2 is V3's sigmoid.
void read_deepseek_gguf(ConfigReader& r, ModelConfig& c) {
  read_gguf_common(r, c);
  c.q_lora_rank = r.count_or("attention.q_lora_rank", 0, 0, kMaxDimension);
  c.kv_lora_rank = r.count("attention.kv_lora_rank", 1, kMaxDimension);
  c.qk_rope_head_dim = r.count("rope.dimension_count", 2, kMaxDimension);
  // Newer files give the latent's own widths as key_length and value_length, and the heads' as *_mla.
  const int64_t key_length = r.count_or("attention.key_length", 0, 1, kMaxDimension);
  const int64_t value_length = r.count_or("attention.value_length", 0, 1, kMaxDimension);
  const int64_t qk = r.count_or("attention.key_length_mla", key_length, 1, kMaxDimension);
  c.v_head_dim = r.count_or("attention.value_length_mla", value_length, 1, kMaxDimension);
  c.qk_nope_head_dim = qk - c.qk_rope_head_dim;
  if (c.qk_nope_head_dim < 1 || c.v_head_dim < 1) r.refuse("the head widths (attention.key_length ...) do not fit");
  c.n_routed_experts = r.count_or("expert_count", 0, 0, kMaxExperts);
  c.num_experts_per_tok = r.count_or("expert_used_count", 0, 0, kMaxExperts);
  c.n_shared_experts = r.count_or("expert_shared_count", 0, 0, kMaxExperts);
  c.moe_intermediate_size = r.count_or("expert_feed_forward_length", 0, 0, kMaxDimension);
  c.first_k_dense_replace = r.count_or("leading_dense_block_count", 0, 0, kMaxLayers);
  c.routed_scaling_factor = static_cast<float>(r.real_or("expert_weights_scale", 1.0, 0, 1e6));
  if (c.routed_scaling_factor == 0) c.routed_scaling_factor = 1;  // llama.cpp reads it as none
  c.norm_topk_prob = r.flag_or("expert_weights_norm", false);
  c.n_group = std::max<int64_t>(r.count_or("expert_group_count", 1, 0, kMaxExperts), 1);  // 0: none
  c.topk_group = std::max<int64_t>(r.count_or("expert_group_used_count", 1, 0, kMaxExperts), 1);
  // Layers of multi-token prediction are counted as blocks and stand at the end.
  c.num_nextn_predict_layers = r.count_or("nextn_predict_layers", 0, 0, c.num_hidden_layers - 1);
  c.num_hidden_layers -= c.num_nextn_predict_layers;
  if (r.real_or("attention.temperature_scale", 0, 0, 1e9) != 0) r.refuse("attention.temperature_scale is not known");
  if (r.count_or("expert_gating_func", 1, 0, 2) == 2) {
    c.architecture = "deepseek_v3";
    c.router_score = RouterScore::sigmoid;
    c.group_rank = GroupRank::two_best;
  }
  c.rope.dim = static_cast<int32_t>(c.qk_rope_head_dim);
  c.rope.interleaved = true;
  read_gguf_rope(r, c.rope);
  // The file keeps 0.1 * mscale_all_dim and takes mscale to be the same.
  c.rope.mscale = c.rope.mscale_all_dim = 10 * r.real_or("rope.scaling.yarn_log_multiplier", 0.0, 0, 1e3);
  set_attention_scale(c);
}

}  // namespace

const Architecture kDeepseekV2 = {"deepseek_v2", "deepseek2", read_deepseek_v2, read_deepseek_gguf, kWeights};
const Architecture kDeepseekV3 = {"deepseek_v3", "deepseek2", read_deepseek_v3, read_deepseek_gguf, kWeights};

}  // namespace pensee
