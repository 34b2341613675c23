#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/check.h"
#include "base/file.h"

namespace pensee {
namespace {

bool to_disk(int fd) {
#ifdef F_FULLFSYNC  // where fsync leaves data in the drive's own cache
  if (::fcntl(fd, F_FULLFSYNC) == 0) return true;
#endif
  return ::fsync(fd) == 0;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : path.substr(0, slash + 1);
}

}  // namespace

AtomicFile::AtomicFile(std::string path, unsigned mode)
    : path_(std::move(path)), temporary_(path_ + ".pensee-tmp"), mode_(mode) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::unlink(temporary_.c_str());  // before the lock goes with the descriptor
  ::close(fd_);
}

Status AtomicFile::failed(const char* what, const std::string& name) const {
  return Status::format(Code::file_io, "{}: {}: {}", name, what, errno_text(errno));
}

Status AtomicFile::open() {
  PENSEE_DCHECK(fd_ < 0);
  if (path_.empty()) return Status(Code::file_io, "the path of the file to write is empty");
  bool again = true;
  for (int tries = 0; again && tries < 100; ++tries) PENSEE_TRY(open_once(&again));
  if (!again) return Status();
  return Status::format(Code::busy, "{}: others keep writing this file", path_);
}

// The lock is on the file, not on its name: another writer may have renamed what we opened before we locked it. Then
// it is a finished file, and not to be touched.
Status AtomicFile::open_once(bool* again) {
  *again = false;
  const int fd = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode_);
  if (fd < 0) return failed("cannot create", temporary_);
  Status status;
  struct stat opened = {}, named = {};
  if (::fstat(fd, &opened) != 0 || !S_ISREG(opened.st_mode) || opened.st_nlink > 1) {
    status = Status::format(Code::file_io, "{}: in the way, and no file of ours: remove it", temporary_);
  } else if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    status = Status::format(Code::busy, "{}: is being written by another save", path_);
  } else if (::lstat(temporary_.c_str(), &named) != 0 || named.st_ino != opened.st_ino ||
             named.st_dev != opened.st_dev) {
    *again = true;
  } else if (::ftruncate(fd, 0) != 0) {
    status = failed("cannot empty", temporary_);
  } else {
    fd_ = fd;
    return Status();
  }
  ::close(fd);
  return status;
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), std::min<size_t>(bytes.size(), 1u << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("writing", temporary_);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return Status();
}

Status AtomicFile::commit() {
  if (!to_disk(fd_)) return failed("bringing it onto the disk", temporary_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("renaming the finished file", path_);
  ::close(fd_);
  fd_ = -1;
  // The rename itself: some file systems cannot sync a folder and say so with EINVAL.
  const std::string folder = folder_of(path_);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == EACCES ? Status() : failed("cannot open the folder", folder);
  Status status;
  if (!to_disk(fd) && errno != EINVAL && errno != ENOTSUP) status = failed("bringing the folder onto the disk", folder);
  ::close(fd);
  return status;
}

}  // namespace pensee
