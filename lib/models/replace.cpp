// Weights replaced in place: the tensors given are bound by the architecture's table, as those of a file are, and every
// packed weight that holds one of them is packed again. Its other parts come from the packed weight itself where that
// holds floats (so that earlier replacements stay), else from the model's file.
#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "models/architectures.h"
#include "models/assemble.h"

namespace pensee {
namespace {

bool is_float(StoredType type) {
  return type == StoredType::f32 || type == StoredType::f16 || type == StoredType::bf16;
}

// What the rows of a packed weight can be given back as without loss; count: they are quantised.
StoredType type_of_rows(const PackedWeight& weight) {
  if (weight.stored == StoredType::f8_e4m3) return StoredType::f32;
  return is_float(weight.stored) ? weight.stored : StoredType::count;
}

class OwnedMemory final : public File {
 public:
  explicit OwnedMemory(std::vector<std::byte> data) : data_(std::move(data)) {
    size_ = data_.size();
    name_ = "memory";
  }
  Status read(uint64_t offset, std::span<std::byte> out) const override {
    PENSEE_DCHECK(offset <= size_ && out.size() <= size_ - offset);
    std::memcpy(out.data(), data_.data() + offset, out.size());
    return Status();
  }

 private:
  std::vector<std::byte> data_;
};

// The rows of a packed weight of floats as they were stored.
class PackedRows final : public File {
 public:
  explicit PackedRows(const PackedWeight& weight) : weight_(weight), type_(type_of_rows(weight)) {
    size_ = static_cast<uint64_t>(weight.matrices * weight.rows) * row_bytes(type_, weight.cols);
    name_ = "memory";
  }
  Status read(uint64_t offset, std::span<std::byte> out) const override {
    const uint64_t row_size = row_bytes(type_, weight_.cols);
    std::vector<float> numbers(static_cast<size_t>(weight_.cols));
    std::vector<std::byte> row(row_size);
    while (!out.empty()) {
      weight_.row(static_cast<int64_t>(offset / row_size), numbers.data());
      store(numbers, row.data());
      const uint64_t in_row = offset % row_size;
      const auto part = static_cast<size_t>(std::min<uint64_t>(row_size - in_row, out.size()));
      std::memcpy(out.data(), row.data() + in_row, part);
      out = out.subspan(part);
      offset += part;
    }
    return Status();
  }

 private:
  void store(const std::vector<float>& numbers, std::byte* to) const {
    if (type_ == StoredType::f32) {
      std::memcpy(to, numbers.data(), numbers.size() * sizeof(float));
      return;
    }
    for (const float x : numbers) {
      const uint16_t bits = type_ == StoredType::f16 ? float_to_half(x) : float_to_bfloat(x);
      std::memcpy(to, &bits, sizeof bits);
      to += sizeof bits;
    }
  }
  const PackedWeight& weight_;
  StoredType type_;
};

// The tensors given, checked one by one: names, types, sizes. Experts that come stacked, as transformers 5 has them in
// memory, are taken apart.
class GivenTensors final : public TensorFile {
 public:
  explicit GivenTensors(const Model& model) : c_(model.config) { name_ = "the weights given"; }

  Status add(std::span<const NamedTensor> given) {
    std::unordered_set<std::string_view> names;
    for (const NamedTensor& t : given) {
      if (!names.insert(t.name).second) return bad(t, "is given twice");
      PENSEE_TRY(check(t));
      PENSEE_TRY(t.name.ends_with(kStackedGateUp) ? add_stacked(t, kStackedGateUp, {"gate_proj", "up_proj"})
                 : t.name.ends_with(kStackedDown) ? add_stacked(t, kStackedDown, {"down_proj"})
                                                  : add_one(t.name, t, t.shape, 0));
    }
    return index();
  }

  Tensor& at(const Tensor* tensor) { return tensors_[static_cast<size_t>(tensor - tensors_.data())]; }

 private:
  static constexpr std::string_view kStackedGateUp = ".mlp.experts.gate_up_proj";
  static constexpr std::string_view kStackedDown = ".mlp.experts.down_proj";

  static Status bad(const NamedTensor& t, std::string_view what) {
    return Status::format(Code::bad_argument, "weight '{}' {}", t.name, what);
  }

  static Status check(const NamedTensor& t) {
    if (t.type >= StoredType::count || !is_float(t.type)) {
      return bad(t, format("is of type {}; give F32, F16 or BF16",
                           t.type < StoredType::count ? info(t.type).name : std::string_view("unknown")));
    }
    uint64_t bytes = static_cast<uint64_t>(info(t.type).block_bytes);
    for (const int64_t dim : t.shape) {
      if (dim < 1 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes)) return bad(t, "has no size");
    }
    if (bytes != t.data.size() || !t.data.data()) {
      return bad(t, format("has {} bytes where its shape takes {}", t.data.size(), bytes));
    }
    return Status();
  }

  Status add_one(std::string name, const NamedTensor& from, std::vector<int64_t> shape, uint64_t offset) {
    Tensor tensor;
    tensor.name = std::move(name);
    tensor.type = from.type;
    tensor.shape = std::move(shape);
    tensor.bytes = static_cast<uint64_t>(tensor.elements()) * static_cast<uint64_t>(info(from.type).block_bytes);
    tensor.offset = offset;
    tensor.file = wrap_memory(from.data);
    tensors_.push_back(std::move(tensor));
    return Status();
  }

  // [experts, parts * rows, cols] -> a tensor for each expert and part.
  Status add_stacked(const NamedTensor& t, std::string_view suffix, std::initializer_list<const char*> parts) {
    const auto count = static_cast<int64_t>(parts.size());
    if (t.shape.size() != 3 || t.shape[0] != c_.n_routed_experts || t.shape[1] % count != 0) {
      return bad(t, format("does not stack the model's {} experts", c_.n_routed_experts));
    }
    const std::string prefix = t.name.substr(0, t.name.size() - suffix.size()) + ".mlp.experts.";
    const std::vector<int64_t> shape = {t.shape[1] / count, t.shape[2]};
    uint64_t offset = 0;
    for (int64_t expert = 0; expert < t.shape[0]; ++expert) {
      for (const char* part : parts) {
        PENSEE_TRY(add_one(format("{}{}.{}.weight", prefix, expert, part), t, shape, offset));
        offset += tensors_.back().bytes;
      }
    }
    return Status();
  }

  const ModelConfig& c_;
};

// Each head's halves become pairs: the row order of llama's GGUF files, whose rotation meets neighbours.
Status interleave_rows(Tensor& tensor, int64_t heads) {
  const auto row_size = static_cast<size_t>(tensor.bytes) / static_cast<size_t>(tensor.shape[0]);
  const int64_t rows_a_head = tensor.shape[0] / heads, half = rows_a_head / 2;
  std::vector<std::byte> from(tensor.bytes), to(tensor.bytes);
  PENSEE_TRY(tensor.file->read(tensor.offset, from));
  for (int64_t row = 0; row < heads * rows_a_head; ++row) {
    const int64_t in_head = row % rows_a_head;
    const int64_t source = row - in_head + in_head / 2 + in_head % 2 * half;
    std::memcpy(to.data() + static_cast<size_t>(row) * row_size, from.data() + static_cast<size_t>(source) * row_size,
                row_size);
  }
  tensor.file = std::make_shared<OwnedMemory>(std::move(to));
  tensor.offset = 0;
  return Status();
}

class Replacement final : public KeptWeights {
 public:
  explicit Replacement(Model& model) : model_(model), c_(model.config), given_(model) {}

  Status bind(std::span<const NamedTensor> tensors) {
    PENSEE_TRY(given_.add(tensors));
    PENSEE_ASSIGN(bound_.model, bind_layer(-1));
    for (int64_t i = 0; i < c_.num_hidden_layers; ++i) {
      PENSEE_ASSIGN(BoundWeights layer, bind_layer(i));
      bound_.layers.push_back(std::move(layer));
    }
    if (model_.mtp) {
      PENSEE_ASSIGN(bound_.mtp, bind_layer(c_.num_hidden_layers));
    }
    PENSEE_TRY(check_all_used());
    return check_tied_head();
  }

  const Bound& bound() const { return bound_; }

  Result<Tensor> kept(const Linear& held, int64_t layer, Slot slot, int64_t matrix, int64_t first_row,
                      int64_t rows) override {
    const WeightRow& row = *std::find_if(table().begin(), table().end(), [&](const auto& r) { return r.slot == slot; });
    Tensor tensor;
    tensor.name = weight_name(row, layer, matrix, Naming::hugging_face);
    int64_t begin = 0;
    for (const auto& part : held.parts) {
      if (first_row >= begin && first_row < begin + part->rows && type_of_rows(*part) != StoredType::count) {
        tensor.type = type_of_rows(*part);
        tensor.shape = {rows, part->cols};
        tensor.file = std::make_shared<PackedRows>(*part);
        place(tensor, matrix * part->rows + first_row - begin);
        return tensor;
      }
      begin += part->rows;
    }
    return from_file(row, layer, matrix, rows, std::move(tensor));
  }

 private:
  std::span<const WeightRow> table() const { return model_.architecture->weights; }

  // `first_row` of rows as wide as the tensor's, from the begin of its file.
  static void place(Tensor& tensor, int64_t first_row) {
    const uint64_t row_size = row_bytes(tensor.type, tensor.cols());
    tensor.offset += static_cast<uint64_t>(first_row) * row_size;
    tensor.bytes = static_cast<uint64_t>(tensor.rows()) * row_size;
  }

  Result<Tensor> from_file(const WeightRow& row, int64_t layer, int64_t matrix, int64_t rows, Tensor wanted) const {
    const std::string name = weight_name(row, layer, matrix, model_.origin_naming);
    const Tensor* found = model_.origin ? model_.origin->find(name) : nullptr;
    if (!found) {
      return Status::format(Code::bad_argument,
                            "weight '{}' is missing: it is packed together with one that is given, and what the model "
                            "holds of it is quantised; give it too, or load with keep_file",
                            wanted.name);
    }
    Tensor tensor = *found;
    if (tensor.shape.size() == 3) {  // a GGUF's stack of experts
      tensor.shape = {rows, tensor.cols()};
      place(tensor, matrix * rows);
    }
    return tensor;
  }

  Result<BoundWeights> bind_layer(int64_t layer) {
    PENSEE_ASSIGN(BoundWeights bound, bind_given(table(), c_, layer, given_));
    for (const auto& tensors : bound.tensors) used_.insert(tensors.begin(), tensors.end());
    if (model_.origin_naming != Naming::gguf || c_.is_latent() || !c_.rope.interleaved) return bound;
    for (const Slot slot : {Slot::q, Slot::q_bias, Slot::k, Slot::k_bias}) {
      const bool of_query = slot == Slot::q || slot == Slot::q_bias;
      if (const Tensor* tensor = bound.one(slot)) {
        PENSEE_TRY(interleave_rows(given_.at(tensor), of_query ? c_.num_attention_heads : c_.num_key_value_heads));
      }
    }
    return bound;
  }

  Status check_all_used() const {
    for (const Tensor& tensor : given_.tensors()) {
      if (used_.contains(&tensor)) continue;
      const std::string prefix = format("model.layers.{}.", c_.num_hidden_layers);
      const bool of_mtp = model_.facts.has_mtp && !model_.mtp && tensor.name.starts_with(prefix);
      return Status::format(Code::bad_argument, "weight '{}' is {}", tensor.name,
                            of_mtp ? "of the prediction layer, which was not loaded" : "none of this model's");
    }
    return Status();
  }

  // A tied head comes along in what trainers hand over; alone it would be lost.
  Status check_tied_head() {
    auto& head = bound_.model.tensors[static_cast<size_t>(Slot::lm_head)];
    if (!c_.tie_word_embeddings || !bound_.model.one(Slot::lm_head)) return Status();
    if (!bound_.model.one(Slot::embedding)) {
      return Status(Code::bad_argument,
                    "weight 'lm_head.weight' is tied to the embedding: give 'model.embed_tokens.weight'");
    }
    head.clear();
    return Status();
  }

  Model& model_;
  const ModelConfig& c_;
  GivenTensors given_;
  Bound bound_;
  std::unordered_set<const Tensor*> used_;
};

}  // namespace

Status replace_weights(Model& model, std::span<const NamedTensor> tensors, const ReplaceOptions& options) {
  if (!model.loaded()) return Status::unsupported("the model was opened without its weights: there is none to replace");
  Replacement replacement(model);
  PENSEE_TRY(replacement.bind(tensors));
  Assembler assembler(model, *options.backend, *options.pool, options.budget, &replacement);
  PENSEE_TRY(assembler.assemble(replacement.bound()));
  assembler.commit();
  return Status();
}

}  // namespace pensee
