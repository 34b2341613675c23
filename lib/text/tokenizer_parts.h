// What the readers of tokenizer.json and of GGUF metadata share: filling a vocabulary with checks that name the place,
// merges, added tokens, and the ByteLevel pre-tokenizer.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "text/bpe_tokenizer.h"

namespace pensee {

// Fills bpe.vocabulary and bpe.merges with the printed texts of a file, as its options.byte_level demands.
class TokenTexts {
 public:
  TokenTexts(Bpe& bpe, std::string_view file, std::string_view place) : bpe_(bpe), file_(file), place_(place) {}

  Status reserve(size_t tokens);
  Status add(std::string_view printed, int64_t id);
  Status add_raw(std::string_view content, int64_t id);  // decodes as itself and is no word's token
  Status add_unused(int64_t id);  // decodes to nothing
  TokenId find(std::string_view printed) const;
  // "left right" or ["left", "right"], best first.
  Status add_merges(const json::Array& merges, std::string_view place);
  // For rank files without merges (tiktoken): two tokens join when their joint text is a token, lowest id first.
  void merges_from_ids();

 private:
  Status refuse(std::string_view printed, int64_t id) const;
  Bpe& bpe_;
  std::string_view file_;
  std::string_view place_;
  size_t ids_max_ = 0;
  std::unordered_map<std::string, TokenId> raw_;  // byte-level: texts outside of the printable alphabet
  mutable std::string bytes_;
};

// Checks an added token against the vocabulary and the others and appends it; an empty or repeated one is dropped.
Status add_added(BpeTokenizer::Parts& parts, AddedToken token, int64_t id, std::string_view file,
                 std::string_view place);
Status add_byte_level(BpeTokenizer::Parts& parts, bool prefix_space, bool use_regex);
// Splits by a regular expression, each match a piece of its own.
Status add_regex(BpeTokenizer::Parts& parts, std::string_view pattern, std::string_view where);

}  // namespace pensee
