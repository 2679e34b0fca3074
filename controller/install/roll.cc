#include "controller/install/roll.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/install/value_at.h"

namespace openelb::install {
namespace {

using codec::Value;

constexpr const char* kRevisionLabel = "controller-revision-hash";

std::string Text(const Value& value, std::initializer_list<absl::string_view> path) {
  const Value* at = At(value, path);
  return at == nullptr || at->string() == nullptr ? "" : *at->string();
}

const Value::List& Items(const Value& value, std::initializer_list<absl::string_view> path) {
  static const Value::List kNone;
  const Value* at = At(value, path);
  return at == nullptr || at->list() == nullptr ? kNone : *at->list();
}

std::string Sentence(const std::string& reason, const std::string& message) {
  return message.empty() ? reason : absl::StrCat(reason, ": ", message);
}

// Empty: nothing keeps it from running, or nothing is known to.
std::string TroubleOf(const Value& pod) {
  for (const Value& status : Items(pod, {"status", "containerStatuses"})) {
    const std::string reason = Text(status, {"state", "waiting", "reason"});
    if (reason.empty() || reason == "ContainerCreating" || reason == "PodInitializing") continue;
    return Sentence(reason, Text(status, {"state", "waiting", "message"}));
  }
  for (const Value& condition : Items(pod, {"status", "conditions"})) {
    if (Text(condition, {"type"}) != "PodScheduled" || Text(condition, {"status"}) != "False")
      continue;
    return Sentence(Text(condition, {"reason"}), Text(condition, {"message"}));
  }
  return "";
}

// A node that has a speaker or is to have one.
struct Member {
  std::string node;
  const Pod* pod = nullptr;
  bool updated = false;
  bool ready = false;
  bool away = false;  // on its way: gone, going, or new and not ready yet
  std::string why;    // it is away
};

struct Rack {
  std::string name;
  std::vector<Member> members;  // on nodes that are alive, by name
  int outdated = 0;
  int ready = 0;
  bool single() const { return members.size() == 1; }
  const Member* away() const {
    const auto it =
        std::find_if(members.begin(), members.end(), [](const Member& m) { return m.away; });
    return it == members.end() ? nullptr : &*it;
  }
};

// nullopt: nothing is known of the speaker, or only of the one before.
const SpeakerFact* FactOf(const RollInput& input, const std::string& node, bool updated) {
  const auto fact = input.speakers.find(node);
  if (fact == input.speakers.end()) return nullptr;
  const auto before = input.before.find(node);
  const bool of_before =
      updated && before != input.before.end() && before->second == fact->second.instance;
  return of_before ? nullptr : &fact->second;
}

Member MemberOf(const RollInput& input, const std::string& node, const Pod* pod) {
  Member member{.node = node, .pod = pod};
  if (pod == nullptr || pod->deleting || input.taken.contains(pod->uid)) {
    member.away = true;
    member.why = pod == nullptr ? "there is no Pod yet" : "the Pod is ending";
    return member;
  }
  member.updated = pod->revision == input.revision;
  const SpeakerFact* fact = FactOf(input, node, member.updated);
  member.ready = pod->ready && fact != nullptr && fact->ready;
  if (member.ready || !member.updated) return member;
  member.away = true;
  member.why = !pod->ready       ? "its Pod is not Ready"
               : fact == nullptr ? "it has not attached to the controller"
                                 : fact->lacks;
  return member;
}

// Of nodes with several Pods (one is ending) the one that stays.
std::map<std::string, const Pod*> PodsByNode(const std::vector<Pod>& pods) {
  std::map<std::string, const Pod*> by_node;
  for (const Pod& pod : pods) {
    if (pod.node.empty()) continue;
    const Pod*& known = by_node[pod.node];
    if (known == nullptr || known->deleting) known = &pod;
  }
  return by_node;
}

std::map<std::string, Rack> RacksOf(const RollInput& input) {
  std::map<std::string, const Pod*> pods = PodsByNode(input.pods);
  for (const auto& [node, fact] : input.speakers) {
    if (fact.expected) pods.try_emplace(node, nullptr);
  }
  std::map<std::string, Rack> racks;
  for (const auto& [node, pod] : pods) {
    const auto fact = input.speakers.find(node);
    if (fact == input.speakers.end() || !fact->second.reachable) continue;
    Rack& rack = racks[fact->second.rack];
    rack.name = fact->second.rack;
    Member member = MemberOf(input, node, pod);
    if (!member.away && !member.updated) ++rack.outdated;
    if (member.ready) ++rack.ready;
    rack.members.push_back(std::move(member));
  }
  return racks;
}

// One that is not ready carries nothing; of the ready ones another has to stay, where there is one.
const Member* NextOf(const Rack& rack) {
  const Member* ready = nullptr;
  for (const Member& member : rack.members) {
    if (member.updated || member.away) continue;
    if (!member.ready) return &member;
    if (ready == nullptr) ready = &member;
  }
  return rack.ready >= 2 || rack.single() ? ready : nullptr;
}

void Count(const RollInput& input, Roll* roll) {
  for (const Pod& pod : input.pods) {
    const bool updated = pod.revision == input.revision;
    ++(updated ? roll->updated : roll->outdated);
    if (updated && !pod.deleting && !pod.trouble.empty() && roll->broken.empty()) {
      roll->broken = absl::StrCat(
          pod.node.empty() ? absl::StrCat("Pod ", pod.name) : absl::StrCat("node ", pod.node), ": ",
          pod.trouble);
    }
  }
}

}  // namespace

Pod ReadPod(const Value& object) {
  Pod pod{.name = Text(object, {"metadata", "name"}),
          .uid = Text(object, {"metadata", "uid"}),
          .node = Text(object, {"spec", "nodeName"}),
          .revision = Text(object, {"metadata", "labels", kRevisionLabel}),
          .deleting = At(object, {"metadata", "deletionTimestamp"}) != nullptr,
          .trouble = TroubleOf(object)};
  for (const Value& condition : Items(object, {"status", "conditions"})) {
    if (Text(condition, {"type"}) == "Ready") pod.ready = Text(condition, {"status"}) == "True";
  }
  return pod;
}

std::string NewestRevision(const std::vector<const Value*>& revisions,
                           absl::string_view daemon_set_uid) {
  std::string newest;
  absl::int128 highest = -1;
  for (const Value* object : revisions) {
    const Value::List& owners = Items(*object, {"metadata", "ownerReferences"});
    if (std::none_of(owners.begin(), owners.end(),
                     [&](const Value& o) { return Text(o, {"uid"}) == daemon_set_uid; }))
      continue;
    const Value* number = object->Find("revision");
    if (number == nullptr || number->integer() == nullptr || *number->integer() <= highest)
      continue;
    highest = *number->integer();
    newest = Text(*object, {"metadata", "labels", kRevisionLabel});
  }
  return newest;
}

Roll PlanRoll(const RollInput& input) {
  Roll roll;
  Count(input, &roll);
  const std::map<std::string, Rack> racks = RacksOf(input);
  int busy = 0;
  bool proven = false;  // somebody runs the newest revision
  bool several_left = false;
  std::vector<const Rack*> candidates;
  for (const auto& [name, rack] : racks) {
    roll.ready += rack.ready;
    for (const Member& member : rack.members) proven |= member.updated && member.ready;
    if (rack.ready == 0) roll.dark.push_back(name);
    const Member* away = rack.away();
    if (away != nullptr) ++busy;
    if (away != nullptr && roll.waits.empty())
      roll.waits = absl::StrCat("the speaker on node ", away->node, ": ", away->why);
    several_left |= !rack.single() && (rack.outdated > 0 || away != nullptr);
    if (away == nullptr && rack.outdated > 0) candidates.push_back(&rack);
  }
  if (!roll.broken.empty() || input.revision.empty()) return roll;
  // Racks that are half done first.
  std::stable_sort(candidates.begin(), candidates.end(), [](const Rack* a, const Rack* b) {
    const auto begun = [](const Rack* rack) {
      return static_cast<size_t>(rack->outdated) < rack->members.size();
    };
    return begun(a) > begun(b);
  });
  const int limit = proven ? input.max_racks : 1;
  for (const Rack* rack : candidates) {
    if (busy >= limit) break;
    if (rack->single() && several_left) continue;
    const Member* next = NextOf(*rack);
    if (next == nullptr) continue;
    roll.replace.push_back(*next->pod);
    ++busy;
  }
  return roll;
}

}  // namespace openelb::install
