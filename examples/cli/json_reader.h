// Reads one JSON text into a tree. Numbers keep their text: who wants a value converts it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

struct Json {
  enum Kind { null, boolean, number, string, array, object };
  Kind kind = null;
  std::string text;  // of a string, UTF-8; of a number as it was written; "true", "false"
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  const Json* find(std::string_view name) const;  // null where there is none; the last of several
};

// Throws std::runtime_error saying what is wrong at which character.
Json parse_json(std::string_view text);

}  // namespace cli
