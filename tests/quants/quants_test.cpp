// Decoders against the `gguf` package's (make_quants.py wrote decoded/), conversions against numpy's checksums and
// against what rounding to nearest even means.
#include "quants/quants.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"

using namespace pensee;

namespace {

const std::string kFolder = PENSEE_TEST_DATA "/quants/";

std::string read_all(const std::string& path) {
  const auto file = open_file(path);
  REQUIRE_MESSAGE(file.ok(), path);
  auto text = read_text(**file, 1 << 26);
  REQUIRE(text.ok());
  return *text;
}

bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

// The sum that make_quants.py calls checksum().
struct Checksum {
  uint64_t sum = 0, weight = 1;
  void add(uint64_t bits) {
    sum += bits * weight;
    weight += 2;
  }
};

uint64_t expected_checksum(const char* name) {
  const auto sums = json::parse(read_all(kFolder + "conversions.json"), "conversions.json");
  REQUIRE(sums.ok());
  return std::stoull(*sums->find(name)->string(), nullptr, 16);
}

uint16_t half_bits(int bits) { return static_cast<uint16_t>(bits); }

}  // namespace

TEST_CASE("quants: every stored type decodes to the floats of the gguf package, bit by bit") {
  for (int t = 0; t < static_cast<int>(StoredType::count); ++t) {
    const StoredTypeInfo& type = info(static_cast<StoredType>(t));
    CAPTURE(type.name);
    const std::string data = read_all(kFolder + "decoded/" + std::string(type.name) + ".bin");
    uint32_t blocks = 0;
    REQUIRE(data.size() > 4);
    std::memcpy(&blocks, data.data(), 4);
    const size_t bytes = size_t{blocks} * static_cast<size_t>(type.block_bytes);
    const size_t elements = size_t{blocks} * static_cast<size_t>(type.block_elements);
    REQUIRE(data.size() == 4 + bytes + elements * 4);

    std::vector<float> expected(elements), decoded(elements + 1, -77.0f);
    std::memcpy(expected.data(), data.data() + 4 + bytes, elements * 4);
    type.decode(reinterpret_cast<const std::byte*>(data.data() + 4), decoded.data(), blocks);
    size_t wrong = 0;
    for (size_t i = 0; i < elements; ++i) wrong += !same(decoded[i], expected[i]);
    CHECK(wrong == 0);
    CHECK(decoded[elements] == -77.0f);
  }
}

TEST_CASE("quants: a type is found by its GGUF number, and unknown numbers are not") {
  for (int t = 0; t < static_cast<int>(StoredType::count); ++t) {
    const StoredTypeInfo& type = info(static_cast<StoredType>(t));
    if (type.gguf_id < 0) continue;
    REQUIRE(stored_type_by_gguf_id(type.gguf_id) != nullptr);
    CHECK(stored_type_by_gguf_id(type.gguf_id)->type == type.type);
  }
  for (const int id : {-1, 4, 5, 10, 19, 1000}) CHECK(stored_type_by_gguf_id(id) == nullptr);
  CHECK(row_bytes(StoredType::q4_k, 512) == 288);
  CHECK(row_bytes(StoredType::bf16, 3) == 6);
}

TEST_CASE("half: all 65,536 halves widen to what numpy and the definition say") {
  Checksum sum;
  for (int h = 0; h < 0x10000; ++h) {
    const float value = half_to_float(half_bits(h));
    sum.add(std::isnan(value) ? 0x7FC00000u : std::bit_cast<uint32_t>(value));
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    const double size = exponent == 0    ? std::ldexp(fraction, -24)
                        : exponent == 31 ? (fraction ? NAN : INFINITY)
                                         : std::ldexp(1024 + fraction, exponent - 25);
    REQUIRE(same(value, static_cast<float>(h & 0x8000 ? -size : size)));
  }
  CHECK(sum.sum == expected_checksum("half_to_float"));
}

TEST_CASE("half: narrowing undoes widening, and a NaN stays a NaN") {
  for (int h = 0; h < 0x10000; ++h) {
    const float value = half_to_float(half_bits(h));
    if (std::isnan(value)) {
      REQUIRE(std::isnan(half_to_float(float_to_half(value))));
    } else {
      REQUIRE(float_to_half(value) == h);
    }
  }
  CHECK(std::isnan(half_to_float(float_to_half(std::bit_cast<float>(0x7F800001u)))));
}

TEST_CASE("half: halfway goes to the even neighbour and anything beyond it to the nearer one") {
  for (int h = 0; h < 0x7C00; ++h) {
    const double low = half_to_float(half_bits(h));
    const double high = h + 1 == 0x7C00 ? 65536.0 : half_to_float(half_bits(h + 1));
    const float middle = static_cast<float>((low + high) / 2);  // exact
    REQUIRE(float_to_half(middle) == (h % 2 ? h + 1 : h));
    REQUIRE(float_to_half(std::nextafter(middle, 0.0f)) == h);
    REQUIRE(float_to_half(std::nextafter(middle, INFINITY)) == h + 1);
    REQUIRE(float_to_half(-middle) == ((h % 2 ? h + 1 : h) | 0x8000));
  }
  CHECK(float_to_half(3.4e38f) == 0x7C00);
  CHECK(float_to_half(1e-45f) == 0);
}

TEST_CASE("half: a million floats narrow as numpy narrows them") {
  Checksum sum;
  for (uint64_t i = 0; i < (1 << 20); ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(i * 4099));
    sum.add(std::isnan(value) ? 0x7E00u : float_to_half(value));
  }
  CHECK(sum.sum == expected_checksum("float_to_half"));
}

TEST_CASE("bfloat: narrowing undoes widening and rounds to nearest even") {
  for (int b = 0; b < 0x10000; ++b) {
    const float value = bfloat_to_float(half_bits(b));
    if (std::isnan(value)) {
      REQUIRE(std::isnan(bfloat_to_float(float_to_bfloat(value))));
      continue;
    }
    REQUIRE(float_to_bfloat(value) == b);
    if ((b & 0x7FFF) == 0x7F80) continue;  // an infinity has no next
    const float middle = std::bit_cast<float>((static_cast<uint32_t>(b) << 16) | 0x8000u);
    REQUIRE(float_to_bfloat(middle) == (b % 2 ? b + 1 : b));
    REQUIRE(float_to_bfloat(std::nextafter(middle, 0.0f)) == b);
    REQUIRE(float_to_bfloat(std::nextafter(middle, b & 0x8000 ? -INFINITY : INFINITY)) == b + 1);
  }
  CHECK(std::isnan(bfloat_to_float(float_to_bfloat(std::bit_cast<float>(0x7F800001u)))));
}
