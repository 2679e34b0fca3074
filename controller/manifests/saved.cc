#include "controller/manifests/saved.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/manifests/status_files.h"

namespace openelb::manifests {
namespace {

constexpr absl::string_view kCopies = "last-good";

std::map<std::string, std::string> ReadCopies(Disk* disk, std::vector<std::string>* problems) {
  std::map<std::string, std::string> copies;
  const auto names = disk->List(kCopies);
  if (!names.ok()) {
    problems->push_back(names.status().ToString());
    return copies;
  }
  for (const std::string& name : *names) {
    absl::StatusOr<std::string> text = disk->Read(name);
    if (text.ok()) {
      copies[name.substr(kCopies.size() + 1)] = *std::move(text);
    } else {
      problems->push_back(text.status().ToString());
    }
  }
  return copies;
}

}  // namespace

std::string CopyName(absl::string_view file) { return absl::StrCat(kCopies, "/", file); }

ManifestSet LoadManifestSet(Disk* disk, std::vector<std::string>* problems) {
  std::map<std::string, std::string> copies = ReadCopies(disk, problems);
  return ManifestSet(std::move(copies), ReadServiceStatuses(disk, problems));
}

}  // namespace openelb::manifests
