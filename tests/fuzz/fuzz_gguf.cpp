// Any bytes as a GGUF file. Messages call it "fuzzed"; no other part of a split file is ever found beside it.
#include <span>

#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = pensee::wrap_memory(std::as_bytes(std::span(data, size)), "fuzzed");
  const auto opened = pensee::open_gguf(file);
  if (opened.ok()) {
    pensee::fuzz::check(**opened, size);
    pensee::fuzz::demand(pensee::read_gguf_metadata(*file).ok());
  } else {
    pensee::fuzz::check_refusal(opened.status());
  }
  return 0;
}
