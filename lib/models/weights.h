// Weight tables. A row binds a slot of a layer to its name in Hugging Face files and in GGUF files, with its shape in
// config terms. Tables are bound once at load; each row's shape is checked there, and nothing is looked up by name
// afterwards. A dimension that is 0 in a config means that the row does not apply to that model.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/tensors.h"
#include "models/config.h"

namespace pensee {

enum class Slot : uint8_t {
  // of the model
  embedding,
  final_norm,
  lm_head,
  rope_frequencies,
  // of a layer: grouped-query attention
  attention_norm,
  q,
  k,
  v,
  q_bias,
  k_bias,
  v_bias,
  out,
  out_bias,
  // latent attention
  q_down,
  q_down_bias,
  q_norm,
  q_up,
  kv_down,
  kv_down_bias,
  kv_norm,
  kv_up,
  key_fold,
  value_fold,
  // feed-forward
  ffn_norm,
  gate,
  up,
  down,
  gate_bias,
  up_bias,
  down_bias,
  router,
  router_bias,
  expert_gate,
  expert_up,
  expert_down,
  shared_gate,
  shared_up,
  shared_down,
  // multi-token prediction
  mtp_join,
  mtp_embedding_norm,
  mtp_hidden_norm,
  mtp_head_norm,
  mtp_embedding,
  mtp_head,
  count
};
inline constexpr size_t kSlots = static_cast<size_t>(Slot::count);

enum class Where : uint8_t { model, layers, dense_layers, moe_layers, mtp };  // mtp: behind the hidden layers
enum class Need : uint8_t { required, optional };

using Dimension = int64_t ModelConfig::*;

struct WeightRow {
  Slot slot;
  Where where;
  Need need;
  const char* hf;             // "{L}" is the layer, "{E}" the expert (one tensor each); nullptr: not in such files
  const char* gguf;           // "{L}" likewise; experts lie in one tensor [experts, rows, cols]
  Dimension rows;             // nullptr for a vector
  Dimension cols;             // of a vector: its length
  Dimension stack = nullptr;  // a leading dimension besides (experts; heads of folded projections)
};

// What a table found for the model itself or for one layer. A slot holds one tensor, or one an expert, or none.
struct BoundWeights {
  std::array<std::vector<const Tensor*>, kSlots> tensors;
  std::array<int64_t, kSlots> rows{};  // of one matrix, by the config; a vector's length; 0: not of this model
  int64_t rows_of(Slot slot) const { return rows[static_cast<size_t>(slot)]; }
  const Tensor* one(Slot slot) const {
    const auto& found = tensors[static_cast<size_t>(slot)];
    return found.empty() ? nullptr : found.front();
  }
  bool any(Slot slot) const {
    for (const Tensor* tensor : all(slot))
      if (tensor) return true;
    return false;
  }
  const std::vector<const Tensor*>& all(Slot slot) const { return tensors[static_cast<size_t>(slot)]; }
};

enum class Naming : uint8_t { hugging_face, gguf };

// The row's name for a layer and an expert; "" where files of that kind do not have it.
std::string weight_name(const WeightRow& row, int64_t layer, int64_t expert, Naming naming);

// layer -1: the rows of the model itself; from num_hidden_layers on: a layer of multi-token prediction.
Result<BoundWeights> bind_weights(std::span<const WeightRow> table, const ModelConfig& config, int64_t layer,
                                  const TensorFile& file, Naming naming);

// The same of tensors by Hugging Face names of which any may be absent: absent experts are null among the others.
Result<BoundWeights> bind_given(std::span<const WeightRow> table, const ModelConfig& config, int64_t layer,
                                const TensorFile& given);

// Rows of tensors one after another as one weight: q, k, v; gate and up of each expert. Of several types they are read
// as F32. The tensors outlive it.
class StackedRows final : public WeightSource {
 public:
  struct Piece {
    const Tensor* tensor;
    int64_t first_row;
    int64_t rows;
  };
  explicit StackedRows(std::vector<Piece> pieces, int64_t matrices);
  Status read(int64_t first, int64_t count, std::span<std::byte> out) const override;

 private:
  std::vector<Piece> pieces_;
};

// The key part of kv_b_proj, turned for folding: of each head [nope rows, kv_lora_rank] becomes [kv_lora_rank, nope].
// Quantised blocks do not survive turning: these become F32; F16 and BF16 keep their type.
class FoldedKeys final : public WeightSource {
 public:
  FoldedKeys(const Tensor& kv_up, const ModelConfig& config);
  Status read(int64_t first, int64_t count, std::span<std::byte> out) const override;

 private:
  const Tensor& kv_up_;
  int64_t nope_, rows_a_head_;
};

}  // namespace pensee
