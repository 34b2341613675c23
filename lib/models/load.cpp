// From files to a Model: read the config, bind every weight by the architecture's table, count, then pack layer by
// layer. Nothing is packed before everything was bound, so a wrong shape in the last layer is known at once.
#include <algorithm>
#include <cmath>
#include <map>

#include "models/architectures.h"
#include "models/assemble.h"
#include "models/load_steps.h"

namespace pensee {
namespace {

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

Result<BoundWeights> bind_layer(const Architecture& a, const ModelConfig& c, int64_t layer, const TensorFile& file,
                                Naming naming) {
  PENSEE_ASSIGN(BoundWeights weights, bind_weights(a.weights, c, layer, file, naming));
  const bool folded = weights.one(Slot::key_fold) && weights.one(Slot::value_fold);
  if (c.is_latent() && !weights.one(Slot::kv_up) && !folded) {
    return Status::corrupt("{}: layer {} has neither kv_b_proj nor attn_k_b and attn_v_b", file.name(), layer);
  }
  return weights;
}

// A file may lack the prediction layer that its config speaks of, or all but its joint and norms: converters and
// fine-tunings leave it out.
bool has_mtp(const Architecture& a, const ModelConfig& c, const TensorFile& file, Naming naming) {
  if (c.num_nextn_predict_layers == 0) return false;
  const auto holds = [&](Slot slot) {
    const auto row =
        std::find_if(a.weights.begin(), a.weights.end(), [=](const WeightRow& r) { return r.slot == slot; });
    return row != a.weights.end() && file.find(weight_name(*row, c.num_hidden_layers, 0, naming)) != nullptr;
  };
  return holds(Slot::mtp_join) && holds(Slot::out);
}

Result<Bound> bind_all(const Architecture& a, const ModelConfig& c, const TensorFile& file, Naming naming,
                       bool with_mtp) {
  Bound bound;
  PENSEE_ASSIGN(bound.model, bind_weights(a.weights, c, -1, file, naming));
  if (c.tie_word_embeddings) bound.model.tensors[static_cast<size_t>(Slot::lm_head)].clear();
  if (!c.tie_word_embeddings && !bound.model.one(Slot::lm_head)) {
    return Status::corrupt("{}: the head is missing (lm_head.weight) though the config does not tie it", file.name());
  }
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    PENSEE_ASSIGN(BoundWeights weights, bind_layer(a, c, layer, file, naming));
    bound.layers.push_back(std::move(weights));
  }
  if (with_mtp) {
    PENSEE_ASSIGN(bound.mtp, bind_layer(a, c, c.num_hidden_layers, file, naming));
  }
  return bound;
}

// Of a file the tensors that no packed weight can give back as they were stored.
class QuantisedTensors final : public TensorFile {
 public:
  Status copy(const TensorFile& file) {
    name_ = file.name();
    for (const Tensor& tensor : file.tensors()) {
      if (info(tensor.type).block_elements > 1) tensors_.push_back(tensor);
    }
    return index();
  }
};

struct Counter {
  ModelFacts& facts;
  const ModelConfig& config;
  std::map<StoredType, int64_t> by_type;

  void add(const BoundWeights& weights, bool active = true) {
    for (size_t s = 0; s < kSlots; ++s) {
      const Slot slot = static_cast<Slot>(s);
      const bool expert = slot == Slot::expert_gate || slot == Slot::expert_up || slot == Slot::expert_down;
      const bool row_only = slot == Slot::embedding && !config.tie_word_embeddings;
      double share =
          expert ? static_cast<double>(config.num_experts_per_tok) / static_cast<double>(config.n_routed_experts) : 1;
      if (row_only || !active) share = 0;
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

CacheShape cache_shape(const ModelConfig& c, bool with_mtp, const LoadOptions& options) {
  CacheShape shape;
  shape.key_type = options.cache_type;
  shape.value_type = options.value_cache_type.value_or(options.cache_type);
  CacheLayer layer;
  layer.heads = static_cast<int32_t>(c.is_latent() ? 1 : c.num_key_value_heads);
  layer.key_dim = static_cast<int32_t>(c.is_latent() ? c.kv_down_dim : c.head_dim);
  layer.value_dim = static_cast<int32_t>(c.is_latent() ? 0 : c.head_dim);
  layer.latent_dim = static_cast<int32_t>(c.is_latent() ? c.kv_lora_rank : 0);
  shape.layers.assign(static_cast<size_t>(c.num_hidden_layers + with_mtp), layer);
  shape.layout();
  return shape;
}

}  // namespace

Result<std::unique_ptr<Model>> begin_model(const json::Value& config, const std::string& name, Naming naming,
                                           const LoadOptions& options) {
  auto model = std::make_unique<Model>();
  PENSEE_TRY(read_config(config, name, naming, model->config, &model->architecture));
  model->origin_naming = naming;
  if (options.cache_type == CacheType::int4) {
    return Status(Code::bad_argument, "a cache type of int4 is for values alone: keys in 4 bits cost too much quality");
  }
  if (options.context_max > model->config.max_position_embeddings) {
    return Status::format(Code::bad_argument, "context_max is {} but the model's limit is {}", options.context_max,
                          model->config.max_position_embeddings);
  }
  return model;
}

void shape_model(Model& model, bool with_mtp, const LoadOptions& options) {
  model.rope = make_rope(model.config.rope);
  model.cache_shape = cache_shape(model.config, with_mtp, options);
}

void make_layers(Model& model, bool with_mtp) {
  const int64_t layers = model.config.num_hidden_layers;
  for (int64_t i = 0; i < layers; ++i) model.layers.push_back(make_layer(model.config, i));
  if (with_mtp) model.mtp.emplace().layer = make_layer(model.config, layers);
}

Result<std::unique_ptr<Model>> load_model(const json::Value& config, const std::string& config_name,
                                          const TensorFile& file, Naming naming, const LoadOptions& options) {
  PENSEE_ASSIGN(auto model, begin_model(config, config_name, naming, options));
  const Architecture* architecture = model->architecture;
  if (naming == Naming::gguf) PENSEE_TRY(settle_vocabulary(file, model->config));
  model->facts.has_mtp = has_mtp(*architecture, model->config, file, naming);
  const bool with_mtp = options.load_mtp && model->facts.has_mtp;
  PENSEE_ASSIGN(const Bound bound, bind_all(*architecture, model->config, file, naming, with_mtp));
  if (const Tensor* frequencies = bound.model.one(Slot::rope_frequencies)) {
    auto& factors = model->config.rope.frequency_factors;
    factors.resize(static_cast<size_t>(frequencies->elements()));
    PENSEE_TRY(read_rows_float(*frequencies, 0, 1, factors));
  }
  Counter counter{model->facts, model->config, {}};
  counter.add(bound.model);
  for (const BoundWeights& layer : bound.layers) counter.add(layer);
  if (bound.mtp) counter.add(*bound.mtp, false);
  counter.finish();
  shape_model(*model, with_mtp, options);
  if (!options.backend) return model;
  if (options.keep_file) {
    auto kept = std::make_shared<QuantisedTensors>();
    PENSEE_TRY(kept->copy(file));
    model->origin = std::move(kept);
  }
  make_layers(*model, with_mtp);
  Assembler assembler(*model, *options.backend, *options.pool, options.budget);
  assembler.progress = options.progress;
  assembler.progress_user = options.progress_user;
  PENSEE_TRY(assembler.assemble(bound));
  assembler.commit();
  return model;
}

}  // namespace pensee
