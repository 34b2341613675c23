// dlopen with a search that works for an installed libpensee, a Python package and an application's own folder.
#include "backends/foreign/library.h"

#include <dlfcn.h>

#include <vector>

#include "base/folders.h"

namespace pensee {

Result<Library> Library::load(std::initializer_list<std::string> names, std::string_view package) {
  const std::string folder = own_folder();
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    const auto below = paths_below(folder, {"", "pensee/", "../", "../" PENSEE_LIBDIR "/pensee/"}, name);
    paths.insert(paths.end(), below.begin(), below.end());
    paths.push_back(name);
  }
  std::string reason;
  bool found_one = false;
  for (const std::string& path : paths) {
    Library library;
    library.handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    library.name_ = path;
    if (library.handle_) return library;
    const char* text = dlerror();
    // Of many messages, the one about a file that exists but lacks something says most, then that of the bare name.
    const std::string_view view = text ? text : "";
    const bool missing = view.find("No such file") != view.npos || view.find("Not a directory") != view.npos;
    if (!missing || !found_one) reason = view;
    found_one = found_one || !missing;
  }
  return Status::unsupported("{} cannot be loaded ({}); install {} where the loader finds it, or choose backend native",
                             *names.begin(), reason, package);
}

void* Library::symbol(const char* name) const { return handle_ ? dlsym(handle_, name) : nullptr; }

}  // namespace pensee
