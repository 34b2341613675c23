// Normalizers and pre-tokenizers: the steps between a text and the words that BPE merges. Each is a small value made
// by the reader of tokenizer.json or GGUF metadata; texts that a step makes anew live in a Store until the call ends.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace pensee {

using TextStore = std::deque<std::string>;

// A literal text, a pattern, or any one code point of a set.
struct TextPattern {
  std::variant<std::string, Regex, unicode::CodeSet> what;
};

struct Normalizer {
  enum class Kind { nfc, prepend, replace, strip };
  Kind kind = Kind::nfc;
  std::optional<TextPattern> pattern;  // replace
  std::string content;                 // prepend, replace
  bool strip_left = false;
  bool strip_right = false;
};

struct PreTokenizer {
  enum class Kind { split, prefix_space };
  enum class Behavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };
  Kind kind = Kind::split;
  TextPattern pattern;  // split
  Behavior behavior = Behavior::isolated;
  bool invert = false;
};

// The text after all steps: `text` itself when nothing changes, else a text in the store.
Result<std::string_view> normalize(const std::vector<Normalizer>& steps, std::string_view text, TextStore& store,
                                   Regex::Workspace& workspace);
// Cuts every piece by every step; no empty piece comes out.
Status pre_tokenize(const std::vector<PreTokenizer>& steps, std::vector<std::string_view>& pieces, TextStore& store,
                    Regex::Workspace& workspace);

}  // namespace pensee
