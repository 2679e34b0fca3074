#include "controller/plan/place_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::plan {
namespace {

std::string PlaceKey(const std::string& group) { return absl::StrCat("place/", group); }

void PutPlace(const std::string& speaker, const std::string& group, const std::string& node,
              SetStore* sets) {
  v1::ResourceBody body;
  body.mutable_place()->set_group(group);
  body.mutable_place()->set_node(node);
  sets->Put(NodeSet(speaker), PlaceKey(group), body);
}

}  // namespace

Choices Deal(const std::vector<MemberView>& members, const std::set<std::string>& staying,
             const Choices& current) {
  std::map<std::string, size_t> load;
  for (const MemberView& member : members) load[member.node] = staying.count(member.node);
  const auto is_free = [](const auto& entry) { return entry.second == 0; };
  Choices choices;
  for (const auto& [speaker, node] : current) {
    if (!staying.contains(speaker) && !load.contains(speaker) && load.contains(node))
      choices[speaker] = node;
  }
  if (std::none_of(load.begin(), load.end(), is_free)) return choices;

  const size_t fair = (staying.size() + load.size() - 1) / load.size();
  std::vector<std::string> waiting;
  for (const std::string& speaker : staying) {
    if (load.contains(speaker)) continue;
    const auto had = current.find(speaker);
    const auto member = had == current.end() ? load.end() : load.find(had->second);
    if (member != load.end() && member->second == 0) {
      choices[speaker] = member->first;
      ++member->second;
    } else {
      waiting.push_back(speaker);
    }
  }
  for (const std::string& speaker : waiting) {
    auto member = std::find_if(load.begin(), load.end(), is_free);
    if (member == load.end()) {
      const auto had = current.find(speaker);
      if (had != current.end()) member = load.find(had->second);
      if (member == load.end() || member->second >= fair) {
        member = std::min_element(load.begin(), load.end(),
                                  [](const auto& a, const auto& b) { return a.second < b.second; });
      }
    }
    choices[speaker] = member->first;
    ++member->second;
  }
  return choices;
}

void PlaceTable::Load(const Assignment& assignment) {
  carried_[assignment.group][assignment.speaker] = assignment.node;
}

void PlaceTable::AddAssignments(std::vector<Assignment>* out) const {
  for (const auto& [audience, groups] : dealt_) {
    for (const auto& [group, dealt] : groups) {
      for (const auto& [speaker, node] : dealt.choices) out->push_back({group, speaker, node});
    }
  }
}

void PlaceTable::Update(const std::string& audience_name, const std::string& group,
                        const Model& model, SetStore* sets) {
  const auto audience = model.audiences.find(audience_name);
  const std::vector<MemberView> none;
  const std::vector<MemberView>* members = &none;
  if (audience != model.audiences.end()) {
    const auto it = audience->second.groups.find(group);
    if (it != audience->second.groups.end()) members = &it->second;
  }
  Dealt before;
  if (auto node = dealt_[audience_name].extract(group); !node.empty())
    before = std::move(node.mapped());

  Dealt now;
  if (members->size() > 1) {
    const std::set<std::string>& speakers = audience->second.speakers;
    std::set<std::string> staying;
    for (const std::string& speaker : speakers) {
      if (!model.nodes.at(speaker).leaving) staying.insert(speaker);
    }
    if (const auto it = carried_.find(group); it != carried_.end())
      before.choices.insert(it->second.begin(), it->second.end());
    std::erase_if(before.choices, [&](const auto& c) { return !speakers.contains(c.first); });
    // A speaker gets no place at a next hop that routers are to move off, if there are others.
    std::vector<MemberView> lasting;
    std::copy_if(members->begin(), members->end(), std::back_inserter(lasting),
                 [](const MemberView& member) { return !member.draining; });
    if (lasting.empty()) lasting = *members;
    now.choices = Deal(lasting, staying, before.choices);
    const std::string& first = members->front().node;
    const auto place = [&](const std::string& speaker, const std::string& node) {
      if (node == first) return;
      PutPlace(speaker, group, node, sets);
      now.placed.insert(speaker);
    };
    for (const MemberView& member : lasting) {
      if (speakers.contains(member.node)) place(member.node, member.node);
    }
    for (const auto& [speaker, node] : now.choices) place(speaker, node);
  }
  for (const std::string& speaker : before.placed) {
    if (!now.placed.contains(speaker)) sets->Erase(NodeSet(speaker), PlaceKey(group));
  }
  if (!now.choices.empty() || !now.placed.empty())
    dealt_[audience_name][group] = std::move(now);
  else if (dealt_[audience_name].empty())
    dealt_.erase(audience_name);
}

void PlaceTable::Derive(const GroupChanges& groups, const AudienceChanges& audiences,
                        const Model& model, SetStore* sets, Visits* visits) {
  std::map<std::string, std::set<std::string>> deal = groups;
  std::set<std::string> whole = audiences.regrouped;
  for (const auto& [name, audience] : audiences.gone) whole.insert(name);
  for (const std::string& name : whole) {
    if (const auto it = model.audiences.find(name); it != model.audiences.end()) {
      for (const auto& [group, members] : it->second.groups) deal[name].insert(group);
    }
    if (const auto it = dealt_.find(name); it != dealt_.end()) {
      for (const auto& [group, dealt] : it->second) deal[name].insert(group);
    }
  }
  // A speaker that leaves an audience gives up its places there and takes its choices along.
  for (const auto& [speaker, audience] : audiences.left) {
    const auto it = dealt_.find(audience);
    if (it == dealt_.end()) continue;
    for (auto& [group, dealt] : it->second) {
      if (dealt.placed.erase(speaker) > 0) sets->Erase(NodeSet(speaker), PlaceKey(group));
      if (const auto choice = dealt.choices.find(speaker); choice != dealt.choices.end())
        carried_[group][speaker] = choice->second;
    }
  }
  for (const auto& [name, ids] : deal) {
    for (const std::string& group : ids) Update(name, group, model, sets);
    visits->places += ids.size();
  }
  carried_.clear();
}

}  // namespace openelb::plan
