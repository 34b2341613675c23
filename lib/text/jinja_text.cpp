// String operations (see jinja_text.h). Everything here is a plain function of its arguments.
#include "text/jinja_text.h"

#include <algorithm>

namespace pensee::jinja {
namespace {

// Letters with a lower and an upper form. Step 1: two runs side by side. Step 2: upper and lower alternate, the lower
// form one behind the upper.
struct CaseRange {
  uint32_t lower_first, lower_last, upper_first;
  int step;
};
constexpr CaseRange kCases[] = {{0x61, 0x7A, 0x41, 1},       {0xE0, 0xF6, 0xC0, 1},         {0xF8, 0xFE, 0xD8, 1},
                                {0xFF, 0xFF, 0x178, 1},      {0x101, 0x12F, 0x100, 2},      {0x133, 0x137, 0x132, 2},
                                {0x13A, 0x148, 0x139, 2},    {0x14B, 0x177, 0x14A, 2},      {0x17A, 0x17E, 0x179, 2},
                                {0x1CE, 0x1DC, 0x1CD, 2},    {0x1DF, 0x1EF, 0x1DE, 2},      {0x1F9, 0x21F, 0x1F8, 2},
                                {0x3AC, 0x3AC, 0x386, 1},    {0x3AD, 0x3AF, 0x388, 1},      {0x3B1, 0x3C1, 0x391, 1},
                                {0x3C3, 0x3CB, 0x3A3, 1},    {0x3CC, 0x3CC, 0x38C, 1},      {0x3CD, 0x3CE, 0x38E, 1},
                                {0x430, 0x44F, 0x410, 1},    {0x450, 0x45F, 0x400, 1},      {0x461, 0x481, 0x460, 2},
                                {0x48B, 0x4BF, 0x48A, 2},    {0x4C2, 0x4CE, 0x4C1, 2},      {0x4D1, 0x52F, 0x4D0, 2},
                                {0x561, 0x586, 0x531, 1},    {0x1E01, 0x1E95, 0x1E00, 2},   {0x1EA1, 0x1EFF, 0x1EA0, 2},
                                {0xFF41, 0xFF5A, 0xFF21, 1}, {0x10428, 0x1044F, 0x10400, 1}};

struct Range {
  uint32_t first, last;
};
constexpr Range kSpaces[] = {{0x09, 0x0D},     {0x1C, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                             {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
constexpr Range kDigits[] = {{0x30, 0x39},     {0xB2, 0xB3},     {0xB9, 0xB9},    {0x660, 0x669},
                             {0x6F0, 0x6F9},   {0x966, 0x96F},   {0x9E6, 0x9EF},  {0x2070, 0x2070},
                             {0x2074, 0x2079}, {0x2080, 0x2089}, {0xFF10, 0xFF19}};
constexpr Range kLetters[] = {{0x41, 0x5A},     {0x61, 0x7A},     {0xAA, 0xAA},     {0xB5, 0xB5},      {0xBA, 0xBA},
                              {0xC0, 0xD6},     {0xD8, 0xF6},     {0xF8, 0x2C1},    {0x370, 0x373},    {0x376, 0x377},
                              {0x37B, 0x37D},   {0x386, 0x386},   {0x388, 0x481},   {0x48A, 0x556},    {0x561, 0x587},
                              {0x5D0, 0x5EA},   {0x620, 0x64A},   {0x671, 0x6D3},   {0x904, 0x939},    {0xE01, 0xE30},
                              {0x1E00, 0x1FBC}, {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x3400, 0x4DBF},  {0x4E00, 0x9FFF},
                              {0xAC00, 0xD7A3}, {0xFF21, 0xFF3A}, {0xFF41, 0xFF5A}, {0x20000, 0x2A6DF}};
constexpr Range kUnprintable[] = {{0x00, 0x1F},     {0x7F, 0xA0},     {0xAD, 0xAD},       {0x600, 0x605},
                                  {0x61C, 0x61C},   {0x1680, 0x1680}, {0x180E, 0x180E},   {0x2000, 0x200F},
                                  {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000},   {0xD800, 0xF8FF},
                                  {0xFEFF, 0xFEFF}, {0xFFF0, 0xFFFB}, {0xE0000, 0x10FFFF}};

template <size_t N>
bool in_ranges(const Range (&ranges)[N], uint32_t c) {
  return std::any_of(ranges, ranges + N, [c](Range r) { return c >= r.first && c <= r.last; });
}

bool is_line_end(uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_tail(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The start of the character that ends at `end`.
size_t char_before(std::string_view s, size_t end) {
  size_t start = end - 1;
  while (start > 0 && end - start < 4 && is_tail(s[start])) --start;
  size_t at = start;
  next_char(s, at);
  return at == end ? start : end - 1;
}

template <class Strips>
std::string_view strip_if(std::string_view s, int sides, Strips strips) {
  size_t first = 0, last = s.size();
  while ((sides & kLeft) && first < last) {
    size_t at = first;
    if (!strips(next_char(s, at))) break;
    first = at;
  }
  while ((sides & kRight) && last > first) {
    size_t start = char_before(s, last), at = start;
    if (!strips(next_char(s, at))) break;
    last = start;
  }
  return s.substr(first, last - first);
}

// Knuth, Morris and Pratt: a long needle could make the plain search quadratic.
template <class It>
size_t search(It at, It end, It needle, size_t size) {
  std::vector<size_t> border(size, 0);
  const auto letter = [&](size_t i) { return needle[static_cast<std::ptrdiff_t>(i)]; };
  for (size_t i = 1, k = 0; i < size; ++i) {
    while (k > 0 && letter(i) != letter(k)) k = border[k - 1];
    if (letter(i) == letter(k)) ++k;
    border[i] = k;
  }
  for (size_t i = 0, k = 0; at != end; ++i, ++at) {
    while (k > 0 && *at != letter(k)) k = border[k - 1];
    if (*at == letter(k)) ++k;
    if (k == size) return i + 1 - k;
  }
  return std::string_view::npos;
}

}  // namespace

uint32_t next_char(std::string_view s, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const uint32_t lead = byte(at);
  const int tails = lead < 0x80 ? 0 : lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : -1;
  if (tails <= 0 || at + static_cast<size_t>(tails) >= s.size()) {
    ++at;
    return lead;
  }
  uint32_t c = lead & (0x3F >> tails);
  for (int i = 1; i <= tails; ++i) {
    if (!is_tail(s[at + static_cast<size_t>(i)])) {
      ++at;
      return lead;
    }
    c = (c << 6) | (byte(at + static_cast<size_t>(i)) & 0x3F);
  }
  at += static_cast<size_t>(tails) + 1;
  return c;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t b) { out.push_back(static_cast<char>(b)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

int64_t char_count(std::string_view s) {
  int64_t count = 0;
  for (size_t at = 0; at < s.size(); ++count) next_char(s, at);
  return count;
}

std::vector<std::string_view> split_chars(std::string_view s) {
  std::vector<std::string_view> chars;
  for (size_t at = 0; at < s.size();) {
    const size_t start = at;
    next_char(s, at);
    chars.push_back(s.substr(start, at - start));
  }
  return chars;
}

size_t byte_offset(std::string_view s, int64_t chars) {
  size_t at = 0;
  for (; chars > 0 && at < s.size(); --chars) next_char(s, at);
  return at;
}

bool is_space(uint32_t c) {
  return c < 0x80 ? c == 0x20 || (c >= 9 && c <= 13) || (c >= 0x1C && c < 0x20) : in_ranges(kSpaces, c);
}
bool is_digit(uint32_t c) { return in_ranges(kDigits, c); }
bool is_alpha(uint32_t c) { return in_ranges(kLetters, c); }
bool is_printable(uint32_t c) { return !in_ranges(kUnprintable, c); }

uint32_t lower_char(uint32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
  for (const CaseRange& r : kCases) {
    const uint32_t upper_last = r.upper_first + (r.lower_last - r.lower_first);
    if (c < r.upper_first || c > upper_last || (c - r.upper_first) % static_cast<uint32_t>(r.step)) continue;
    return r.lower_first + (c - r.upper_first);
  }
  return c;
}

uint32_t upper_char(uint32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 0x20 : c;
  if (c == 0x3C2) return 0x3A3;  // final sigma
  if (c == 0xB5) return 0x39C;   // micro sign
  for (const CaseRange& r : kCases) {
    if (c < r.lower_first || c > r.lower_last || (c - r.lower_first) % static_cast<uint32_t>(r.step)) continue;
    return r.upper_first + (c - r.lower_first);
  }
  return c;
}

std::string lower(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t at = 0; at < s.size();) {
    const size_t start = at;
    const uint32_t c = next_char(s, at), mapped = lower_char(c);
    if (mapped == c) {
      out.append(s.substr(start, at - start));
    } else {
      append_utf8(out, mapped);
    }
  }
  return out;
}

std::string upper(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t at = 0; at < s.size();) {
    const size_t start = at;
    const uint32_t c = next_char(s, at), mapped = upper_char(c);
    if (c == 0xDF) {
      out += "SS";  // sharp s has no upper form of its own
    } else if (mapped == c) {
      out.append(s.substr(start, at - start));
    } else {
      append_utf8(out, mapped);
    }
  }
  return out;
}

std::string capitalize(std::string_view s) {
  const size_t first = byte_offset(s, 1);
  return upper(s.substr(0, first)) + lower(s.substr(first));
}

std::string title(std::string_view s, bool jinja_rules) {
  std::string out;
  bool begins = true;
  for (size_t at = 0; at < s.size();) {
    const size_t start = at;
    const uint32_t c = next_char(s, at);
    const std::string_view one = s.substr(start, at - start);
    out += begins ? upper(one) : lower(one);
    if (jinja_rules) {
      begins = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    } else {
      begins = !is_alpha(c);
    }
  }
  return out;
}

std::string_view strip(std::string_view s, int sides) {
  return strip_if(s, sides, [](uint32_t c) { return is_space(c); });
}

std::string_view strip(std::string_view s, std::string_view chars, int sides) {
  std::vector<uint32_t> set;
  for (size_t at = 0; at < chars.size();) set.push_back(next_char(chars, at));
  std::sort(set.begin(), set.end());
  return strip_if(s, sides, [&](uint32_t c) { return std::binary_search(set.begin(), set.end(), c); });
}

size_t find_text(std::string_view s, std::string_view needle, size_t from) {
  if (from > s.size()) return std::string_view::npos;
  if (needle.size() <= 32) return s.find(needle, from);
  const size_t at = search(s.begin() + static_cast<std::ptrdiff_t>(from), s.end(), needle.begin(), needle.size());
  return at == std::string_view::npos ? at : from + at;
}

size_t rfind_text(std::string_view s, std::string_view needle) {
  if (needle.size() <= 32) return s.rfind(needle);
  const size_t at = search(s.rbegin(), s.rend(), needle.rbegin(), needle.size());
  return at == std::string_view::npos ? at : s.size() - at - needle.size();
}

std::string replace_text(std::string_view s, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  size_t at = 0;
  if (from.empty()) {  // before every character and at the end
    while (at < s.size() && count != 0) {
      const size_t start = at;
      next_char(s, at);
      out.append(to).append(s.substr(start, at - start));
      if (count > 0) --count;
    }
    if (count != 0) return out.append(to);
    return out.append(s.substr(at));
  }
  while (count != 0) {
    const size_t hit = find_text(s, from, at);
    if (hit == std::string_view::npos) break;
    out.append(s.substr(at, hit - at)).append(to);
    at = hit + from.size();
    if (count > 0) --count;
  }
  return out.append(s.substr(at));
}

std::vector<std::string_view> split_text(std::string_view s, std::string_view separator, int64_t limit,
                                         bool from_right) {
  std::vector<std::string_view> parts;
  while (limit != 0) {
    const size_t hit = from_right ? rfind_text(s, separator) : find_text(s, separator);
    if (hit == std::string_view::npos) break;
    const size_t behind = hit + separator.size();
    parts.push_back(from_right ? s.substr(behind) : s.substr(0, hit));
    s = from_right ? s.substr(0, hit) : s.substr(behind);
    if (limit > 0) --limit;
  }
  parts.push_back(s);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_space(std::string_view s, int64_t limit, bool from_right) {
  std::vector<std::string_view> parts;
  s = strip(s, from_right ? kRight : kLeft);
  while (!s.empty() && limit != 0) {
    const auto no_space = [](uint32_t c) { return !is_space(c); };
    const std::string_view rest = strip_if(s, from_right ? kRight : kLeft, no_space);
    parts.push_back(from_right ? s.substr(rest.size()) : s.substr(0, s.size() - rest.size()));
    s = strip(rest, from_right ? kRight : kLeft);
    if (limit > 0) --limit;
  }
  if (!s.empty()) parts.push_back(strip(s, from_right ? kRight : kLeft));
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends, size_t parts_max) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t at = 0; at < s.size() && lines.size() <= parts_max;) {
    const size_t end = at;
    const uint32_t c = next_char(s, at);
    if (!is_line_end(c)) continue;
    if (c == '\r' && at < s.size() && s[at] == '\n') ++at;
    lines.push_back(s.substr(start, (keep_ends ? at : end) - start));
    start = at;
  }
  if (start < s.size()) lines.push_back(s.substr(start));
  return lines;
}

std::string escape_html(std::string_view s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

}  // namespace pensee::jinja
