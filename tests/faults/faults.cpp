// The replacements are those of the standard (operator new) or hide the C library's symbols (pthread_create, pread)
// from everything in this program, libstdc++ included.
#include "faults/faults.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace pensee::test {
namespace {

std::atomic<bool> armed{false};
std::atomic<Fault> kind{Fault::allocation};
std::atomic<int64_t> left{0};
std::atomic<bool> lasts{false};
std::atomic<bool> fired{false};
std::atomic<int64_t> live{0};

bool fails_now(Fault fault) {
  if (!armed || kind != fault) return false;
  const int64_t now = left.fetch_sub(1);
  if (now != 1 && !(lasts && now < 1)) return false;
  fired = true;
  return true;
}

void* allocate(std::size_t size, std::size_t align) noexcept {
  if (fails_now(Fault::allocation)) return nullptr;
  void* block = nullptr;
  if (align <= alignof(std::max_align_t)) {
    block = std::malloc(size > 0 ? size : 1);
  } else if (::posix_memalign(&block, align, size) != 0) {
    block = nullptr;
  }
  if (block) live.fetch_add(1);
  return block;
}

void* allocate_or_throw(std::size_t size, std::size_t align) {
  void* block = allocate(size, align);
  if (!block) throw std::bad_alloc();
  return block;
}

void release(void* block) noexcept {
  if (!block) return;
  live.fetch_sub(1);
  std::free(block);
}

}  // namespace

void arm(Fault fault, int64_t number, bool lasting) {
  kind = fault;
  left = number;
  lasts = lasting;
  fired = false;
  armed = true;
}

bool disarm() {
  armed = false;
  return fired;
}

int64_t live_allocations() { return live; }

}  // namespace pensee::test

using pensee::test::allocate;
using pensee::test::allocate_or_throw;
using pensee::test::fails_now;
using pensee::test::Fault;
using pensee::test::release;

void* operator new(std::size_t size) { return allocate_or_throw(size, 1); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, 1); }
void* operator new(std::size_t size, std::align_val_t a) {
  return allocate_or_throw(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return allocate_or_throw(size, static_cast<std::size_t>(a));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { release(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }

extern "C" {

// Packed weights take their memory here; they free() it, which is not counted.
__attribute__((visibility("default"))) void* aligned_alloc(std::size_t align, std::size_t size) noexcept {
  using Allocate = void* (*)(std::size_t, std::size_t);
  static const auto take = reinterpret_cast<Allocate>(::dlsym(RTLD_NEXT, "aligned_alloc"));
  return fails_now(Fault::allocation) ? nullptr : take(align, size);
}

__attribute__((visibility("default"))) int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                                          void* (*routine)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return fails_now(Fault::thread) ? EAGAIN : create(thread, attributes, routine, argument);
}

__attribute__((visibility("default"))) ssize_t pread(int fd, void* to, size_t count, off_t offset) {
  if (fails_now(Fault::read_end)) return 0;
  const bool interrupted = fails_now(Fault::read_interrupted);
  if (interrupted || fails_now(Fault::read_error)) {
    errno = interrupted ? EINTR : EIO;
    return -1;
  }
  if (fails_now(Fault::read_half) && count > 1) count /= 2;
  return static_cast<ssize_t>(::syscall(SYS_pread64, fd, to, count, offset));
}

}  // extern "C"
