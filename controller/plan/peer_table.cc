#include "controller/plan/peer_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/codec/parse.h"
#include "api/codec/peer_group.h"
#include "api/codec/write.h"

namespace openelb::plan {
namespace {

// Saved as Assignment{kGroup, name, JSON}.
constexpr const char* kGroup = "peer-group";

std::string Names(const PeerTable::Groups& groups) {
  if (groups.empty()) return "there are none";
  return absl::StrCat("there are ",
                      absl::StrJoin(groups, ", ", [](std::string* out, const auto& g) {
                        absl::StrAppend(out, "\"", g.first, "\"");
                      }));
}

}  // namespace

void PeerTable::Upsert(const network::BgpPeer& peer) {
  const std::string& name = peer.meta.name;
  if (peer.peer_group.empty()) {
    written_.erase(name);
    peer_problems_.erase(name);
    peers_[name] = peer;
    return;
  }
  written_[name] = peer;
  Resolve(peer);
}

bool PeerTable::Remove(const std::string& name) {
  peer_problems_.erase(name);
  return written_.erase(name) + peers_.erase(name) > 0;
}

void PeerTable::SetGroups(Groups groups) {
  if (groups == groups_) return;
  groups_ = std::move(groups);
  wrong_.clear();
  for (const auto& [name, group] : groups_) {
    std::string error = codec::PeerGroupError(group);
    if (error.empty())
      in_force_[name] = group;
    else
      wrong_[name] = std::move(error);
  }
  for (const auto& [name, peer] : written_) Resolve(peer);
}

void PeerTable::ForgetUnused() {
  std::set<std::string> used;
  for (const auto& [name, peer] : written_) used.insert(peer.peer_group);
  std::erase_if(in_force_, [&](const auto& group) {
    return !groups_.contains(group.first) && !used.contains(group.first);
  });
}

absl::StatusOr<network::BgpPeer> PeerTable::Complete(const network::BgpPeer& peer) const {
  if (peer.peer_group.empty()) return peer;
  const auto group = in_force_.find(peer.peer_group);
  if (group == in_force_.end()) {
    return absl::NotFoundError(
        absl::StrCat("spec.conf.peerGroup: spec.peerGroups of the BgpConf has no \"",
                     peer.peer_group, "\" that can be used; ", Names(groups_)));
  }
  absl::StatusOr<network::BgpPeer> merged = codec::WithGroup(peer, group->second);
  if (merged.ok()) return merged;
  return absl::InvalidArgumentError(absl::StrCat("with what the peer group \"", peer.peer_group,
                                                 "\" gives, ", merged.status().message()));
}

void PeerTable::Resolve(const network::BgpPeer& peer) {
  const std::string& name = peer.meta.name;
  absl::StatusOr<network::BgpPeer> complete = Complete(peer);
  if (!complete.ok()) {
    peer_problems_[name] = std::string(complete.status().message());
    return;
  }
  peer_problems_.erase(name);
  peers_[name] = *std::move(complete);
}

void PeerTable::AddProblems(std::set<Problem>* out) const {
  const ObjectKey conf{network::BgpConf::kKind, "", network::kBgpConfName};
  for (const auto& [name, error] : wrong_) {
    out->insert({conf, "BadPeerGroup",
                 absl::StrCat("spec.peerGroups.", name, ": ", error, "; ",
                              in_force_.contains(name) ? "what it was before stays in force"
                                                       : "its BgpPeers have no sessions")});
  }
  std::set<std::string> gone;
  for (const auto& [name, peer] : written_) {
    if (!groups_.contains(peer.peer_group) && in_force_.contains(peer.peer_group))
      gone.insert(peer.peer_group);
  }
  for (const std::string& name : gone) {
    out->insert({conf, "BadPeerGroup",
                 absl::StrCat("spec.peerGroups.", name,
                              ": missing, but BgpPeers name it; what it was stays in force")});
  }
  for (const auto& [name, problem] : peer_problems_) {
    out->insert({{network::BgpPeer::kKind, "", name},
                 "BadPeerGroup",
                 absl::StrCat(problem, peers_.contains(name) ? "; what was before stays in force"
                                                             : "; it has no sessions")});
  }
}

void PeerTable::AddAssignments(std::vector<Assignment>* out) const {
  for (const auto& [name, group] : in_force_) out->push_back({kGroup, name, codec::ToJson(group)});
}

bool PeerTable::IsOurs(const Assignment& assignment) { return assignment.group == kGroup; }

void PeerTable::Load(const Assignment& assignment) {
  const codec::ParsedText text = codec::ParseYaml(assignment.node);
  if (text.error.has_value() || text.documents.size() != 1) return;
  const codec::Value& group = text.documents[0].value;
  // A newer version may have written it.
  if (codec::PeerGroupError(group).empty()) in_force_[assignment.speaker] = group;
}

}  // namespace openelb::plan
