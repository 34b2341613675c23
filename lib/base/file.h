// Read-only files: from a path, from a descriptor with an offset and a length (an asset inside an APK), or from the
// caller's memory. Everything is read with pread into memory of our own: a file cut short under us is an error
// value, never a signal; the one exception is map(). A File is immutable after opening and may be read by many threads
// at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/status.h"

namespace pensee {

// Bytes of a file in place, shared with everybody who maps them. A file that is cut short meanwhile raises SIGBUS where
// its bytes are touched: for packed files alone, whose users may choose to have them read instead.
class Mapping {
 public:
  explicit Mapping(std::span<const std::byte> bytes) : bytes_(bytes) {}
  virtual ~Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

class File {
 public:
  virtual ~File() = default;
  // The whole of it, read only; null where it is no file of the system's or the system refuses.
  virtual std::shared_ptr<const Mapping> map() const { return nullptr; }
  // Fills `out` from `offset`, or says what is missing; never a short read.
  virtual Status read(uint64_t offset, std::span<std::byte> out) const = 0;
  // Whether it can be read as long as it is held; false: it is memory that is the caller's again when a call returns.
  virtual bool lasts() const { return true; }
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
// What tells a file from another one, or from itself before it was written to.
struct FileStamp {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified = 0;  // seconds
  bool operator==(const FileStamp&) const = default;
};
std::optional<FileStamp> stamp_of(const std::string& path);
std::string absolute_path(const std::string& path);  // `path` itself where there is no such file
bool is_directory(const std::string& path);
bool file_exists(const std::string& path);
std::string errno_text(int error);

}  // namespace pensee
