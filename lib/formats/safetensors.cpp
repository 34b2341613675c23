// safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes without a gap.
//
//   byte  0             8                     8 + n                                file size
//         +-------------+---------------------+------------------------------------+
//         | n           | {"name": {"dtype":, | tensors; data_offsets count        |
//         | uint64      |  "shape":, ...}, ..}| from here                          |
//         +-------------+---------------------+------------------------------------+
//
// As the format demands, the tensors must cover the data exactly: no gap, no overlap, nothing behind. A dtype that we
// do not read is no error until someone asks for that tensor. F8_E4M3 comes with a tensor of scales beside it, as
// DeepSeek-V3 publishes its weights; the two are read as one. A sharded model is a folder with an index that maps
// tensor names to shards; a shard's name may not leave the folder.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include "formats/checks.h"
#include "formats/tensors.h"

namespace pensee {
namespace {

using formats::printable;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr std::string_view kIndexName = "model.safetensors.index.json";

struct Dtype {
  std::string_view name;
  int bits;
  StoredType type;  // StoredType::count: not read
};
constexpr Dtype kDtypes[] = {
    {"F32", 32, StoredType::f32},      {"F16", 16, StoredType::f16},          {"BF16", 16, StoredType::bf16},
    {"F64", 64, StoredType::count},    {"F8_E4M3", 8, StoredType::f8_e4m3},   {"F8_E4M3FNUZ", 8, StoredType::count},
    {"F8_E5M2", 8, StoredType::count}, {"F8_E5M2FNUZ", 8, StoredType::count}, {"F8_E8M0", 8, StoredType::count},
    {"F6_E2M3", 6, StoredType::count}, {"F6_E3M2", 6, StoredType::count},     {"F4", 4, StoredType::count},
    {"C64", 64, StoredType::count},    {"I64", 64, StoredType::count},        {"U64", 64, StoredType::count},
    {"I32", 32, StoredType::count},    {"U32", 32, StoredType::count},        {"I16", 16, StoredType::count},
    {"U16", 16, StoredType::count},    {"I8", 8, StoredType::count},          {"U8", 8, StoredType::count},
    {"BOOL", 8, StoredType::count},
};

const Dtype* find_dtype(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const Dtype& d) { return d.name == name; });
  return found == std::end(kDtypes) ? nullptr : found;
}

// Whole numbers >= 0 from a JSON array; false when it is anything else.
bool read_naturals(const json::Value* value, std::vector<int64_t>& out) {
  const json::Array* items = value ? value->array() : nullptr;
  if (!items) return false;
  for (const json::Value& item : *items) {
    const int64_t* n = item.integer();
    if (!n || *n < 0) return false;
    out.push_back(*n);
  }
  return true;
}

// Numbers of 8 bits with their scales, as rows of blocks with a scale each; as F32 where a row is no whole number of
// blocks. Reads whole blocks.
class ScaledRows final : public File {
 public:
  static constexpr int64_t kSide = 128;  // a scale serves kSide x kSide numbers

  ScaledRows(Tensor numbers, Tensor scales) : numbers_(std::move(numbers)), scales_(std::move(scales)) {
    type_ = numbers_.cols() % info(StoredType::f8_e4m3).block_elements == 0 ? StoredType::f8_e4m3 : StoredType::f32;
    size_ = static_cast<uint64_t>(numbers_.rows()) * row_bytes(type_, numbers_.cols());
    name_ = numbers_.file->name();
  }
  StoredType type() const { return type_; }

  Status read(uint64_t offset, std::span<std::byte> out) const override {
    const auto unit = static_cast<uint64_t>(info(type_).block_bytes);
    if (offset > size_ || out.size() > size_ - offset || offset % unit != 0 || out.size() % unit != 0) {
      return Status::format(Code::bad_argument, "{}: bytes {} to {} of a tensor are no blocks of its {}", name_, offset,
                            offset + out.size(), size_);
    }
    const int64_t cols = numbers_.cols(), in_block = info(type_).block_elements;
    int64_t element = static_cast<int64_t>(offset / unit) * in_block, band = -1;
    std::vector<uint8_t> q(static_cast<size_t>(cols));
    std::vector<float> scales(static_cast<size_t>(scales_.cols()));
    while (!out.empty()) {
      const int64_t row = element / cols, col = element % cols;
      const int64_t count = std::min(cols - col, static_cast<int64_t>(out.size() / unit) * in_block);
      const std::span<uint8_t> part = std::span(q).first(static_cast<size_t>(count));
      PENSEE_TRY(numbers_.file->read(numbers_.offset + static_cast<uint64_t>(element), std::as_writable_bytes(part)));
      if (row / kSide != band) {
        band = row / kSide;
        PENSEE_TRY(read_rows_float(scales_, band, 1, scales));
      }
      const auto bytes = static_cast<size_t>(count / in_block) * unit;
      write(part, col, scales, out.data());
      out = out.subspan(bytes);
      element += count;
    }
    return Status();
  }

 private:
  void write(std::span<const uint8_t> q, int64_t col, const std::vector<float>& scales, std::byte* to) const {
    const auto step = static_cast<size_t>(info(type_).block_elements);
    for (size_t i = 0; i < q.size(); i += step) {
      const float scale = scales[static_cast<size_t>(col + static_cast<int64_t>(i)) / kSide];
      const float first = type_ == StoredType::f32 ? scale * e4m3_to_float(q[i]) : scale;
      std::memcpy(to, &first, sizeof first);
      to += sizeof first;
      if (type_ == StoredType::f32) continue;
      std::memcpy(to, &q[i], step);
      to += step;
    }
  }
  Tensor numbers_, scales_;
  StoredType type_;
};

class SafetensorsFile final : public TensorFile {
 public:
  explicit SafetensorsFile(std::string name) { name_ = std::move(name); }

  Status add(std::shared_ptr<const File> file) {
    PENSEE_ASSIGN(const std::string text, read_header(*file));
    PENSEE_ASSIGN(const json::Value header, json::parse(text, file->name() + " (header)"));
    const uint64_t data_begin = 8 + text.size();
    std::vector<Extent> extents;
    for (const auto& [name, value] : *header.object()) {
      if (name == "__metadata__") continue;
      PENSEE_TRY(add_tensor(file, name, value, data_begin, extents));
    }
    return check_cover(*file, file->size() - data_begin, extents);
  }

  Status finish() {
    if (eights_.empty()) return index();
    PENSEE_TRY(index());
    std::vector<Tensor> joined;
    for (Tensor& numbers : eights_) {
      const std::string scales_name = numbers.name + "_scale_inv";
      const Tensor* scales = find(scales_name);
      const auto sides = [](int64_t n) { return (n + ScaledRows::kSide - 1) / ScaledRows::kSide; };
      const std::vector<int64_t> shape = {sides(numbers.rows()), sides(numbers.cols())};
      if (!scales || numbers.shape.size() != 2) {
        unreadable_.push_back({numbers.name, format("has dtype F8_E4M3, which is read with its scales, '{}'; there are "
                                                    "none for a matrix",
                                                    printable(scales_name))});
      } else if (scales->shape != shape || info(scales->type).block_elements != 1) {
        unreadable_.push_back({numbers.name, format("has dtype F8_E4M3 and scales of shape {}; one for each {} x {} "
                                                    "numbers is read, {}",
                                                    formats::shape_text(scales->shape), ScaledRows::kSide,
                                                    ScaledRows::kSide, formats::shape_text(shape))});
      } else {
        auto rows = std::make_shared<ScaledRows>(numbers, *scales);
        joined.push_back({numbers.name, rows->type(), numbers.shape, 0, rows->size(), rows});
      }
    }
    eights_.clear();
    std::move(joined.begin(), joined.end(), std::back_inserter(tensors_));
    return index();
  }
  bool knows(std::string_view name) const { return find(name) || why_absent(name).code() == Code::unsupported; }

 private:
  struct Extent {
    uint64_t begin;
    uint64_t end;
    std::string_view name;
  };

  static Result<std::string> read_header(const File& file) {
    if (file.size() < 8) {
      return Status::corrupt("{}: {} bytes are too few for a safetensors file", file.name(), file.size());
    }
    uint64_t length = 0;
    PENSEE_TRY(file.read(0, std::as_writable_bytes(std::span(&length, 1))));
    if (length > file.size() - 8) {
      return Status::corrupt(
          "{}: the header should have {} bytes but the file ends at byte {}; is it a whole safetensors file?",
          file.name(), length, file.size());
    }
    if (length > kMaxHeaderBytes) {
      return Status::corrupt("{}: the header should have {} bytes, more than the {} that the format allows",
                             file.name(), length, kMaxHeaderBytes);
    }
    std::string text(length, '\0');
    PENSEE_TRY(file.read(8, std::as_writable_bytes(std::span(text.data(), text.size()))));
    if (!text.starts_with('{')) return Status::corrupt("{}: the header at byte 8 does not begin with '{'", file.name());
    return text;
  }

  Status add_tensor(const std::shared_ptr<const File>& file, const std::string& name, const json::Value& value,
                    uint64_t data_begin, std::vector<Extent>& extents) {
    const auto bad = [&](std::string_view what) {
      return Status::corrupt("{}: tensor '{}' {}", file->name(), printable(name), what);
    };
    const json::Value* dtype_name = value.find("dtype");
    if (!dtype_name || !dtype_name->string()) return bad("has no dtype");
    std::vector<int64_t> shape, range;
    if (!read_naturals(value.find("shape"), shape)) return bad("has no shape of whole numbers");
    if (!read_naturals(value.find("data_offsets"), range) || range.size() != 2)
      return bad("has no pair of data_offsets");
    const uint64_t begin = static_cast<uint64_t>(range[0]), end = static_cast<uint64_t>(range[1]);
    if (begin > end) return bad(format("has data_offsets {} to {}", begin, end));
    if (end > file->size() - data_begin) {
      return bad(format("ends at byte {} but the file has {}; it is cut short", data_begin + end, file->size()));
    }
    extents.push_back({begin, end, name});

    const Dtype* dtype = find_dtype(*dtype_name->string());
    const std::optional<int64_t> elements = formats::count_elements(shape);
    if (!elements) return bad(format("has shape {}, beyond any size", formats::shape_text(shape)));
    // Elements first compared with bits that the file can hold, then multiplied.
    if (dtype && (static_cast<uint64_t>(*elements) > file->size() * 8 ||
                  static_cast<uint64_t>(*elements) * static_cast<uint64_t>(dtype->bits) != (end - begin) * 8)) {
      return bad(format("has shape {} of {}, which does not fill its {} bytes", formats::shape_text(shape), dtype->name,
                        end - begin));
    }
    if (!dtype || dtype->type == StoredType::count) {
      unreadable_.push_back({name, format("has dtype {}, which is not read; convert it to BF16, F16 or F32",
                                          printable(*dtype_name->string()))});
    } else if (std::string objection = formats::shape_objection(shape); !objection.empty()) {
      unreadable_.push_back({name, std::move(objection)});
    } else {
      auto& list = dtype->type == StoredType::f8_e4m3 ? eights_ : tensors_;
      list.push_back({name, dtype->type, std::move(shape), data_begin + begin, end - begin, file});
    }
    return Status();
  }

  static Status check_cover(const File& file, uint64_t data_bytes, std::vector<Extent>& extents) {
    std::sort(extents.begin(), extents.end(),
              [](const Extent& a, const Extent& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    uint64_t covered = 0;
    for (const Extent& e : extents) {
      if (e.begin != covered) {
        return Status::corrupt("{}: tensor '{}' begins at byte {} of the data, but the one before it ends at {}",
                               file.name(), printable(e.name), e.begin, covered);
      }
      covered = e.end;
    }
    if (covered == data_bytes) return Status();
    return Status::corrupt("{}: the last tensor ends at byte {} of the data, but there are {}", file.name(), covered,
                           data_bytes);
  }

  std::vector<Tensor> eights_;  // F8_E4M3, as they lie in the file, until their scales are known
};

bool leaves_folder(std::string_view name) {
  return name.empty() || name.front() == '.' || name.find_first_of("/\\") != std::string_view::npos ||
         name.find('\0') != std::string_view::npos;
}

// Each weight_map entry must be found where the index says.
Status check_index(const SafetensorsFile& file, const json::Object& weight_map, const std::string& folder,
                   const std::string& index_path) {
  for (const auto& [name, shard] : weight_map) {
    const Tensor* tensor = file.find(name);
    if (tensor ? tensor->file->name() != folder + "/" + *shard.string() : !file.knows(name)) {
      return Status::corrupt("{}: tensor '{}' should be in {} but is not", index_path, printable(name),
                             printable(*shard.string()));
    }
  }
  return Status();
}

Result<std::shared_ptr<const TensorFile>> open_sharded(const std::string& folder) {
  const std::string index_path = folder + "/" + std::string(kIndexName);
  PENSEE_ASSIGN(const auto index_file, open_file(index_path));
  PENSEE_ASSIGN(const std::string text, read_text(*index_file, kMaxHeaderBytes));
  PENSEE_ASSIGN(const json::Value index, json::parse(text, index_path));
  const json::Value* map = index.find("weight_map");
  if (!map || !map->object()) return Status::corrupt("{}: no object 'weight_map'", index_path);

  std::vector<std::string> shards;
  for (const auto& [name, shard] : *map->object()) {
    if (!shard.string() || leaves_folder(*shard.string())) {
      return Status::corrupt("{}: tensor '{}' is not mapped to a file name of the same folder", index_path,
                             printable(name));
    }
    shards.push_back(*shard.string());
  }
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());

  auto result = std::make_shared<SafetensorsFile>(folder);
  for (const std::string& shard : shards) {
    auto file = open_file(folder + "/" + shard);
    if (!file.ok()) {
      return Status(file.status().code(), format("{} ({} names it)", file.status().message(), kIndexName));
    }
    PENSEE_TRY(result->add(*file));
  }
  PENSEE_TRY(result->finish());
  PENSEE_TRY(check_index(*result, *map->object(), folder, index_path));
  return std::shared_ptr<const TensorFile>(std::move(result));
}

}  // namespace

Result<std::shared_ptr<const TensorFile>> open_safetensors(std::shared_ptr<const File> file) {
  auto result = std::make_shared<SafetensorsFile>(file->name());
  PENSEE_TRY(result->add(std::move(file)));
  PENSEE_TRY(result->finish());
  return std::shared_ptr<const TensorFile>(std::move(result));
}

Result<std::shared_ptr<const TensorFile>> open_safetensors_folder(const std::string& folder) {
  const std::string single = folder + "/model.safetensors";
  if (file_exists(single)) {
    PENSEE_ASSIGN(auto file, open_file(single));
    return open_safetensors(std::move(file));
  }
  if (file_exists(folder + "/" + std::string(kIndexName))) return open_sharded(folder);
  return Status::format(Code::file_not_found, "{}: neither model.safetensors nor {} is in this folder", folder,
                        kIndexName);
}

}  // namespace pensee
