#include "models/architectures.h"

namespace pensee {
namespace {

const Architecture* const kArchitectures[] = {&kLlama, &kQwen2, &kDeepseekV2, &kDeepseekV3};

Result<const Architecture*> find(std::string_view wanted, std::string_view file, std::string_view key,
                                 std::string_view Architecture::*name) {
  std::string known;
  for (const Architecture* a : kArchitectures) {
    if (a->*name == wanted && !wanted.empty()) return a;
    if ((a->*name).empty() || known.find(a->*name) != std::string::npos) continue;
    known += (known.empty() ? "" : ", ") + std::string(a->*name);
  }
  return Status::unsupported("{}: {} is '{}'; this release knows {}", file, key, wanted, known);
}

}  // namespace

Result<const Architecture*> architecture_by_model_type(std::string_view model_type, std::string_view file) {
  return find(model_type, file, "model_type", &Architecture::model_type);
}

Result<const Architecture*> architecture_by_gguf_name(std::string_view name, std::string_view file) {
  return find(name, file, "general.architecture", &Architecture::gguf);
}

}  // namespace pensee
