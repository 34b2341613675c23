// Reads one JSON value byte by byte and says at once where it ends and where it can be no JSON any more. It checks the
// order of things (what may follow what), strings and their escapes; numbers and words only by their letters, so that
// whoever keeps the bytes parses them once more at the end (base/json). Depth is limited as there.
#pragma once

#include <string>

namespace pensee {

class JsonScanner {
 public:
  enum class State : unsigned char { more, done, broken };

  // A value that needs no end mark (object, array, string) is done with its last byte. A number or a word is done by
  // the byte after it, which is not part of it: only inside of a container, so a scalar at the top is broken here.
  State push(char c);

  int depth() const { return static_cast<int>(open_.size()); }
  bool in_string() const { return string_ != String::none; }
  bool in_key() const { return in_string() && key_; }
  bool wants_value() const { return want_ == Want::value && !in_string(); }
  bool in_scalar() const { return want_ == Want::scalar; }

 private:
  enum class Want : unsigned char { value, value_or_end, key, key_or_end, colon, comma_or_end, scalar, nothing };
  enum class String : unsigned char { none, text, escape, hex };
  State string_byte(char c);
  State value(char c);
  State after_value();
  State close(char c);

  static constexpr size_t kMaxDepth = 200;
  std::string open_;  // the brackets that are open
  Want want_ = Want::value;
  String string_ = String::none;
  bool key_ = false;
  int hex_ = 0;
};

}  // namespace pensee
