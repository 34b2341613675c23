// The two readers of doubles agree: std::from_chars, and strtod where a C++ library has not got it.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <system_error>

#include "base/decimal.h"

using namespace pensee;

namespace {

bool same(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

void check_agreement(const std::string& text) {
  CAPTURE(text);
  double measure = 77, other = 77;
  const char* const last = text.data() + text.size();
  const auto expected = std::from_chars(text.data(), last, measure);
  const auto got = read_double_by_strtod(text.data(), last, other);
  CHECK(got.ec == expected.ec);
  CHECK(got.ptr == expected.ptr);
  CHECK((same(other, measure) || (std::isnan(other) && std::isnan(measure))));
}

}  // namespace

TEST_CASE("decimal: strtod reads what std::from_chars reads, and stops where it stops") {
  for (const char* text :
       {"0", "-0", "1", "-1.5", "1.", ".5", "-.5", "1e3", "1E+3", "1e-3", "1e", "1e+", "1.5e308", "1e309",
        "-1e309", "1e-400", "4.9e-324", "2.2250738585072011e-308", "0.1", "123456789012345678901234567890", "",
        "-", "+1", " 1", "1 ", "1,5", "0x10", "-0x10", "0X1p3", "--1", "-+1", "- 1", ".", "-.", "e5", "abc",
        "1abc", "inf", "-inf", "infinity", "nan", "1__0", "\t1", "0e0", "00012", "9007199254740993",
        "0.30000000000000004441"}) {
    check_agreement(text);
  }
}

TEST_CASE("decimal: any double, printed and read, is the same bits") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    double read = 0;
    CHECK(read_double_by_strtod(text, end, read).ptr == end);
    CHECK(same(read, value));
    check_agreement(std::string(text, static_cast<size_t>(end - text)));
  }
}
