#pragma once
// What a leader saves for the next one: small files as the entries of one ConfigMap. Reading comes
// first, when the leadership begins; from then on each file is written when it changes, one write
// at a time, the newest content.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/kube/backoff.h"
#include "controller/kube/client.h"

namespace openelb::kube {

struct SavedFilesOptions {
  std::string namespace_name = "openelb-system";
  std::string name = "openelb-controller-state";  // of the ConfigMap, which holds 1 MiB in all
};

struct SavedFilesCounters {
  uint64_t writes = 0;    // done
  uint64_t failures = 0;  // of reads and writes; they are repeated
};

// Owner thread of the client only.
class SavedFiles {
 public:
  struct Seams {
    Client* client;
    const Clock* clock;
    Random* random;
    Logger* log;
  };
  using Files = std::map<std::string, std::string>;

  SavedFiles(SavedFilesOptions options, Seams seams);
  ~SavedFiles();  // no callback is called any more

  // Asks until the server answers, then calls `done`; no files where there is no ConfigMap.
  void Load(std::function<void(Files)> done);
  // To be written while active; the newest content of each name counts.
  void Save(const std::string& name, std::string content);
  // Whether this process may write.
  void SetActive(bool active) { active_ = active; }

  // Sends what is due. Call after each batch of the calls above and at NextWakeup (monotonic).
  void Turn();
  absl::Duration NextWakeup() const;

  const SavedFilesCounters& counters() const { return counters_; }

 private:
  void Get();
  void Write(bool create);
  void OnWritten(const absl::Status& status, bool created);
  void Retry(absl::string_view what, const absl::Status& status);

  const SavedFilesOptions options_;
  const Seams seams_;
  std::function<void(Files)> loading_;
  Files unsaved_;
  Files under_way_;  // of unsaved_, what is being written
  bool busy_ = false;
  bool active_ = false;
  absl::Duration not_before_;
  Backoff backoff_;
  SavedFilesCounters counters_;
  const std::shared_ptr<SavedFiles*> self_;  // of calls under way; null once destroyed
};

// The Disk of a controller in a cluster, on the controller's thread: reads what was loaded, hands
// over what is written.
class SavedFilesDisk final : public Disk {
 public:
  // `save` hands its arguments to SavedFiles::Save, on that one's thread.
  explicit SavedFilesDisk(std::function<void(std::string name, std::string content)> save)
      : save_(std::move(save)) {}

  // What an earlier leader saved.
  void Set(SavedFiles::Files files) { files_ = std::move(files); }

  absl::StatusOr<std::string> Read(absl::string_view name) override;
  // Never fails: what cannot be written is tried again by SavedFiles.
  absl::Status Write(absl::string_view name, absl::string_view content) override;
  // No file is ever removed.
  absl::Status Remove(absl::string_view name) override;
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override;

 private:
  const std::function<void(std::string, std::string)> save_;
  SavedFiles::Files files_;
};

}  // namespace openelb::kube
