// A double out of its decimal digits, whatever the locale. std::from_chars is the measure, but the C++ libraries of
// phones came to have it for floating point late (LLVM's with version 20; the NDK 27 and Apple's systems before 26 have
// not): there the C library does it.
#pragma once

#include <charconv>

namespace pensee {

// As std::from_chars(first, last, value).
std::from_chars_result read_double(const char* first, const char* last, double& value);

// The same by strtod; apart so that a test can hold it against the measure.
std::from_chars_result read_double_by_strtod(const char* first, const char* last, double& value);

}  // namespace pensee
