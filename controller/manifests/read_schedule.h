#pragma once
// When to read a file that something happened to. Pure: times are passed in.
//
// A file that was closed after writing, or renamed to its name, is complete and read at once.
// Editors also replace files by removing and creating them, and write them in several steps: what
// is missing, or looks half written, is looked at again after a quiet period before it counts.

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace openelb::manifests {

class ReadSchedule {
 public:
  // A file may stay open for writing this long after it was last written to; then it is read as it
  // is.
  static constexpr absl::Duration kLongestPause = absl::Seconds(30);

  struct Due {
    std::string name;
    bool settled = false;  // what is found counts, even if that is nothing
    bool operator==(const Due&) const = default;
  };

  // What is missing or half written counts after `quiet`.
  explicit ReadSchedule(absl::Duration quiet) : quiet_(quiet) {}

  void Written(const std::string& name, absl::Duration now);  // complete
  void Touched(const std::string& name,
               absl::Duration now);  // may be different; being written or not
  void Created(const std::string& name, absl::Duration now);   // there; its content may follow
  void Modified(const std::string& name, absl::Duration now);  // being written
  void Missing(const std::string& name, absl::Duration now);
  void Vanished(const std::string& name, absl::Duration now);  // known to be gone for good
  void Unfinished(const std::string& name, absl::Duration now);
  // Missing files do not count before `until`.
  void HoldMissing(absl::Duration until) { hold_missing_until_ = until; }
  void Clear();

  bool IsBeingWritten(const std::string& name) const;
  // What is due at `now`, by name.
  std::vector<Due> TakeDue(absl::Duration now);
  // InfiniteDuration when nothing is waiting.
  absl::Duration NextDue() const;

 private:
  struct Entry {
    absl::Duration due;
    bool settled = false;
    bool being_written = false;
  };
  void Set(const std::string& name, Entry entry);

  const absl::Duration quiet_;
  std::map<std::string, Entry> entries_;
  absl::Duration hold_missing_until_;
};

}  // namespace openelb::manifests
