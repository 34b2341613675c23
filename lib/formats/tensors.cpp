// The parts of a TensorFile that do not depend on its format: looking names up, saying why a name is not there, and
// reading rows. A reader has checked by then that each tensor lies within its file, so a failure here is the disk's.
#include "formats/tensors.h"

#include <algorithm>

#include "base/check.h"
#include "formats/checks.h"

namespace pensee {
namespace formats {

std::string printable(std::string_view name) {
  constexpr size_t kMost = 80;
  std::string out(name.substr(0, kMost));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return name.size() > kMost ? out + "..." : out;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (const int64_t dim : shape.first(std::min<size_t>(shape.size(), 8))) {
    if (out.size() > 1) out += ", ";
    out += std::to_string(dim);
  }
  return out + (shape.size() > 8 ? ", ...]" : "]");
}

std::optional<int64_t> count_elements(std::span<const int64_t> shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  int64_t elements = 1;
  for (const int64_t dim : shape) {
    if (__builtin_mul_overflow(elements, dim, &elements)) return std::nullopt;
  }
  return elements;
}

std::string shape_objection(std::span<const int64_t> shape) {
  if (shape.size() > kMaxDims) return format("has {} dims, more than the {} that are read", shape.size(), kMaxDims);
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return "has no elements";
  return "";
}

}  // namespace formats

int64_t Tensor::elements() const { return formats::count_elements(shape).value_or(0); }

const Tensor* TensorFile::find(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [&](uint32_t i, std::string_view n) { return tensors_[i].name < n; });
  return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
}

Status TensorFile::why_absent(std::string_view name) const {
  const auto found = std::lower_bound(unreadable_.begin(), unreadable_.end(), name,
                                      [](const Unreadable& u, std::string_view n) { return u.name < n; });
  if (found != unreadable_.end() && found->name == name) {
    return Status::unsupported("{}: tensor '{}' {}", name_, formats::printable(name), found->reason);
  }
  return Status::corrupt("{}: tensor '{}' is missing", name_, formats::printable(name));
}

Status TensorFile::index() {
  const auto twice = [this](std::string_view name) {
    return Status::corrupt("{}: tensor '{}' stands in it twice", name_, formats::printable(name));
  };
  by_name_.resize(tensors_.size());
  for (size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = static_cast<uint32_t>(i);
  std::sort(by_name_.begin(), by_name_.end(),
            [this](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; });
  for (size_t i = 1; i < by_name_.size(); ++i) {
    if (tensors_[by_name_[i - 1]].name == tensors_[by_name_[i]].name) return twice(tensors_[by_name_[i]].name);
  }
  std::sort(unreadable_.begin(), unreadable_.end(),
            [](const Unreadable& a, const Unreadable& b) { return a.name < b.name; });
  for (size_t i = 0; i < unreadable_.size(); ++i) {
    const std::string& name = unreadable_[i].name;
    if (find(name) || (i > 0 && unreadable_[i - 1].name == name)) return twice(name);
  }
  return Status();
}

namespace {

Status check_rows(const Tensor& tensor, int64_t first, int64_t count, uint64_t room, uint64_t needed_a_row) {
  const int64_t rows = tensor.rows();
  if (first < 0 || count < 0 || first > rows || count > rows - first) {
    return Status::format(Code::bad_argument, "tensor '{}': {} rows from row {} were asked for, but it has {}",
                          formats::printable(tensor.name), count, first, rows);
  }
  if (room != static_cast<uint64_t>(count) * needed_a_row) {
    return Status::format(Code::bad_argument, "tensor '{}': room for {} where {} rows take {}",
                          formats::printable(tensor.name), room, count, static_cast<uint64_t>(count) * needed_a_row);
  }
  return Status();
}

}  // namespace

Status read_rows(const Tensor& tensor, int64_t first, int64_t count, std::span<std::byte> out) {
  const uint64_t row = row_bytes(tensor.type, tensor.cols());
  PENSEE_TRY(check_rows(tensor, first, count, out.size(), row));
  return tensor.file->read(tensor.offset + static_cast<uint64_t>(first) * row, out);
}

Status read_rows_float(const Tensor& tensor, int64_t first, int64_t count, std::span<float> out) {
  const StoredTypeInfo& type = info(tensor.type);
  const uint64_t row = row_bytes(tensor.type, tensor.cols());
  PENSEE_TRY(check_rows(tensor, first, count, out.size(), static_cast<uint64_t>(tensor.cols())));
  const uint64_t begin = tensor.offset + static_cast<uint64_t>(first) * row;
  if (type.type == StoredType::f32) return tensor.file->read(begin, std::as_writable_bytes(out));

  // Through a buffer of whole blocks: rows follow one another without a gap, so their borders do not matter.
  constexpr int64_t kBufferBytes = 1 << 18;
  const int64_t blocks = static_cast<int64_t>(out.size()) / type.block_elements;
  const int64_t at_once = std::min(blocks, int64_t{kBufferBytes} / type.block_bytes);
  std::vector<std::byte> buffer(static_cast<size_t>(at_once * type.block_bytes));
  for (int64_t block = 0; block < blocks; block += at_once) {
    const int64_t n = std::min(at_once, blocks - block);
    const std::span<std::byte> part(buffer.data(), static_cast<size_t>(n * type.block_bytes));
    PENSEE_TRY(tensor.file->read(begin + static_cast<uint64_t>(block * type.block_bytes), part));
    type.decode(part.data(), out.data() + block * type.block_elements, n);
  }
  return Status();
}

}  // namespace pensee
