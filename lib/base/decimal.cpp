#include "base/decimal.h"

#include <locale.h>
#include <stdlib.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

#include <cerrno>
#include <cmath>
#include <string>
#include <system_error>

namespace pensee {
namespace {

double c_strtod(const char* text, char** end) {
#if defined(_WIN32)
  static const _locale_t c_locale = _create_locale(LC_ALL, "C");
  return _strtod_l(text, end, c_locale);
#elif defined(__APPLE__) || defined(__ANDROID__)
  return strtod_l(text, end, nullptr);  // the C locale; Android knows no other
#else
  static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", static_cast<locale_t>(nullptr));  // allocates nothing
  return strtod_l(text, end, c_locale);
#endif
}

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

}  // namespace

std::from_chars_result read_double(const char* first, const char* last, double& value) {
#if defined(__cpp_lib_to_chars)
  return std::from_chars(first, last, value);
#else
  return read_double_by_strtod(first, last, value);
#endif
}

std::from_chars_result read_double_by_strtod(const char* first, const char* last, double& value) {
  const std::string text(first, last);  // terminated
  // strtod takes more: space and a plus sign before the number, and hexadecimal digits.
  const size_t sign = text.starts_with('-') ? 1 : 0;
  if (text.size() == sign || !(is_letter_or_digit(text[sign]) || text[sign] == '.')) {
    return {first, std::errc::invalid_argument};
  }
  if (text[sign] == '0' && text.size() > sign + 1 && (text[sign + 1] | 0x20) == 'x') {
    value = sign ? -0.0 : 0.0;
    return {first + sign + 1, std::errc()};
  }
  const int saved = errno;
  errno = 0;
  char* end = nullptr;
  const double read = c_strtod(text.c_str(), &end);
  const bool beyond = errno == ERANGE && (read == 0 || std::isinf(read));
  errno = saved;
  if (end == text.c_str()) return {first, std::errc::invalid_argument};
  if (!beyond) value = read;
  return {first + (end - text.c_str()), beyond ? std::errc::result_out_of_range : std::errc()};
}

}  // namespace pensee
