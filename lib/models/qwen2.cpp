// Qwen2 and R1-Distill-Qwen: Llama's decoder with biases on q, k and v. The weight table is Llama's.
#include "models/architectures.h"

namespace pensee {
namespace {

void read_qwen2(ConfigReader& r, ModelConfig& c) {
  read_hf_common(r, c);
  c.head_dim = r.count_or("head_dim", c.hidden_size / c.num_attention_heads, 1, kMaxDimension);
  c.rope.dim = static_cast<int32_t>(c.head_dim);
  read_hf_rope(r, c.rope);
  if (r.flag_or("use_sliding_window", false)) r.refuse("use_sliding_window is true; this release attends to all");
}

void read_qwen2_gguf(ConfigReader& r, ModelConfig& c) {
  read_gguf_common(r, c);
  c.head_dim = r.count_or("attention.key_length", c.hidden_size / c.num_attention_heads, 1, kMaxDimension);
  c.rope.dim = static_cast<int32_t>(r.count_or("rope.dimension_count", c.head_dim, 2, c.head_dim));
  read_gguf_rope(r, c.rope);
}

}  // namespace

const Architecture kQwen2 = {"qwen2", "qwen2", read_qwen2, read_qwen2_gguf, kDenseDecoderWeights};

}  // namespace pensee
