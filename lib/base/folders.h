// Where this library lies on disk, and what is shipped with it. Nothing is read but the loader's own tables.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace pensee {

// The folder of the binary that holds this code (libpensee, a Python module, or a program that links the archive), with
// a slash at its end; empty where the loader does not know.
std::string own_folder();

// `folder` with each of `places` and then `name` behind it; none if `folder` is empty.
std::vector<std::string> paths_below(const std::string& folder, std::initializer_list<const char*> places,
                                     const std::string& name);

// Beside the binary, above it (a command in a package's bin/), or in share/pensee of the prefix it is installed in.
std::vector<std::string> data_paths(const std::string& name);

}  // namespace pensee
