#include "api/plan/path_attributes.h"

#include <algorithm>
#include <limits>

namespace openelb::plan {
namespace {

template <typename T>
void Normalize(std::vector<T>* list) {
  std::sort(list->begin(), list->end());
  list->erase(std::unique(list->begin(), list->end()), list->end());
}

template <typename T>
std::vector<T> Join(const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> all = a;
  all.insert(all.end(), b.begin(), b.end());
  Normalize(&all);
  return all;
}

template <typename T>
void Remove(const std::vector<T>& what, std::vector<T>* from) {
  std::erase_if(*from, [&](const T& item) {
    return std::find(what.begin(), what.end(), item) != what.end();
  });
}

bool Concerns(const ExportRule& rule, const IpPrefix& prefix) {
  if (rule.prefixes.empty()) return true;
  const bool within =
      std::any_of(rule.prefixes.begin(), rule.prefixes.end(), [&](const ExportRule::Range& range) {
        return range.prefix.family() == prefix.family() &&
               range.prefix.Contains(prefix.address()) &&
               prefix.length() >= std::max(range.least, range.prefix.length()) &&
               prefix.length() <= range.most;
      });
  return within != rule.others;
}

void Apply(const ExportRule& rule, PathAttributes* attributes) {
  if (rule.clear_communities) attributes->communities.clear();
  if (rule.clear_extended_communities) attributes->extended_communities.clear();
  if (rule.clear_large_communities) attributes->large_communities.clear();
  Remove(rule.remove.communities, &attributes->communities);
  Remove(rule.remove.extended_communities, &attributes->extended_communities);
  Remove(rule.remove.large_communities, &attributes->large_communities);
  *attributes = Merge(*attributes, rule.set);
  if (rule.add_med != 0) {
    constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
    const int64_t before = attributes->med.value_or(0);
    attributes->med = static_cast<uint32_t>(std::clamp(before + rule.add_med, int64_t{0}, kMost));
  }
}

}  // namespace

PathAttributes Merge(const PathAttributes& outer, const PathAttributes& inner) {
  PathAttributes merged;
  merged.communities = Join(outer.communities, inner.communities);
  merged.extended_communities = Join(outer.extended_communities, inner.extended_communities);
  merged.large_communities = Join(outer.large_communities, inner.large_communities);
  merged.med = inner.med ? inner.med : outer.med;
  merged.local_pref = inner.local_pref ? inner.local_pref : outer.local_pref;
  merged.prepend = inner.prepend ? inner.prepend : outer.prepend;
  merged.graceful_shutdown = inner.graceful_shutdown || outer.graceful_shutdown;
  return merged;
}

const ExportRule* RejectedBy(const std::vector<ExportRule>& rules, const IpPrefix& prefix) {
  for (const ExportRule& rule : rules) {
    if (rule.verdict == ExportRule::Verdict::kNext || !Concerns(rule, prefix)) continue;
    return rule.verdict == ExportRule::Verdict::kReject ? &rule : nullptr;
  }
  return nullptr;
}

std::optional<PathAttributes> Export(const std::vector<ExportRule>& rules, const IpPrefix& prefix,
                                     PathAttributes attributes) {
  if (RejectedBy(rules, prefix) != nullptr) return std::nullopt;
  for (const ExportRule& rule : rules) {
    if (!Concerns(rule, prefix)) continue;
    Apply(rule, &attributes);
    if (rule.verdict == ExportRule::Verdict::kAccept) break;
  }
  return attributes;
}

}  // namespace openelb::plan
