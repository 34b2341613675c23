// The cache: keys and values (or latents) of the positions that sequences have seen. A page holds kPagePositions
// positions of all layers in one block, so that a sequence is a list of pages, a fork a copy of that list, and the
// chunk that attention reads is one page. Pages are shared by reference; a page that others share is copied before it
// is written. Growing can fail and is done by the scheduler, before the forward pass that writes.
//
// Within a page, layer after layer:
//   grouped-query   keys [kv_heads][64][key_dim], then values [kv_heads][64][value_dim]
//   latent          rows [64][kv_lora_rank + rope_dim]; the value is the first kv_lora_rank numbers of the row
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"

namespace pensee {

struct CacheLayer {
  int32_t heads = 1;
  int32_t key_dim = 0;
  int32_t value_dim = 0;   // of its own rows; 0: latent, the value lies inside the key row
  int64_t key_offset = 0;  // bytes from the begin of a page; set by CacheShape::layout
  int64_t value_offset = 0;
};

struct CacheShape {
  CacheType type = CacheType::f32;
  std::vector<CacheLayer> layers;
  int64_t page_bytes = 0;

  void layout();  // fills the offsets and page_bytes
  int64_t bytes_per_token() const { return page_bytes / kPagePositions; }
};

// Bytes that a model and all its caches may take together, and how many they do.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit) : limit_(limit) {}  // 0: none
  bool take(uint64_t bytes);
  void give(uint64_t bytes) { used_.fetch_sub(bytes); }
  uint64_t used() const { return used_.load(); }
  uint64_t limit() const { return limit_; }

 private:
  uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

class CachePage;

class CacheSequence {
 public:
  CacheSequence(const CacheShape& shape, MemoryBudget& budget) : shape_(&shape), budget_(&budget) {}

  // Makes positions [length(), positions) writable: new pages, and own copies of shared ones. On failure nothing
  // changes that matters.
  Status reserve(int64_t positions);
  // Says that positions up to `length` are filled now, or (shorter) forgets the later ones and their pages.
  void set_length(int64_t length);
  int64_t length() const { return length_; }
  const CacheShape& shape() const { return *shape_; }
  std::byte* page(int64_t index) const;  // index = position / kPagePositions

 private:
  const CacheShape* shape_;
  MemoryBudget* budget_;
  std::vector<std::shared_ptr<CachePage>> pages_;
  int64_t length_ = 0;
};

}  // namespace pensee
