// The texts of a vocabulary as a tree of bytes, laid out so that a walk over all of it is one pass over arrays.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "text/tokenizer.h"

namespace pensee {

class TokenTrie {
 public:
  struct Node {
    uint8_t byte;
    uint16_t depth;  // 0: the first byte of a token
    uint32_t end;    // the first node that is not below this one
    uint32_t token;  // that ends here; no_token() when none does
  };

  // Special tokens, those without bytes and those beyond `columns` are not in it.
  static Result<TokenTrie> make(const Tokenizer& tokenizer, int64_t columns, const std::set<TokenId>& eos_ids);

  const std::vector<Node>& nodes() const { return nodes_; }
  size_t depth_max() const { return depth_max_; }
  uint32_t no_token() const { return no_token_; }  // an index behind all columns
  // Tokens with the text of another one: (the other, the token).
  const std::vector<std::pair<TokenId, TokenId>>& twins() const { return twins_; }
  std::string_view text(TokenId id) const;  // empty: no token of ours

 private:
  std::vector<Node> nodes_;
  std::vector<std::pair<TokenId, TokenId>> twins_;
  std::vector<std::string> texts_;
  size_t depth_max_ = 0;
  uint32_t no_token_ = 0;
};

}  // namespace pensee
