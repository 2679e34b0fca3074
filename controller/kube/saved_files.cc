#include "controller/kube/saved_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

constexpr const char* kProblem = "saved files";

SavedFiles::Files FilesIn(const codec::Value& config_map) {
  SavedFiles::Files files;
  const codec::Value* data = config_map.Find("data");
  if (data == nullptr || data->map() == nullptr) return files;
  for (const auto& [name, content] : *data->map()) {
    if (content.string() != nullptr) files.emplace(name, *content.string());
  }
  return files;
}

}  // namespace

SavedFiles::SavedFiles(SavedFilesOptions options, Seams seams)
    : options_(std::move(options)), seams_(seams), self_(std::make_shared<SavedFiles*>(this)) {}

SavedFiles::~SavedFiles() { *self_ = nullptr; }

void SavedFiles::Load(std::function<void(Files)> done) { loading_ = std::move(done); }

void SavedFiles::Save(const std::string& name, std::string content) {
  unsaved_[name] = std::move(content);
}

void SavedFiles::Turn() {
  if (busy_ || seams_.clock->Monotonic() < not_before_) return;
  if (loading_) {
    Get();
  } else if (active_ && !unsaved_.empty()) {
    Write(/*create=*/false);
  }
}

absl::Duration SavedFiles::NextWakeup() const {
  const bool due = loading_ || (active_ && !unsaved_.empty());
  return busy_ || !due ? absl::InfiniteDuration() : not_before_;
}

void SavedFiles::Get() {
  busy_ = true;
  const std::string path =
      absl::StrCat("/api/v1/namespaces/", options_.namespace_name, "/configmaps/", options_.name);
  seams_.client->Call({.path = path}, [self = self_](absl::StatusOr<codec::Value> answer) {
    SavedFiles* const files = *self;
    if (files == nullptr) return;
    files->busy_ = false;
    if (!answer.ok() && !absl::IsNotFound(answer.status())) {
      files->Retry("what an earlier leader saved cannot be read", answer.status());
      return;
    }
    files->backoff_.Reset();
    files->seams_.log->Recovered(kProblem, "the saved state can be read");
    const auto done = std::exchange(files->loading_, nullptr);
    done(answer.ok() ? FilesIn(*answer) : Files());
  });
}

void SavedFiles::Write(bool create) {
  busy_ = true;
  under_way_ = unsaved_;
  codec::Value body;
  for (const auto& [name, content] : under_way_) body["data"][name] = content;
  ApiCall call{.method = "PATCH",
               .path = absl::StrCat("/api/v1/namespaces/", options_.namespace_name, "/configmaps"),
               .content_type = kMergePatch};
  if (create) {
    call.method = "POST";
    call.content_type = kJson;
    body["apiVersion"] = "v1";
    body["kind"] = "ConfigMap";
    body["metadata"]["name"] = options_.name;
  } else {
    absl::StrAppend(&call.path, "/", options_.name);
  }
  call.body = std::move(body);
  seams_.client->Call(std::move(call), [self = self_, create](absl::StatusOr<codec::Value> answer) {
    if (*self != nullptr) (*self)->OnWritten(answer.status(), create);
  });
}

void SavedFiles::OnWritten(const absl::Status& status, bool created) {
  busy_ = false;
  if (absl::IsNotFound(status) && !created && active_) {
    Write(/*create=*/true);
    return;
  }
  if (!status.ok()) {
    Retry("what the next leader needs cannot be saved", status);
    return;
  }
  ++counters_.writes;
  backoff_.Reset();
  seams_.log->Recovered(kProblem, "the state is saved again");
  // What was given meanwhile is newer.
  for (const auto& [name, content] : std::exchange(under_way_, {})) {
    const auto newest = unsaved_.find(name);
    if (newest->second == content) unsaved_.erase(newest);
  }
}

void SavedFiles::Retry(absl::string_view what, const absl::Status& status) {
  ++counters_.failures;
  not_before_ = seams_.clock->Monotonic() + backoff_.Next(seams_.random);
  seams_.log->Damped(kProblem, what, status.ToString(), {{"config_map", options_.name}});
}

absl::StatusOr<std::string> SavedFilesDisk::Read(absl::string_view name) {
  const auto it = files_.find(std::string(name));
  if (it == files_.end()) return absl::NotFoundError(absl::StrCat(name, ": never saved"));
  return it->second;
}

absl::Status SavedFilesDisk::Write(absl::string_view name, absl::string_view content) {
  files_[std::string(name)] = std::string(content);
  save_(std::string(name), std::string(content));
  return absl::OkStatus();
}

absl::Status SavedFilesDisk::Remove(absl::string_view name) {
  return absl::UnimplementedError(absl::StrCat("remove ", name));
}

absl::StatusOr<std::vector<std::string>> SavedFilesDisk::List(absl::string_view folder) {
  std::vector<std::string> names;
  for (const auto& [name, content] : files_) {
    if (absl::StartsWith(name, folder)) names.push_back(name);
  }
  return names;
}

}  // namespace openelb::kube
