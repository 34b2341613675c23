// Writes JSON on one line, in the order of the calls. Keys and values are given in pairs; commas are put by the writer.
// Bytes that are no UTF-8 become U+FFFD: a line that this writes can be read by any parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cli {

class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text ? text : "")); }
  JsonWriter& value(int64_t number);
  JsonWriter& value(uint64_t number);
  JsonWriter& value(int32_t number) { return value(static_cast<int64_t>(number)); }
  JsonWriter& value(double number);  // what JSON cannot say (infinite, not a number) is null
  JsonWriter& value(bool truth);

  template <class T>
  JsonWriter& member(std::string_view name, T v) {
    return key(name).value(v);
  }

  const std::string& text() const { return text_; }
  std::string line() const { return text_ + "\n"; }

 private:
  void separate();
  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace cli
