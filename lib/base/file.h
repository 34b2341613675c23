// Read-only files: from a path, from a descriptor with an offset and a length (an asset inside an APK), or from the
// caller's memory. Everything is read with pread into memory of our own: a file cut short under us is an error
// value, never a signal. A File is immutable after opening and may be read by many threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"

namespace pensee {

class File {
 public:
  virtual ~File() = default;
  // Fills `out` from `offset`, or says what is missing; never a short read.
  virtual Status read(uint64_t offset, std::span<std::byte> out) const = 0;
  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }  // for messages: the path, or "descriptor 7", or "memory"

 protected:
  uint64_t size_ = 0;
  std::string name_;
};

Result<std::shared_ptr<const File>> open_file(const std::string& path);
// Duplicates `fd` (the caller keeps and closes its own); length 0 means "to the end".
Result<std::shared_ptr<const File>> open_descriptor(int fd, uint64_t offset, uint64_t length);
// Does not copy: `data` must outlive the File.
std::shared_ptr<const File> wrap_memory(std::span<const std::byte> data, std::string name = "memory");

// The whole file as text, refused beyond `limit` bytes.
Result<std::string> read_text(const File& file, uint64_t limit);
bool is_directory(const std::string& path);
bool file_exists(const std::string& path);

}  // namespace pensee
