#include "sampling/token_trie.h"

#include <algorithm>

namespace pensee {

Result<TokenTrie> TokenTrie::make(const Tokenizer& tokenizer, int64_t columns, const std::set<TokenId>& eos_ids) {
  constexpr size_t kTokenMax = 4096;  // bytes
  TokenTrie made;
  made.texts_.resize(static_cast<size_t>(std::min<int64_t>(columns, tokenizer.vocab_size())));
  made.no_token_ = static_cast<uint32_t>((columns + 31) / 32 * 32);
  std::vector<TokenId> sorted;
  for (size_t i = 0; i < made.texts_.size(); ++i) {
    const TokenId id = static_cast<TokenId>(i);
    std::string& text = made.texts_[i];
    if (eos_ids.contains(id) || tokenizer.is_special(id)) continue;
    if (!tokenizer.decode_append(id, false, text).ok() || text.size() > kTokenMax) text.clear();
    if (!text.empty()) sorted.push_back(id);
  }
  const auto text = [&](TokenId id) -> std::string_view { return made.texts_[static_cast<size_t>(id)]; };
  std::stable_sort(sorted.begin(), sorted.end(), [&](TokenId a, TokenId b) { return text(a) < text(b); });
  std::vector<uint32_t> path;  // nodes of the last token's bytes
  std::string_view last;
  for (const TokenId id : sorted) {
    const std::string_view now = text(id);
    size_t same = 0;
    while (same < last.size() && same < now.size() && last[same] == now[same]) ++same;
    for (; path.size() > same; path.pop_back())
      made.nodes_[path.back()].end = static_cast<uint32_t>(made.nodes_.size());
    for (size_t i = same; i < now.size(); ++i) {
      path.push_back(static_cast<uint32_t>(made.nodes_.size()));
      made.nodes_.push_back({static_cast<uint8_t>(now[i]), static_cast<uint16_t>(i), 0, made.no_token_});
    }
    uint32_t& token = made.nodes_[path.back()].token;
    if (token == made.no_token_)
      token = static_cast<uint32_t>(id);
    else
      made.twins_.emplace_back(static_cast<TokenId>(token), id);
    made.depth_max_ = std::max(made.depth_max_, now.size());
    last = now;
  }
  for (const uint32_t node : path) made.nodes_[node].end = static_cast<uint32_t>(made.nodes_.size());
  return made;
}

std::string_view TokenTrie::text(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < texts_.size() ? std::string_view(texts_[static_cast<size_t>(id)])
                                                            : std::string_view();
}

}  // namespace pensee
