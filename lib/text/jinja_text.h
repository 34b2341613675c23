// Python's string operations over UTF-8: what str.strip, str.split, str.upper and their kin do, counted in code points.
// Bytes that are no valid UTF-8 pass through as one character each. Case mapping covers the one-to-one mappings of the
// Latin, Greek, Cyrillic, Armenian and full-width letters; white space is Python's whole set, because templates trim
// what people typed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pensee::jinja {

// The code point at `at`, which moves behind it.
uint32_t next_char(std::string_view s, size_t& at);
void append_utf8(std::string& out, uint32_t c);
int64_t char_count(std::string_view s);
std::vector<std::string_view> split_chars(std::string_view s);
size_t byte_offset(std::string_view s, int64_t chars);  // clamped to the end

bool is_space(uint32_t c);
bool is_digit(uint32_t c);
bool is_alpha(uint32_t c);
bool is_printable(uint32_t c);
uint32_t lower_char(uint32_t c);
uint32_t upper_char(uint32_t c);
std::string lower(std::string_view s);
std::string upper(std::string_view s);
std::string capitalize(std::string_view s);
std::string title(std::string_view s, bool jinja_rules);  // str.title, or the filter's word borders

enum Side { kLeft = 1, kRight = 2, kBoth = 3 };
std::string_view strip(std::string_view s, int sides);
std::string_view strip(std::string_view s, std::string_view chars, int sides);
// Linear in both lengths, whatever they hold.
size_t find_text(std::string_view s, std::string_view needle, size_t from = 0);
size_t rfind_text(std::string_view s, std::string_view needle);
std::string replace_text(std::string_view s, std::string_view from, std::string_view to, int64_t count);
// limit < 0: no limit.
std::vector<std::string_view> split_text(std::string_view s, std::string_view separator, int64_t limit,
                                         bool from_right);
std::vector<std::string_view> split_space(std::string_view s, int64_t limit, bool from_right);
std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends, size_t parts_max);  // one more at most
std::string escape_html(std::string_view s);

}  // namespace pensee::jinja
