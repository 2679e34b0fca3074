#include "controller/manifests/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace openelb::manifests {
namespace {

constexpr int64_t kMaxBytes = int64_t{64} << 20;

std::string Reason() { return std::strerror(errno); }

absl::Status StatusOf(int error) {
  const std::string reason = std::strerror(error);
  return error == ENOENT || error == ENOTDIR ? absl::NotFoundError(reason)
                                             : absl::UnavailableError(reason);
}

FileStamp StampOf(const struct stat& info) {
  const auto nanoseconds = [](const timespec& t) { return t.tv_sec * 1000000000 + t.tv_nsec; };
  return {.inode = {info.st_dev, info.st_ino},
          .size = info.st_size,
          .modified_ns = nanoseconds(info.st_mtim),
          .changed_ns = nanoseconds(info.st_ctim)};
}

std::string Join(absl::string_view folder, absl::string_view name) {
  return folder.empty() ? std::string(name) : absl::StrCat(folder, "/", name);
}

}  // namespace

bool Folder::IsManifest(absl::string_view name) {
  return !IsHidden(name) && (absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml") ||
                             absl::EndsWith(name, ".json"));
}

std::optional<Inode> Folder::RootNow() const {
  struct stat info;
  if (stat(root_.c_str(), &info) != 0) return std::nullopt;
  return Inode{info.st_dev, info.st_ino};
}

absl::StatusOr<FolderListing> Folder::List(
    const std::function<void(const std::string& path)>& on_folder) const {
  FolderListing listing;
  Inode excluded{};
  struct stat info;
  if (stat(excluded_.c_str(), &info) == 0) excluded = {info.st_dev, info.st_ino};
  absl::Status status;
  ListBelow("", excluded, on_folder, &listing, &status);
  if (!status.ok()) return status;
  return listing;
}

void Folder::ListBelow(const std::string& path, const Inode& excluded,
                       const std::function<void(const std::string&)>& on_folder,
                       FolderListing* listing, absl::Status* root_status) const {
  if (on_folder) on_folder(path);
  DIR* dir = opendir(Absolute(path).c_str());
  if (dir == nullptr) {
    if (path.empty()) {
      *root_status = absl::UnavailableError(absl::StrCat(root_, ": ", Reason()));
    } else if (errno != ENOENT) {
      listing->unreadable[path] = Reason();
    }
    return;
  }
  absl::Cleanup close_dir = [dir] { closedir(dir); };
  struct stat info;
  // Of what is listed: another folder may take this one's name at any moment.
  if (path.empty() && fstat(dirfd(dir), &info) == 0) listing->root = {info.st_dev, info.st_ino};
  while (const dirent* entry = readdir(dir)) {
    const absl::string_view name = entry->d_name;
    if (IsHidden(name)) continue;
    if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      if (Inode{info.st_dev, info.st_ino} == excluded) continue;
      ListBelow(Join(path, name), excluded, on_folder, listing, root_status);
    } else if (IsManifest(name)) {
      // A dangling link, or one to something else than a file, is no manifest.
      if (S_ISLNK(info.st_mode) && fstatat(dirfd(dir), entry->d_name, &info, 0) != 0) continue;
      if (S_ISREG(info.st_mode)) listing->files[Join(path, name)] = StampOf(info);
    }
  }
}

absl::StatusOr<std::string> Folder::Read(const std::string& path, FileStamp* stamp) const {
  // Nonblocking: opening a pipe must not wait for its writer.
  const int fd = open(Absolute(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return StatusOf(errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) return StatusOf(errno);
  if (!S_ISREG(info.st_mode)) return absl::NotFoundError("not a file");
  *stamp = StampOf(info);
  if (info.st_size > kMaxBytes) return absl::UnavailableError("larger than 64 MiB");
  std::string text;
  std::vector<char> buffer(static_cast<size_t>(std::max<int64_t>(info.st_size + 1, 4096)));
  for (;;) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return StatusOf(errno);
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
    if (text.size() > static_cast<size_t>(kMaxBytes)) {
      return absl::UnavailableError("larger than 64 MiB");
    }
  }
}

std::string Folder::Absolute(absl::string_view path) const { return Join(root_, path); }

}  // namespace openelb::manifests
