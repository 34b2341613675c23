// Reads a GGUF header, little-endian throughout, nothing aligned:
//
//   "GGUF", uint32 version, uint64 tensors, uint64 pairs
//   pairs x   { string key, uint32 type, value }            string = uint64 length, bytes
//   tensors x { string name, uint32 n, n x uint64 dim (fastest first), uint32 type, uint64 offset }
//   padding to general.alignment (32 unless said), then the data that offsets count from
//
// An array value is uint32 type, uint64 count, then the values, which may be arrays again. Every length is held
// against the bytes that are left before anything is allocated, and the header as a whole may not exceed
// kMaxHeaderBytes nor hold more than kMaxValues values, so that a huge file cannot make a lie affordable.
#include "formats/gguf_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string_view>

#include "formats/checks.h"

namespace pensee::formats {
namespace {

constexpr uint64_t kMaxHeaderBytes = uint64_t{512} << 20;
constexpr uint64_t kMaxValues = uint64_t{1} << 23;
constexpr uint64_t kMaxPairs = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 20;
constexpr uint64_t kMaxKeyBytes = 65535;  // the specification's limit
constexpr int kMaxArrayDepth = 8;

enum ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
  kTypes
};
// The least that a value of each type takes in the file.
constexpr uint64_t kLeastBytes[kTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

// Reads forwards through a window of the file.
class Cursor {
 public:
  explicit Cursor(const File& file) : file_(file), end_(std::min(file.size(), kMaxHeaderBytes)) {}

  uint64_t position() const { return window_begin_ + used_; }
  uint64_t left() const { return end_ - position(); }
  const std::string& name() const { return file_.name(); }

  // `what` names the thing that is read, for messages.
  Status check_left(uint64_t bytes, std::string_view what) const {
    if (bytes <= left()) return Status();
    if (end_ < file_.size()) {
      return Status::corrupt("{}: {} at byte {} takes {} bytes, past the {} that a header may have", name(), what,
                             position(), bytes, end_);
    }
    return Status::corrupt("{}: {} at byte {} takes {} bytes, but only {} are left; the file is damaged or cut short",
                           name(), what, position(), bytes, left());
  }

  Status read(std::span<std::byte> out, std::string_view what) {
    PENSEE_TRY(check_left(out.size(), what));
    size_t done = 0;
    while (done < out.size()) {
      if (used_ == window_.size()) PENSEE_TRY(refill());
      const size_t n = std::min(out.size() - done, window_.size() - used_);
      std::memcpy(out.data() + done, window_.data() + used_, n);
      used_ += n;
      done += n;
    }
    return Status();
  }

  template <class T>
  Status read(T& out, std::string_view what) {
    return read(std::as_writable_bytes(std::span(&out, 1)), what);
  }

  Status read_string(std::string& out, uint64_t bytes_max, std::string_view what) {
    uint64_t length = 0;
    PENSEE_TRY(read(length, what));
    PENSEE_TRY(check_left(length, what));
    if (length > bytes_max) {
      return Status::corrupt("{}: {} at byte {} has {} bytes, more than {}", name(), what, position(), length,
                             bytes_max);
    }
    out.resize(length);
    return read(std::as_writable_bytes(std::span(out.data(), out.size())), what);
  }

 private:
  Status refill() {
    constexpr uint64_t kWindowBytes = 1 << 16;
    window_begin_ += window_.size();
    used_ = 0;
    window_.resize(std::min(kWindowBytes, end_ - window_begin_));
    return file_.read(window_begin_, window_);
  }

  const File& file_;
  uint64_t end_;
  uint64_t window_begin_ = 0;
  size_t used_ = 0;
  std::vector<std::byte> window_;
};

class Reader {
 public:
  explicit Reader(const File& file) : cursor_(file) {}

  Result<GgufHeader> read() {
    uint64_t tensors = 0, pairs = 0;
    PENSEE_TRY(read_counts(tensors, pairs));
    PENSEE_TRY(read_pairs(pairs));
    PENSEE_TRY(read_alignment());
    PENSEE_TRY(read_tensors(tensors));
    const uint64_t mask = header_.alignment - 1;
    header_.data_begin = (cursor_.position() + mask) & ~mask;
    return std::move(header_);
  }

 private:
  Status read_counts(uint64_t& tensors, uint64_t& pairs) {
    char magic[4] = {};
    PENSEE_TRY(cursor_.read(magic, "the magic"));
    if (std::string_view(magic, 4) != "GGUF") {
      return Status::corrupt("{}: does not begin with 'GGUF'; is it a GGUF file?", cursor_.name());
    }
    uint32_t version = 0;
    PENSEE_TRY(cursor_.read(version, "the version"));
    if (version != 0 && (version & 0xFFFF) == 0) {
      return Status::unsupported("{}: a big-endian GGUF file; convert it to little endian", cursor_.name());
    }
    if (version != 2 && version != 3) {
      return Status::unsupported("{}: GGUF version {}; versions 2 and 3 are read", cursor_.name(), version);
    }
    PENSEE_TRY(cursor_.read(tensors, "the number of tensors"));
    PENSEE_TRY(cursor_.read(pairs, "the number of metadata pairs"));
    PENSEE_TRY(check_count(tensors, kMaxTensors, 8 + 4 + 4 + 8, "tensors"));
    return check_count(pairs, kMaxPairs, 8 + 4 + 1, "metadata pairs");
  }

  Status check_count(uint64_t count, uint64_t count_max, uint64_t least_bytes, std::string_view what) {
    if (count <= count_max && count <= cursor_.left() / least_bytes) return Status();
    return Status::corrupt("{}: {} {} at byte {} cannot be: {} bytes are left and at most {} are read", cursor_.name(),
                           count, what, cursor_.position(), cursor_.left(), count_max);
  }

  Status read_pairs(uint64_t pairs) {
    json::Object object;
    for (uint64_t i = 0; i < pairs; ++i) {
      std::string key;
      PENSEE_TRY(cursor_.read_string(key, kMaxKeyBytes, "a metadata key"));
      const std::string what = "metadata '" + printable(key) + "'";
      uint32_t type = 0;
      PENSEE_TRY(cursor_.read(type, what));
      json::Value value;
      PENSEE_TRY(read_value(type, what, 0, value));
      object.emplace_back(std::move(key), std::move(value));
    }
    std::vector<std::string_view> keys;
    for (const json::Member& member : object) keys.push_back(member.first);
    std::sort(keys.begin(), keys.end());
    if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end()) {
      return Status::corrupt("{}: metadata '{}' stands in it twice", cursor_.name(), printable(*twice));
    }
    header_.metadata = json::Value(std::move(object));
    return Status();
  }

  Status read_value(uint32_t type, std::string_view what, int depth, json::Value& out) {
    switch (type) {
      case kUint8:
        return read_number<uint8_t>(what, out);
      case kInt8:
        return read_number<int8_t>(what, out);
      case kUint16:
        return read_number<uint16_t>(what, out);
      case kInt16:
        return read_number<int16_t>(what, out);
      case kUint32:
        return read_number<uint32_t>(what, out);
      case kInt32:
        return read_number<int32_t>(what, out);
      case kFloat32:
        return read_number<float>(what, out);
      case kUint64:
        return read_number<uint64_t>(what, out);
      case kInt64:
        return read_number<int64_t>(what, out);
      case kFloat64:
        return read_number<double>(what, out);
      case kBool:
        return read_bool(what, out);
      case kArray:
        return read_array(what, depth + 1, out);
      case kString: {
        std::string text;
        PENSEE_TRY(cursor_.read_string(text, kMaxHeaderBytes, what));
        out = json::Value(std::move(text));
        return Status();
      }
      default:
        return Status::corrupt("{}: {} before byte {} has type {}, which GGUF does not know", cursor_.name(), what,
                               cursor_.position(), type);
    }
  }

  template <class T>
  Status read_number(std::string_view what, json::Value& out) {
    T value = 0;
    PENSEE_TRY(cursor_.read(value, what));
    if constexpr (std::is_floating_point_v<T>) {
      out = json::Value(static_cast<double>(value));
    } else if (std::in_range<int64_t>(value)) {
      out = json::Value(static_cast<int64_t>(value));
    } else {
      out = json::Value(static_cast<double>(value));  // as the JSON reader does with numbers beyond 64 bits
    }
    return Status();
  }

  Status read_bool(std::string_view what, json::Value& out) {
    uint8_t value = 0;
    PENSEE_TRY(cursor_.read(value, what));
    if (value > 1) {
      return Status::corrupt("{}: {} before byte {} is a bool of value {}", cursor_.name(), what, cursor_.position(),
                             value);
    }
    out = json::Value(value == 1);
    return Status();
  }

  Status read_array(std::string_view what, int depth, json::Value& out) {
    if (depth > kMaxArrayDepth) {
      return Status::corrupt("{}: {} at byte {} nests arrays deeper than {}", cursor_.name(), what, cursor_.position(),
                             kMaxArrayDepth);
    }
    uint32_t type = 0;
    uint64_t count = 0;
    PENSEE_TRY(cursor_.read(type, what));
    PENSEE_TRY(cursor_.read(count, what));
    if (type >= kTypes) {
      return Status::corrupt("{}: {} before byte {} is an array of type {}, which GGUF does not know", cursor_.name(),
                             what, cursor_.position(), type);
    }
    PENSEE_TRY(check_count(count, kMaxValues - values_, kLeastBytes[type], format("values of {}", what)));
    values_ += count;
    json::Array items(count);
    for (json::Value& item : items) PENSEE_TRY(read_value(type, what, depth, item));
    out = json::Value(std::move(items));
    return Status();
  }

  Status read_alignment() {
    const json::Value* value = header_.metadata.find("general.alignment");
    if (!value) return Status();
    const int64_t* alignment = value->integer();
    if (!alignment || *alignment <= 0 || *alignment > UINT32_MAX ||
        !std::has_single_bit(static_cast<uint64_t>(*alignment))) {
      return Status::corrupt("{}: general.alignment is {}, not a power of two", cursor_.name(),
                             alignment ? std::to_string(*alignment) : value->kind());
    }
    header_.alignment = static_cast<uint64_t>(*alignment);
    return Status();
  }

  Status read_tensors(uint64_t tensors) {
    for (uint64_t i = 0; i < tensors; ++i) {
      GgufTensorEntry entry;
      PENSEE_TRY(cursor_.read_string(entry.name, kMaxKeyBytes, "a tensor's name"));
      const std::string what = "tensor '" + printable(entry.name) + "'";
      uint32_t dims = 0;
      PENSEE_TRY(cursor_.read(dims, what));
      if (dims > kMaxDims) {
        return Status::corrupt("{}: {} before byte {} has {} dims; GGUF allows {}", cursor_.name(), what,
                               cursor_.position(), dims, kMaxDims);
      }
      for (uint32_t d = 0; d < dims; ++d) {
        uint64_t dim = 0;
        PENSEE_TRY(cursor_.read(dim, what));
        if (!std::in_range<int64_t>(dim)) {
          return Status::corrupt("{}: {} before byte {} has a dim of {}", cursor_.name(), what, cursor_.position(),
                                 dim);
        }
        entry.shape.push_back(static_cast<int64_t>(dim));
      }
      std::reverse(entry.shape.begin(), entry.shape.end());
      PENSEE_TRY(cursor_.read(entry.type, what));
      PENSEE_TRY(cursor_.read(entry.offset, what));
      header_.tensors.push_back(std::move(entry));
    }
    return Status();
  }

  Cursor cursor_;
  GgufHeader header_;
  uint64_t values_ = 0;
};

}  // namespace

Result<GgufHeader> read_gguf_header(const File& file) { return Reader(file).read(); }

}  // namespace pensee::formats
