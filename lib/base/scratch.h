// Scratch: the arena that a forward pass takes its buffers from. It is reserved before the pass, so taking never
// fails inside one; a Scope gives back everything taken after it. Blocks are 64-byte aligned and uninitialised.
// One scratch belongs to one thread of control; kernels that need room for each worker take it beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "base/status.h"
#include "base/view.h"

namespace pensee {

class Scratch {
 public:
  Scratch() = default;
  Scratch(std::byte* lent, size_t bytes) : data_(lent), size_(bytes), lent_(true) {}  // does not grow
  ~Scratch() { release(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Makes at least `bytes` available; keeps the old block when it is large enough, or when there is no larger one to
  // be had. Call it with nothing taken.
  Status reserve(size_t bytes) {
    PENSEE_DCHECK(used_ == 0);
    if (bytes <= size_) return Status();
    PENSEE_DCHECK(!lent_);
    auto* larger = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kAlign), std::nothrow));
    if (!larger) return Status::format(Code::out_of_memory, "no memory for {} bytes of scratch space", bytes);
    release();
    data_ = larger;
    size_ = bytes;
    return Status();
  }

  // With nothing taken.
  void release() {
    PENSEE_DCHECK(used_ == 0);
    if (data_ && !lent_) ::operator delete(data_, std::align_val_t(kAlign));
    data_ = nullptr;
    size_ = 0;
  }

  template <class T>
  T* take(int64_t count) {
    const size_t bytes = rounded(static_cast<size_t>(count) * sizeof(T));
    PENSEE_DCHECK(used_ + bytes <= size_);
    T* block = reinterpret_cast<T*>(data_ + used_);
    used_ += bytes;
    if (used_ > peak_) peak_ = used_;
    return block;
  }
  MutableView matrix(int64_t rows, int64_t cols) { return MutableView(take<float>(rows * cols), rows, cols); }

  size_t size() const { return size_; }
  size_t peak() const { return peak_; }  // the most that was ever taken: tests hold it against the bound
  static constexpr size_t kAlign = 64;
  static constexpr size_t rounded(size_t bytes) { return (bytes + kAlign - 1) & ~(kAlign - 1); }

  class Scope {
   public:
    explicit Scope(Scratch& s) : scratch_(s), mark_(s.used_) {}
    ~Scope() { scratch_.used_ = mark_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Scratch& scratch_;
    size_t mark_;
  };

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t used_ = 0;
  size_t peak_ = 0;
  bool lent_ = false;
};

}  // namespace pensee
