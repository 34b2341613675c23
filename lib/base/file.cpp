#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace pensee {

std::string errno_text(int error) {
  switch (error) {
    case ENOENT:
      return "no such file or folder";
    case EACCES:
      return "permission denied";
    case EISDIR:
      return "is a folder, not a file";
    case EBADF:
      return "not an open descriptor";
    case EMFILE:
      return "too many open files";
    case ENOSPC:
      return "no space left on the disk";
    case EDQUOT:
      return "the disk quota is used up";
    case EFBIG:
      return "the file would be larger than allowed";
    case EROFS:
      return "the file system can only be read";
    case ELOOP:
      return "is a symbolic link";
    case ENOTDIR:
      return "a part of the path is no folder";
    case ENAMETOOLONG:
      return "the name is too long";
    default:
      return format("system error {}", error);
  }
}

namespace {

// Owns a descriptor from the moment it exists: what follows may run out of memory.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class SystemMapping final : public Mapping {
 public:
  SystemMapping(void* begin, size_t length, size_t skipped)
      : Mapping(std::span(static_cast<const std::byte*>(begin) + skipped, length - skipped)),
        begin_(begin),
        length_(length) {}
  ~SystemMapping() override { ::munmap(begin_, length_); }

 private:
  void* begin_;
  size_t length_;
};

class DescriptorFile final : public File {
 public:
  DescriptorFile(Descriptor fd, uint64_t offset, uint64_t size, std::string name)
      : fd_(std::move(fd)), offset_(offset) {
    size_ = size;
    name_ = std::move(name);
  }

  Status read(uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return Status::corrupt("{}: bytes {} to {} were asked for but the file ends at {}", name_, offset,
                             offset + out.size(), size_);
    }
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n =
          ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset_ + offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        return Status::format(Code::file_io, "{}: reading at byte {}: {}", name_, offset + done, errno_text(errno));
      if (n == 0)
        return Status::corrupt("{}: the file was cut short at byte {} while it was read", name_, offset + done);
      done += static_cast<size_t>(n);
    }
    return Status();
  }

  std::shared_ptr<const Mapping> map() const override {
    const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t skipped = offset_ % page;
    if (size_ == 0 || size_ > SIZE_MAX - skipped) return nullptr;
    const auto length = static_cast<size_t>(size_ + skipped);
    void* begin = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_.get(), static_cast<off_t>(offset_ - skipped));
    if (begin == MAP_FAILED) return nullptr;
    try {
      return std::make_shared<SystemMapping>(begin, length, static_cast<size_t>(skipped));
    } catch (...) {
      ::munmap(begin, length);
      throw;
    }
  }

 private:
  Descriptor fd_;
  uint64_t offset_;
};

class MemoryFile final : public File {
 public:
  MemoryFile(std::span<const std::byte> data, std::string name) : data_(data) {
    size_ = data.size();
    name_ = std::move(name);
  }
  Status read(uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return Status::corrupt("{}: bytes {} to {} were asked for but the buffer ends at {}", name_, offset,
                             offset + out.size(), size_);
    }
    if (!out.empty()) std::memcpy(out.data(), data_.data() + offset, out.size());
    return Status();
  }
  bool lasts() const override { return false; }

 private:
  std::span<const std::byte> data_;
};

}  // namespace

Result<std::shared_ptr<const File>> open_file(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer; to a regular file it means nothing.
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    const int error = errno;
    const Code code = error == ENOENT || error == ENOTDIR ? Code::file_not_found : Code::file_io;
    return Status::format(code, "{}: cannot open: {}", path, errno_text(error));
  }
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Status::format(Code::file_io, "{}: not a regular file", path);
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  return std::shared_ptr<const File>(std::make_shared<DescriptorFile>(std::move(fd), 0, size, path));
}

Result<std::shared_ptr<const File>> open_descriptor(int fd, uint64_t offset, uint64_t length) {
  const std::string name = format("descriptor {}", fd);
  struct stat info = {};
  if (fd < 0 || ::fstat(fd, &info) != 0) return Status::format(Code::bad_argument, "{}: not an open descriptor", name);
  const uint64_t end = static_cast<uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode)) return Status::format(Code::bad_argument, "{}: not a regular file", name);
  if (offset > end || length > end - offset) {
    return Status::format(Code::bad_argument, "{}: offset {} and length {} reach past the file's {} bytes", name,
                          offset, length, end);
  }
  Descriptor own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (own.get() < 0) return Status::format(Code::file_io, "{}: cannot duplicate: {}", name, errno_text(errno));
  const uint64_t size = length == 0 ? end - offset : length;
  return std::shared_ptr<const File>(std::make_shared<DescriptorFile>(std::move(own), offset, size, name));
}

std::shared_ptr<const File> wrap_memory(std::span<const std::byte> data, std::string name) {
  return std::make_shared<MemoryFile>(data, std::move(name));
}

Result<std::string> read_text(const File& file, uint64_t limit) {
  if (file.size() > limit) {
    return Status::unsupported("{}: {} bytes of text, more than the {} that are read", file.name(), file.size(), limit);
  }
  std::string text(file.size(), '\0');
  PENSEE_TRY(file.read(0, std::as_writable_bytes(std::span(text.data(), text.size()))));
  return text;
}

std::optional<FileStamp> stamp_of(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return FileStamp{static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino),
                   static_cast<uint64_t>(info.st_size), static_cast<int64_t>(info.st_mtime)};
}

std::string absolute_path(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (!real) return path;
  std::string found = real;
  std::free(real);
  return found;
}

bool is_directory(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool file_exists(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace pensee
