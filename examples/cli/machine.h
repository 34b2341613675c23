// What a benchmark says of the machine below it: its CPU, and how fast its memory can be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cli {

std::string cpu_model();

// Bytes a second that `threads` threads read together, the best of five runs over a buffer much larger than the last
// cache. Decoding reads every active weight once a token, so this bounds it. 0: not enough memory to tell.
double read_bandwidth(int threads);

// The most memory this process ever held.
uint64_t peak_memory_bytes();

}  // namespace cli
