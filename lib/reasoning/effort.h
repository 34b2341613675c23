// How much a model is asked to think, in words. What a family makes of them stands in dialect.h.
#pragma once

#include <cstdint>

namespace pensee {

enum class Effort : int32_t { unspecified, none, minimal, low, medium, high, xhigh, max };

}  // namespace pensee
