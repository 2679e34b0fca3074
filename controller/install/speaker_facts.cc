#include "controller/install/speaker_facts.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::install {
namespace {

using Sessions = std::map<std::string, bool>;  // by neighbour: whether it is established

// Empty: the speaker has all it should.
std::string LacksOf(const push::SpeakerStatus* status, bool peered, const Sessions& sessions,
                    const std::set<std::string>& had_by_rack) {
  if (status == nullptr || !status->attached) return "it has no stream to the controller";
  if (status->pending_since) return "it has not acknowledged its plan";
  if (!peered) return "";
  std::vector<std::string> missing;
  bool any = false;
  for (const auto& [peer, established] : sessions) {
    any |= established;
    if (!established && had_by_rack.contains(peer)) missing.push_back(peer);
  }
  if (!any) return "none of its BGP sessions is established";
  if (missing.empty()) return "";
  return absl::StrCat("no BGP session with ", absl::StrJoin(missing, ", "));
}

}  // namespace

Speakers SpeakersOf(const plan::Model& model, const observe::SessionBoard& board,
                    const std::map<std::string, push::SpeakerStatus>& attached) {
  std::map<std::string, std::set<std::string>> had;  // by rack: neighbours with some session
  for (const auto& [name, node] : model.nodes) {
    if (!board.Hears(name)) continue;
    for (const auto& [peer, established] : board.Sessions(name)) {
      if (established) had[node.rack].insert(peer);
    }
  }
  Speakers speakers;
  for (const auto& [name, node] : model.nodes) {
    const auto found = attached.find(name);
    const push::SpeakerStatus* status = found == attached.end() ? nullptr : &found->second;
    SpeakerFact fact{.rack = node.rack,
                     .expected = node.speaker,
                     .reachable = node.health != plan::Health::kNotReady &&
                                  node.health != plan::Health::kUnknown,
                     .instance = status == nullptr ? "" : status->instance};
    fact.lacks = board.Hears(name) ? LacksOf(status, model.peered.contains(name),
                                             board.Sessions(name), had[node.rack])
                                   : "it has no stream to the controller";
    fact.ready = fact.lacks.empty();
    speakers.emplace(name, std::move(fact));
  }
  return speakers;
}

}  // namespace openelb::install
