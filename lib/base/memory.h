// What the process has freed, given back to the system: allocators keep freed memory for later, which helps nobody when
// the system asks applications to shrink. Touches nothing that is in use.
#pragma once

namespace pensee {

void return_free_memory();

}  // namespace pensee
