// Tokenizers: text to token ids and back, equal to the `tokenizers` library id for id. Byte-level BPE from
// tokenizer.json and from GGUF metadata. Immutable after making; any number of threads may use one at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace pensee {

using TokenId = int32_t;

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  struct EncodeOptions {
    bool add_special = false;    // what the post-processor adds (BOS ...), as add_special_tokens in `tokenizers`
    bool parse_special = true;   // whether "<|im_start|>" in the text becomes its one token
  };
  // Invalid UTF-8 is an error that names the byte. (`parse_special` false keeps user text from forging turns.)
  virtual Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const = 0;
  // Appends the bytes of one token; they may be part of a code point. Unknown ids are an error.
  virtual Status decode_append(TokenId id, bool skip_special, std::string& out) const = 0;

  virtual int32_t vocab_size() const = 0;  // one more than the largest id that has a text
  virtual bool is_special(TokenId id) const = 0;
  virtual TokenId find(std::string_view token) const = 0;  // exact content of a token (decoded bytes); -1 if none
  virtual TokenId bos() const = 0;                         // -1 when there is none
  virtual TokenId eos() const = 0;
  virtual bool adds_bos() const = 0;                       // whether encode(add_special) starts with bos
};

// `tokenizer` is tokenizer.json; `config` is tokenizer_config.json or null.
Result<std::shared_ptr<const Tokenizer>> make_tokenizer(const json::Value& tokenizer, const json::Value& config);
// `metadata` holds the "tokenizer.ggml.*" keys of a GGUF file. `name` is for messages.
Result<std::shared_ptr<const Tokenizer>> make_tokenizer_gguf(const json::Value& metadata, std::string_view name);

// Decoding for streams: takes tokens, gives back whole code points only ([P5]); bytes that can never become valid
// UTF-8 come out as U+FFFD, as `tokenizers` prints them.
class Utf8Joiner {
 public:
  // The bytes that are ready now, after `bytes` came in.
  std::string push(std::string_view bytes);
  std::string flush();  // what is left, with U+FFFD for an unfinished code point
 private:
  std::string pending_;
};

bool valid_utf8(std::string_view text, size_t* bad_byte);

}  // namespace pensee
