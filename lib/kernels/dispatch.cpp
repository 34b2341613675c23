// Which tables this CPU can run: one ordered list, best first, each with the features it needs. Asking for a table by
// name is how a test runs two ISAs side by side; there is no environment variable.
#include "kernels/kernels.h"

namespace pensee {
namespace {

struct Row {
  const Kernels* table;
  bool (*runs_here)();
};

#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif

const Row kRows[] = {
#if defined(__x86_64__)
    {&kAvx2Kernels, has_avx2},
#endif
    {&kScalarKernels, [] { return true; }},
};

}  // namespace

std::vector<std::string_view> available_isas() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows)
    if (row.runs_here()) names.push_back(row.table->isa);
  return names;
}

Result<const Kernels*> kernels_for(std::string_view isa) {
  std::string known;
  for (const Row& row : kRows) {
    if (!row.runs_here()) continue;
    if (isa.empty() || isa == row.table->isa) return row.table;
    known += known.empty() ? "" : ", ";
    known += row.table->isa;
  }
  return Status::unsupported("instruction set '{}' is unknown or does not run on this CPU; choose one of: {}", isa,
                             known);
}

}  // namespace pensee
