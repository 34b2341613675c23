// A file that is there whole or not at all. What is written goes into "<path>.pensee-tmp" beside it; commit() brings
// it onto the disk and renames it over `path`. Whoever dies in between, even by kill -9 or a power cut, leaves the
// old file as it was, and at most that one temporary file, which the next save takes over. Nothing outside of path's
// folder is touched; a link at `path` is replaced, not followed. Only the owner may read it, unless `mode` says more.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace pensee {

// Where bytes go, one after another.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(std::span<const std::byte> bytes) = 0;
};

class MemorySink final : public ByteSink {
 public:
  Status write(std::span<const std::byte> bytes) override {
    data.insert(data.end(), bytes.begin(), bytes.end());
    return Status();
  }
  std::vector<std::byte> data;
};

class AtomicFile final : public ByteSink {
 public:
  explicit AtomicFile(std::string path, unsigned mode = 0600);
  ~AtomicFile() override;  // without commit: the temporary file goes
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  Status open();  // busy: somebody else is writing the same file
  Status write(std::span<const std::byte> bytes) override;
  Status commit();

 private:
  Status open_once(bool* again);
  Status failed(const char* what, const std::string& name) const;

  std::string path_, temporary_;
  unsigned mode_;
  int fd_ = -1;
};

}  // namespace pensee
