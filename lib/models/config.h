// What a model's config says, in the terms of Hugging Face's configs, whatever file it came from. Readers check every
// number against a range, so that no later code meets a size that is absurd or a division by zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "nn/moe.h"
#include "nn/rope.h"

namespace pensee {

struct ModelConfig {
  std::string architecture;  // model_type: "deepseek_v3"
  std::string name;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_nextn_predict_layers = 0;  // behind the hidden layers
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 0;
  float rms_norm_eps = 1e-6f;
  bool tie_word_embeddings = false;

  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;      // grouped-query
  int64_t q_lora_rank = 0;   // 0: no low-rank query
  int64_t kv_lora_rank = 0;  // 0: grouped-query attention
  int64_t qk_nope_head_dim = 0;
  int64_t qk_rope_head_dim = 0;
  int64_t v_head_dim = 0;
  float attention_scale = 0;

  int64_t intermediate_size = 0;
  int64_t n_routed_experts = 0;  // 0: dense
  int64_t num_experts_per_tok = 0;
  int64_t n_shared_experts = 0;
  int64_t moe_intermediate_size = 0;
  int64_t first_k_dense_replace = 0;
  RouterScore router_score = RouterScore::softmax;
  GroupRank group_rank = GroupRank::best;
  int64_t n_group = 1;
  int64_t topk_group = 1;
  bool norm_topk_prob = false;
  float routed_scaling_factor = 1.0f;

  RopeConfig rope;

  // Derived by derive(): dimensions of weights, for the weight tables. 0: the weight does not apply.
  int64_t q_dim = 0, kv_dim = 0;           // grouped-query: rows of q and of k, v
  int64_t q_direct_dim = 0, q_up_dim = 0;  // latent: rows of q_proj, or of q_b_proj
  int64_t kv_down_dim = 0, kv_up_dim = 0;
  int64_t attention_out_dim = 0;  // columns of o_proj
  int64_t shared_intermediate_size = 0;
  int64_t mtp_join_dim = 0;
  int64_t rope_pairs = 0;
  void derive();
  // Relations between the numbers that no single range shows. `file` is for messages.
  Status check(std::string_view file) const;

  bool is_latent() const { return kv_lora_rank > 0; }
  bool is_moe_layer(int64_t layer) const { return n_routed_experts > 0 && layer >= first_k_dense_replace; }
  int64_t moe_layers() const {
    return n_routed_experts > 0 ? std::max<int64_t>(num_hidden_layers - first_k_dense_replace, 0) : 0;
  }
};

// Expert ids for Batch::replay, [rows, moe_layers, num_experts_per_tok]: whole rows; each layer's are different ids of
// the model's experts, or all -1.
Status check_replay(const ModelConfig& config, std::span<const int32_t> expert_ids);

// Reads members of a JSON object, keeps the first error. Keys get `prefix`; JSON null counts as absent.
class ConfigReader {
 public:
  ConfigReader(const json::Value& object, std::string name, std::string prefix = "")
      : object_(object), name_(std::move(name)), prefix_(std::move(prefix)) {}

  int64_t count(std::string_view key, int64_t least, int64_t most);  // required
  int64_t count_or(std::string_view key, int64_t otherwise, int64_t least, int64_t most);
  double real_or(std::string_view key, double otherwise, double least, double most);
  bool flag_or(std::string_view key, bool otherwise);
  std::string text_or(std::string_view key, std::string_view otherwise);
  const json::Value* find(std::string_view key) const;  // nullptr when absent or null
  // One wish after another that we do not fulfil: "config.json: hidden_act is 'gelu'; ..."
  void refuse(std::string message);
  void adopt(const Status& status) { fail(status); }  // of a reader for a part
  const Status& status() const { return status_; }
  const std::string& name() const { return name_; }
  std::string key(std::string_view key) const { return prefix_ + std::string(key); }
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

 private:
  void fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const json::Value& object_;
  std::string name_;
  std::string prefix_;
  Status status_;
};

inline constexpr int64_t kMaxDimension = int64_t{1} << 24;  // of one side of a matrix
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxHeads = 4096;
inline constexpr int64_t kMaxExperts = 8192;

// Parts that every Hugging Face config (or GGUF) of our families has in the same words.
void read_hf_common(ConfigReader& r, ModelConfig& c);
void read_gguf_common(ConfigReader& r, ModelConfig& c);
// rope_parameters (transformers 5) or rope_theta with rope_scaling (before); dim is set by the caller.
void read_hf_rope(ConfigReader& r, RopeConfig& rope);
void read_gguf_rope(ConfigReader& r, RopeConfig& rope);

}  // namespace pensee
