#include "cache/prefix_cache.h"

#include <algorithm>
#include <new>

#include "base/check.h"

namespace pensee {

bool PrefixCache::InOrder::operator()(std::span<const int32_t> a, std::span<const int32_t> b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

PrefixCache::PrefixCache(const CacheShape& shape, MemoryBudget& budget, uint64_t limit)
    : shape_(shape), budget_(budget), limit_(limit) {
  if (limit_ > 0) budget_.set_reclaimer(this);
}

PrefixCache::~PrefixCache() {
  if (limit_ > 0) budget_.set_reclaimer(nullptr);
  clear();  // from the ends: a chain of pages is longer than a stack is deep
}

// In sorted order, whoever shares most with `tokens` is its neighbour on one of the two sides.
PrefixCache::Found PrefixCache::closest(Node& parent, std::span<const int32_t> tokens) {
  Found best;
  const auto consider = [&](Children::iterator child) {
    const auto end = std::mismatch(tokens.begin(), tokens.end(), child->first.begin(), child->first.end()).first;
    const int64_t common = end - tokens.begin();
    if (common > best.common) best = {child->second.get(), common};
  };
  const auto after = parent.children.lower_bound(tokens);
  if (after != parent.children.end()) consider(after);
  if (after != parent.children.begin()) consider(std::prev(after));
  return best;
}

int64_t PrefixCache::adopt(std::span<const int32_t> tokens, CacheSequence& sequence) {
  PENSEE_DCHECK(static_cast<size_t>(sequence.length()) <= tokens.size());
  std::lock_guard lock(mutex_);
  std::vector<Node*> path;
  int64_t length = 0;
  for (Node* node = &root_; length % kPagePositions == 0 && static_cast<size_t>(length) < tokens.size();) {
    const auto rest = tokens.subspan(static_cast<size_t>(length));
    const Found found = closest(*node, rest.first(std::min<size_t>(rest.size(), kPagePositions)));
    if (!found.node) break;
    path.push_back(found.node);
    length += found.common;
    node = found.node;
  }
  touch(path);
  if (length <= sequence.length()) return sequence.length();
  const auto kept = static_cast<size_t>(sequence.length() / kPagePositions);
  std::vector<PageRef> pages;
  for (size_t i = kept; i < path.size(); ++i) pages.push_back(path[i]->page);
  sequence.share_tail(static_cast<int64_t>(kept), pages, length);
  return length;
}

void PrefixCache::offer(std::span<const int32_t> tokens, const CacheSequence& sequence) noexcept {
  std::lock_guard lock(mutex_);
  const int64_t full = std::min(static_cast<int64_t>(tokens.size()), sequence.length()) / kPagePositions;
  try {  // the standard library's only way to say that memory is out
    std::vector<Node*> path;
    path.reserve(static_cast<size_t>(full));
    Node* node = &root_;
    for (int64_t i = 0; i < full; ++i) {
      Tokens key;
      std::copy_n(tokens.begin() + i * kPagePositions, kPagePositions, key.begin());
      const auto known = node->children.find(key);
      if (known == node->children.end() && !make_room(*node)) break;
      node = known != node->children.end() ? known->second.get() : &enter(*node, key, sequence.share(i));
      path.push_back(node);
    }
    touch(path);
  } catch (const std::bad_alloc&) {
  }
}

PrefixCache::Node& PrefixCache::enter(Node& parent, const Tokens& tokens, const PageRef& page) {
  auto node = std::make_unique<Node>();
  node->parent = &parent;
  node->page = page;
  std::list<Node*> place(1, node.get());
  node->recency = place.begin();
  const auto child = parent.children.try_emplace(tokens, std::move(node)).first;
  child->second->place = child;
  // Behind its parent only once it is touched; before it, as the order wants, until then.
  recency_.splice(&parent == &root_ ? recency_.end() : parent.recency, place);
  return *child->second;
}

// Room for one page more, without the end of the chain that it will be hung on.
bool PrefixCache::make_room(const Node& tip) {
  while (limit_ < page_bytes() || recency_.size() > limit_ / page_bytes() - 1) {
    const auto free_end = [&](const Node* node) { return node->children.empty() && node != &tip; };
    auto victim = std::find_if(recency_.begin(), recency_.end(),
                               [&](const Node* node) { return free_end(node) && !node->page.shared(); });
    if (victim == recency_.end()) victim = std::find_if(recency_.begin(), recency_.end(), free_end);
    if (victim == recency_.end()) return false;
    remove(**victim);
  }
  return true;
}

void PrefixCache::touch(std::span<Node* const> path) {
  for (size_t i = path.size(); i-- > 0;) recency_.splice(recency_.end(), recency_, path[i]->recency);
}

void PrefixCache::remove(Node& node) {
  PENSEE_DCHECK(node.children.empty());
  recency_.erase(node.recency);
  node.parent->children.erase(node.place);
}

uint64_t PrefixCache::reclaim(uint64_t bytes) noexcept {
  std::lock_guard lock(mutex_);
  uint64_t given = 0;
  for (auto it = recency_.begin(); it != recency_.end() && given < bytes;) {
    Node& node = **it++;  // its parent, an end once it is gone, comes later
    if (!node.children.empty() || node.page.shared()) continue;
    remove(node);
    given += page_bytes();
  }
  return given;
}

void PrefixCache::clear() noexcept {
  std::lock_guard lock(mutex_);
  while (!recency_.empty()) remove(*recency_.front());
}

uint64_t PrefixCache::bytes() const {
  std::lock_guard lock(mutex_);
  return recency_.size() * page_bytes();
}

}  // namespace pensee
