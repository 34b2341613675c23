#include "models/config.h"

#include <cmath>

namespace pensee {

void ModelConfig::derive() {
  if (is_latent()) {
    const int64_t qk = qk_nope_head_dim + qk_rope_head_dim;
    q_direct_dim = q_lora_rank == 0 ? num_attention_heads * qk : 0;
    q_up_dim = q_lora_rank > 0 ? num_attention_heads * qk : 0;
    kv_down_dim = kv_lora_rank + qk_rope_head_dim;
    kv_up_dim = num_attention_heads * (qk_nope_head_dim + v_head_dim);
    attention_out_dim = num_attention_heads * v_head_dim;
  } else {
    q_dim = num_attention_heads * head_dim;
    kv_dim = num_key_value_heads * head_dim;
    attention_out_dim = q_dim;
  }
  shared_intermediate_size = n_shared_experts * moe_intermediate_size;
  mtp_join_dim = 2 * hidden_size;
  rope_pairs = rope.dim / 2;
  if (attention_scale == 0) attention_scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
}

Status ModelConfig::check(std::string_view file) const {
  if (!is_latent() && (num_key_value_heads < 1 || num_attention_heads % num_key_value_heads != 0)) {
    return Status::corrupt("{}: {} attention heads cannot share {} key-value heads evenly", file, num_attention_heads,
                           num_key_value_heads);
  }
  // A dimension of 0 means to a weight table that the weight does not apply: here none may.
  if (num_attention_heads < 1 || (!is_latent() && head_dim < 1)) {
    return Status::corrupt("{}: {} attention heads of a hidden_size of {} have no width", file, num_attention_heads,
                           hidden_size);
  }
  if (rope.dim < 2 || rope.dim % 2 != 0)
    return Status::corrupt("{}: the rotary dimension {} is not even", file, rope.dim);
  if (rope.scaling != RopeScaling::none && rope.scaling != RopeScaling::linear && rope.original_context < 1) {
    return Status::corrupt("{}: rope scaling needs original_max_position_embeddings", file);
  }
  if (!is_latent() && rope.dim > head_dim) {
    return Status::corrupt("{}: the rotary dimension {} is larger than the head's {}", file, rope.dim, head_dim);
  }
  if (n_routed_experts == 0) return Status();
  if (moe_intermediate_size < 1) return Status::corrupt("{}: the mixture lacks moe_intermediate_size", file);
  if (num_experts_per_tok < 1 || num_experts_per_tok > n_routed_experts) {
    return Status::corrupt("{}: num_experts_per_tok is {} but there are {} experts", file, num_experts_per_tok,
                           n_routed_experts);
  }
  if (n_group < 1 || n_group > 256 || n_routed_experts % n_group != 0 || topk_group < 1 || topk_group > n_group) {
    return Status::corrupt("{}: {} experts in {} groups of which {} are kept is not possible", file, n_routed_experts,
                           n_group, topk_group);
  }
  if (n_routed_experts / n_group * topk_group < num_experts_per_tok) {
    return Status::corrupt("{}: the {} groups kept hold fewer experts than num_experts_per_tok {}", file, topk_group,
                           num_experts_per_tok);
  }
  return Status();
}

Status check_replay(const ModelConfig& c, std::span<const int32_t> expert_ids) {
  const auto k = static_cast<size_t>(c.num_experts_per_tok), layers = static_cast<size_t>(c.moe_layers());
  if (layers == 0) return Status(Code::bad_argument, "a routing to replay was given but the model has no experts");
  if (expert_ids.size() % (k * layers) != 0) {
    return Status::format(Code::bad_argument, "{} expert ids to replay are no whole rows of {} layers with {} each",
                          expert_ids.size(), layers, k);
  }
  for (size_t first = 0; first < expert_ids.size(); first += k) {
    const auto ids = expert_ids.subspan(first, k);
    if (std::count(ids.begin(), ids.end(), -1) == static_cast<int64_t>(k)) continue;
    for (size_t i = 0; i < k; ++i) {
      const bool twice = std::find(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i), ids[i]) !=
                         ids.begin() + static_cast<std::ptrdiff_t>(i);
      if (ids[i] >= 0 && ids[i] < c.n_routed_experts && !twice) continue;
      return Status::format(Code::bad_argument, "expert id {} to replay, of row {} and mixture {}, {}", ids[i],
                            first / k / layers, first / k % layers,
                            twice ? std::string("stands there twice")
                                  : format("is not one of the model's {} experts", c.n_routed_experts));
    }
  }
  return Status();
}

const json::Value* ConfigReader::find(std::string_view key) const {
  const json::Value* value = object_.find(prefix_ + std::string(key));
  return value && !value->is_null() ? value : nullptr;
}

int64_t ConfigReader::count(std::string_view key, int64_t least, int64_t most) {
  if (!find(key)) {
    fail(Status::corrupt("{}: '{}' is missing", name_, this->key(key)));
    return least;
  }
  return count_or(key, least, least, most);
}

int64_t ConfigReader::count_or(std::string_view key, int64_t otherwise, int64_t least, int64_t most) {
  const json::Value* value = find(key);
  if (!value) return otherwise;
  const int64_t* number = value->integer();
  if (!number) {
    fail(Status::corrupt("{}: '{}' must be a whole number, not a {}", name_, this->key(key), value->kind()));
    return otherwise;
  }
  if (*number < least || *number > most) {
    fail(Status::corrupt("{}: '{}' is {}, outside of {} to {}", name_, this->key(key), *number, least, most));
    return otherwise;
  }
  return *number;
}

double ConfigReader::real_or(std::string_view key, double otherwise, double least, double most) {
  const json::Value* value = find(key);
  if (!value) return otherwise;
  const double number = value->number(std::nan(""));
  if (!value->is_number() || !(number >= least && number <= most)) {
    fail(Status::corrupt("{}: '{}' must be a number from {} to {}", name_, this->key(key), least, most));
    return otherwise;
  }
  return number;
}

bool ConfigReader::flag_or(std::string_view key, bool otherwise) {
  const json::Value* value = find(key);
  if (!value) return otherwise;
  if (!value->boolean()) {
    fail(Status::corrupt("{}: '{}' must be true or false, not a {}", name_, this->key(key), value->kind()));
    return otherwise;
  }
  return *value->boolean();
}

std::string ConfigReader::text_or(std::string_view key, std::string_view otherwise) {
  const json::Value* value = find(key);
  if (!value) return std::string(otherwise);
  if (!value->string()) {
    fail(Status::corrupt("{}: '{}' must be a text, not a {}", name_, this->key(key), value->kind()));
    return std::string(otherwise);
  }
  return *value->string();
}

void ConfigReader::refuse(std::string message) { fail(Status(Code::unsupported, name_ + ": " + std::move(message))); }

void read_hf_common(ConfigReader& r, ModelConfig& c) {
  c.hidden_size = r.count("hidden_size", 1, kMaxDimension);
  c.num_hidden_layers = r.count("num_hidden_layers", 1, kMaxLayers);
  c.vocab_size = r.count("vocab_size", 1, kMaxDimension);
  c.max_position_embeddings = r.count_or("max_position_embeddings", 2048, 1, int64_t{1} << 30);
  c.rms_norm_eps = static_cast<float>(r.real_or("rms_norm_eps", 1e-6, 0, 1));
  c.tie_word_embeddings = r.flag_or("tie_word_embeddings", false);
  c.num_attention_heads = r.count("num_attention_heads", 1, kMaxHeads);
  c.num_key_value_heads = r.count_or("num_key_value_heads", c.num_attention_heads, 1, kMaxHeads);
  c.intermediate_size = r.count("intermediate_size", 1, kMaxDimension);
  const std::string activation = r.text_or("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") {
    r.refuse(format("hidden_act is '{}'; this release knows 'silu'", activation));
  }
}

void read_gguf_common(ConfigReader& r, ModelConfig& c) {
  c.hidden_size = r.count("embedding_length", 1, kMaxDimension);
  c.num_hidden_layers = r.count("block_count", 1, kMaxLayers);
  c.vocab_size = r.count_or("vocab_size", 0, 1, kMaxDimension);  // 0: by the embedding's rows
  c.max_position_embeddings = r.count("context_length", 1, int64_t{1} << 30);
  c.rms_norm_eps = static_cast<float>(r.real_or("attention.layer_norm_rms_epsilon", 1e-6, 0, 1));
  c.num_attention_heads = r.count("attention.head_count", 1, kMaxHeads);
  c.num_key_value_heads = r.count_or("attention.head_count_kv", c.num_attention_heads, 1, kMaxHeads);
  c.intermediate_size = r.count("feed_forward_length", 1, kMaxDimension);
}

namespace {

// `context` is max_position_embeddings.
void read_scaling(ConfigReader& r, std::string_view type, double context, RopeConfig& rope) {
  constexpr double most = 1e9;
  rope.original_context = r.real_or("original_max_position_embeddings", rope.original_context, 1, most);
  // YaRN without a factor takes the ratio of the contexts, as transformers does; the others have none to take.
  if (type == "yarn" && rope.original_context >= 1) rope.factor = context / rope.original_context;
  rope.factor = r.real_or("factor", rope.factor, 1e-3, most);
  if (!r.find("factor") && (type == "linear" || type == "llama3")) r.refuse(format("'{}' lacks its 'factor'", type));
  if (type == "linear") {
    rope.scaling = RopeScaling::linear;
  } else if (type == "llama3") {
    rope.scaling = RopeScaling::llama3;
    rope.low_freq_factor = r.real_or("low_freq_factor", 1.0, 1e-6, most);
    rope.high_freq_factor = r.real_or("high_freq_factor", 4.0, 1e-6, most);
  } else if (type == "yarn") {
    rope.scaling = RopeScaling::yarn;
    rope.beta_fast = r.real_or("beta_fast", 32.0, 1e-6, most);
    rope.beta_slow = r.real_or("beta_slow", 1.0, 1e-6, most);
    rope.truncate = r.flag_or("truncate", true);
    rope.mscale = r.real_or("mscale", 0.0, 0, most);
    rope.mscale_all_dim = r.real_or("mscale_all_dim", 0.0, 0, most);
    rope.attention_factor = r.real_or("attention_factor", 0.0, 0, most);
  } else if (type != "default" && type != "none" && !type.empty()) {
    r.refuse(format("rope scaling '{}'; this release knows 'default', 'linear', 'llama3' and 'yarn'", type));
  }
}

}  // namespace

void read_hf_rope(ConfigReader& r, RopeConfig& rope) {
  const json::Value* parameters = r.find("rope_parameters");
  rope.theta = r.real_or("rope_theta", 10000.0, 1.0001, 1e15);
  rope.original_context = r.real_or("original_max_position_embeddings", 0, 1, 1e9);
  if (!parameters) parameters = r.find("rope_scaling");
  if (!parameters) return;
  if (!parameters->object()) return r.refuse("the rope parameters are not an object");
  ConfigReader inner(*parameters, r.name() + ": rope parameters");
  rope.theta = inner.real_or("rope_theta", rope.theta, 1.0001, 1e15);
  const std::string type = inner.text_or("rope_type", inner.text_or("type", "default"));
  const double context = r.real_or("max_position_embeddings", 2048, 1, 2e9);
  if (rope.original_context == 0) rope.original_context = context;
  read_scaling(inner, type, context, rope);
  if (!inner.status().ok()) r.adopt(inner.status());
}

void read_gguf_rope(ConfigReader& r, RopeConfig& rope) {
  constexpr double most = 2e9;
  rope.theta = r.real_or("rope.freq_base", 10000.0, 1.0001, 1e15);
  // Old files name no type and mean the linear one. A factor of 0 stands for none.
  const std::string type = r.text_or("rope.scaling.type", "linear");
  rope.factor = r.real_or("rope.scaling.factor", r.real_or("rope.scale_linear", 1.0, 0, most), 0, most);
  if (rope.factor == 0) rope.factor = 1.0;
  rope.original_context = r.real_or("context_length", 0, 1, most);
  rope.original_context = r.real_or("rope.scaling.original_context_length", rope.original_context, 1, most);
  if (type == "yarn") {
    rope.scaling = RopeScaling::yarn;
    rope.beta_fast = r.real_or("rope.scaling.yarn_beta_fast", 32.0, 1e-6, most);
    rope.beta_slow = r.real_or("rope.scaling.yarn_beta_slow", 1.0, 1e-6, most);
    rope.attention_factor = r.real_or("rope.scaling.attn_factor", 0.0, 0, most);
  } else if (type == "linear") {
    rope.scaling = RopeScaling::linear;
  } else if (type != "none") {
    r.refuse(format("rope scaling '{}'; this release knows 'none', 'linear' and 'yarn'", type));
  }
}

}  // namespace pensee
