// What both readers need to distrust a header: names that are safe to print, shapes that multiply without overflow.
// Private to formats/.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pensee::formats {

constexpr size_t kMaxDims = 4;

// A name from a file, fit for a message: at most 80 characters, what is not printable ASCII replaced by '?'.
std::string printable(std::string_view name);
// "[2, 3]"
std::string shape_text(std::span<const int64_t> shape);
// The product of dims, each >= 0; nothing when it exceeds an int64.
std::optional<int64_t> count_elements(std::span<const int64_t> shape);
// Why a tensor of this shape is not offered, or "" when it is.
std::string shape_objection(std::span<const int64_t> shape);

}  // namespace pensee::formats
