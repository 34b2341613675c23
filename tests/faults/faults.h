// What faults.cpp puts in place of the system's: operator new, pthread_create and pread, which count, and fail when
// they are told to.
#pragma once

#include <cstdint>

namespace pensee::test {

enum class Fault { allocation, thread, read_error, read_end, read_interrupted, read_half };

// From now on the `number`-th call (from 1) of that kind fails; with `lasting`, all later ones too.
void arm(Fault fault, int64_t number, bool lasting);
// Says whether it failed at all.
bool disarm();
// Blocks of operator new that were not deleted yet.
int64_t live_allocations();

}  // namespace pensee::test
