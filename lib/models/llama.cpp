// Llama 2 and 3, R1-Distill-Llama, SmolLM2: grouped-query attention, SwiGLU, rotary embedding with Llama-3's scaling.
// GGUF files of this architecture hold q and k with their rows reordered for interleaved rotation.
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
    {Slot::rope_frequencies, Where::model, Need::optional, nullptr, "rope_freqs.weight", nullptr, &C::rope_pairs},
    {Slot::attention_norm, Where::layers, Need::required, "model.layers.{L}.input_layernorm.weight",
     "blk.{L}.attn_norm.weight", nullptr, &C::hidden_size},
    {Slot::q, Where::layers, Need::required, "model.layers.{L}.self_attn.q_proj.weight", "blk.{L}.attn_q.weight",
     &C::q_dim, &C::hidden_size},
    {Slot::k, Where::layers, Need::required, "model.layers.{L}.self_attn.k_proj.weight", "blk.{L}.attn_k.weight",
     &C::kv_dim, &C::hidden_size},
    {Slot::v, Where::layers, Need::required, "model.layers.{L}.self_attn.v_proj.weight", "blk.{L}.attn_v.weight",
     &C::kv_dim, &C::hidden_size},
    {Slot::q_bias, Where::layers, Need::optional, "model.layers.{L}.self_attn.q_proj.bias", "blk.{L}.attn_q.bias",
     nullptr, &C::q_dim},
    {Slot::k_bias, Where::layers, Need::optional, "model.layers.{L}.self_attn.k_proj.bias", "blk.{L}.attn_k.bias",
     nullptr, &C::kv_dim},
    {Slot::v_bias, Where::layers, Need::optional, "model.layers.{L}.self_attn.v_proj.bias", "blk.{L}.attn_v.bias",
     nullptr, &C::kv_dim},
    {Slot::out, Where::layers, Need::required, "model.layers.{L}.self_attn.o_proj.weight", "blk.{L}.attn_output.weight",
     &C::hidden_size, &C::attention_out_dim},
    {Slot::out_bias, Where::layers, Need::optional, "model.layers.{L}.self_attn.o_proj.bias",
     "blk.{L}.attn_output.bias", nullptr, &C::hidden_size},
    {Slot::ffn_norm, Where::layers, Need::required, "model.layers.{L}.post_attention_layernorm.weight",
     "blk.{L}.ffn_norm.weight", nullptr, &C::hidden_size},
    {Slot::gate, Where::layers, Need::required, "model.layers.{L}.mlp.gate_proj.weight", "blk.{L}.ffn_gate.weight",
     &C::intermediate_size, &C::hidden_size},
    {Slot::up, Where::layers, Need::required, "model.layers.{L}.mlp.up_proj.weight", "blk.{L}.ffn_up.weight",
     &C::intermediate_size, &C::hidden_size},
    {Slot::gate_bias, Where::layers, Need::optional, "model.layers.{L}.mlp.gate_proj.bias", "blk.{L}.ffn_gate.bias",
     nullptr, &C::intermediate_size},
    {Slot::up_bias, Where::layers, Need::optional, "model.layers.{L}.mlp.up_proj.bias", "blk.{L}.ffn_up.bias", nullptr,
     &C::intermediate_size},
    {Slot::down, Where::layers, Need::required, "model.layers.{L}.mlp.down_proj.weight", "blk.{L}.ffn_down.weight",
     &C::hidden_size, &C::intermediate_size},
    {Slot::down_bias, Where::layers, Need::optional, "model.layers.{L}.mlp.down_proj.bias", "blk.{L}.ffn_down.bias",
     nullptr, &C::hidden_size},
};

void read_llama(ConfigReader& r, ModelConfig& c) {
  read_hf_common(r, c);
  c.head_dim = r.count_or("head_dim", c.hidden_size / c.num_attention_heads, 1, kMaxDimension);
  c.rope.dim = static_cast<int32_t>(c.head_dim);
  read_hf_rope(r, c.rope);
}

void read_llama_gguf(ConfigReader& r, ModelConfig& c) {
  read_gguf_common(r, c);
  if (r.count_or("expert_count", 0, 0, kMaxExperts) > 0) r.refuse("this is a mixture in Llama's clothes (Mixtral)");
  c.head_dim = r.count_or("attention.key_length", c.hidden_size / c.num_attention_heads, 1, kMaxDimension);
  c.rope.dim = static_cast<int32_t>(r.count_or("rope.dimension_count", c.head_dim, 2, c.head_dim));
  c.rope.interleaved = true;
  read_gguf_rope(r, c.rope);
}

}  // namespace

constinit const std::span<const WeightRow> kDenseDecoderWeights = kWeights;
const Architecture kLlama = {"llama", "llama", read_llama, read_llama_gguf, kWeights};

}  // namespace pensee
