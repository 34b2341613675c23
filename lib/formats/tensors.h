// What every weight file offers once its header was read and checked: named tensors with a type, a shape and bytes
// that lie inside the file. Shapes are written as in Hugging Face and in papers: outermost first, rows before
// columns; a GGUF's reversed dims are turned round by its reader. Trust nothing: a reader checks that every tensor's
// bytes lie within its file and that sizes multiply without overflow, before anyone sees the tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "quants/quants.h"

namespace pensee {

struct Tensor {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<int64_t> shape;  // [rows, cols], [experts, rows, cols], [n], [] (a scalar); no dim is 0, at most 4 dims
  uint64_t offset = 0;         // byte offset in `file`
  uint64_t bytes = 0;
  std::shared_ptr<const File> file;

  int64_t elements() const;
  int64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const { return elements() / cols(); }  // of all leading dims together
};

// All tensors of a model, over one file or many shards.
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  // nullptr when absent, or when there but not of a kind that we read (F8_E4M3, IQ2_XS, no elements, five dims).
  const Tensor* find(std::string_view name) const;
  // For a name that find() did not know: whether it is absent, or there but not readable and why.
  Status why_absent(std::string_view name) const;
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const std::string& name() const { return name_; }

 protected:
  struct Unreadable {
    std::string name;
    std::string reason;  // goes on after "tensor 'x' "
  };
  Status index();  // sorts for find(); a name that stands twice is corrupt
  std::string name_;
  std::vector<Tensor> tensors_;
  std::vector<Unreadable> unreadable_;
  std::vector<uint32_t> by_name_;
};

// Stored rows [first, first + count) of `tensor` (counted over all leading dims), as they lie in the file.
Status read_rows(const Tensor& tensor, int64_t first, int64_t count, std::span<std::byte> out);
// The same, decoded to float; out.size() == count * cols.
Status read_rows_float(const Tensor& tensor, int64_t first, int64_t count, std::span<float> out);

// ---- safetensors ----
// One file, or a folder with model.safetensors or model.safetensors.index.json and its shards.
Result<std::shared_ptr<const TensorFile>> open_safetensors(std::shared_ptr<const File> file);
Result<std::shared_ptr<const TensorFile>> open_safetensors_folder(const std::string& folder);

// ---- GGUF (versions 2 and 3, little endian; split files by "split.count" are followed by name) ----
class GgufFile : public TensorFile {
 public:
  // Metadata in file order, each value as JSON (arrays too). Keys as in the file: "deepseek2.attention.q_lora_rank".
  const json::Value& metadata() const { return metadata_; }
  const json::Value* find_metadata(std::string_view key) const { return metadata_.find(key); }

 protected:
  json::Value metadata_;
};
Result<std::shared_ptr<const GgufFile>> open_gguf(std::shared_ptr<const File> file);
// The metadata alone: also of a file whose tensors are missing or cut short (a vocabulary, half a download).
Result<json::Value> read_gguf_metadata(const File& file);
// Its bytes up to the first tensor's data: all that read_gguf_metadata needs.
Result<std::string> read_gguf_header_text(const File& file);

}  // namespace pensee
