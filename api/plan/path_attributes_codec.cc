#include "api/plan/path_attributes_codec.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace openelb::plan {

absl::StatusOr<PathAttributes> ReadAttributes(const v1::Attributes& body) {
  if (body.prepend() > kMaxPrepend) {
    return absl::InvalidArgumentError(
        absl::StrCat("attributes.prepend: ", body.prepend(), " (allowed: 0..", kMaxPrepend, ")"));
  }
  PathAttributes attributes;
  attributes.communities.assign(body.communities().begin(), body.communities().end());
  attributes.extended_communities.assign(body.extended_communities().begin(),
                                         body.extended_communities().end());
  for (const auto& large : body.large_communities()) {
    attributes.large_communities.push_back({large.global(), large.local1(), large.local2()});
  }
  if (body.has_med()) attributes.med = body.med();
  if (body.has_local_pref()) attributes.local_pref = body.local_pref();
  if (body.has_prepend()) attributes.prepend = body.prepend();
  attributes.graceful_shutdown = body.graceful_shutdown();
  return attributes;
}

void WriteAttributes(const PathAttributes& attributes, v1::Attributes* body) {
  body->mutable_communities()->Assign(attributes.communities.begin(), attributes.communities.end());
  body->mutable_extended_communities()->Assign(attributes.extended_communities.begin(),
                                               attributes.extended_communities.end());
  for (const auto& [global, local1, local2] : attributes.large_communities) {
    v1::Attributes::Large* large = body->add_large_communities();
    large->set_global(global);
    large->set_local1(local1);
    large->set_local2(local2);
  }
  if (attributes.med) body->set_med(*attributes.med);
  if (attributes.local_pref) body->set_local_pref(*attributes.local_pref);
  if (attributes.prepend) body->set_prepend(*attributes.prepend);
  body->set_graceful_shutdown(attributes.graceful_shutdown);
}

absl::StatusOr<ExportRule> ReadExportRule(const v1::ExportRule& body) {
  ExportRule rule;
  rule.name = body.name();
  for (const v1::PrefixRange& range : body.prefixes()) {
    const auto prefix = IpPrefix::Parse(range.prefix());
    const auto bits =
        prefix.ok() ? static_cast<uint32_t>(FamilyBits(prefix->family())) : uint32_t{0};
    if (!prefix.ok() || range.least() > range.most() || range.most() > bits) {
      return absl::InvalidArgumentError(
          absl::StrCat("export_rules.prefixes: ", range.prefix(), " ", range.least(), "..",
                       range.most(), " (allowed: a prefix, and lengths that it can have)"));
    }
    rule.prefixes.push_back(
        {*prefix, static_cast<int>(range.least()), static_cast<int>(range.most())});
  }
  rule.others = body.others();
  switch (body.verdict()) {
    case v1::ExportRule::NEXT:
      rule.verdict = ExportRule::Verdict::kNext;
      break;
    case v1::ExportRule::ACCEPT:
      rule.verdict = ExportRule::Verdict::kAccept;
      break;
    case v1::ExportRule::REJECT:
      rule.verdict = ExportRule::Verdict::kReject;
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("export_rules.verdict: ", static_cast<int>(body.verdict()),
                       " (allowed: NEXT, ACCEPT, REJECT)"));
  }
  rule.clear_communities = body.clear_communities();
  rule.clear_extended_communities = body.clear_extended_communities();
  rule.clear_large_communities = body.clear_large_communities();
  auto remove = ReadAttributes(body.remove());
  if (!remove.ok()) return remove.status();
  rule.remove = *std::move(remove);
  auto set = ReadAttributes(body.set());
  if (!set.ok()) return set.status();
  rule.set = *std::move(set);
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  if (body.add_med() < -kMost || body.add_med() > kMost) {
    return absl::InvalidArgumentError(absl::StrCat("export_rules.add_med: ", body.add_med(),
                                                   " (allowed: ", -kMost, "..", kMost, ")"));
  }
  rule.add_med = body.add_med();
  return rule;
}

void WriteExportRule(const ExportRule& rule, v1::ExportRule* body) {
  body->set_name(rule.name);
  for (const ExportRule::Range& range : rule.prefixes) {
    v1::PrefixRange* out = body->add_prefixes();
    out->set_prefix(range.prefix.ToString());
    out->set_least(static_cast<uint32_t>(range.least));
    out->set_most(static_cast<uint32_t>(range.most));
  }
  body->set_others(rule.others);
  switch (rule.verdict) {
    case ExportRule::Verdict::kNext:
      break;
    case ExportRule::Verdict::kAccept:
      body->set_verdict(v1::ExportRule::ACCEPT);
      break;
    case ExportRule::Verdict::kReject:
      body->set_verdict(v1::ExportRule::REJECT);
      break;
  }
  body->set_clear_communities(rule.clear_communities);
  body->set_clear_extended_communities(rule.clear_extended_communities);
  body->set_clear_large_communities(rule.clear_large_communities);
  if (!rule.remove.empty()) WriteAttributes(rule.remove, body->mutable_remove());
  if (!rule.set.empty()) WriteAttributes(rule.set, body->mutable_set());
  body->set_add_med(rule.add_med);
}

}  // namespace openelb::plan
