// Attention: the two mixers of the DeepSeek family and its distilled versions, and the one loop over the cache that
// both share.
#pragma once

#include <vector>

#include "nn/batch.h"
#include "nn/linear.h"

namespace pensee {

// Grouped-query attention (Ainslie et al. 2023): Llama, Qwen2.
struct GroupedQuery {
  Linear qkv;  // [(num_heads + 2 num_kv_heads) * head_dim, hidden_size]
  Linear out;  // [hidden_size, num_heads * head_dim]
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;
  int32_t head_dim = 0;
  int32_t layer = 0;  // of the cache
  float scale = 0;
  bool rope_interleaved = false;
};

// Latent attention with absorbed projections (DeepSeek-V2 report, 2.1.2): one cached row of kv_lora_rank +
// qk_rope_head_dim numbers serves all heads, because the key up-projection is folded into the query and the value
// up-projection into the output.
struct Latent {
  Linear down;  // q_lora_rank (or all heads' queries) and kv_lora_rank + qk_rope_head_dim, from hidden_size
  std::vector<float> q_norm;   // [q_lora_rank]; empty: no low-rank query
  Linear q_up;                 // [num_heads * (nope + rope), q_lora_rank]
  std::vector<float> kv_norm;  // [kv_lora_rank]
  Linear fold_key;             // per head [kv_lora_rank, qk_nope_head_dim]
  Linear fold_value;           // per head [v_head_dim, kv_lora_rank]
  Linear out;                  // [hidden_size, num_heads * v_head_dim]
  int32_t num_heads = 0;
  int32_t q_lora_rank = 0;  // 0: queries straight from the hidden state
  int32_t kv_lora_rank = 0;
  int32_t qk_nope_head_dim = 0;
  int32_t qk_rope_head_dim = 0;
  int32_t v_head_dim = 0;
  int32_t layer = 0;
  float norm_eps = 1e-6f;  // of q_norm and kv_norm: the published code leaves it at 1e-6 whatever rms_norm_eps says
  float scale = 0;
  bool rope_interleaved = true;
};

// h [tokens, hidden_size] -> [tokens, hidden_size], taken from the scratch.
MutableView attend(const GroupedQuery& a, View h, const Pass& pass) noexcept;
MutableView attend(const Latent& a, View h, const Pass& pass) noexcept;
size_t scratch_bytes(const GroupedQuery& a, int64_t tokens);
size_t scratch_bytes(const Latent& a, int64_t tokens);

// The queries of all rows of a batch against the cache of one layer.
//   q    [tokens, num_heads * key_dim]    rotated
//   out  [tokens, num_heads * value_dim]
struct CacheAttention {
  View q;
  MutableView out;
  int32_t num_heads = 0;
  int32_t key_dim = 0;
  int32_t value_dim = 0;
  int32_t layer = 0;
  float scale = 0;
};
void attend_cache(const CacheAttention& a, const Pass& pass) noexcept;
size_t attend_cache_scratch_bytes(int64_t num_heads, int64_t key_dim, int64_t value_dim, int64_t tokens,
                                  int64_t context, int threads);

// Writes rows into the cache of `layer` at the batch's positions.
//   keys, values [tokens, heads * dim]; values.data null: latent rows, which hold both
void append_cache(View keys, View values, int32_t layer, const Pass& pass) noexcept;

}  // namespace pensee
