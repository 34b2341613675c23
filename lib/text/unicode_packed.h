// Reads the packed strings of unicode_data.cpp: entries separated by ',', hexadecimal numbers separated by ' '.
#pragma once

#include <cstdint>

namespace pensee::unicode {

inline bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
inline uint32_t hex_value(char c) { return static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

class PackedReader {
 public:
  explicit PackedReader(const char* packed) : at_(packed) {}
  bool next_entry() {
    if (*at_ == ',') ++at_;
    return *at_ != 0;
  }
  bool take(char c) {
    if (*at_ == ' ' && at_[1] == c) ++at_;
    if (*at_ != c) return false;
    ++at_;
    return true;
  }
  bool has_number() const { return *at_ == ' ' || is_hex(*at_); }
  uint32_t number() {
    if (*at_ == ' ') ++at_;
    uint32_t value = 0;
    while (is_hex(*at_)) value = value * 16 + hex_value(*at_++);
    return value;
  }

 private:
  const char* at_;
};

}  // namespace pensee::unicode
