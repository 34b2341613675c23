// The prefix cache: full pages that sessions of one engine have computed, found again by the tokens that lead to
// them. A tree whose edges are the 64 token ids of a page (compared one by one; no hash is trusted), so a node stands
// for a whole prefix. It holds shares of pages, never copies: a page that sessions use costs nothing more, and nobody
// writes a page that it holds (cache.h: copied before it is written). Because a position depends on the tokens before
// it alone, bit for bit, a page found here is the page that would be computed.
//
// It keeps within a limit of its own and gives way to the memory budget. Who goes first: prefixes that no session uses
// and nobody asked for the longest, from their ends. Any thread may call; one lock.
#pragma once

#include <array>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "cache/cache.h"

namespace pensee {

class PrefixCache final : public Reclaimer {
 public:
  // Keeps at most `limit` bytes of pages; 0: none. Registers itself with the budget, which it must not outlive.
  PrefixCache(const CacheShape& shape, MemoryBudget& budget, uint64_t limit);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // `sequence` holds the first length() of `tokens`; extends it by what is known of the rest and returns its new
  // length. The last page may fit in its first positions only. Whoever needs the logits of the last token leaves it
  // out.
  int64_t adopt(std::span<const int32_t> tokens, CacheSequence& sequence);
  // Enters the full pages of `sequence`, which holds `tokens`. Costs O(pages); keeps fewer where memory is out.
  void offer(std::span<const int32_t> tokens, const CacheSequence& sequence) noexcept;
  uint64_t reclaim(uint64_t bytes) noexcept override;
  void clear() noexcept;

  uint64_t bytes() const;  // of all pages it holds, used by sessions or not
  uint64_t limit() const { return limit_; }

 private:
  using Tokens = std::array<int32_t, kPagePositions>;
  struct InOrder {
    using is_transparent = void;
    bool operator()(std::span<const int32_t> a, std::span<const int32_t> b) const;
  };
  struct Node;
  using Children = std::map<Tokens, std::unique_ptr<Node>, InOrder>;
  struct Node {
    Node* parent = nullptr;
    Children::iterator place;  // among the parent's children
    Children children;
    PageRef page;
    std::list<Node*>::iterator recency;
  };
  struct Found {
    Node* node = nullptr;
    int64_t common = 0;  // first tokens that agree
  };

  static Found closest(Node& parent, std::span<const int32_t> tokens);
  Node& enter(Node& parent, const Tokens& tokens, const PageRef& page);
  bool make_room(const Node& tip);
  void touch(std::span<Node* const> path);
  void remove(Node& node);
  uint64_t page_bytes() const { return static_cast<uint64_t>(shape_.page_bytes); }

  const CacheShape& shape_;
  MemoryBudget& budget_;
  const uint64_t limit_;
  mutable std::mutex mutex_;
  Node root_;
  std::list<Node*> recency_;  // least recent first; a node lies before its parent
};

}  // namespace pensee
