#include "controller/plan/secret_table.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace openelb::plan {
namespace {

std::string Keys(const std::map<std::string, std::string>& data) {
  if (data.empty()) return "it has none";
  return absl::StrCat("it has ", absl::StrJoin(data, ", ", [](std::string* out, const auto& entry) {
                        absl::StrAppend(out, "\"", entry.first, "\"");
                      }));
}

}  // namespace

bool SecretTable::Upsert(const kube::Secret& secret) {
  const auto [at, added] =
      secrets_.try_emplace({secret.meta.namespace_, secret.meta.name}, secret.data);
  if (!added && at->second == secret.data) return false;
  at->second = secret.data;
  return true;
}

bool SecretTable::Remove(const std::string& namespace_, const std::string& name) {
  return secrets_.erase({namespace_, name}) > 0;
}

absl::StatusOr<std::string> SecretTable::Find(const network::SecretKeyRef& ref) const {
  const auto secret = std::find_if(secrets_.begin(), secrets_.end(), [&](const auto& entry) {
    return entry.first.second == ref.name &&
           (namespace_.empty() || entry.first.first == namespace_);
  });
  if (secret == secrets_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no Secret \"", ref.name, "\"",
        namespace_.empty() ? "" : absl::StrCat(" in the namespace \"", namespace_, "\"")));
  }
  const auto& [key, data] = *secret;
  const std::string where = absl::StrCat("Secret \"", key.first, "/", key.second, "\"");
  const auto entry = data.find(ref.key);
  if (entry == data.end()) {
    return absl::NotFoundError(absl::StrCat(where, " has no key \"", ref.key, "\"; ", Keys(data)));
  }
  absl::string_view text = entry->second;
  if (absl::ConsumeSuffix(&text, "\n")) absl::ConsumeSuffix(&text, "\r");
  if (text.empty())
    return absl::InvalidArgumentError(absl::StrCat(where, ", key \"", ref.key, "\", is empty"));
  if (!std::all_of(text.begin(), text.end(), absl::ascii_isprint)) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ", key \"", ref.key, "\", holds more than printable ASCII, on one line"));
  }
  return std::string(text);
}

}  // namespace openelb::plan
