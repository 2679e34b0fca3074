#include "controller/observe/rack_table.h"

#include <set>
#include <utility>

namespace openelb::observe {
namespace {

// A mode in which nodes answer for addresses themselves.
using Mode = bool plan::NodeView::*;

SpeakerState StateOf(const std::string& name, const plan::NodeView& node,
                     const SessionBoard& board) {
  if (node.leaving || node.stopped) return SpeakerState::kLeaving;
  return board.Hears(name) ? SpeakerState::kReady : SpeakerState::kSilent;
}

void AddBgp(const plan::Model& model, const SessionBoard& board, RackTable* table) {
  for (const std::string& name : model.peered) {
    const plan::NodeView& node = model.nodes.at(name);
    if (!node.InRack()) continue;
    SpeakerStates& speakers = table->bgp[node.rack];
    if (!node.speaker) continue;
    SpeakerState state = StateOf(name, node, board);
    if (state == SpeakerState::kReady && !board.HasSession(name)) state = SpeakerState::kNoSession;
    speakers[name] = state;
  }
}

// Adds the speakers in a mode in the racks of nodes that can have addresses of the pools.
void AddMode(const plan::Model& model, const SessionBoard& board, Mode mode,
             const std::map<std::string, std::set<std::string>>& nodes_of, RackTable* table) {
  std::map<std::string, SpeakerStates> known;  // by rack
  const auto speakers_of = [&](const std::string& rack) -> const SpeakerStates& {
    const auto [entry, added] = known.try_emplace(rack);
    if (!added) return entry->second;
    for (const std::string& name : model.racks.at(rack)) {
      const plan::NodeView& node = model.nodes.at(name);
      if (node.*mode) entry->second[name] = StateOf(name, node, board);
    }
    return entry->second;
  };
  for (const auto& [pool, nodes] : nodes_of) {
    std::set<std::string> racks;
    for (const std::string& name : nodes) {
      const plan::NodeView& node = model.nodes.at(name);
      if (node.InRack()) racks.insert(node.rack);
    }
    for (const std::string& rack : racks) {
      const SpeakerStates& speakers = speakers_of(rack);
      table->eips[pool].insert(speakers.begin(), speakers.end());
      table->racks[rack].insert(speakers.begin(), speakers.end());
    }
  }
}

}  // namespace

absl::string_view SpeakerStateName(SpeakerState state) {
  switch (state) {
    case SpeakerState::kReady:
      return "ready";
    case SpeakerState::kNoSession:
      return "no_session";
    case SpeakerState::kSilent:
      return "silent";
    case SpeakerState::kLeaving:
      return "leaving";
  }
  return "";
}

RackTable RacksOf(const plan::Model& model, const SessionBoard& board) {
  RackTable table;
  AddBgp(model, board, &table);
  std::map<std::string, std::set<std::string>> layer2;
  for (const auto& [address, view] : model.layer2)
    layer2[view.pool].insert(view.ranks.begin(), view.ranks.end());
  AddMode(model, board, &plan::NodeView::layer2, layer2, &table);
  std::map<std::string, std::set<std::string>> vip;
  const plan::Links* last = nullptr;  // most addresses in a row share one
  for (const auto& [address, view] : model.vips) {
    std::set<std::string>& nodes = vip[view.pool];
    if (std::exchange(last, view.links.get()) == view.links.get() && !nodes.empty()) continue;
    for (const auto& [node, interface] : *view.links) nodes.insert(node);
  }
  AddMode(model, board, &plan::NodeView::vip, vip, &table);
  for (const auto& [rack, speakers] : table.bgp) table.racks[rack] = speakers;
  return table;
}

}  // namespace openelb::observe
