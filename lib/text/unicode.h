// What tokenizers need of Unicode: UTF-8 steps, sets of code points with their algebra, general categories, scripts,
// simple case folding, and NFC. The tables are those that the `tokenizers` library knows (make_unicode.py says which);
// they are unpacked once, at first use, and never change. Text given to these functions is valid UTF-8.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pensee::unicode {

using CodePoint = uint32_t;
inline constexpr CodePoint kLastCodePoint = 0x10FFFF;

// Reads the code point at `at` and moves behind it. `text` must be valid UTF-8 and `at` a boundary inside it.
inline CodePoint next(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const CodePoint first = byte(at);
  if (first < 0x80) return at += 1, first;
  if (first < 0xE0) return at += 2, (first & 0x1F) << 6 | (byte(at - 1) & 0x3F);
  if (first < 0xF0) return at += 3, (first & 0x0F) << 12 | (byte(at - 2) & 0x3F) << 6 | (byte(at - 1) & 0x3F);
  const CodePoint tail = (byte(at + 1) & 0x3F) << 12 | (byte(at + 2) & 0x3F) << 6 | (byte(at + 3) & 0x3F);
  return at += 4, (first & 0x07) << 18 | tail;
}
// The boundary before `at` (> 0).
inline size_t before(std::string_view text, size_t at) {
  do --at;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}
void append_utf8(CodePoint c, std::string& out);

// A set of code points. Built from sorted ranges; freeze() makes the two-level bitmap that contains() reads.
class CodeSet {
 public:
  using Range = std::pair<CodePoint, CodePoint>;  // first and last, both inside

  CodeSet() = default;
  void add(CodePoint first, CodePoint last);
  void add(const CodeSet& other);
  void invert();
  void intersect(const CodeSet& other);
  void close_under_case();  // adds whatever folds to the same code point as a member

  void freeze();
  bool contains(CodePoint c) const {
    if (c < 128) return ascii_[c >> 6] >> (c & 63) & 1;
    if (c > kLastCodePoint || pages_.empty()) return false;
    return pages_[index_[c >> 8]][c >> 6 & 3] >> (c & 63) & 1;
  }
  const std::array<uint64_t, 2>& ascii() const { return ascii_; }
  bool has_non_ascii() const { return !ranges_.empty() && ranges_.back().second >= 128; }
  const std::vector<Range>& ranges() const { return ranges_; }  // sorted, apart from each other

 private:
  void tidy();
  std::vector<Range> ranges_;
  std::array<uint64_t, 2> ascii_ = {};
  std::vector<uint16_t> index_;                   // page of each 256 code points
  std::vector<std::array<uint64_t, 4>> pages_;  // different bitmaps only
};

// A category ("L", "Lu", "letter", "lowercase_letter" ...), a script, "alphabetic" or "any"; case, '_', '-' and spaces
// do not matter. False when the name is not known.
bool add_property(std::string_view name, CodeSet& set);
void add_word(CodeSet& set);   // \w
void add_space(CodeSet& set);  // \s: White_Space
const CodeSet& word_set();     // both once more, frozen and shared
const CodeSet& space_set();

CodePoint fold(CodePoint c);
// All code points whose fold is that of `c`, itself among them.
std::vector<CodePoint> same_fold(CodePoint c);

// Normalization form C of valid UTF-8. Text that needs no change comes back unread beyond one scan.
std::string nfc(std::string_view text);
bool is_surely_nfc(std::string_view text);  // false means "perhaps not"

}  // namespace pensee::unicode
