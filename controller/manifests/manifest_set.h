#pragma once
// What a folder of manifests says, kept while its files change. Pure: texts in; events, problems
// and copies to keep out.
//
// Life of an object: SetFile decodes a file's text. What is right takes effect; what is wrong keeps
// the state it had when its file was last right (its last good state) for as long as the file
// exists. TakeChanges compares what is in effect with what it said last time. Last good states
// outlive the process as copies of texts, which the caller keeps.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/decode.h"
#include "controller/event_source.h"
#include "controller/status_sink.h"

namespace openelb::manifests {

struct ManifestCounters {
  uint64_t files_read = 0;
  uint64_t files_refused = 0;    // not YAML, or unreadable: each time one was read so
  uint64_t objects_read = 0;     // decoded without an error
  uint64_t objects_refused = 0;  // decoded with one
  uint64_t objects_skipped = 0;  // of kinds that are not ours to read
  uint64_t duplicates = 0;       // times an object was found to be defined twice
  uint64_t unknown_fields = 0;
};

// Something wrong with a file, one line: "file:line: Kind/name: field: what".
struct Problem {
  bool warning = false;  // takes nothing out of effect
  std::string text;
  auto operator<=>(const Problem&) const = default;
};

struct ManifestChanges {
  std::vector<ObjectEvent> events;     // by key
  std::vector<Problem> problems;       // those that did not exist the last time
  std::vector<std::string> recovered;  // files that had problems and have none any more
  // Last good copies to keep, by file; nullopt: to remove. Files 0600: they may hold passwords.
  std::map<std::string, std::optional<std::string>> copies;

  bool empty() const {
    return events.empty() && problems.empty() && recovered.empty() && copies.empty();
  }
};

// File names are paths below the folder; they also decide which of two definitions of one object
// counts: the first one of the first file.
class ManifestSet {
 public:
  // `copies`: last good copies kept earlier. `statuses`: what was written of Services earlier, by
  // "namespace/name"; it replaces the status of those Services until they are deleted.
  ManifestSet(std::map<std::string, std::string> copies,
              std::map<std::string, ServiceStatus> statuses);

  // A text that is blank or not YAML may be one that somebody is just writing: unless `settled`,
  // nothing happens then and false is returned.
  bool SetFile(const std::string& name, absl::string_view text, bool settled = true);
  // The file, or the subfolder when `name` ends in "/", exists and cannot be read, `reason` being
  // one sentence.
  void SetUnreadable(const std::string& name, absl::string_view reason);
  void RemoveFile(const std::string& name);
  // Every file that exists has been set: what was kept of others is dropped.
  void EndOfFirstReading();
  ManifestChanges TakeChanges();

  bool Has(const std::string& name) const { return files_.contains(name); }
  // Last good copies kept earlier, of files that were not set yet.
  size_t early_copies() const { return early_copies_.size(); }
  // The names of all files set, sorted.
  std::vector<std::string> Files() const;
  size_t object_count() const { return current_.size(); }
  const ManifestCounters& counters() const { return counters_; }

 private:
  using ObjectPointer = std::shared_ptr<const Object>;
  struct Entry {
    ObjectKey key;
    int line = 0;
    ObjectPointer object;
  };
  struct File {
    std::vector<Entry> entries;     // in effect, unless an earlier place defines the same key
    std::vector<Problem> problems;  // of its own text
    std::set<Problem> reported;     // as of the last TakeChanges
    std::string copy;               // its last good text; empty: none
    bool copy_changed = false;
  };
  using Place = std::pair<std::string, size_t>;  // file, index of the entry

  File& FileNamed(const std::string& name);
  void RestoreFromCopy(const std::string& name, File* file);
  void NoteProblems(const codec::DecodedText& decoded, File* file);
  void SetPartly(const std::string& name, const codec::DecodedText& decoded, File* file);
  std::vector<Entry> EntriesOf(const codec::DecodedText& decoded) const;
  void SetEntries(const std::string& name, std::vector<Entry> entries, File* file);
  void SetCopy(std::string copy, File* file);
  void Settle(const ObjectKey& key, ManifestChanges* changes);
  void Report(const std::string& name, ManifestChanges* changes);

  std::map<std::string, File> files_;
  std::map<ObjectKey, std::set<Place>> places_;
  std::map<ObjectKey, ObjectPointer> current_;       // what TakeChanges said last
  std::map<std::string, std::string> early_copies_;  // of files not set yet
  std::map<std::string, ServiceStatus> statuses_;
  std::set<ObjectKey> touched_keys_;
  std::set<std::string> touched_files_;
  std::set<std::string> dropped_copies_;
  ManifestCounters counters_;
};

}  // namespace openelb::manifests
