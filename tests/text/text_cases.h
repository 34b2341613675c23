// Reads the case files that make_tokenizer_cases.py and make_unicode_cases.py wrote.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "base/file.h"
#include "base/json.h"

namespace pensee::test {

inline json::Value read_cases(const std::string& name) {
  const auto file = open_file(std::string(PENSEE_TEST_DATA) + "/text/data/" + name);
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  const auto text = read_text(**file, 1 << 24);
  REQUIRE(text.ok());
  auto value = json::parse(*text, name);
  REQUIRE_MESSAGE(value.ok(), value.status().message());
  return *std::move(value);
}

}  // namespace pensee::test
