// Which tables this CPU can run: one ordered list, best first, each with the features it needs. Asking for a table by
// name is how a test runs two ISAs side by side; there is no environment variable.
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace pensee {
namespace {

struct Row {
  const Kernels* table;
  bool (*runs_here)();
};

// __builtin_cpu_supports also asks whether the system saves the wide registers.
#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
bool has_avx2_vnni() {  // not every compiler knows the name
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4)) != 0;
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
#if defined(__APPLE__)
bool has(const char* feature) {
  int value = 0;
  size_t size = sizeof(value);
  return sysctlbyname(feature, &value, &size, nullptr, 0) == 0 && value != 0;
}
bool has_dotprod() { return has("hw.optional.arm.FEAT_DotProd"); }
bool has_i8mm() { return has_dotprod() && has("hw.optional.arm.FEAT_I8MM"); }
#elif defined(__linux__)
bool has_dotprod() { return (getauxval(AT_HWCAP) & (1UL << 20)) != 0; }                    // HWCAP_ASIMDDP
bool has_i8mm() { return has_dotprod() && (getauxval(AT_HWCAP2) & (1UL << 13)) != 0; }  // HWCAP2_I8MM
#else
bool has_dotprod() { return false; }
bool has_i8mm() { return false; }
#endif
#endif

const Row kRows[] = {
#if defined(__x86_64__)
    {&kAvx512Bf16Kernels, [] { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }},
    {&kAvx512Kernels, has_avx512},
    {&kAvx2VnniKernels, has_avx2_vnni},
    {&kAvx2Kernels, has_avx2},
#elif defined(__aarch64__)
    {&kNeonI8mmKernels, has_i8mm},
    {&kNeonDotprodKernels, has_dotprod},
    {&kNeonKernels, [] { return true; }},
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
