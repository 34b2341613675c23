#include "cache/cache.h"

#include <cstring>
#include <iterator>
#include <new>

#include "base/check.h"

namespace pensee {

namespace {
constexpr std::align_val_t kAlign{64};
}  // namespace

class CachePage {
 public:
  CachePage(std::byte* data, uint64_t bytes, MemoryBudget& budget) : data_(data), bytes_(bytes), budget_(budget) {}
  ~CachePage() {
    ::operator delete(data_, kAlign);
    budget_.give(bytes_);
  }
  CachePage(const CachePage&) = delete;
  CachePage& operator=(const CachePage&) = delete;

 private:
  friend class PageRef;
  std::byte* data_;
  uint64_t bytes_;
  MemoryBudget& budget_;
  std::atomic<int64_t> shares_{1};
};

PageRef::PageRef(const PageRef& other) noexcept : page_(other.page_) {
  if (page_) page_->shares_.fetch_add(1, std::memory_order_relaxed);
}

PageRef::~PageRef() {
  if (page_ && page_->shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete page_;
}

std::byte* PageRef::data() const { return page_->data_; }

// Acquires: what former holders read was read before the caller writes.
bool PageRef::shared() const { return page_->shares_.load(std::memory_order_acquire) > 1; }

Result<PageRef> PageRef::make(const CacheShape& shape, MemoryBudget& budget) {
  const auto bytes = static_cast<uint64_t>(shape.page_bytes);
  if (!budget.take(bytes)) {
    return Status::format(Code::out_of_memory,
                          "the cache needs {} bytes more but memory_budget allows {} in all, {} of them taken", bytes,
                          budget.limit(), budget.used());
  }
  auto* data = static_cast<std::byte*>(::operator new(bytes, kAlign, std::nothrow));
  if (!data && (budget.reclaim(bytes) > 0 || budget.tell(bytes))) {
    data = static_cast<std::byte*>(::operator new(bytes, kAlign, std::nothrow));
  }
  CachePage* page = data ? new (std::nothrow) CachePage(data, bytes, budget) : nullptr;
  if (!page) {
    ::operator delete(data, kAlign);
    budget.give(bytes);
    return Status::format(Code::out_of_memory, "no memory for a cache page of {} bytes", bytes);
  }
  std::memset(data, 0, bytes);  // positions never written stay finite
  return PageRef(page);
}

const char* cache_type_name(CacheType type) {
  constexpr const char* names[] = {"f32", "f16", "bf16", "int8", "int4"};
  const auto index = static_cast<size_t>(type);
  return index < std::size(names) ? names[index] : "unknown";
}

void CacheShape::layout() {
  constexpr int64_t align = 64;
  int64_t at = 0;
  const auto place = [&](int64_t bytes) {
    const int64_t begin = at;
    at += (bytes + align - 1) / align * align;
    return begin;
  };
  for (CacheLayer& layer : layers) {
    const bool latent = layer.value_dim == 0;
    layer.key_rows = {key_type, layer.key_dim, latent ? layer.latent_dim : layer.key_dim};
    layer.value_rows = latent ? layer.key_rows : CacheRows{value_type, layer.value_dim, layer.value_dim};
    layer.key_block = cache_block_bytes(layer.key_rows);
    layer.value_block = cache_block_bytes(layer.value_rows);
    layer.key_offset = place(layer.heads * layer.key_block);
    layer.value_offset = latent ? layer.key_offset : place(layer.heads * layer.value_block);
  }
  page_bytes = at;
}

bool MemoryBudget::take_now(uint64_t bytes, uint64_t* missing) {
  uint64_t used = used_.load();
  do {
    const uint64_t room = used < limit_ ? limit_ - used : 0;
    *missing = bytes - room;
    if (limit_ != 0 && bytes > room) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

bool MemoryBudget::take(uint64_t bytes) {
  uint64_t missing = 0;
  bool told = false;
  while (!take_now(bytes, &missing)) {
    if (bytes > limit_) return false;
    if (reclaim(missing) > 0) continue;
    if (told || !tell(missing)) return false;
    told = true;
  }
  return true;
}

uint64_t MemoryBudget::reclaim(uint64_t bytes) {
  Reclaimer* reclaimer = reclaimer_.load();
  return reclaimer ? reclaimer->reclaim(bytes) : 0;
}

Status CacheSequence::reserve(int64_t positions) {
  const int64_t wanted = (positions + kPagePositions - 1) / kPagePositions;
  const auto first_written = static_cast<size_t>(length_ / kPagePositions);
  for (size_t i = first_written; i < pages_.size() && static_cast<int64_t>(i) < wanted; ++i) {
    if (!pages_[i].shared()) continue;
    PENSEE_ASSIGN(PageRef copy, PageRef::make(*shape_, *budget_));
    std::memcpy(copy.data(), pages_[i].data(), static_cast<size_t>(shape_->page_bytes));
    pages_[i] = std::move(copy);
  }
  while (static_cast<int64_t>(pages_.size()) < wanted) {
    PENSEE_ASSIGN(PageRef page, PageRef::make(*shape_, *budget_));
    pages_.push_back(std::move(page));
  }
  return Status();
}

void CacheSequence::set_length(int64_t length) {
  PENSEE_DCHECK(length >= 0 && length <= static_cast<int64_t>(pages_.size()) * kPagePositions);
  if (length < length_) pages_.resize(static_cast<size_t>((length + kPagePositions - 1) / kPagePositions));
  length_ = length;
}

uint64_t CacheSequence::release() {
  uint64_t freed = 0;
  for (const PageRef& page : pages_) freed += page.shared() ? 0 : static_cast<uint64_t>(shape_->page_bytes);
  pages_ = {};
  length_ = 0;
  return freed;
}

void CacheSequence::share_tail(int64_t kept, std::span<const PageRef> pages, int64_t length) {
  const size_t count = static_cast<size_t>(kept) + pages.size();
  PENSEE_DCHECK(kept <= static_cast<int64_t>(pages_.size()) && length >= kept * kPagePositions &&
                length <= static_cast<int64_t>(count) * kPagePositions);
  pages_.reserve(count);  // all that may fail
  pages_.resize(static_cast<size_t>(kept));
  pages_.insert(pages_.end(), pages.begin(), pages.end());
  length_ = length;
}

std::byte* CacheSequence::page(int64_t index) const {
  PENSEE_DCHECK(index < static_cast<int64_t>(pages_.size()));
  return pages_[static_cast<size_t>(index)].data();
}

}  // namespace pensee
