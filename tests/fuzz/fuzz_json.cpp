// Any bytes as JSON: what is accepted must be written and read again as the same value, in all three forms.
#include <string_view>

#include "base/json.h"

namespace {

void demand(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto value = pensee::json::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzzed");
  if (!value.ok()) {
    demand(value.status().message().find("fuzzed") != std::string::npos);
    return 0;
  }
  for (const std::string& text :
       {pensee::json::dump(*value), pensee::json::dump(*value, 1), pensee::json::dump_compact(*value)}) {
    const auto again = pensee::json::parse(text, "again");
    demand(again.ok() && *again == *value);
  }
  return 0;
}
