// Files written by the `gguf` and `safetensors` packages (make_formats.py) are read back as what was put in, and
// requests that cannot be met say why.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/tensors.h"

using namespace pensee;

namespace {

const std::string kData = PENSEE_TEST_DATA "/formats/data/";

std::shared_ptr<const File> must_open(const std::string& name) {
  auto file = open_file(kData + name);
  REQUIRE_MESSAGE(file.ok(), name);
  return *file;
}

const json::Value& expected(const char* key) {
  static const json::Value all = [] {
    auto text = read_text(*must_open("expected.json"), 1 << 24);
    auto value = json::parse(*text, "expected.json");
    return value.ok() ? *value : json::Value();
  }();
  REQUIRE(all.find(key) != nullptr);
  return *all.find(key);
}

// Every record of expected.json is found, with its type, shape and numbers, by whole reads and row by row.
void check_tensors(const TensorFile& file, const json::Value& records) {
  CHECK(file.tensors().size() == records.array()->size());
  for (const json::Value& record : *records.array()) {
    const std::string& name = *record.find("name")->string();
    CAPTURE(name);
    const Tensor* tensor = file.find(name);
    REQUIRE(tensor != nullptr);
    CHECK(info(tensor->type).name == *record.find("type")->string());
    json::Array shape;
    for (const int64_t dim : tensor->shape) shape.emplace_back(dim);
    CHECK(json::Value(shape) == *record.find("shape"));

    const json::Array& values = *record.find("values")->array();
    REQUIRE(tensor->elements() == static_cast<int64_t>(values.size()));
    std::vector<float> whole(values.size()), one_row(static_cast<size_t>(tensor->cols()));
    REQUIRE(read_rows_float(*tensor, 0, tensor->rows(), whole).ok());
    size_t wrong = 0;
    for (size_t i = 0; i < values.size(); ++i) wrong += whole[i] != static_cast<float>(values[i].number());
    CHECK(wrong == 0);
    for (int64_t r = 0; r < tensor->rows(); ++r) {
      REQUIRE(read_rows_float(*tensor, r, 1, one_row).ok());
      CHECK(std::equal(one_row.begin(), one_row.end(), whole.begin() + r * tensor->cols()));
    }
  }
}

bool contains(const Status& status, std::string_view part) { return status.message().find(part) != std::string::npos; }

// A copy of data/ that a test may damage; gone afterwards.
struct Copy {
  std::filesystem::path path;
  Copy() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pensee-formats-XXXXXX").string();
    path = mkdtemp(pattern.data());
    std::filesystem::copy(kData, path, std::filesystem::copy_options::recursive);
  }
  ~Copy() { std::filesystem::remove_all(path); }
};

void write_text(const std::filesystem::path& path, std::string_view text) {
  FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
}

}  // namespace

TEST_CASE("gguf: tensors of every stored type are read as the gguf package wrote them") {
  const auto file = open_gguf(must_open("all.gguf"));
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  check_tensors(**file, expected("gguf_tensors"));
}

TEST_CASE("gguf: metadata of every type arrives as JSON, nested arrays too") {
  const auto file = open_gguf(must_open("all.gguf"));
  REQUIRE(file.ok());
  const json::Value& metadata = (*file)->metadata();
  for (const auto& [key, value] : *expected("gguf_metadata").object()) {
    CAPTURE(key);
    REQUIRE(metadata.find(key) != nullptr);
    CHECK(json::dump(*metadata.find(key)) == json::dump(value));
  }
  CHECK(metadata.object()->size() == expected("gguf_metadata").object()->size());
  const auto alone = read_gguf_metadata(*must_open("all.gguf"));
  REQUIRE(alone.ok());
  CHECK(*alone == metadata);
}

TEST_CASE("gguf: a type that is not read is named when its tensor is asked for, and only then") {
  const auto file = open_gguf(must_open("all.gguf"));
  REQUIRE(file.ok());
  CHECK((*file)->find("other.Q2_K") == nullptr);
  const Status q2 = (*file)->why_absent("other.Q2_K");
  CHECK(q2.code() == Code::unsupported);
  CHECK_MESSAGE(contains(q2, "'other.Q2_K' has ggml type 10 (Q2_K)"), q2.message());
  CHECK(contains((*file)->why_absent("other.I32"), "(I32)"));
  const Status none = (*file)->why_absent("blk.0.none");
  CHECK(none.code() == Code::file_corrupt);
  CHECK_MESSAGE(contains(none, "all.gguf: tensor 'blk.0.none' is missing"), none.message());
}

TEST_CASE("gguf: version 2 reads like version 3") {
  const auto two = open_gguf(must_open("version2.gguf")), three = open_gguf(must_open("small.gguf"));
  REQUIRE(two.ok());
  REQUIRE(three.ok());
  CHECK((*two)->metadata() == (*three)->metadata());
  CHECK((*two)->tensors().size() == (*three)->tensors().size());
}

TEST_CASE("gguf: a split file is followed from its first part") {
  const auto file = open_gguf(must_open("split-00001-of-00002.gguf"));
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  CHECK((*file)->tensors().size() == 3);
  for (int i = 0; i < 3; ++i) {
    const Tensor* tensor = (*file)->find("t" + std::to_string(i));
    REQUIRE(tensor != nullptr);
    CHECK(tensor->shape == std::vector<int64_t>{2, 4});
    std::vector<float> row(4);
    REQUIRE(read_rows_float(*tensor, 1, 1, row).ok());
    for (int c = 0; c < 4; ++c) CHECK(row[static_cast<size_t>(c)] == static_cast<float>(8 * i + 4 + c));
  }
}

TEST_CASE("gguf: a split file that cannot be followed says which part is wanted") {
  const auto second = open_gguf(must_open("split-00002-of-00002.gguf"));
  REQUIRE_FALSE(second.ok());
  CHECK_MESSAGE(contains(second.status(), "open the first part, ...-00001-of-00002.gguf"), second.status().message());

  const Copy copy;
  std::filesystem::rename(copy.path / "split-00001-of-00002.gguf", copy.path / "renamed.gguf");
  const auto renamed = open_gguf(*open_file((copy.path / "renamed.gguf").string()));
  REQUIRE_FALSE(renamed.ok());
  CHECK(contains(renamed.status(), "renamed.gguf: is the first of 2 parts"));

  std::filesystem::rename(copy.path / "renamed.gguf", copy.path / "split-00001-of-00002.gguf");
  std::filesystem::copy(copy.path / "small.gguf", copy.path / "split-00002-of-00002.gguf",
                        std::filesystem::copy_options::overwrite_existing);
  const auto foreign = open_gguf(*open_file((copy.path / "split-00001-of-00002.gguf").string()));
  REQUIRE_FALSE(foreign.ok());
  CHECK(contains(foreign.status(), "is it part 2 of 2?"));

  std::filesystem::remove(copy.path / "split-00002-of-00002.gguf");
  const auto lost = open_gguf(*open_file((copy.path / "split-00001-of-00002.gguf").string()));
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.status().code() == Code::file_not_found);
  CHECK(contains(lost.status(), "split-00002-of-00002.gguf"));
}

TEST_CASE("safetensors: tensors are read as the safetensors package wrote them") {
  const auto file = open_safetensors(must_open("all.safetensors"));
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  check_tensors(**file, expected("safetensors_tensors"));
}

TEST_CASE("safetensors: a dtype or shape that is not read is named when its tensor is asked for, and only then") {
  const auto file = open_safetensors(must_open("all.safetensors"));
  REQUIRE(file.ok());
  const std::pair<const char*, const char*> cases[] = {{"other.i64", "has dtype I64"},
                                                       {"other.f8", "has dtype F8_E4M3"},
                                                       {"other.empty", "has no elements"},
                                                       {"other.five_dims", "has 5 dims"}};
  for (const auto& [name, reason] : cases) {
    CHECK((*file)->find(name) == nullptr);
    const Status why = (*file)->why_absent(name);
    CHECK(why.code() == Code::unsupported);
    CHECK_MESSAGE(contains(why, std::string("all.safetensors: tensor '") + name + "' " + reason), why.message());
  }
  CHECK((*file)->why_absent("none").code() == Code::file_corrupt);
}

TEST_CASE("safetensors: 8-bit numbers are read with their scales, or refused by name where these do not fit") {
  // [130, 160]: rows 128 and 129, and columns from 128 on, have scales of their own; narrow has rows of 20.
  const auto entry = [](const char* name, const char* dtype, const char* shape, int begin, int end) {
    return format("\"{}\": {\"dtype\": \"{}\", \"shape\": {}, \"data_offsets\": [{}, {}]}", name, dtype, shape, begin,
                  end);
  };
  const std::string entries[] = {
      entry("w", "F8_E4M3", "[130, 160]", 0, 20800),          entry("narrow", "F8_E4M3", "[2, 20]", 20800, 20840),
      entry("flat", "F8_E4M3", "[32]", 20840, 20872),         entry("odd", "F8_E4M3", "[2, 4]", 20872, 20880),
      entry("w_scale_inv", "F32", "[2, 2]", 20880, 20896),    entry("narrow_scale_inv", "F32", "[1, 1]", 20896, 20900),
      entry("flat_scale_inv", "F32", "[1, 1]", 20900, 20904), entry("odd_scale_inv", "F32", "[1, 2]", 20904, 20912)};
  std::string header;
  for (const std::string& e : entries) header += (header.empty() ? "{" : ", ") + e;
  header += "}";
  std::vector<std::byte> bytes(8 + header.size() + 20912);
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  std::byte* data = bytes.data() + 8 + header.size();
  for (int i = 0; i < 20880; ++i) data[i] = std::byte{0x38};  // 1.0
  data[129 * 160 + 159] = std::byte{0xBC};                    // -1.5
  data[20800 + 39] = std::byte{0x01};                         // 2^-9
  const float scales[] = {1, 2, 3, 4, 0.5f, 1, 1, 1};
  std::memcpy(data + 20880, scales, sizeof scales);

  const auto file = open_safetensors(wrap_memory(bytes));
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  const Tensor* w = (*file)->find("w");
  REQUIRE(w);
  CHECK(w->type == StoredType::f8_e4m3);
  CHECK(w->shape == std::vector<int64_t>{130, 160});
  std::vector<float> numbers(130 * 160), rows(3 * 160);
  REQUIRE(read_rows_float(*w, 0, 130, numbers).ok());
  for (size_t r : {size_t{0}, size_t{127}, size_t{128}, size_t{129}}) {
    CHECK(numbers[r * 160] == (r < 128 ? 1.0f : 3.0f));
    CHECK(numbers[r * 160 + 127] == (r < 128 ? 1.0f : 3.0f));
    CHECK(numbers[r * 160 + 128] == (r < 128 ? 2.0f : 4.0f));
  }
  CHECK(numbers.back() == -6.0f);
  REQUIRE(read_rows_float(*w, 127, 3, rows).ok());
  CHECK(std::equal(rows.begin(), rows.end(), numbers.end() - 480));
  std::byte some[36];
  CHECK(w->file->read(35, some).code() == Code::bad_argument);
  CHECK(w->file->read(w->bytes, some).code() == Code::bad_argument);

  const Tensor* narrow = (*file)->find("narrow");
  REQUIRE(narrow);
  CHECK(narrow->type == StoredType::f32);
  std::vector<float> last(20);
  REQUIRE(read_rows_float(*narrow, 1, 1, last).ok());
  CHECK(last[18] == 0.5f);
  CHECK(last[19] == 0x1p-10f);

  CHECK((*file)->find("flat") == nullptr);
  CHECK(contains((*file)->why_absent("flat"), "'flat' has dtype F8_E4M3, which is read with its scales"));
  CHECK((*file)->find("odd") == nullptr);
  CHECK(contains((*file)->why_absent("odd"), "scales of shape [1, 2]; one for each 128 x 128 numbers is read, [1, 1]"));
}

TEST_CASE("safetensors: a folder is opened by its index, shard by shard") {
  const auto file = open_safetensors_folder(kData + "sharded");
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  REQUIRE((*file)->find("x") != nullptr);
  REQUIRE((*file)->find("z") != nullptr);
  CHECK((*file)->find("x")->file->name().ends_with("model-00001-of-00002.safetensors"));
  std::vector<float> z(2);
  REQUIRE(read_rows_float(*(*file)->find("z"), 0, 1, z).ok());
  CHECK(z == std::vector<float>{1.0f, 2.0f});
}

TEST_CASE("safetensors: a broken folder names the shard or the tensor that is wrong") {
  const Copy copy;
  const std::string folder = (copy.path / "sharded").string();
  const auto index = copy.path / "sharded" / "model.safetensors.index.json";
  const auto message = [&](std::string_view index_text) {
    write_text(index, index_text);
    const auto file = open_safetensors_folder(folder);
    return file.ok() ? std::string("opened") : file.status().message();
  };
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  const std::string one = R"({"weight_map": {"x": "model-00001-of-00002.safetensors"}})";
  CHECK(message(one) == "opened");
  CHECK(has(message(R"({"weight_map": {"x": "lost.safetensors"}})"), "lost.safetensors: cannot open"));
  CHECK(has(message(R"({"weight_map": {"x": "../all.safetensors"}})"), "not mapped to a file name"));
  CHECK(has(message(R"({"weight_map": {"x": 3}})"), "not mapped to a file name"));
  CHECK(has(message(R"({"weight_map": 3})"), "no object 'weight_map'"));
  CHECK(has(message("{"), "model.safetensors.index.json: not valid JSON at byte 1"));
  CHECK(has(
      message(R"({"weight_map": {"y": "model-00001-of-00002.safetensors", "x": "model-00002-of-00002.safetensors"}})"),
      "tensor 'x' should be in model-00002-of-00002.safetensors but is not"));
  std::filesystem::copy(copy.path / "small.safetensors", copy.path / "sharded" / "again.safetensors");
  CHECK(has(message(R"({"weight_map": {"x": "model-00001-of-00002.safetensors", "z": "again.safetensors"}})"),
            "stands in it twice"));
  std::filesystem::remove(index);
  const auto none = open_safetensors_folder(folder);
  REQUIRE_FALSE(none.ok());
  CHECK(none.status().code() == Code::file_not_found);
}

TEST_CASE("read_rows: rows that are not there and room of another size are refused") {
  const auto file = open_gguf(must_open("all.gguf"));
  REQUIRE(file.ok());
  const Tensor& tensor = *(*file)->find("block.Q4_K");  // 3 rows of 144 bytes
  std::vector<std::byte> out(288);
  CHECK(read_rows(tensor, 1, 2, out).ok());
  CHECK(read_rows(tensor, 2, 2, out).code() == Code::bad_argument);
  CHECK(read_rows(tensor, -1, 2, out).code() == Code::bad_argument);
  CHECK(read_rows(tensor, INT64_MAX, 2, out).code() == Code::bad_argument);
  CHECK(read_rows(tensor, 0, -1, out).code() == Code::bad_argument);
  CHECK(read_rows(tensor, 0, 1, out).code() == Code::bad_argument);
  std::vector<float> floats(256);
  CHECK(read_rows_float(tensor, 0, 1, floats).ok());
  CHECK(read_rows_float(tensor, 3, 1, floats).code() == Code::bad_argument);
  CHECK(read_rows_float(tensor, 3, 0, std::span<float>()).ok());
}

TEST_CASE("read_rows_float: a tensor larger than the buffer reads as its rows do") {
  // 3 rows of 100,000 halves, whose values are their column.
  std::vector<uint16_t> halves(300000);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = float_to_half(static_cast<float>(i % 100000 % 2048));
  Tensor tensor{"big", StoredType::f16, {3, 100000}, 0, 600000, wrap_memory(std::as_bytes(std::span(halves)))};
  std::vector<float> out(200000);
  REQUIRE(read_rows_float(tensor, 1, 2, out).ok());
  size_t wrong = 0;
  for (size_t i = 0; i < out.size(); ++i) wrong += out[i] != static_cast<float>(i % 100000 % 2048);
  CHECK(wrong == 0);
}
