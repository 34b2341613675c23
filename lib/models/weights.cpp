#include "models/weights.h"

#include <algorithm>
#include <cstring>

namespace pensee {
namespace {

std::string fill_in(std::string_view pattern, int64_t layer, int64_t expert) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.substr(i, 3) == "{L}") {
      out += std::to_string(layer);
      i += 2;
    } else if (pattern.substr(i, 3) == "{E}") {
      out += std::to_string(expert);
      i += 2;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

bool applies(const WeightRow& row, const ModelConfig& config, int64_t layer) {
  switch (row.where) {
    case Where::model:
      if (layer >= 0) return false;
      break;
    case Where::layers:
      if (layer < 0) return false;
      break;
    case Where::dense_layers:
      if (layer < 0 || config.is_moe_layer(layer)) return false;
      break;
    case Where::moe_layers:
      if (layer < 0 || !config.is_moe_layer(layer)) return false;
      break;
    case Where::mtp:
      if (layer < config.num_hidden_layers) return false;
      break;
  }
  const auto given = [&](Dimension d) { return !d || config.*d > 0; };
  return given(row.rows) && given(row.cols) && given(row.stack);
}

std::vector<int64_t> shape_of(const WeightRow& row, const ModelConfig& config, bool stacked) {
  std::vector<int64_t> shape;
  if (stacked && row.stack) shape.push_back(config.*row.stack);
  if (row.rows) shape.push_back(config.*row.rows);
  shape.push_back(config.*row.cols);
  return shape;
}

Status bind_one(const TensorFile& file, const std::string& name, const std::vector<int64_t>& shape, Need need,
                std::vector<const Tensor*>& found) {
  const Tensor* tensor = file.find(name);
  if (!tensor) {
    Status why = file.why_absent(name);
    // An optional weight that stands there in a type we cannot read is still missed.
    if (need == Need::optional && why.code() != Code::unsupported) return Status();
    return why;
  }
  if (tensor->shape != shape) {
    return Status::corrupt("{}: tensor '{}' at byte {} has shape {} but the config asks for {}", tensor->file->name(),
                           name, tensor->offset, shape_text(tensor->shape), shape_text(shape));
  }
  found.push_back(tensor);
  return Status();
}

}  // namespace

std::string weight_name(const WeightRow& row, int64_t layer, int64_t expert, Naming naming) {
  const char* pattern = naming == Naming::gguf ? row.gguf : row.hf;
  return pattern ? fill_in(pattern, layer, expert) : std::string();
}

Result<BoundWeights> bind_weights(std::span<const WeightRow> table, const ModelConfig& config, int64_t layer,
                                  const TensorFile& file, Naming naming) {
  BoundWeights bound;
  for (const WeightRow& row : table) {
    const char* pattern = naming == Naming::gguf ? row.gguf : row.hf;
    if (!pattern || !applies(row, config, layer)) continue;
    auto& found = bound.tensors[static_cast<size_t>(row.slot)];
    bound.rows[static_cast<size_t>(row.slot)] = config.*(row.rows ? row.rows : row.cols);
    const bool one_an_expert = std::string_view(pattern).find("{E}") != std::string_view::npos;
    const int64_t count = one_an_expert ? config.*row.stack : 1;
    for (int64_t expert = 0; expert < count; ++expert) {
      const std::vector<int64_t> shape = shape_of(row, config, !one_an_expert);
      PENSEE_TRY(bind_one(file, fill_in(pattern, layer, expert), shape, row.need, found));
    }
  }
  return bound;
}

Result<BoundWeights> bind_given(std::span<const WeightRow> table, const ModelConfig& config, int64_t layer,
                                const TensorFile& given) {
  BoundWeights bound;
  for (const WeightRow& row : table) {
    if (!row.hf || !applies(row, config, layer)) continue;
    auto& found = bound.tensors[static_cast<size_t>(row.slot)];
    bound.rows[static_cast<size_t>(row.slot)] = config.*(row.rows ? row.rows : row.cols);
    const bool one_an_expert = std::string_view(row.hf).find("{E}") != std::string_view::npos;
    const std::vector<int64_t> shape = shape_of(row, config, !one_an_expert);
    const int64_t count = one_an_expert ? config.*row.stack : 1;
    for (int64_t expert = 0; expert < count; ++expert) {
      const Tensor* tensor = given.find(fill_in(row.hf, layer, expert));
      if (tensor && tensor->shape != shape) {
        return Status::format(Code::bad_argument, "weight '{}' has shape {} but the model's has {}", tensor->name,
                              shape_text(tensor->shape), shape_text(shape));
      }
      found.push_back(tensor);
    }
  }
  return bound;
}

StackedRows::StackedRows(std::vector<Piece> pieces, int64_t matrix_count) : pieces_(std::move(pieces)) {
  const Tensor& first = *pieces_.front().tensor;
  name = first.name;
  type = first.type;
  cols = first.cols();
  matrices = matrix_count;
  for (const Piece& piece : pieces_) {
    rows += piece.rows;
    if (piece.tensor->type != first.type) type = StoredType::f32;
  }
  rows /= matrices;
}

Status StackedRows::read(int64_t first, int64_t count, std::span<std::byte> out) const {
  const uint64_t bytes_a_row = row_bytes(type, cols);
  int64_t piece_begin = 0;
  for (const Piece& piece : pieces_) {
    const int64_t from = std::max(first, piece_begin);
    const int64_t to = std::min(first + count, piece_begin + piece.rows);
    if (from < to) {
      const auto part = out.subspan(static_cast<uint64_t>(from - first) * bytes_a_row,
                                    static_cast<uint64_t>(to - from) * bytes_a_row);
      const int64_t first_row = piece.first_row + from - piece_begin;
      if (piece.tensor->type == type) {
        PENSEE_TRY(read_rows(*piece.tensor, first_row, to - from, part));
      } else {
        std::vector<float> numbers(static_cast<size_t>((to - from) * cols));
        PENSEE_TRY(read_rows_float(*piece.tensor, first_row, to - from, numbers));
        std::memcpy(part.data(), numbers.data(), part.size());
      }
    }
    piece_begin += piece.rows;
  }
  return Status();
}

FoldedKeys::FoldedKeys(const Tensor& kv_up, const ModelConfig& config)
    : kv_up_(kv_up), nope_(config.qk_nope_head_dim), rows_a_head_(config.qk_nope_head_dim + config.v_head_dim) {
  name = kv_up.name;
  type = kv_up.type == StoredType::f16 || kv_up.type == StoredType::bf16 ? kv_up.type : StoredType::f32;
  matrices = config.num_attention_heads;
  rows = config.kv_lora_rank;
  cols = config.qk_nope_head_dim;
}

Status FoldedKeys::read(int64_t first, int64_t count, std::span<std::byte> out) const {
  std::vector<float> head_rows(static_cast<size_t>(nope_ * rows));
  int64_t held = -1;
  std::byte* to = out.data();
  for (int64_t row = first; row < first + count; ++row) {
    if (row / rows != held) {
      held = row / rows;
      PENSEE_TRY(read_rows_float(kv_up_, held * rows_a_head_, nope_, head_rows));
    }
    for (int64_t d = 0; d < nope_; ++d) {
      const float value = head_rows[static_cast<size_t>(d * rows + row % rows)];
      if (type == StoredType::f32) {
        std::memcpy(to, &value, sizeof value);
        to += sizeof value;
      } else {
        const uint16_t bits = type == StoredType::f16 ? float_to_half(value) : float_to_bfloat(value);
        std::memcpy(to, &bits, sizeof bits);
        to += sizeof bits;
      }
    }
  }
  return Status();
}

}  // namespace pensee
