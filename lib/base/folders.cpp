#include "base/folders.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#include <unistd.h>
#endif

namespace pensee {

std::string own_folder() {
#if defined(_WIN32)
  return "";
#else
  static const char anchor = 0;
  Dl_info info;
  if (!dladdr(&anchor, &info) || !info.dli_fname) return "";
  std::string path = info.dli_fname;
  if (path.find('/') == std::string::npos) {  // a program that the shell found on its path; Linux knows where
    char real[4096];
    const ssize_t length = readlink("/proc/self/exe", real, sizeof real);
    if (length > 0) path.assign(real, static_cast<size_t>(length));
  }
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
#endif
}

std::vector<std::string> paths_below(const std::string& folder, std::initializer_list<const char*> places,
                                     const std::string& name) {
  std::vector<std::string> paths;
  for (const char* place : places) {
    if (!folder.empty()) paths.push_back(folder + place + name);
  }
  return paths;
}

std::vector<std::string> data_paths(const std::string& name) {
  // The last: Debian's library folder is lib/x86_64-linux-gnu.
  return paths_below(own_folder(), {"", "../", "../share/pensee/", "../../share/pensee/"}, name);
}

}  // namespace pensee
