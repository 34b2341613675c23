// Added tokens: texts that become one token wherever they stand, before any pre-tokenizer sees them. Matching is
// leftmost-longest; a token may demand word borders (single_word) or swallow white space beside it (lstrip, rstrip).
// Those marked `normalized` are looked for after normalization, the others before.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"
#include "text/unicode.h"

namespace pensee {

struct AddedToken {
  std::string content;
  TokenId id = -1;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = false;
  std::string shown;  // what it decodes as: its content, normalized if it is matched so; build() sets it
};

class AddedTokens {
 public:
  struct Piece {
    std::string_view text;
    TokenId token = -1;  // -1: plain text
  };

  // Special tokens win over others of the same text, then the first wins.
  void build(std::vector<AddedToken> tokens, const std::function<std::string(std::string_view)>& normalize);
  // Appends the pieces of `text` in order; none is empty plain text. Without `parse_special` no control token is made:
  // neither the special ones nor those that look like one ("<...>", "[...]"), which several models leave unmarked.
  void split(std::string_view text, bool normalized, bool parse_special, std::vector<Piece>& out) const;

  const AddedToken* by_id(TokenId id) const;
  const AddedToken* by_content(std::string_view content) const;
  const std::vector<AddedToken>& all() const { return tokens_; }
  bool any_normalized() const { return !matchers_[1].patterns.empty(); }

 private:
  struct Matcher {
    std::vector<std::pair<std::string, size_t>> patterns;  // sorted; index of the token
    std::array<bool, 256> starts = {};
    void finish();
    // The longest pattern that stands at `at`, or nullptr.
    const std::pair<std::string, size_t>* longest(std::string_view text, size_t at) const;
  };

  std::vector<AddedToken> tokens_;
  std::unordered_map<TokenId, size_t> by_id_;
  std::unordered_map<std::string, size_t> by_content_;
  Matcher matchers_[2];  // before and after normalization
};

}  // namespace pensee
