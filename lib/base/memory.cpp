#include "base/memory.h"

#if defined(__APPLE__)
#include <malloc/malloc.h>
#elif defined(__linux__)
#include <malloc.h>  // under its names for glibc and bionic; musl has nothing of the kind
#endif

namespace pensee {

void return_free_memory() {
#if defined(__APPLE__)
  malloc_zone_pressure_relief(nullptr, 0);
#elif defined(__GLIBC__)
  malloc_trim(0);
#elif defined(__ANDROID__) && __ANDROID_API__ >= 26
  mallopt(M_PURGE, 0);
#endif
}

}  // namespace pensee
