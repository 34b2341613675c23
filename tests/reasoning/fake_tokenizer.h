// A tokenizer whose vocabulary is the tokens it is given, for tests that ask only which tokens there are.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace pensee::test {

class FakeTokenizer final : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  Result<std::vector<TokenId>> encode(std::string_view, EncodeOptions) const override {
    return Status::unsupported("a fake encodes nothing");
  }
  Status decode_append(TokenId id, bool, std::string& out) const override {
    if (id < 0 || id >= vocab_size()) return Status(Code::bad_argument, "no such token");
    out += tokens_[static_cast<size_t>(id)];
    return Status();
  }
  int32_t vocab_size() const override { return static_cast<int32_t>(tokens_.size()); }
  bool is_special(TokenId) const override { return false; }
  TokenId find(std::string_view token) const override {
    const auto at = std::find(tokens_.begin(), tokens_.end(), token);
    return at == tokens_.end() ? -1 : static_cast<TokenId>(at - tokens_.begin());
  }
  TokenId bos() const override { return -1; }
  TokenId eos() const override { return -1; }
  bool adds_bos() const override { return false; }

 private:
  std::vector<std::string> tokens_;
};

}  // namespace pensee::test
