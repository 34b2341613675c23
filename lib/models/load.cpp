// From files to a Model: read the config, bind every weight by the architecture's table, count, then pack layer by
// layer. Nothing is packed before everything was bound, so a wrong shape in the last layer is known at once.
#include <algorithm>
#include <cmath>
#include <map>

#include "models/architectures.h"
#include "models/model.h"

namespace pensee {
namespace {

struct Bound {
  BoundWeights model;
  std::vector<BoundWeights> layers;
};

Status read_config(const json::Value& config, const std::string& name, Naming naming, ModelConfig& c,
                   const Architecture** architecture) {
  ConfigReader reader(config, name);
  if (naming == Naming::gguf) {
    const std::string gguf_name = reader.text_or("general.architecture", "");
    PENSEE_ASSIGN(*architecture, architecture_by_gguf_name(gguf_name, name));
    c.architecture = (*architecture)->model_type;
    c.name = reader.text_or("general.name", "");
    reader.set_prefix(gguf_name + ".");
    (*architecture)->read_gguf(reader, c);
  } else {
    PENSEE_ASSIGN(*architecture, architecture_by_model_type(reader.text_or("model_type", ""), name));
    c.architecture = (*architecture)->model_type;
    c.name = reader.text_or("_name_or_path", "");
    (*architecture)->read_hf(reader, c);
  }
  PENSEE_TRY(reader.status());
  c.derive();
  return c.check(name);
}

// GGUF files may leave vocab_size to the embedding, and say that the head is tied by leaving it out.
Status settle_vocabulary(const TensorFile& file, ModelConfig& c) {
  const Tensor* embedding = file.find("token_embd.weight");
  if (!embedding) return file.why_absent("token_embd.weight");
  if (c.vocab_size == 0) c.vocab_size = embedding->rows();
  if (c.vocab_size > kMaxDimension) {
    return Status::corrupt("{}: a vocabulary of {} tokens is beyond the {} that are read", file.name(), c.vocab_size,
                           kMaxDimension);
  }
  c.tie_word_embeddings = file.find("output.weight") == nullptr;
  return Status();
}

Result<Bound> bind_all(const Architecture& a, const ModelConfig& c, const TensorFile& file, Naming naming) {
  Bound bound;
  PENSEE_ASSIGN(bound.model, bind_weights(a.weights, c, -1, file, naming));
  if (c.tie_word_embeddings) bound.model.tensors[static_cast<size_t>(Slot::lm_head)].clear();
  if (!c.tie_word_embeddings && !bound.model.one(Slot::lm_head)) {
    return Status::corrupt("{}: the head is missing (lm_head.weight) though the config does not tie it", file.name());
  }
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    PENSEE_ASSIGN(BoundWeights weights, bind_weights(a.weights, c, layer, file, naming));
    const bool folded = weights.one(Slot::key_fold) && weights.one(Slot::value_fold);
    if (c.is_latent() && !weights.one(Slot::kv_up) && !folded) {
      return Status::corrupt("{}: layer {} has neither kv_b_proj nor attn_k_b and attn_v_b", file.name(), layer);
    }
    bound.layers.push_back(std::move(weights));
  }
  return bound;
}

struct Counter {
  ModelFacts& facts;
  const ModelConfig& config;
  std::map<StoredType, int64_t> by_type;

  void add(const BoundWeights& weights) {
    for (size_t s = 0; s < kSlots; ++s) {
      const Slot slot = static_cast<Slot>(s);
      const bool expert = slot == Slot::expert_gate || slot == Slot::expert_up || slot == Slot::expert_down;
      const bool row_only = slot == Slot::embedding && !config.tie_word_embeddings;
      double share =
          expert ? static_cast<double>(config.num_experts_per_tok) / static_cast<double>(config.n_routed_experts) : 1;
      if (row_only) share = 0;
      for (const Tensor* tensor : weights.tensors[s]) {
        facts.parameters_total += tensor->elements();
        facts.stored_bytes += tensor->bytes;
        by_type[tensor->type] += tensor->elements();
        facts.parameters_active += std::llround(share * static_cast<double>(tensor->elements()));
        facts.active_weight_bytes += static_cast<uint64_t>(share * static_cast<double>(tensor->bytes));
      }
    }
  }

  void finish() {
    std::vector<std::pair<int64_t, StoredType>> shares;
    for (const auto& [type, elements] : by_type) shares.emplace_back(elements, type);
    std::sort(shares.rbegin(), shares.rend());
    for (const auto& [elements, type] : shares) {
      const double percent = 100.0 * static_cast<double>(elements) / static_cast<double>(facts.parameters_total);
      if (percent < 0.5 && !facts.quantization.empty()) continue;
      facts.quantization += facts.quantization.empty() ? "" : ", ";
      facts.quantization += format("{} {}%", info(type).name, std::llround(percent));
    }
  }
};

CacheShape cache_shape(const ModelConfig& c, CacheType type) {
  CacheShape shape;
  shape.type = type;
  CacheLayer layer;
  layer.heads = static_cast<int32_t>(c.is_latent() ? 1 : c.num_key_value_heads);
  layer.key_dim = static_cast<int32_t>(c.is_latent() ? c.kv_down_dim : c.head_dim);
  layer.value_dim = static_cast<int32_t>(c.is_latent() ? 0 : c.head_dim);
  shape.layers.assign(static_cast<size_t>(c.num_hidden_layers), layer);
  shape.layout();
  return shape;
}

// Packs weights and says how far it is; each function below makes one kind of thing out of bound tensors.
class Assembler {
 public:
  Assembler(Model& model, const LoadOptions& options) : model_(model), c_(model.config), options_(options) {}

  Status assemble(const Bound& bound) {
    PENSEE_TRY(progress());
    PENSEE_ASSIGN(model_.embedding,
                  pack({{bound.model.one(Slot::embedding), 0, c_.vocab_size}}, 1, c_.tie_word_embeddings ? 1 : 0));
    PENSEE_TRY(vector(bound.model, Slot::final_norm, model_.final_norm));
    if (!c_.tie_word_embeddings) {
      PENSEE_ASSIGN(model_.lm_head, pack({{bound.model.one(Slot::lm_head), 0, c_.vocab_size}}, 1, 1));
    }
    for (size_t i = 0; i < bound.layers.size(); ++i) {
      const BoundWeights& weights = bound.layers[i];
      Layer layer;
      PENSEE_TRY(vector(weights, Slot::attention_norm, layer.attention_norm));
      PENSEE_TRY(vector(weights, Slot::ffn_norm, layer.ffn_norm));
      PENSEE_TRY(c_.is_latent() ? latent(weights, i, layer) : grouped_query(weights, i, layer));
      PENSEE_TRY(c_.is_moe_layer(static_cast<int64_t>(i)) ? mixture(weights, layer) : dense(weights, layer));
      model_.layers.push_back(std::move(layer));
    }
    model_.facts.active_weight_bytes = static_cast<uint64_t>(active_bytes_);
    return Status();
  }

 private:
  using Pieces = std::vector<StackedRows::Piece>;
  using Packed = Result<std::unique_ptr<PackedWeight>>;

  Status progress() {
    if (!options_.progress) return Status();
    const double total = std::max(1.0, static_cast<double>(model_.facts.stored_bytes));
    const float fraction = std::min(1.0f, static_cast<float>(static_cast<double>(stored_done_) / total));
    if (options_.progress(options_.progress_user, fraction)) return Status();
    return Status(Code::cancelled, "loading was cancelled by the progress callback");
  }

  Packed pack_source(const WeightSource& source, double active_share) {
    PENSEE_TRY(progress());
    PENSEE_ASSIGN(auto packed, options_.backend->pack(source, *options_.pool));
    if (options_.budget && !options_.budget->take(packed->bytes)) {
      return Status::format(Code::out_of_memory, "'{}': the weights need more than the memory_budget of {} bytes",
                            source.name, options_.budget->limit());
    }
    model_.facts.weight_bytes += packed->bytes;
    active_bytes_ += active_share * static_cast<double>(packed->bytes);
    return packed;
  }

  Packed pack(Pieces pieces, int64_t matrices, double active_share) {
    for (const auto& piece : pieces)
      stored_done_ +=
          piece.tensor->bytes * static_cast<uint64_t>(piece.rows) / static_cast<uint64_t>(piece.tensor->rows());
    return pack_source(StackedRows(std::move(pieces), matrices), active_share);
  }

  Status vector(const BoundWeights& weights, Slot slot, std::vector<float>& out) {
    const Tensor* tensor = weights.one(slot);
    if (!tensor) return Status();
    stored_done_ += tensor->bytes;
    out.resize(static_cast<size_t>(tensor->elements()));
    return read_rows_float(*tensor, 0, 1, out);
  }

  // One Linear from slots stacked in order, neighbours of one stored type packed together; biases likewise. Where
  // experts have a tensor each, `matrices` of them are stacked.
  Status linear(const BoundWeights& weights, std::initializer_list<Slot> slots, std::initializer_list<Slot> biases,
                int64_t matrices, double active_share, Linear& out) {
    std::vector<Slot> group;
    for (const Slot slot : slots) {
      if (!weights.one(slot)) continue;
      if (!group.empty() && weights.one(group.front())->type != weights.one(slot)->type) {
        PENSEE_TRY(part(weights, group, matrices, active_share, out));
        group.clear();
      }
      group.push_back(slot);
    }
    PENSEE_TRY(part(weights, group, matrices, active_share, out));
    return bias(weights, slots, biases, out);
  }

  Status part(const BoundWeights& weights, const std::vector<Slot>& group, int64_t matrices, double active_share,
              Linear& out) {
    PENSEE_DCHECK(!group.empty());
    Pieces pieces;
    for (int64_t m = 0; m < matrices; ++m) {
      for (const Slot slot : group) {
        const auto& tensors = weights.all(slot);
        const bool own = tensors.size() > 1 || matrices == 1;
        const Tensor* tensor = tensors[own ? static_cast<size_t>(m) : 0];
        if (tensor->type != tensors.front()->type) {
          return Status::unsupported("tensor '{}' has another type than '{}'", tensor->name, tensors.front()->name);
        }
        const int64_t rows = own ? tensor->rows() : tensor->rows() / matrices;
        pieces.push_back({tensor, own ? 0 : m * rows, rows});
      }
    }
    PENSEE_ASSIGN(auto packed, pack(std::move(pieces), matrices, active_share));
    out.rows += packed->rows;
    out.cols = packed->cols;
    out.parts.push_back(std::move(packed));
    return Status();
  }

  // A bias that some of the stacked slots lack is zero there.
  Status bias(const BoundWeights& weights, std::initializer_list<Slot> slots, std::initializer_list<Slot> biases,
              Linear& out) {
    bool any = false;
    for (const Slot slot : biases) any = any || weights.one(slot);
    if (!any) return Status();
    auto bias_slot = biases.begin();
    for (const Slot slot : slots) {
      const Slot own = bias_slot != biases.end() ? *bias_slot++ : Slot::count;
      if (!weights.one(slot)) continue;
      std::vector<float> numbers(static_cast<size_t>(weights.one(slot)->rows()), 0.0f);
      if (own != Slot::count) PENSEE_TRY(vector(weights, own, numbers));
      out.bias.insert(out.bias.end(), numbers.begin(), numbers.end());
    }
    return Status();
  }

  Status grouped_query(const BoundWeights& w, size_t index, Layer& layer) {
    GroupedQuery a;
    a.num_heads = static_cast<int32_t>(c_.num_attention_heads);
    a.num_kv_heads = static_cast<int32_t>(c_.num_key_value_heads);
    a.head_dim = static_cast<int32_t>(c_.head_dim);
    a.layer = static_cast<int32_t>(index);
    a.scale = c_.attention_scale;
    a.rope_interleaved = c_.rope.interleaved;
    PENSEE_TRY(linear(w, {Slot::q, Slot::k, Slot::v}, {Slot::q_bias, Slot::k_bias, Slot::v_bias}, 1, 1, a.qkv));
    PENSEE_TRY(linear(w, {Slot::out}, {Slot::out_bias}, 1, 1, a.out));
    layer.attention = std::move(a);
    return Status();
  }

  Status latent(const BoundWeights& w, size_t index, Layer& layer) {
    Latent a;
    a.num_heads = static_cast<int32_t>(c_.num_attention_heads);
    a.q_lora_rank = static_cast<int32_t>(c_.q_lora_rank);
    a.kv_lora_rank = static_cast<int32_t>(c_.kv_lora_rank);
    a.qk_nope_head_dim = static_cast<int32_t>(c_.qk_nope_head_dim);
    a.qk_rope_head_dim = static_cast<int32_t>(c_.qk_rope_head_dim);
    a.v_head_dim = static_cast<int32_t>(c_.v_head_dim);
    a.layer = static_cast<int32_t>(index);
    a.scale = c_.attention_scale;
    a.rope_interleaved = c_.rope.interleaved;
    if (c_.q_lora_rank > 0) {
      PENSEE_TRY(linear(w, {Slot::q_down, Slot::kv_down}, {Slot::q_down_bias, Slot::kv_down_bias}, 1, 1, a.down));
      PENSEE_TRY(linear(w, {Slot::q_up}, {}, 1, 1, a.q_up));
    } else {
      PENSEE_TRY(linear(w, {Slot::q, Slot::kv_down}, {Slot::q_bias, Slot::kv_down_bias}, 1, 1, a.down));
    }
    PENSEE_TRY(vector(w, Slot::q_norm, a.q_norm));
    PENSEE_TRY(vector(w, Slot::kv_norm, a.kv_norm));
    PENSEE_TRY(fold(w, a));
    PENSEE_TRY(linear(w, {Slot::out}, {Slot::out_bias}, 1, 1, a.out));
    layer.attention = std::move(a);
    return Status();
  }

  Status fold(const BoundWeights& w, Latent& a) {
    const int64_t heads = c_.num_attention_heads;
    if (w.one(Slot::key_fold) && w.one(Slot::value_fold)) {
      PENSEE_TRY(linear(w, {Slot::key_fold}, {}, heads, 1, a.fold_key));
      return linear(w, {Slot::value_fold}, {}, heads, 1, a.fold_value);
    }
    const Tensor* kv_up = w.one(Slot::kv_up);
    PENSEE_ASSIGN(auto keys, pack_source(FoldedKeys(*kv_up, c_), 1));
    a.fold_key.rows = keys->rows;
    a.fold_key.cols = keys->cols;
    a.fold_key.parts.push_back(std::move(keys));
    Pieces values;
    const int64_t rows_a_head = c_.qk_nope_head_dim + c_.v_head_dim;
    for (int64_t head = 0; head < heads; ++head) {
      values.push_back({kv_up, head * rows_a_head + c_.qk_nope_head_dim, c_.v_head_dim});
    }
    PENSEE_ASSIGN(auto packed, pack(std::move(values), heads, 1));
    a.fold_value.rows = packed->rows;
    a.fold_value.cols = packed->cols;
    a.fold_value.parts.push_back(std::move(packed));
    return Status();
  }

  Status dense(const BoundWeights& w, Layer& layer) {
    Dense f;
    PENSEE_TRY(linear(w, {Slot::gate, Slot::up}, {Slot::gate_bias, Slot::up_bias}, 1, 1, f.gate_up));
    PENSEE_TRY(linear(w, {Slot::down}, {Slot::down_bias}, 1, 1, f.down));
    layer.feed_forward = std::move(f);
    return Status();
  }

  Status mixture(const BoundWeights& w, Layer& layer) {
    MixtureOfExperts f;
    Router& r = f.router;
    r.score = c_.router_score;
    r.group_rank = c_.group_rank;
    r.n_routed_experts = static_cast<int32_t>(c_.n_routed_experts);
    r.num_experts_per_tok = static_cast<int32_t>(c_.num_experts_per_tok);
    r.n_group = static_cast<int32_t>(c_.n_group);
    r.topk_group = static_cast<int32_t>(c_.topk_group);
    r.norm_topk_prob = c_.norm_topk_prob;
    r.routed_scaling_factor = c_.routed_scaling_factor;
    PENSEE_TRY(linear(w, {Slot::router}, {}, 1, 1, r.weight));
    PENSEE_TRY(vector(w, Slot::router_bias, r.bias));
    const int64_t experts = c_.n_routed_experts;
    const double share = static_cast<double>(c_.num_experts_per_tok) / static_cast<double>(experts);
    PENSEE_TRY(linear(w, {Slot::expert_gate, Slot::expert_up}, {}, experts, share, f.gate_up));
    PENSEE_TRY(linear(w, {Slot::expert_down}, {}, experts, share, f.down));
    if (c_.shared_intermediate_size > 0) {
      f.shared.emplace();
      PENSEE_TRY(linear(w, {Slot::shared_gate, Slot::shared_up}, {}, 1, 1, f.shared->gate_up));
      PENSEE_TRY(linear(w, {Slot::shared_down}, {}, 1, 1, f.shared->down));
    }
    layer.feed_forward = std::move(f);
    return Status();
  }

  Model& model_;
  const ModelConfig& c_;
  const LoadOptions& options_;
  uint64_t stored_done_ = 0;
  double active_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<Model>> load_model(const json::Value& config, const std::string& config_name,
                                          const TensorFile& file, Naming naming, const LoadOptions& options) {
  auto model = std::make_unique<Model>();
  const Architecture* architecture = nullptr;
  PENSEE_TRY(read_config(config, config_name, naming, model->config, &architecture));
  if (options.context_max > model->config.max_position_embeddings) {
    return Status::format(Code::bad_argument, "context_max is {} but the model's limit is {}", options.context_max,
                          model->config.max_position_embeddings);
  }
  if (naming == Naming::gguf) PENSEE_TRY(settle_vocabulary(file, model->config));
  PENSEE_ASSIGN(const Bound bound, bind_all(*architecture, model->config, file, naming));
  if (const Tensor* frequencies = bound.model.one(Slot::rope_frequencies)) {
    auto& factors = model->config.rope.frequency_factors;
    factors.resize(static_cast<size_t>(frequencies->elements()));
    PENSEE_TRY(read_rows_float(*frequencies, 0, 1, factors));
  }
  Counter counter{model->facts, model->config, {}};
  counter.add(bound.model);
  for (const BoundWeights& layer : bound.layers) counter.add(layer);
  counter.finish();
  model->rope = make_rope(model->config.rope);
  model->cache_shape = cache_shape(model->config, options.cache_type);
  if (options.backend) PENSEE_TRY(Assembler(*model, options).assemble(bound));
  return model;
}

}  // namespace pensee
