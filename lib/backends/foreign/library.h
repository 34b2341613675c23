// Libraries that a backend loads when it is first chosen, instead of being linked: libpensee then starts, links and
// installs without them, and an application that never asks for the backend never runs their start-up code (OpenBLAS
// starts one thread a CPU when it is loaded). A library stays loaded until the process ends, because its threads and
// thread-local data may not be unmapped.
#pragma once

#include <initializer_list>
#include <string>

#include "base/status.h"

namespace pensee {

class Library {
 public:
  // Tries each name beside the binary that holds pensee, in pensee/ under that folder (an installed libpensee), above
  // it and in ../lib/pensee (a command that carries pensee inside), then where the system looks (RUNPATH,
  // LD_LIBRARY_PATH, ld.so.conf). The error says what was wrong and how to get `package`.
  static Result<Library> load(std::initializer_list<std::string> names, std::string_view package);

  // A function of the library or of one that it needs; nullptr when there is none of that name.
  template <class Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }
  const std::string& name() const { return name_; }

 private:
  void* symbol(const char* name) const;
  void* handle_ = nullptr;
  std::string name_;
};

// How many threads OpenMP would use when called from this thread; a library's own OpenMP, which may be absent.
struct OpenMp {
  int (*get)() = nullptr;
  void (*set)(int) = nullptr;

  explicit OpenMp(const Library& library)
      : get(library.find<int()>("omp_get_max_threads")), set(library.find<void(int)>("omp_set_num_threads")) {}

  // One thread while it lives, on this thread alone (the number is a property of the calling thread): our own pool
  // cuts the work, and a team of OpenMP's beside it would fight for the same CPUs.
  class One {
   public:
    explicit One(const OpenMp& openmp) : set_(openmp.set), before_(openmp.get ? openmp.get() : 0) {
      if (set_) set_(1);
    }
    ~One() {
      if (set_ && before_ > 0) set_(before_);
    }
    One(const One&) = delete;
    One& operator=(const One&) = delete;

   private:
    void (*set_)(int);
    int before_;
  };
};

}  // namespace pensee
