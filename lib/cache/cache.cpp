#include "cache/cache.h"

#include <cstring>
#include <new>

#include "base/check.h"

namespace pensee {

class CachePage {
 public:
  static constexpr std::align_val_t kAlign{64};

  CachePage(std::byte* data, uint64_t bytes, MemoryBudget& budget) : data_(data), bytes_(bytes), budget_(budget) {}
  ~CachePage() {
    ::operator delete(data_, kAlign);
    budget_.give(bytes_);
  }
  CachePage(const CachePage&) = delete;
  CachePage& operator=(const CachePage&) = delete;
  std::byte* data() const { return data_; }

  static Result<std::shared_ptr<CachePage>> make(uint64_t bytes, MemoryBudget& budget) {
    if (!budget.take(bytes)) {
      return Status::format(Code::out_of_memory,
                            "the cache needs {} bytes more but memory_budget allows {} in all, {} of them taken", bytes,
                            budget.limit(), budget.used());
    }
    auto* data = static_cast<std::byte*>(::operator new(bytes, kAlign, std::nothrow));
    if (!data) {
      budget.give(bytes);
      return Status::format(Code::out_of_memory, "no memory for a cache page of {} bytes", bytes);
    }
    std::memset(data, 0, bytes);  // positions never written stay finite
    try {                         // what follows makes the page the owner of both
      return std::make_shared<CachePage>(data, bytes, budget);
    } catch (const std::bad_alloc&) {
      ::operator delete(data, kAlign);
      budget.give(bytes);
      return Status::format(Code::out_of_memory, "no memory for a cache page of {} bytes", bytes);
    }
  }

 private:
  std::byte* data_;
  uint64_t bytes_;
  MemoryBudget& budget_;
};

void CacheShape::layout() {
  constexpr int64_t align = 64;
  int64_t at = 0;
  const auto place = [&](int64_t numbers) {
    const int64_t begin = at;
    at += (numbers * cache_type_bytes(type) + align - 1) / align * align;
    return begin;
  };
  for (CacheLayer& layer : layers) {
    layer.key_offset = place(int64_t{layer.heads} * kPagePositions * layer.key_dim);
    layer.value_offset =
        layer.value_dim > 0 ? place(int64_t{layer.heads} * kPagePositions * layer.value_dim) : layer.key_offset;
  }
  page_bytes = at;
}

bool MemoryBudget::take(uint64_t bytes) {
  uint64_t used = used_.load();
  do {
    if (limit_ != 0 && (used > limit_ || bytes > limit_ - used)) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

Status CacheSequence::reserve(int64_t positions) {
  const int64_t wanted = (positions + kPagePositions - 1) / kPagePositions;
  const auto bytes = static_cast<uint64_t>(shape_->page_bytes);
  const auto first_written = static_cast<size_t>(length_ / kPagePositions);
  for (size_t i = first_written; i < pages_.size() && static_cast<int64_t>(i) < wanted; ++i) {
    if (pages_[i].use_count() == 1) continue;
    PENSEE_ASSIGN(auto copy, CachePage::make(bytes, *budget_));
    std::memcpy(copy->data(), pages_[i]->data(), bytes);
    pages_[i] = std::move(copy);
  }
  while (static_cast<int64_t>(pages_.size()) < wanted) {
    PENSEE_ASSIGN(auto page, CachePage::make(bytes, *budget_));
    pages_.push_back(std::move(page));
  }
  return Status();
}

void CacheSequence::set_length(int64_t length) {
  PENSEE_DCHECK(length <= static_cast<int64_t>(pages_.size()) * kPagePositions);
  if (length < length_) pages_.resize(static_cast<size_t>((length + kPagePositions - 1) / kPagePositions));
  length_ = length;
}

std::byte* CacheSequence::page(int64_t index) const {
  PENSEE_DCHECK(index < static_cast<int64_t>(pages_.size()));
  return pages_[static_cast<size_t>(index)]->data();
}

}  // namespace pensee
