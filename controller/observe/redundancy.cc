#include "controller/observe/redundancy.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::observe {
namespace {

constexpr size_t kNamesShown = 3;

// "a", "a, b" or "a, b, c and 4 more".
std::string Names(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesShown);
  std::string text =
      absl::StrJoin(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown), ", ");
  if (shown < names.size()) absl::StrAppend(&text, " and ", names.size() - shown, " more");
  return text;
}

std::string RackName(const std::string& rack) {
  return rack.empty() ? "the cluster" : absl::StrCat("rack \"", rack, "\"");
}

struct Finding {
  std::string lacks;  // what to do about it; empty: nothing is lacking
  std::string has;    // said when something was lacking before
};

// `without`: what comes of it when the only speaker is lost.
Finding FindingOf(const std::string& what, absl::string_view without,
                  const SpeakerStates& speakers) {
  std::vector<std::string> ready;
  std::vector<std::string> others;
  for (const auto& [node, state] : speakers)
    (state == SpeakerState::kReady ? ready : others).push_back(node);
  if (ready.size() >= 2) return {"", absl::StrCat(what, " has ", ready.size(), " ready speakers")};
  const std::string state = ready.empty()
                                ? " has no ready speaker; "
                                : absl::StrCat(" has one ready speaker, on node ", ready.front(),
                                               ": without it ", without, "; ");
  const std::string advice =
      others.empty() ? absl::StrCat(ready.empty() ? "let speakers run on two nodes there"
                                                  : "let a speaker run on a second node there")
                     : absl::StrCat("mend what keeps the others from it, on ", Names(others));
  return {absl::StrCat(what, state, advice), ""};
}

}  // namespace

void Redundancy::Update(const RackTable& table, absl::Duration now) {
  std::set<Subject> seen;
  const auto find = [&](Subject subject, const std::string& what, absl::string_view without,
                        const SpeakerStates& speakers) {
    Finding finding = FindingOf(what, without, speakers);
    Find(subject, std::move(finding.lacks), std::move(finding.has), now);
    seen.insert(std::move(subject));
  };
  for (const auto& [rack, speakers] : table.bgp) {
    find({{network::BgpConf::kKind, "", network::kBgpConfName}, rack}, RackName(rack),
         "its routers lose every route to the nodes there", speakers);
  }
  for (const auto& [eip, speakers] : table.eips) {
    find({{network::Eip::kKind, "", eip}, ""}, "the network of its addresses",
         "nobody answers for them", speakers);
  }
  std::erase_if(held_, [&](const auto& entry) { return !seen.contains(entry.first); });
}

void Redundancy::Find(const Subject& subject, std::string lacks, std::string has,
                      absl::Duration now) {
  Held& held = held_[subject];
  const bool waits = held.due != absl::InfiniteDuration();
  if (lacks == held.told) {
    held.due = absl::InfiniteDuration();
  } else if (!waits || held.found.empty() != lacks.empty()) {
    held.due = now + (lacks.empty() ? kReturn : kLoss);
  }
  held.found = std::move(lacks);
  if (held.due > now) return;
  held.due = absl::InfiniteDuration();
  held.told = held.found;
  if (held.told.empty())
    returns_.push_back(
        {.about = subject.first, .reason = kRackRedundant, .message = std::move(has)});
}

std::vector<Problem> Redundancy::Problems() const {
  std::vector<Problem> problems;
  for (const auto& [subject, held] : held_) {
    if (!held.told.empty()) problems.push_back({subject.first, kRackWithoutRedundancy, held.told});
  }
  std::sort(problems.begin(), problems.end());
  return problems;
}

absl::Duration Redundancy::NextDue() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [subject, held] : held_) next = std::min(next, held.due);
  return next;
}

}  // namespace openelb::observe
