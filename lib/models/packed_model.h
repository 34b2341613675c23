// A model's weights as they are packed, into a packed file and out of it. Besides its weights the file says what a load
// from the original learns from the tensors: facts, tied head, vocabulary. Config and texts are the caller's entries.
//
//   entry "layers.3.attention.qkv.0"   a packed weight: "type", "layout", "matrices", "rows", "cols"
//   entry "layers.3.attention_norm"    floats: norms, biases ("...qkv.bias"), what models/parts.h walks over
//   about                              "naming": "gguf" or "hugging_face"; "backend"; "layouts"; "model": {..}
//
// Restoring trusts nothing: the config is read as ever, and every shape is held against what it demands.
#pragma once

#include "formats/packed_file.h"
#include "models/model.h"

namespace pensee {

// All weights; leaves members for PackedWriter::end in `about`. unsupported: the backend cannot keep its weights.
Status write_packed_model(const Model& model, const Backend& backend, PackedWriter& writer, json::Value& about);

Result<Naming> naming_of(const PackedFile& file);

enum class PackedUse : uint8_t {
  map,     // in place
  read,    // copied into memory, checksums held
  verify,  // in place, after every checksum was held
};

// As load_model; keep_file changes nothing. Of a file that cannot be mapped the weights are read.
Result<std::unique_ptr<Model>> load_packed_model(const json::Value& config, const std::string& config_name,
                                                 const std::shared_ptr<const PackedFile>& file, PackedUse use,
                                                 const LoadOptions& options);

}  // namespace pensee
