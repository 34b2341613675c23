// Damages small files systematically: every truncation, every byte changed, huge counts and lengths at every place.
// The property: a reader either gives an error that names the file, or tensors that lie inside it and can be read.
// Run under -fsanitize=address,undefined this also holds the readers against touching what is not theirs.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "formats/tensors.h"

using namespace pensee;

namespace {

const std::string kData = PENSEE_TEST_DATA "/formats/data/";

std::string bytes_of(const std::string& name) {
  auto file = open_file(kData + name);
  REQUIRE_MESSAGE(file.ok(), name);
  auto text = read_text(**file, 1 << 24);
  REQUIRE(text.ok());
  return *text;
}

using Opened = Result<std::shared_ptr<const TensorFile>>;

Opened open_as(std::string_view format, std::string_view bytes) {
  auto file = wrap_memory(std::as_bytes(std::span(bytes)), "damaged");
  if (format == "safetensors") return open_safetensors(std::move(file));
  auto gguf = open_gguf(std::move(file));
  if (!gguf.ok()) return gguf.status();
  return std::shared_ptr<const TensorFile>(*std::move(gguf));
}

// "" when the property holds, else what is wrong.
std::string objection(const Opened& opened, size_t size) {
  if (!opened.ok()) {
    return opened.status().message().find("damaged") == std::string::npos ? opened.status().message() : "";
  }
  for (const Tensor& tensor : (*opened)->tensors()) {
    if (tensor.offset > size || tensor.bytes > size - tensor.offset) return "outside: " + tensor.name;
    if ((*opened)->find(tensor.name) != &tensor) return "not found: " + tensor.name;
    std::vector<float> out(static_cast<size_t>(tensor.elements()));
    if (Status s = read_rows_float(tensor, 0, tensor.rows(), out); !s.ok()) return s.message();
  }
  return "";
}

struct Count {
  int opened = 0;
  int refused = 0;
};

// Calls `damage(bytes, place)` on a fresh copy for each place and checks the property.
Count damage_everywhere(std::string_view format, const std::string& whole,
                        const std::function<void(std::string&, size_t)>& damage) {
  Count count;
  for (size_t place = 0; place < whole.size(); ++place) {
    std::string bytes = whole;
    damage(bytes, place);
    const Opened opened = open_as(format, bytes);
    const std::string wrong = objection(opened, bytes.size());
    if (!wrong.empty()) FAIL_CHECK("place " << place << ": " << wrong);
    (opened.ok() ? count.opened : count.refused)++;
  }
  return count;
}

struct Sample {
  const char* format;
  const char* name;
};
constexpr Sample kSamples[] = {{"gguf", "small.gguf"},
                               {"gguf", "split-00001-of-00002.gguf"},
                               {"safetensors", "small.safetensors"},
                               {"safetensors", "all.safetensors"}};

void put64(std::string& bytes, size_t place, uint64_t value) {
  std::memcpy(bytes.data() + place, &value, std::min<size_t>(8, bytes.size() - place));
}

}  // namespace

TEST_CASE("corruption: no file that is cut short opens") {
  for (const Sample& sample : kSamples) {
    CAPTURE(std::string(sample.name));
    const Count count = damage_everywhere(sample.format, bytes_of(sample.name),
                                          [](std::string& bytes, size_t place) { bytes.resize(place); });
    // small.gguf ends with 30 bytes of padding that nothing needs.
    CHECK(count.opened == (std::string_view(sample.name) == "small.gguf" ? 30 : 0));
  }
}

TEST_CASE("corruption: a changed byte gives an error with the file's name, or tensors inside the file") {
  for (const Sample& sample : kSamples) {
    CAPTURE(std::string(sample.name));
    for (const int flip : {0x01, 0x02, 0x10, 0x20, 0x80, 0xFF}) {
      const Count count = damage_everywhere(
          sample.format, bytes_of(sample.name),
          [&](std::string& bytes, size_t place) { bytes[place] = static_cast<char>(bytes[place] ^ flip); });
      CHECK(count.refused > 0);
    }
  }
}

TEST_CASE("corruption: huge counts and lengths at every place are refused or harmless") {
  for (const Sample& sample : kSamples) {
    CAPTURE(std::string(sample.name));
    const std::string whole = bytes_of(sample.name);
    for (const uint64_t value :
         {uint64_t{0}, UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 63, uint64_t{INT64_MAX}, uint64_t{1} << 61,
          uint64_t{1} << 40, uint64_t{1} << 32, uint64_t{UINT32_MAX}, uint64_t{1} << 24, uint64_t{whole.size()}}) {
      damage_everywhere(sample.format, whole, [&](std::string& bytes, size_t place) { put64(bytes, place, value); });
    }
  }
}

TEST_CASE("corruption: numbers of a safetensors header become negative, fractional, huge or zero") {
  for (const char* name : {"small.safetensors", "all.safetensors"}) {
    const std::string whole = bytes_of(name);
    uint64_t length = 0;
    std::memcpy(&length, whole.data(), 8);
    int refused = 0;
    for (size_t at = 8; at < 8 + length; ++at) {
      if (!isdigit(whole[at]) || isdigit(whole[at - 1]) || isalpha(whole[at - 1])) continue;
      size_t end = at;
      while (isdigit(whole[end])) ++end;
      for (const char* number : {"-1", "0", "0.5", "1e3", "9223372036854775807", "9223372036854775808",
                                 "4611686018427387904", "18446744073709551615", "4294967296", "null", "[]", "\"1\""}) {
        std::string bytes = whole.substr(0, at) + number + whole.substr(end);
        put64(bytes, 0, length + bytes.size() - whole.size());
        const Opened opened = open_as("safetensors", bytes);
        CHECK(objection(opened, bytes.size()) == "");
        refused += !opened.ok();
      }
    }
    CHECK(refused > 20);
  }
}

TEST_CASE("corruption: a safetensors header with a gap, an overlap, a double or a wrong frame is refused") {
  const auto message = [](const std::string& header, size_t data_bytes) {
    std::string bytes(8, '\0');
    put64(bytes, 0, header.size());
    bytes += header + std::string(data_bytes, 'x');
    const Opened opened = open_as("safetensors", bytes);
    CHECK(objection(opened, bytes.size()) == "");
    return opened.ok() ? std::string("opened") : opened.status().message();
  };
  const auto tensor = [](const char* name, int begin, int end) {
    return format(R"("{}":{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]})", name, (end - begin) / 4, begin, end);
  };
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  CHECK(message("{" + tensor("a", 0, 8) + "," + tensor("b", 8, 12) + "}", 12) == "opened");
  CHECK(message("{}", 0) == "opened");
  CHECK(has(message("{" + tensor("a", 0, 8) + "," + tensor("b", 12, 16) + "}", 16), "begins at byte 12"));
  CHECK(has(message("{" + tensor("a", 0, 8) + "," + tensor("b", 4, 12) + "}", 12), "begins at byte 4"));
  CHECK(has(message("{" + tensor("a", 0, 8) + "," + tensor("a", 8, 12) + "}", 12), "'a' stands in it twice"));
  CHECK(has(message("{" + tensor("a", 0, 8) + "}", 12), "ends at byte 8 of the data, but there are 12"));
  CHECK(has(message("{" + tensor("a", 0, 8) + "}", 4), "cut short"));
  CHECK(has(message(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8), "does not fill its 8 bytes"));
  CHECK(has(message(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}})", 8),
            "beyond any size"));
  CHECK(has(message(R"({"a":{"dtype":"F9","shape":[3],"data_offsets":[8,0]}})", 8), "data_offsets 8 to 0"));
  CHECK(has(message("[]", 0), "does not begin with '{'"));
  CHECK(has(message("{\"a\":3}", 0), "has no dtype"));
  CHECK(has(message(std::string("{\"") + std::string(300, 'n') + "\n\":3}", 0), "not valid JSON"));
}

TEST_CASE("corruption: a GGUF file that is no such file, or of another kind, is named as what it is") {
  const auto message = [](std::string bytes) {
    const Opened opened = open_as("gguf", bytes);
    return opened.ok() ? std::string("opened") : opened.status().message();
  };
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  std::string bytes = bytes_of("small.gguf");
  CHECK(message(bytes) == "opened");
  CHECK(has(message(bytes_of("small.safetensors")), "is it a GGUF file?"));
  bytes[4] = 1;
  CHECK(has(message(bytes), "GGUF version 1"));
  bytes[4] = 0, bytes[7] = 3;
  CHECK(has(message(bytes), "big-endian"));
}

TEST_CASE("corruption: arrays in a GGUF file may nest only so deep") {
  std::string bytes = "GGUF";
  const auto add = [&bytes](auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  add(uint32_t{3}), add(uint64_t{0}), add(uint64_t{1});
  add(uint64_t{1}), bytes += "k";
  add(uint32_t{9});
  for (int level = 0; level < 100000; ++level) add(uint32_t{9}), add(uint64_t{1});
  const Opened opened = open_as("gguf", bytes);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.status().message().find("deeper than 8") != std::string::npos);
}
