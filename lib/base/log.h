// Where the library speaks: a callback of the caller's, or nowhere. Levels: 0 debug, 1 info, 2 warning.
#pragma once

#include <string>

namespace pensee {

struct Log {
  void (*callback)(void* user, int level, const char* text) = nullptr;
  void* user = nullptr;

  void info(const std::string& text) const { say(1, text); }
  void warn(const std::string& text) const { say(2, text); }
  void say(int level, const std::string& text) const {
    if (callback) callback(user, level, text.c_str());
  }
};

}  // namespace pensee
