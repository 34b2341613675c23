// The table of kernels of one instruction set, all made from the same source (generic/) or, for tiles, by hand.
// dispatch.cpp is the one ordered list; a table is handed to whoever computes, so a test runs two ISAs side by side.
//
// Promise (house rule 7): the bits of a result depend on the row alone, never on how many rows, which tile, which
// thread or which neighbours. Float sums run in a fixed order: over 16 lanes (vec.h is 16 wide everywhere), joined by
// a fixed tree; multiply-adds are fused everywhere. So ISAs agree bit for bit as well, and tests hold them to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "kernels/table.h"

namespace pensee {

// The ISAs that this CPU runs, best first; the last is "scalar".
std::vector<std::string_view> available_isas();
// isa empty: the best. Unknown or not runnable here: an error that lists what is.
Result<const Kernels*> kernels_for(std::string_view isa);

}  // namespace pensee
