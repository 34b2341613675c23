// GGUF files as tensors: binds each entry of the header to bytes of its file, and follows split files by name
// (model-00001-of-00003.gguf), whose first part carries the metadata. Types that we do not read, such as IQ2_XS, are no
// error until someone asks for such a tensor. Tensors may have gaps between them, for alignment, but may not overlap:
// nothing honest does that, and it would let a small file ask for endless work.
#include <algorithm>
#include <optional>

#include "formats/checks.h"
#include "formats/gguf_header.h"
#include "formats/tensors.h"

namespace pensee {
namespace {

using formats::GgufHeader;
using formats::GgufTensorEntry;
using formats::printable;

// ggml's names for the types that quants/ does not read, so that a message can say more than a number.
struct OtherType {
  uint32_t id;
  std::string_view name;
};
constexpr OtherType kOtherTypes[] = {
    {9, "Q8_1"},   {10, "Q2_K"},   {11, "Q3_K"},  {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"},  {24, "I8"},     {25, "I16"},
    {26, "I32"},   {27, "I64"},    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"},  {39, "MXFP4"},
};

std::string other_type_text(uint32_t id) {
  const auto found =
      std::find_if(std::begin(kOtherTypes), std::end(kOtherTypes), [&](const OtherType& t) { return t.id == id; });
  const std::string name = found == std::end(kOtherTypes) ? "" : format(" ({})", found->name);
  return format("has ggml type {}{}, which is not read; a Q8_0, Q6_K, Q5_K or Q4_K file of the model would do", id,
                name);
}

class GgufReader final : public GgufFile {
 public:
  explicit GgufReader(std::string name) { name_ = std::move(name); }

  void take_metadata(GgufHeader& header) { metadata_ = std::move(header.metadata); }

  Status add(const std::shared_ptr<const File>& file, GgufHeader& header) {
    const size_t first = tensors_.size();
    for (GgufTensorEntry& entry : header.tensors) PENSEE_TRY(add_tensor(file, header, entry));
    return check_overlap(*file, first);
  }

  size_t count() const { return tensors_.size() + unreadable_.size(); }
  Status finish() { return index(); }

 private:
  Status add_tensor(const std::shared_ptr<const File>& file, const GgufHeader& header, GgufTensorEntry& entry) {
    const auto bad = [&](std::string_view what) {
      return Status::corrupt("{}: tensor '{}' {}", file->name(), printable(entry.name), what);
    };
    if (entry.offset % header.alignment != 0) {
      return bad(format("has offset {}, not a multiple of {}", entry.offset, header.alignment));
    }
    const std::optional<int64_t> elements = formats::count_elements(entry.shape);
    if (!elements) return bad(format("has shape {}, beyond any size", formats::shape_text(entry.shape)));
    const StoredTypeInfo* type =
        entry.type <= INT32_MAX ? stored_type_by_gguf_id(static_cast<int32_t>(entry.type)) : nullptr;
    std::string objection = type ? formats::shape_objection(entry.shape) : other_type_text(entry.type);
    if (!objection.empty()) {
      unreadable_.push_back({std::move(entry.name), std::move(objection)});
      return Status();
    }
    Tensor tensor{std::move(entry.name), type->type, std::move(entry.shape), 0, 0, file};
    const auto bad_tensor = [&](std::string_view what) {
      return Status::corrupt("{}: tensor '{}' {}", file->name(), printable(tensor.name), what);
    };
    if (tensor.cols() % type->block_elements != 0) {
      return bad_tensor(format("has rows of {} numbers, not a multiple of the {} in a block of {}", tensor.cols(),
                               type->block_elements, type->name));
    }
    const uint64_t blocks = static_cast<uint64_t>(*elements / type->block_elements);
    uint64_t end = 0;
    if (__builtin_mul_overflow(blocks, static_cast<uint64_t>(type->block_bytes), &tensor.bytes) ||
        __builtin_add_overflow(header.data_begin, entry.offset, &tensor.offset) ||
        __builtin_add_overflow(tensor.offset, tensor.bytes, &end)) {
      return bad_tensor(
          format("of shape {} at offset {} ends beyond any file", formats::shape_text(tensor.shape), entry.offset));
    }
    if (end > file->size()) {
      return bad_tensor(
          format("ends at byte {} but the file has {}; it is cut short: fetch it again", end, file->size()));
    }
    tensors_.push_back(std::move(tensor));
    return Status();
  }

  // Of the tensors from `first` on, which lie in one file.
  Status check_overlap(const File& file, size_t first) const {
    std::vector<const Tensor*> by_offset;
    for (size_t i = first; i < tensors_.size(); ++i) by_offset.push_back(&tensors_[i]);
    std::sort(by_offset.begin(), by_offset.end(),
              [](const Tensor* a, const Tensor* b) { return a->offset < b->offset; });
    for (size_t i = 1; i < by_offset.size(); ++i) {
      const Tensor &before = *by_offset[i - 1], &after = *by_offset[i];
      if (after.offset < before.offset + before.bytes) {
        return Status::corrupt("{}: tensors '{}' and '{}' overlap at byte {}", file.name(), printable(before.name),
                               printable(after.name), after.offset);
      }
    }
    return Status();
  }
};

int64_t whole_number(const json::Value& metadata, std::string_view key, int64_t otherwise) {
  const json::Value* value = metadata.find(key);
  const int64_t* n = value ? value->integer() : nullptr;
  return n ? *n : otherwise;
}

// "-00002-of-00005.gguf"
std::string part_suffix(int64_t part, int64_t parts) {
  const auto five = [](int64_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return "-" + five(part) + "-of-" + five(parts) + ".gguf";
}

Status add_other_parts(GgufReader& result, const File& first, int64_t parts) {
  const std::string suffix = part_suffix(1, parts);
  if (!first.name().ends_with(suffix)) {
    return Status::unsupported("{}: is the first of {} parts, but not called ...{}, so the others cannot be found",
                               first.name(), parts, suffix);
  }
  const std::string stem = first.name().substr(0, first.name().size() - suffix.size());
  for (int64_t part = 2; part <= parts; ++part) {
    auto file = open_file(stem + part_suffix(part, parts));
    if (!file.ok()) {
      return Status(file.status().code(),
                    format("{} ({} is the first of {} parts)", file.status().message(), first.name(), parts));
    }
    PENSEE_ASSIGN(GgufHeader header, formats::read_gguf_header(**file));
    const int64_t number = whole_number(header.metadata, "split.no", -1);
    if (number != part - 1 || whole_number(header.metadata, "split.count", -1) != parts) {
      return Status::corrupt("{}: split.no is {} and split.count {}; is it part {} of {}?", (*file)->name(), number,
                             whole_number(header.metadata, "split.count", -1), part, parts);
    }
    PENSEE_TRY(result.add(*file, header));
  }
  const int64_t tensors = whole_number(result.metadata(), "split.tensors.count", -1);
  if (tensors >= 0 && static_cast<uint64_t>(tensors) != result.count()) {
    return Status::corrupt("{}: its {} parts have {} tensors where split.tensors.count says {}", first.name(), parts,
                           result.count(), tensors);
  }
  return Status();
}

}  // namespace

Result<std::shared_ptr<const GgufFile>> open_gguf(std::shared_ptr<const File> file) {
  PENSEE_ASSIGN(GgufHeader header, formats::read_gguf_header(*file));
  auto result = std::make_shared<GgufReader>(file->name());
  PENSEE_TRY(result->add(file, header));
  result->take_metadata(header);
  const int64_t parts = whole_number(result->metadata(), "split.count", 1);
  if (const int64_t number = whole_number(result->metadata(), "split.no", 0); parts > 1 && number != 0) {
    return Status::format(Code::bad_argument, "{}: is part {} of {}; open the first part, ...{}", file->name(),
                          number + 1, parts, part_suffix(1, parts));
  }
  if (parts > 1) PENSEE_TRY(add_other_parts(*result, *file, parts));
  PENSEE_TRY(result->finish());
  return std::shared_ptr<const GgufFile>(std::move(result));
}

Result<std::string> read_gguf_header_text(const File& file) {
  PENSEE_ASSIGN(const GgufHeader header, formats::read_gguf_header(file));
  std::string text(std::min(header.data_begin, file.size()), '\0');
  PENSEE_TRY(file.read(0, std::as_writable_bytes(std::span(text.data(), text.size()))));
  return text;
}

Result<json::Value> read_gguf_metadata(const File& file) {
  PENSEE_ASSIGN(GgufHeader header, formats::read_gguf_header(file));
  return std::move(header.metadata);
}

}  // namespace pensee
