#include "api/base/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

constexpr absl::string_view kTemporarySuffix = ".tmp";

absl::Status Errno(absl::string_view what, absl::string_view path) {
  const int error = errno;
  const std::string text = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(text);
  if (error == EACCES || error == EPERM || error == EROFS) return absl::PermissionDeniedError(text);
  return absl::InternalError(text);
}

absl::Status WriteFile(const std::string& path, absl::string_view content, bool sync) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Errno("create", path);
  absl::Cleanup close_fd = [fd] { close(fd); };
  for (size_t done = 0; done < content.size();) {
    const ssize_t n = write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("write", path);
    done += static_cast<size_t>(n);
  }
  if (sync && fsync(fd) != 0) return Errno("fsync", path);
  return absl::OkStatus();
}

// Makes `root` and the folders below it down to `folder`, and none above: what was moved away or
// unmounted is not made anew for what is kept inside it.
absl::Status MakeFolders(const std::filesystem::path& root, const std::filesystem::path& folder) {
  std::filesystem::path next = root;
  std::error_code error;
  std::filesystem::create_directory(next, error);
  for (const auto& part : folder.lexically_relative(root)) {
    if (error) break;
    if (part == ".") continue;
    next /= part;
    std::filesystem::create_directory(next, error);
  }
  if (!error) return absl::OkStatus();
  const std::string text = absl::StrCat("create folder ", next.string(), ": ", error.message());
  return error == std::errc::no_such_file_or_directory ? absl::NotFoundError(text)
                                                       : absl::InternalError(text);
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Errno("open", folder);
  absl::Cleanup close_fd = [fd] { close(fd); };
  if (fsync(fd) != 0) return Errno("fsync", folder);
  return absl::OkStatus();
}

}  // namespace

std::string FileDisk::Describe(absl::string_view name) const {
  return absl::StrCat(root_, "/", name);
}

absl::StatusOr<std::string> FileDisk::Read(absl::string_view name) {
  const std::string path = Describe(name);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Errno("open", path);
  absl::Cleanup close_fd = [fd] { close(fd); };
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("read", path);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
  }
}

absl::Status FileDisk::Write(absl::string_view name, absl::string_view content) {
  return Replace(name, content, /*sync=*/true);
}

absl::Status FileDisk::WriteCached(absl::string_view name, absl::string_view content) {
  return Replace(name, content, /*sync=*/false);
}

absl::Status FileDisk::Replace(absl::string_view name, absl::string_view content, bool sync) {
  const std::string path = Describe(name);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (absl::Status status = MakeFolders(root_, folder); !status.ok()) return status;
  const std::string temporary = absl::StrCat(path, kTemporarySuffix);
  if (absl::Status status = WriteFile(temporary, content, sync); !status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const absl::Status status = Errno("rename", path);
    unlink(temporary.c_str());
    return status;
  }
  return sync ? SyncFolder(folder) : absl::OkStatus();
}

absl::Status FileDisk::Sync() {
  const int fd = open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Errno("open", root_);
  absl::Cleanup close_fd = [fd] { close(fd); };
  if (syncfs(fd) != 0) return Errno("sync", root_);
  return absl::OkStatus();
}

absl::Status FileDisk::Remove(absl::string_view name) {
  const std::string path = Describe(name);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Errno("remove", path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FileDisk::List(absl::string_view folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> names;
  const fs::path root(root_);
  const fs::path start = folder.empty() ? root : root / std::string(folder);
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(start, error); !error && it != fs::end(it);
       it.increment(error)) {
    const std::string name = it->path().lexically_relative(root);
    if (it->is_regular_file(error) && !absl::EndsWith(name, kTemporarySuffix))
      names.push_back(name);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::InternalError(absl::StrCat("list ", start.string(), ": ", error.message()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> MemoryDisk::Read(absl::string_view name) {
  const auto it = files.find(std::string(name));
  if (it == files.end()) return absl::NotFoundError(absl::StrCat("open ", name, ": no such file"));
  return it->second;
}

absl::Status MemoryDisk::Write(absl::string_view name, absl::string_view content) {
  if (fault) {
    if (absl::Status status = fault(name); !status.ok()) return status;
  }
  files[std::string(name)] = std::string(content);
  return absl::OkStatus();
}

absl::Status MemoryDisk::Remove(absl::string_view name) {
  files.erase(std::string(name));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> MemoryDisk::List(absl::string_view folder) {
  std::vector<std::string> names;
  const std::string below = folder.empty() ? "" : absl::StrCat(folder, "/");
  for (const auto& [name, content] : files) {
    if (absl::StartsWith(name, below)) names.push_back(name);
  }
  return names;
}

}  // namespace openelb
