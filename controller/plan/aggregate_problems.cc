// What users should know of aggregates: those that are refused, and what has no effect.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/aggregate_table.h"

namespace openelb::plan {
namespace {

using Kind = AddressView::Kind;
using Refusal = AggregateView::Refusal;

constexpr size_t kMostNamed = 5;  // of what there may be thousands of

ObjectKey EipKey(const std::string& name) { return {network::Eip::kKind, "", name}; }

// Served addresses in the prefix that have next hops of their own, with their Services.
std::string Concerned(const Model& model, const IpPrefix& prefix) {
  std::vector<std::string> texts;
  size_t all = 0;
  for (auto it = model.addresses.lower_bound(prefix.address());
       it != model.addresses.end() && prefix.Contains(it->first); ++it) {
    const AddressView& view = it->second;
    if (view.kind != Kind::kOwn && view.kind != Kind::kLastResort) continue;
    if (++all > kMostNamed) continue;
    texts.push_back(
        absl::StrCat(it->first.ToString(), " (", absl::StrJoin(view.services, ", "), ")"));
  }
  return absl::StrCat(absl::StrJoin(texts, ", "),
                      all > kMostNamed ? absl::StrCat(" and ", all - kMostNamed, " more") : "");
}

std::string LengthText(const network::Aggregation& aggregation, Family family) {
  return family == Family::kV4
             ? absl::StrCat("spec.advertise.aggregationLength ", *aggregation.length)
             : absl::StrCat("spec.advertise.aggregationLengthV6 ", *aggregation.length_v6);
}

}  // namespace

std::string RefusalText(const Model& model, const IpPrefix& prefix) {
  const AggregateView& view = model.aggregates.at(prefix);
  std::string why;
  if (view.refusal == Refusal::kOutOfReach) {
    why = absl::StrCat("none of the next hops",
                       view.rack.empty() ? "" : absl::StrCat(" in rack \"", view.rack, "\""));
  } else {
    why = "no node";
  }
  return absl::StrCat("aggregate ", prefix.ToString(),
                      " is not announced, and its addresses have host routes: ", why,
                      " serves all of its ", view.addresses,
                      " served addresses; not every node serves ", Concerned(model, prefix));
}

void AggregateTable::AddEipProblems(const std::string& name, const Asked& asked,
                                    std::set<Problem>* out) const {
  const auto add = [&](const char* reason, std::string message) {
    out->insert({EipKey(name), reason, std::move(message)});
  };
  if (asked.protocol != network::Protocol::kBgp) {
    add("NoEffect", absl::StrCat("spec.advertise has no effect: it concerns routes, and protocol "
                                 "is ",
                                 network::ProtocolName(asked.protocol)));
    return;
  }
  if (!asked.range.has_value()) return;
  const bool v4 = asked.range->family() == Family::kV4;
  if (v4 ? asked.aggregation.length_v6.has_value() : asked.aggregation.length.has_value()) {
    add("NoEffect",
        absl::StrCat("spec.advertise.", v4 ? "aggregationLengthV6" : "aggregationLength",
                     " has no effect: the addresses are ", FamilyName(asked.range->family())));
  }
  if (!asked.length.has_value()) {
    if (asked.aggregation.host_routes) {
      add("NoEffect",
          "spec.advertise.hostRoutes has no effect: there are no aggregates that host "
          "routes could stand beside");
    }
    return;
  }
  // Only the prefixes at the two ends of a range can reach beyond it.
  std::vector<std::string> beyond;
  for (const IpAddress& end : {asked.range->first(), asked.range->last()}) {
    const IpPrefix prefix(end, *asked.length);
    if (Of(end, name) == prefix || (!beyond.empty() && beyond.back() == prefix.ToString()))
      continue;
    beyond.push_back(prefix.ToString());
  }
  if (beyond.empty()) return;
  add("AggregateRefused",
      absl::StrCat(LengthText(asked.aggregation, asked.range->family()), ": spec.address ",
                   asked.range->ToString(), " does not hold all of ",
                   absl::StrJoin(beyond, " and "), "; addresses there have host routes"));
}

void AggregateTable::AddProblems(const Model& model, std::set<Problem>* out) const {
  for (const auto& [name, asked] : asked_) AddEipProblems(name, asked, out);
  std::map<std::string, size_t> refused;  // by Eip
  for (const auto& [prefix, view] : model.aggregates) {
    if (view.refusal == Refusal::kNone) continue;
    for (const std::string& pool : view.pools) {
      if (++refused[pool] > kMostNamed) continue;
      out->insert({EipKey(pool), "AggregateRefused", RefusalText(model, prefix)});
    }
  }
  for (const auto& [pool, count] : refused) {
    if (count <= kMostNamed) continue;
    out->insert({EipKey(pool), "AggregateRefused",
                 absl::StrCat("and ", count - kMostNamed, " more aggregates")});
  }
}

}  // namespace openelb::plan
