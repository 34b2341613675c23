// Any bytes as a snapshot, of a small cache. Section checksums would stop all mutations, so each is set right first.
#include <cstring>
#include <span>
#include <vector>

#include "base/checksum.h"
#include "cache/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  for (size_t at = 16; bytes.size() >= 24 && at <= bytes.size() - 24;) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at + 8, sizeof(length));
    if (length > bytes.size() - at - 24) break;
    pensee::Checksum checksum;
    checksum.add(std::span(bytes).subspan(at, 16 + length));
    const uint64_t value = checksum.value();
    std::memcpy(bytes.data() + at + 16 + length, &value, sizeof(value));
    at += 24 + length;
  }
  pensee::CacheShape shape;
  shape.layers.resize(2);
  shape.layers[0].heads = shape.layers[0].key_dim = shape.layers[0].value_dim = 2;
  shape.layers[1].key_dim = 3;
  shape.layout();
  pensee::MemoryBudget budget(1 << 20);
  {
    const auto read = pensee::read_snapshot(*pensee::wrap_memory(bytes, "fuzzed"), "m: 1\n", shape, budget, 1000);
    if (read.ok() && read->sequence.length() != static_cast<int64_t>(read->tokens.size())) __builtin_trap();
    if (!read.ok() && read.status().message().empty()) __builtin_trap();
  }
  if (budget.used() != 0) __builtin_trap();
  return 0;
}
