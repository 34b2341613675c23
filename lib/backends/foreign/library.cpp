// dlopen with a search that works for an installed libpensee, a Python package and an application's own folder.
#include "backends/foreign/library.h"

#include <dlfcn.h>

#include <vector>

namespace pensee {
namespace {

// The folder of the binary that holds this code, with a slash at its end; empty when the loader does not know.
std::string own_folder() {
  static const char anchor = 0;
  Dl_info info;
  if (!dladdr(&anchor, &info) || !info.dli_fname) return "";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

}  // namespace

Result<Library> Library::load(std::initializer_list<std::string> names, std::string_view package) {
  const std::string folder = own_folder();
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    if (!folder.empty()) {
      paths.push_back(folder + name);
      paths.push_back(folder + "pensee/" + name);
    }
    paths.push_back(name);
  }
  std::string reason;
  for (const std::string& path : paths) {
    Library library;
    library.handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    library.name_ = path;
    if (library.handle_) return library;
    const char* text = dlerror();
    // The last plain name's message is the least helpful: one about a file that exists but lacks something wins.
    const bool missing = !text || std::string_view(text).find("No such file") != std::string_view::npos;
    if (reason.empty() || !missing) reason = text ? text : "";
  }
  return Status::unsupported("{} cannot be loaded ({}); install {} where the loader finds it, or choose backend native",
                             *names.begin(), reason, package);
}

void* Library::symbol(const char* name) const { return handle_ ? dlsym(handle_, name) : nullptr; }

}  // namespace pensee
