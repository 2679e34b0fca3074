#pragma once
// The files of a folder of manifests: which ones count, and reading them.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb::manifests {

// Device and number: the same file or folder, whatever its name.
using Inode = std::pair<dev_t, ino_t>;

// Differs when a file may have changed.
struct FileStamp {
  Inode inode;
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;  // also its mode, owner and links
  bool operator==(const FileStamp&) const = default;
};

struct FolderListing {
  Inode root;
  std::map<std::string, FileStamp> files;         // manifests, by path below the root
  std::map<std::string, std::string> unreadable;  // subfolders, by path: why
};

// Paths are relative to the root, with "/" between names. Links to files are followed; links to
// folders are not, except for the root itself.
class Folder {
 public:
  // `excluded` is a folder that is passed over, wherever below the root it is.
  Folder(std::string root, std::string excluded)
      : root_(std::move(root)), excluded_(std::move(excluded)) {}

  const std::string& root() const { return root_; }
  // Which folder the root is now; nullopt: none.
  std::optional<Inode> RootNow() const;
  // `on_folder`, when set, is called with the path of each folder ("" for the root) before its
  // files are listed. Error: the root cannot be listed.
  absl::StatusOr<FolderListing> List(
      const std::function<void(const std::string& path)>& on_folder = {}) const;
  // The text of a file of at most 64 MiB, and its stamp from just before. Error: NotFound when
  // there is none, else why it cannot be read.
  absl::StatusOr<std::string> Read(const std::string& path, FileStamp* stamp) const;

  // Whether the last part of a path names a manifest.
  static bool IsManifest(absl::string_view name);
  static bool IsHidden(absl::string_view name) { return !name.empty() && name[0] == '.'; }

 private:
  void ListBelow(const std::string& path, const Inode& excluded,
                 const std::function<void(const std::string&)>& on_folder, FolderListing* listing,
                 absl::Status* root_status) const;
  std::string Absolute(absl::string_view path) const;

  std::string root_;
  std::string excluded_;
};

}  // namespace openelb::manifests
