// Text of statuses: the little formatter behind Status::format.
#include "base/status.h"

#include <cstdio>

namespace pensee::detail {

std::string to_text(std::string_view v) { return std::string(v); }
std::string to_text(bool v) { return v ? "true" : "false"; }
std::string to_text(double v) {
  char buffer[40];
  const int n = std::snprintf(buffer, sizeof buffer, "%.9g", v);
  return std::string(buffer, n > 0 ? static_cast<size_t>(n) : 0);
}

std::string fill(std::string_view pattern, const std::string* args, size_t count) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool slot = pattern[i] == '{' && i + 1 < pattern.size() && pattern[i + 1] == '}';
    if (slot && next < count) {
      out += args[next++];
      ++i;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

}  // namespace pensee::detail
