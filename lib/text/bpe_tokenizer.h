// The one Tokenizer there is: added tokens, normalizers, pre-tokenizers, BPE, and what goes before and behind. The
// readers of tokenizer.json and of GGUF metadata fill a BpeTokenizer::Parts; everything after that is shared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

namespace pensee {

// No vocabulary has ids near this; a file that names larger ones lies.
inline constexpr int64_t kTokenIdMax = 1 << 24;

class BpeTokenizer final : public Tokenizer {
 public:
  struct Parts {
    Bpe bpe;
    std::vector<AddedToken> added;
    std::unordered_map<TokenId, size_t> added_by_id;  // index in added
    std::vector<Normalizer> normalizers;
    std::vector<PreTokenizer> pre_tokenizers;
    std::vector<TokenId> prefix;  // what add_special puts before and behind
    std::vector<TokenId> suffix;
    TokenId bos = kNoToken;
    TokenId eos = kNoToken;
    bool words_are_bytes = false;  // ByteLevel ended the pre-tokenizer: nothing may follow
    bool byte_level_decoder = true;           // else the texts of tokens are replaced as below
    std::vector<std::pair<std::string, std::string>> decoder_replacements;
    bool decode_byte_fallback = false;        // "<0x0A>" is the byte 10
  };
  static Result<std::shared_ptr<const Tokenizer>> make(Parts parts, std::string_view where);

  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override;
  Status decode_append(TokenId id, bool skip_special, std::string& out) const override;
  int32_t vocab_size() const override { return vocab_size_; }
  bool is_special(TokenId id) const override;
  TokenId find(std::string_view token) const override;
  TokenId bos() const override { return parts_.bos; }
  TokenId eos() const override { return parts_.eos; }
  bool adds_bos() const override { return !parts_.prefix.empty() && parts_.prefix[0] == parts_.bos; }

 private:
  struct Call;
  explicit BpeTokenizer(Parts parts) : parts_(std::move(parts)) {}
  Status encode_plain(std::string_view text, Call& call) const;
  void encode_word(std::string_view word, Call& call) const;
  std::string decoded(std::string_view token) const;
  Status build();

  Parts parts_;
  AddedTokens added_;
  std::unordered_map<std::string, TokenId> other_decoded_;  // texts that the vocabulary's own look-up does not know
  int32_t vocab_size_ = 0;
};

}  // namespace pensee
