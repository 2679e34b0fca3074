#include "controller/manifests/load.h"

#include "controller/manifests/folder.h"
#include "controller/manifests/saved.h"

namespace openelb::manifests {

absl::StatusOr<Loaded> LoadDirectory(const std::string& folder_path,
                                     const std::string& status_folder) {
  const Folder folder(folder_path, status_folder);
  const absl::StatusOr<FolderListing> listing = folder.List();
  if (!listing.ok()) return listing.status();
  Loaded loaded;
  std::vector<std::string> problems;
  FileDisk disk(status_folder);
  ManifestSet set = LoadManifestSet(&disk, &problems);
  for (const std::string& problem : problems) loaded.problems.push_back({true, problem});
  for (const auto& [path, reason] : listing->unreadable) set.SetUnreadable(path + "/", reason);
  for (const auto& [path, listed] : listing->files) {
    FileStamp stamp;
    const absl::StatusOr<std::string> text = folder.Read(path, &stamp);
    if (text.ok()) {
      set.SetFile(path, *text);
    } else if (!absl::IsNotFound(text.status())) {
      set.SetUnreadable(path, text.status().message());
    }
  }
  ManifestChanges changes = set.TakeChanges();
  for (ObjectEvent& event : changes.events) loaded.objects.push_back(*std::move(event.object));
  loaded.problems.insert(loaded.problems.end(), changes.problems.begin(), changes.problems.end());
  return loaded;
}

}  // namespace openelb::manifests
