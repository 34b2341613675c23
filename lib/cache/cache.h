// The cache: keys and values (or latents) of the positions that sequences have seen. A page holds kPagePositions
// positions of all layers in one block, so that a sequence is a list of pages, a fork a copy of that list, and the
// chunk that attention reads is one page. Pages are shared by reference count; a page that others share is copied
// before it is written. Growing can fail and is done by the scheduler, before the forward pass that writes.
//
// Within a page, layer after layer, blocks of 64 positions as kernels/table.h says of their type:
//   grouped-query   keys [kv_heads] blocks of key_dim, then values [kv_heads] blocks of value_dim
//   latent          a block of kv_lora_rank + rope_dim; the value is the first kv_lora_rank numbers of the row
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"

namespace pensee {

const char* cache_type_name(CacheType type);

struct CacheLayer {
  int32_t heads = 1;
  int32_t key_dim = 0;
  int32_t value_dim = 0;   // of its own rows; 0: latent, the value lies inside the key row
  int32_t latent_dim = 0;  // of a latent row: its first numbers, which are the value
  int64_t key_offset = 0;  // bytes from the begin of a page; set by CacheShape::layout, as are the next three
  int64_t value_offset = 0;
  CacheRows key_rows;     // and of the latent, which is its values' too
  CacheRows value_rows;
  int64_t key_block = 0;  // bytes
  int64_t value_block = 0;
};

struct CacheShape {
  CacheType key_type = CacheType::f32;  // and of latent rows
  CacheType value_type = CacheType::f32;
  std::vector<CacheLayer> layers;
  int64_t page_bytes = 0;

  void layout();  // fills the offsets and page_bytes
  int64_t bytes_per_token() const { return page_bytes / kPagePositions; }
};

// Whoever holds memory that it can do without: asked before a request is refused.
class Reclaimer {
 public:
  // Gives back `bytes` or more to the budget, or as much as it can; returns how much. May not take.
  virtual uint64_t reclaim(uint64_t bytes) noexcept = 0;

 protected:
  ~Reclaimer() = default;
};

// Told that memory is short: `bytes` more are wanted. Not 0: something was freed, try again.
struct LowMemory {
  int (*call)(void* user, uint64_t bytes) = nullptr;
  void* user = nullptr;
};

// Bytes that a model and all its caches may take together, and how many they do. Who is refused has asked the reclaimer
// and then, once, the callback.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit, LowMemory low = {}) : limit_(limit), low_(low) {}  // 0: none
  bool take(uint64_t bytes);
  void give(uint64_t bytes) { used_.fetch_sub(bytes); }
  uint64_t used() const { return used_.load(); }
  uint64_t limit() const { return limit_; }
  // Null: none. Whoever sets one takes it away before it dies, with nobody inside take().
  void set_reclaimer(Reclaimer* reclaimer) { reclaimer_.store(reclaimer); }
  uint64_t reclaim(uint64_t bytes);
  bool tell(uint64_t bytes) const { return low_.call && low_.call(low_.user, bytes) != 0; }

 private:
  bool take_now(uint64_t bytes, uint64_t* missing);

  uint64_t limit_;
  LowMemory low_;
  std::atomic<uint64_t> used_{0};
  std::atomic<Reclaimer*> reclaimer_{nullptr};
};

class CachePage;

// One share of a page; the last one to go frees it. Shares may go on any thread.
class PageRef {
 public:
  PageRef() = default;
  explicit PageRef(CachePage* page) : page_(page) {}  // takes over the page's first share
  PageRef(const PageRef& other) noexcept;
  PageRef(PageRef&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}
  PageRef& operator=(PageRef other) noexcept {
    std::swap(page_, other.page_);
    return *this;
  }
  ~PageRef();

  static Result<PageRef> make(const CacheShape& shape, MemoryBudget& budget);
  std::byte* data() const;
  bool shared() const;  // somebody else holds it too: it may be read only
  bool operator==(const PageRef& other) const = default;

 private:
  CachePage* page_ = nullptr;
};

// The cache of one conversation. A copy is a fork: it shares all pages, costs a pointer each, and what one of the two
// writes from then on the other does not see. Rewinding is set_length. One thread at a time.
class CacheSequence {
 public:
  CacheSequence(const CacheShape& shape, MemoryBudget& budget) : shape_(&shape), budget_(&budget) {}

  // Makes positions [length(), positions) writable: new pages, and own copies of shared ones. On failure nothing
  // changes that matters.
  Status reserve(int64_t positions);
  // Says that positions up to `length` are filled now, or (shorter) forgets the later ones and their pages.
  void set_length(int64_t length);
  int64_t length() const { return length_; }
  // Forgets everything; returns the bytes of the pages that nobody else held.
  uint64_t release();
  const CacheShape& shape() const { return *shape_; }
  MemoryBudget& budget() const { return *budget_; }
  std::byte* page(int64_t index) const;  // index = position / kPagePositions

  const PageRef& share(int64_t index) const { return pages_[static_cast<size_t>(index)]; }
  // Keeps the first `kept` pages, puts shares of others (same shape, same tokens before them) behind them and sets
  // the length, which the pages must reach.
  void share_tail(int64_t kept, std::span<const PageRef> pages, int64_t length);

 private:
  const CacheShape* shape_;
  MemoryBudget* budget_;
  std::vector<PageRef> pages_;
  int64_t length_ = 0;
};

}  // namespace pensee
