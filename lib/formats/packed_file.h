// A packed file: weights as a backend computes with them, so that they can be used where they lie, and all else that a
// model needs. This is the container; what its entries mean, models/packed_model.h says.
//
//   "PENSEE" 0x1a 'W'   8 bytes
//   version             u32, 1; then u32 0
//   entries             bytes, each begun on a multiple of 64
//   index               JSON: {"about": {..}, "entries": [{"name": .., "at": .., "bytes": .., "xxh64": "..", ..}, ..]}
//   tail                u64 begin of the index, u64 its bytes, u64 checksum over the first 16 bytes of the file, these
//                       two and the index; "PENSEE" 0x1a 'E'
//
// Little-endian. Opening checks the tail, the index and that each entry lies inside the file; an entry's own checksum
// is looked at where it is read, and where somebody asks.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"

namespace pensee {

struct PackedEntry {
  std::string name;
  uint64_t offset = 0, bytes = 0, checksum = 0;
  json::Value about;  // what the writer says of it: an object
};

class PackedFile {
 public:
  static Result<bool> begins(const File& file);  // as a packed file does
  static Result<std::shared_ptr<const PackedFile>> open(std::shared_ptr<const File> file);

  const std::string& name() const { return file_->name(); }
  const json::Value& about() const { return about_; }
  const std::vector<PackedEntry>& entries() const { return entries_; }  // by name
  const PackedEntry* find(std::string_view name) const;
  const std::shared_ptr<const File>& file() const { return file_; }
  // All of an entry, checked; `out` has its size.
  Status read(const PackedEntry& entry, std::span<std::byte> out) const;
  // Whether `bytes`, which stand for the entry's, are what was written.
  Status check(const PackedEntry& entry, std::span<const std::byte> bytes) const;

 private:
  Status read_index(std::string_view text, uint64_t end);

  std::shared_ptr<const File> file_;
  json::Value about_;
  std::vector<PackedEntry> entries_;
};

class PackedWriter {
 public:
  explicit PackedWriter(ByteSink& sink) : sink_(sink) {}
  Status begin();
  // `about`: an object, or null.
  Status add(std::string name, json::Value about, std::span<const std::byte> bytes);
  Status end(json::Value about);

  // After each few megabytes; false cancels.
  bool (*progress)(void* user, uint64_t written) = nullptr;
  void* progress_user = nullptr;

 private:
  Status put(std::span<const std::byte> bytes);

  ByteSink& sink_;
  uint64_t at_ = 0;
  json::Array entries_;
};

}  // namespace pensee
