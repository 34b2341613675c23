// The header of one GGUF file as it stands there: metadata and tensor entries, lengths checked, nothing interpreted.
// Private to formats/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"

namespace pensee::formats {

struct GgufTensorEntry {
  std::string name;
  std::vector<int64_t> shape;  // turned round: outermost first
  uint32_t type = 0;           // ggml's number
  uint64_t offset = 0;         // from GgufHeader::data_begin
};

struct GgufHeader {
  json::Value metadata;
  std::vector<GgufTensorEntry> tensors;
  uint64_t data_begin = 0;
  uint64_t alignment = 32;
};

Result<GgufHeader> read_gguf_header(const File& file);

}  // namespace pensee::formats
