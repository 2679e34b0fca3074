#include "controller/tls/memory_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::tls {
namespace {

absl::Status Failed(absl::string_view call, const std::string& name) {
  return absl::InternalError(absl::StrCat(call, " ", name, ": ", strerror(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryFile>> MemoryFile::Create(const std::string& name) {
  const int fd = memfd_create(name.c_str(), MFD_CLOEXEC);
  if (fd < 0) return Failed("memfd_create", name);
  return std::unique_ptr<MemoryFile>(new MemoryFile(name, fd));
}

MemoryFile::~MemoryFile() { close(fd_); }

absl::Status MemoryFile::Replace(absl::string_view content) {
  const int fresh = memfd_create(name_.c_str(), MFD_CLOEXEC);
  if (fresh < 0) return Failed("memfd_create", name_);
  absl::Status status;
  while (status.ok() && !content.empty()) {
    const ssize_t written = write(fresh, content.data(), content.size());
    if (written < 0) {
      status = Failed("write", name_);
    } else {
      content.remove_prefix(static_cast<size_t>(written));
    }
  }
  if (status.ok() && dup3(fresh, fd_, O_CLOEXEC) < 0) status = Failed("dup3", name_);
  close(fresh);
  return status;
}

std::string MemoryFile::path() const { return absl::StrCat("/proc/self/fd/", fd_); }

}  // namespace openelb::tls
