// The architectures: one file each (llama.cpp, qwen2.cpp, deepseek.cpp) with its config readers and its weight table.
#pragma once

#include <span>
#include <string_view>

#include "models/config.h"
#include "models/weights.h"

namespace pensee {

struct Architecture {
  std::string_view model_type;  // in config.json
  std::string_view gguf;        // general.architecture; "": none
  void (*read_hf)(ConfigReader& r, ModelConfig& c);
  void (*read_gguf)(ConfigReader& r, ModelConfig& c);
  std::span<const WeightRow> weights;
};

extern const std::span<const WeightRow> kDenseDecoderWeights;  // Llama's, which others share

extern const Architecture kLlama;
extern const Architecture kQwen2;
extern const Architecture kDeepseekV2;
extern const Architecture kDeepseekV3;

// Unknown ones: an error that lists what is known.
Result<const Architecture*> architecture_by_model_type(std::string_view model_type, std::string_view file);
Result<const Architecture*> architecture_by_gguf_name(std::string_view name, std::string_view file);

}  // namespace pensee
