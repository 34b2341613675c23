// Pieces of grammar in the engine's notation (EBNF with "literals", [classes], {m,n} and rules `name ::= ...`), and
// what JSON needs of them. Everything but plain ASCII is escaped, so a piece never depends on where it stands; every
// piece can be followed by a quantifier.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/unicode.h"

namespace pensee::grammar {

std::string literal(std::string_view utf8);               // "..."
std::string one_of(const unicode::CodeSet& set);          // [...]: surrogates are left out; "" when nothing is left
std::string choice(const std::vector<std::string>& all);  // (a | b); an empty piece stands for the empty text
std::string repeat(const std::string& piece, uint64_t min, uint64_t max);
inline constexpr uint64_t kForever = UINT64_MAX;

// One code point of `set` as it stands inside a JSON string: itself, or its escape where JSON asks for one. \uXXXX of
// other code points is allowed only where `set` holds all of them beyond ASCII. "" when nothing is left.
std::string json_one_of(const unicode::CodeSet& set);
// Any code point inside a JSON string, in any way to write it.
std::string json_character();
// The same as often as it likes, and the quotation mark at the end: the body of a rule named `rest`.
std::string json_string_rest();
// A value as JSON text, with the whitespace that `space` allows; non-ASCII text raw or as \uXXXX.
std::string json_value(const json::Value& value);
std::string json_string_inside(std::string_view utf8);  // the same without quotation marks

// Between JSON's tokens: nothing, a space, or a new line and its indentation. Bounded, or models spin in it.
std::string space();

// The rules of one grammar. The first that is defined as "root" is its start.
class Rules {
 public:
  // A fresh name that begins with `hint`'s letters.
  std::string reserve(std::string_view hint);
  void define(const std::string& name, std::string body);
  std::string add(std::string_view hint, std::string body);
  // A rule that is the same wherever it is asked for.
  std::string shared(std::string_view name, const std::string& body);
  size_t size() const { return bytes_; }
  std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> rules_;
  std::vector<std::string> shared_;
  size_t bytes_ = 0;
  size_t made_ = 0;
};

}  // namespace pensee::grammar
