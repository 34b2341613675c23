#include "formats/packed_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/checksum.h"
#include "formats/checks.h"

namespace pensee {
namespace {

static_assert(std::endian::native == std::endian::little, "packed files are little-endian");

constexpr char kMagic[8] = {'P', 'E', 'N', 'S', 'E', 'E', 0x1a, 'W'};
constexpr char kEndMagic[8] = {'P', 'E', 'N', 'S', 'E', 'E', 0x1a, 'E'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kIndexLimit = uint64_t{64} << 20;

struct Prelude {
  char magic[8];
  uint32_t version;
  uint32_t zero;
};
struct Tail {
  uint64_t index_begin;
  uint64_t index_bytes;
  uint64_t checksum;
  char magic[8];
};

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <class T>
std::span<std::byte> room_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

Prelude our_prelude() {
  Prelude prelude = {};
  std::memcpy(prelude.magic, kMagic, sizeof kMagic);
  prelude.version = kVersion;
  return prelude;
}

uint64_t checksum_of(std::span<const std::byte> bytes) {
  Checksum checksum;
  checksum.add(bytes);
  return checksum.value();
}

uint64_t index_checksum(const Prelude& prelude, const Tail& tail, std::string_view index) {
  Checksum checksum;
  checksum.add(bytes_of(prelude));
  checksum.add(bytes_of(tail.index_begin));
  checksum.add(bytes_of(tail.index_bytes));
  checksum.add(std::as_bytes(std::span(index)));
  return checksum.value();
}

std::string hexadecimal(uint64_t value) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof text, value, 16).ptr;
  return std::string(text, end);
}

bool read_unsigned(const json::Value& entry, std::string_view key, uint64_t& out) {
  const json::Value* value = entry.find(key);
  const int64_t* number = value ? value->integer() : nullptr;
  if (!number || *number < 0) return false;
  out = static_cast<uint64_t>(*number);
  return true;
}

bool read_entry(const json::Value& value, PackedEntry& entry) {
  const json::Value* name = value.find("name");
  const json::Value* checksum = value.find("xxh64");
  if (!name || !name->string() || !checksum || !checksum->string()) return false;
  const std::string& hex = *checksum->string();
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), entry.checksum, 16);
  if (error != std::errc() || end != hex.data() + hex.size()) return false;
  entry.name = *name->string();
  entry.about = value;
  return read_unsigned(value, "at", entry.offset) && read_unsigned(value, "bytes", entry.bytes);
}

}  // namespace

Result<bool> PackedFile::begins(const File& file) {
  char magic[8];
  if (file.size() < sizeof magic) return false;
  PENSEE_TRY(file.read(0, std::as_writable_bytes(std::span(magic))));
  return std::memcmp(magic, kMagic, sizeof magic) == 0;
}

Result<std::shared_ptr<const PackedFile>> PackedFile::open(std::shared_ptr<const File> file) {
  const uint64_t size = file->size();
  Prelude prelude = {};
  Tail tail = {};
  if (size < sizeof prelude + sizeof tail) {
    return Status::corrupt("{}: {} bytes are no packed file", file->name(), size);
  }
  PENSEE_TRY(file->read(0, room_of(prelude)));
  if (std::memcmp(prelude.magic, kMagic, sizeof kMagic) != 0) {
    return Status::corrupt("{}: no packed file", file->name());
  }
  if (prelude.version != kVersion) {
    return Status::unsupported("{}: a packed file of version {} but this library reads {}: pack the original again",
                               file->name(), prelude.version, kVersion);
  }
  PENSEE_TRY(file->read(size - sizeof tail, room_of(tail)));
  if (std::memcmp(tail.magic, kEndMagic, sizeof kEndMagic) != 0) {
    return Status::corrupt("{}: the end of the packed file is missing: was it cut short at byte {}?", file->name(),
                           size);
  }
  if (tail.index_bytes > kIndexLimit || tail.index_begin < sizeof prelude ||
      tail.index_begin > size - sizeof tail || tail.index_bytes != size - sizeof tail - tail.index_begin) {
    return Status::corrupt("{}: the index is said to have {} bytes from byte {} on, in a file of {}", file->name(),
                           tail.index_bytes, tail.index_begin, size);
  }
  std::string index(tail.index_bytes, '\0');
  PENSEE_TRY(file->read(tail.index_begin, std::as_writable_bytes(std::span(index.data(), index.size()))));
  if (index_checksum(prelude, tail, index) != tail.checksum) {
    return Status::corrupt("{}: the index at byte {} is damaged: its checksum differs", file->name(), tail.index_begin);
  }
  auto made = std::make_shared<PackedFile>();
  made->file_ = std::move(file);
  PENSEE_TRY(made->read_index(index, tail.index_begin));
  return std::shared_ptr<const PackedFile>(std::move(made));
}

Status PackedFile::read_index(std::string_view text, uint64_t end) {
  PENSEE_ASSIGN(json::Value index, json::parse(text, name()));
  const json::Value* about = index.find("about");
  const json::Value* entries = index.find("entries");
  if (!about || !about->object() || !entries || !entries->array()) {
    return Status::corrupt("{}: the index has no \"about\" or no \"entries\"", name());
  }
  about_ = *about;
  for (const json::Value& value : *entries->array()) {
    PackedEntry entry;
    if (!read_entry(value, entry)) return Status::corrupt("{}: entry {} of the index is none", name(), entries_.size());
    if (entry.offset % kAlignment != 0 || entry.offset > end || entry.bytes > end - entry.offset) {
      return Status::corrupt("{}: '{}' is said to have {} bytes from byte {} on", name(),
                             formats::printable(entry.name), entry.bytes, entry.offset);
    }
    entries_.push_back(std::move(entry));
  }
  const auto before = [](const PackedEntry& a, const PackedEntry& b) { return a.name < b.name; };
  std::sort(entries_.begin(), entries_.end(), before);
  for (size_t i = 1; i < entries_.size(); ++i) {
    if (entries_[i].name != entries_[i - 1].name) continue;
    return Status::corrupt("{}: '{}' stands in it twice", name(), formats::printable(entries_[i].name));
  }
  return Status();
}

const PackedEntry* PackedFile::find(std::string_view wanted) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), wanted,
                                      [](const PackedEntry& e, std::string_view n) { return e.name < n; });
  return found != entries_.end() && found->name == wanted ? &*found : nullptr;
}

Status PackedFile::read(const PackedEntry& entry, std::span<std::byte> out) const {
  PENSEE_TRY(file_->read(entry.offset, out));
  return check(entry, out);
}

Status PackedFile::check(const PackedEntry& entry, std::span<const std::byte> bytes) const {
  if (bytes.size() == entry.bytes && checksum_of(bytes) == entry.checksum) return Status();
  return Status::corrupt("{}: '{}' at byte {} is damaged: its checksum differs", name(),
                         formats::printable(entry.name), entry.offset);
}

Status PackedWriter::put(std::span<const std::byte> bytes) {
  constexpr size_t at_once = 8 << 20;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), at_once));
    PENSEE_TRY(sink_.write(part));
    at_ += part.size();
    bytes = bytes.subspan(part.size());
    if (progress && part.size() == at_once && !progress(progress_user, at_)) {
      return Status(Code::cancelled, "saving was cancelled by the progress callback");
    }
  }
  return Status();
}

Status PackedWriter::begin() {
  const Prelude prelude = our_prelude();
  return put(bytes_of(prelude));
}

Status PackedWriter::add(std::string name, json::Value about, std::span<const std::byte> bytes) {
  constexpr std::byte nothing[kAlignment] = {};
  PENSEE_TRY(put(std::span(nothing).first((kAlignment - at_ % kAlignment) % kAlignment)));
  about.set("name", std::move(name));
  about.set("at", static_cast<int64_t>(at_));
  about.set("bytes", static_cast<int64_t>(bytes.size()));
  about.set("xxh64", hexadecimal(checksum_of(bytes)));
  entries_.push_back(std::move(about));
  return put(bytes);
}

Status PackedWriter::end(json::Value about) {
  json::Value index;
  index.set("about", std::move(about));
  index.set("entries", std::move(entries_));
  const std::string text = json::dump_compact(index);
  Tail tail = {at_, text.size(), 0, {}};
  tail.checksum = index_checksum(our_prelude(), tail, text);
  std::memcpy(tail.magic, kEndMagic, sizeof kEndMagic);
  PENSEE_TRY(put(std::as_bytes(std::span(text))));
  return put(bytes_of(tail));
}

}  // namespace pensee
