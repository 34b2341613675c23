// Ranges of numbers as pieces of grammar (sampling/grammar_text.h): exactly the decimal texts whose value, read as a
// double, lies inside.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "sampling/grammar_text.h"

namespace pensee {

struct NumberBounds {
  const json::Value* minimum = nullptr;
  const json::Value* maximum = nullptr;
  const json::Value* exclusive_minimum = nullptr;
  const json::Value* exclusive_maximum = nullptr;
  const json::Value* multiple_of = nullptr;
  bool any() const { return minimum || maximum || exclusive_minimum || exclusive_maximum || multiple_of; }
};

// Whole numbers of at most 18 digits inside the bounds. `where` is the schema's place, for messages.
Result<std::string> integer_grammar(const NumberBounds& bounds, grammar::Rules& rules, std::string_view where);
// Numbers inside the bounds, without an exponent. multipleOf takes whole numbers only, as integer_grammar does.
Result<std::string> number_grammar(const NumberBounds& bounds, grammar::Rules& rules, std::string_view where);

}  // namespace pensee
