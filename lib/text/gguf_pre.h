// One row for each meaning of "tokenizer.ggml.pre"; see gguf_pre.cpp.
#pragma once

#include <string_view>
#include <vector>

namespace pensee {

struct GgufPre {
  std::string_view names;              // separated by spaces
  std::vector<const char*> patterns;   // each splits, its matches isolated, what the one before left
  bool nfc = false;
  bool ignore_merges = false;
  bool adds_bos = false;               // when the file does not say
};

const GgufPre* find_gguf_pre(std::string_view name);  // nullptr when it is not known

}  // namespace pensee
