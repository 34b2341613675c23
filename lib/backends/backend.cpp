// Backends by name. Native is always there; the others when the build found their libraries (PENSEE_HAVE_...).
#include "backends/backend.h"

#include "backends/native/native_backend.h"
#include "backends/tuned/tuned_backend.h"
#ifdef PENSEE_HAVE_ONEDNN
#include "backends/onednn/onednn_backend.h"
#endif
#ifdef PENSEE_HAVE_BLAS
#include "backends/blas/blas_backend.h"
#endif

namespace pensee {
namespace {

using Factory = Result<std::unique_ptr<Backend>> (*)(const BackendOptions&);

struct Row {
  std::string_view name;
  Factory make;             // nullptr: not in this build
  std::string_view how_to;  // what would bring it
};

const Row kRows[] = {
    {"native", make_native_backend, ""},
    {"auto", make_auto_backend, ""},
#ifdef PENSEE_HAVE_ONEDNN
    {"onednn", make_onednn_backend, ""},
#else
    {"onednn", nullptr, "install oneDNN and configure with -DPENSEE_ONEDNN=ON"},
#endif
#ifdef PENSEE_HAVE_BLAS
    {"blas", make_blas_backend, ""},
#else
    {"blas", nullptr, "install OpenBLAS and configure with -DPENSEE_BLAS=ON"},
#endif
};

}  // namespace

Result<std::unique_ptr<PackedWeight>> Backend::adopt(const PackedSource& source) const {
  return Status::unsupported("{}: backend '{}' cannot use packed weights", source.name, name());
}

Result<std::unique_ptr<Backend>> make_backend(std::string_view name, const BackendOptions& options) {
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    if (row.make) return row.make(options);
    return Status::unsupported("backend '{}' is not in this build of pensee: {}", name, row.how_to);
  }
  return Status::unsupported("backend '{}' is unknown; choose one of: auto, native, onednn, blas", name);
}

bool backend_built_in(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.make != nullptr;
  return false;
}

}  // namespace pensee
