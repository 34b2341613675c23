// JSON values for configs, tokenizers, headers and tool calls: a strict RFC 8259 reader with a depth limit that
// names the file and the byte of an error, and a writer. Objects keep the order of the file. Our own, because the
// core that a phone links may depend on nothing, and because a foreign reader would throw across our borders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace pensee::json {

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;
using Object = std::vector<Member>;

class Value {
 public:
  Value() = default;  // null
  Value(const Value& other);
  Value(Value&& other) noexcept = default;
  Value& operator=(const Value& other) { return *this = Value(other); }
  Value& operator=(Value&& other) noexcept = default;
  Value(std::nullptr_t) {}
  Value(bool v) : data_(v) {}
  Value(int v) : data_(static_cast<int64_t>(v)) {}
  Value(int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(Array v) : data_(std::move(v)) {}
  Value(Object v) : data_(std::move(v)) {}

  bool is_null() const { return data_.index() == 0; }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }  // only when written with '.', 'e' or too large
  const std::string* string() const { return std::get_if<std::string>(&data_); }
  const Array* array() const { return std::get_if<Array>(&data_); }
  const Object* object() const { return std::get_if<Object>(&data_); }
  std::string* string() { return std::get_if<std::string>(&data_); }
  Array* array() { return std::get_if<Array>(&data_); }
  Object* object() { return std::get_if<Object>(&data_); }
  bool is_number() const { return integer() || real(); }
  double number(double otherwise = 0) const;  // integer or real as double

  // Member of an object by name (linear), or nullptr when absent or when this is no object.
  const Value* find(std::string_view name) const;
  // Appends or replaces; this becomes an object if it is null.
  void set(std::string name, Value value);
  const char* kind() const;  // "null", "boolean", "integer", "number", "string", "array", "object": for messages
  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

// `name` is what messages call the text ("config.json"). The whole text must be one value. Depth <= 256.
Result<Value> parse(std::string_view text, std::string_view name);

// Compact when indent < 0 (`separators` ", " and ": " as Python's json.dumps), else pretty with that indent.
// Non-ASCII text is written as UTF-8.
std::string dump(const Value& value, int indent = -1);
// As short as can be: no spaces. For event lines.
std::string dump_compact(const Value& value);

}  // namespace pensee::json
