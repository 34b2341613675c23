// Any bytes as a safetensors file. As a fuzzer seldom guesses a length, the input is also tried as a header alone,
// with its own length put before it and room for data behind.
#include <cstring>
#include <span>
#include <string>

#include "fuzz_tensors.h"

namespace {

void try_open(std::span<const std::byte> bytes) {
  const auto opened = pensee::open_safetensors(pensee::wrap_memory(bytes, "fuzzed"));
  if (opened.ok()) {
    pensee::fuzz::check(**opened, bytes.size());
  } else {
    pensee::fuzz::check_refusal(opened.status());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_open(std::as_bytes(std::span(data, size)));
  for (const size_t data_bytes : {size_t{0}, size_t{8}, size_t{28}}) {
    const uint64_t length = size;
    std::string framed(8 + size + data_bytes, '\0');
    std::memcpy(framed.data(), &length, 8);
    if (size > 0) std::memcpy(framed.data() + 8, data, size);
    try_open(std::as_bytes(std::span(framed)));
  }
  return 0;
}
