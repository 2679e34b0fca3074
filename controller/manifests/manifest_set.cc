#include "controller/manifests/manifest_set.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::manifests {
namespace {

bool IsWhole(const codec::DecodedText& decoded) {
  return !decoded.error.has_value() &&
         std::all_of(decoded.objects.begin(), decoded.objects.end(),
                     [](const codec::Decoded& one) { return one.errors.empty(); });
}

// The documents of `now` that are right, and those of `before` whose keys are in `kept`.
std::string JoinCopies(const codec::DecodedText& now, const codec::DecodedText& before,
                       const std::set<ObjectKey>& kept) {
  std::string copy;
  const auto add = [&](const codec::Decoded& one) {
    absl::StrAppend(&copy, "---\n", codec::ToYaml(one.source));
  };
  for (const codec::Decoded& one : now.objects) {
    if (one.object.has_value()) add(one);
  }
  for (const codec::Decoded& one : before.objects) {
    if (one.object.has_value() && kept.contains(one.key)) add(one);
  }
  return copy;
}

}  // namespace

ManifestSet::ManifestSet(std::map<std::string, std::string> copies,
                         std::map<std::string, ServiceStatus> statuses)
    : early_copies_(std::move(copies)), statuses_(std::move(statuses)) {}

bool ManifestSet::SetFile(const std::string& name, absl::string_view text, bool settled) {
  const codec::DecodedText decoded = codec::DecodeText(text, name);
  const bool blank = absl::StripAsciiWhitespace(text).empty();
  if (!settled && (blank || decoded.error.has_value())) return false;
  File& file = FileNamed(name);
  NoteProblems(decoded, &file);
  if (IsWhole(decoded)) {
    SetEntries(name, EntriesOf(decoded), &file);
    SetCopy(file.entries.empty() ? "" : std::string(text), &file);
    return true;
  }
  RestoreFromCopy(name, &file);
  if (!decoded.error.has_value()) SetPartly(name, decoded, &file);
  return true;
}

void ManifestSet::SetUnreadable(const std::string& name, absl::string_view reason) {
  File& file = FileNamed(name);
  ++counters_.files_read;
  ++counters_.files_refused;
  file.problems = {{.warning = false, .text = absl::StrCat(name, ": ", reason)}};
  RestoreFromCopy(name, &file);
  if (!absl::EndsWith(name, "/")) return;
  // Not read yet, so only the copies tell which files there are.
  std::vector<std::string> below;
  for (const auto& [path, copy] : early_copies_) {
    if (absl::StartsWith(path, name)) below.push_back(path);
  }
  for (const std::string& path : below) RestoreFromCopy(path, &FileNamed(path));
}

void ManifestSet::RemoveFile(const std::string& name) {
  const auto it = files_.find(name);
  if (it == files_.end()) return;
  SetEntries(name, {}, &it->second);
  if (!it->second.copy.empty()) dropped_copies_.insert(name);
  files_.erase(it);
}

void ManifestSet::EndOfFirstReading() {
  for (const auto& [name, copy] : early_copies_) dropped_copies_.insert(name);
  early_copies_.clear();
}

ManifestChanges ManifestSet::TakeChanges() {
  ManifestChanges changes;
  for (const ObjectKey& key : touched_keys_) Settle(key, &changes);
  touched_keys_.clear();
  for (const std::string& name : dropped_copies_) changes.copies[name] = std::nullopt;
  dropped_copies_.clear();
  for (const std::string& name : touched_files_) Report(name, &changes);
  touched_files_.clear();
  return changes;
}

std::vector<std::string> ManifestSet::Files() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

ManifestSet::File& ManifestSet::FileNamed(const std::string& name) {
  touched_files_.insert(name);
  File& file = files_[name];
  if (const auto early = early_copies_.find(name); early != early_copies_.end()) {
    file.copy = std::move(early->second);
    early_copies_.erase(early);
  }
  return file;
}

// At the first reading nothing is in effect yet: then the copy stands for what was read before.
void ManifestSet::RestoreFromCopy(const std::string& name, File* file) {
  if (!file->entries.empty() || file->copy.empty()) return;
  SetEntries(name, EntriesOf(codec::DecodeText(file->copy, name)), file);
}

void ManifestSet::NoteProblems(const codec::DecodedText& decoded, File* file) {
  ++counters_.files_read;
  file->problems.clear();
  if (decoded.error.has_value()) {
    ++counters_.files_refused;
    file->problems.push_back({.warning = false, .text = *decoded.error});
  }
  for (const codec::Decoded& one : decoded.objects) {
    counters_.objects_read += one.object.has_value() ? 1 : 0;
    counters_.objects_refused += one.errors.empty() ? 0 : 1;
    counters_.objects_skipped += one.skipped ? 1 : 0;
    counters_.unknown_fields += one.warnings.size();
    for (const std::string& text : one.errors) file->problems.push_back({false, text});
    for (const std::string& text : one.warnings) file->problems.push_back({true, text});
  }
}

// The text is YAML, but some objects in it are wrong: those keep their last good state. When one
// does not even say which it is, every object that is missing may be the one.
void ManifestSet::SetPartly(const std::string& name, const codec::DecodedText& decoded,
                            File* file) {
  std::vector<Entry> entries = EntriesOf(decoded);
  std::set<ObjectKey> right;
  for (const Entry& entry : entries) right.insert(entry.key);
  std::set<ObjectKey> kept;
  bool anonymous = false;
  for (const codec::Decoded& one : decoded.objects) {
    if (one.errors.empty() || right.contains(one.key)) continue;
    if (one.key.name.empty()) {
      anonymous = true;
    } else if (kept.insert(one.key).second) {
      // Not only this file's own past counts: the object may have moved here from another file.
      const auto in_effect = current_.find(one.key);
      const bool here = std::any_of(file->entries.begin(), file->entries.end(),
                                    [&](const Entry& e) { return e.key == one.key; });
      if (!here && in_effect != current_.end()) {
        entries.push_back({one.key, one.line, in_effect->second});
      }
    }
  }
  for (const Entry& entry : file->entries) {
    if (right.contains(entry.key)) continue;
    if (anonymous) kept.insert(entry.key);
    if (kept.contains(entry.key)) entries.push_back(entry);
  }
  SetEntries(name, std::move(entries), file);
  SetCopy(JoinCopies(decoded, codec::DecodeText(file->copy, name), kept), file);
}

std::vector<ManifestSet::Entry> ManifestSet::EntriesOf(const codec::DecodedText& decoded) const {
  std::vector<Entry> entries;
  for (const codec::Decoded& one : decoded.objects) {
    if (!one.object.has_value()) continue;
    Object object = *one.object;
    if (auto* service = std::get_if<kube::Service>(&object)) {
      if (const auto it = statuses_.find(service->Key()); it != statuses_.end()) {
        service->ingress.clear();
        for (const std::string& ip : it->second.ips) service->ingress.push_back({ip, "", "VIP"});
        if (!it->second.pool.empty()) {
          service->meta.labels[network::kEipName.openelb] = it->second.pool;
        }
      }
    }
    entries.push_back({one.key, one.line, std::make_shared<const Object>(std::move(object))});
  }
  return entries;
}

void ManifestSet::SetEntries(const std::string& name, std::vector<Entry> entries, File* file) {
  for (size_t i = 0; i < file->entries.size(); ++i) {
    const ObjectKey& key = file->entries[i].key;
    touched_keys_.insert(key);
    const auto places = places_.find(key);
    places->second.erase({name, i});
    if (places->second.empty()) places_.erase(places);
  }
  file->entries = std::move(entries);
  for (size_t i = 0; i < file->entries.size(); ++i) {
    touched_keys_.insert(file->entries[i].key);
    places_[file->entries[i].key].insert({name, i});
  }
}

void ManifestSet::SetCopy(std::string copy, File* file) {
  if (copy == file->copy) return;
  file->copy = std::move(copy);
  file->copy_changed = true;
}

// Finds what counts for `key` now and tells when that has changed.
void ManifestSet::Settle(const ObjectKey& key, ManifestChanges* changes) {
  const auto places = places_.find(key);
  const auto before = current_.find(key);
  if (places == places_.end()) {
    if (before == current_.end()) return;
    changes->events.push_back({key, std::nullopt});
    current_.erase(before);
    if (key.kind == kube::Service::kKind) {
      statuses_.erase(absl::StrCat(key.namespace_, "/", key.name));
    }
    return;
  }
  for (const Place& place : places->second) touched_files_.insert(place.first);
  const Place& first = *places->second.begin();
  const ObjectPointer& object = files_.at(first.first).entries[first.second].object;
  if (before != current_.end() && *before->second == *object) return;
  changes->events.push_back({key, *object});
  current_[key] = object;
}

void ManifestSet::Report(const std::string& name, ManifestChanges* changes) {
  const auto it = files_.find(name);
  if (it == files_.end()) return;  // removed meanwhile
  File& file = it->second;
  std::set<Problem> problems(file.problems.begin(), file.problems.end());
  for (size_t i = 0; i < file.entries.size(); ++i) {
    const Entry& entry = file.entries[i];
    const Place& first = *places_.at(entry.key).begin();
    if (first == Place(name, i)) continue;
    const Problem doubled{false,
                          absl::StrCat(name, ":", entry.line, ": ", entry.key.ToString(),
                                       ": defined before in ", first.first, ", which counts")};
    counters_.duplicates += file.reported.contains(doubled) ? 0 : 1;
    problems.insert(doubled);
  }
  for (const Problem& problem : problems) {
    if (!file.reported.contains(problem)) changes->problems.push_back(problem);
  }
  if (problems.empty() && !file.reported.empty()) changes->recovered.push_back(name);
  file.reported = std::move(problems);
  if (file.copy_changed) {
    changes->copies[name] =
        file.copy.empty() ? std::nullopt : std::optional<std::string>(file.copy);
    file.copy_changed = false;
  }
}

}  // namespace openelb::manifests
