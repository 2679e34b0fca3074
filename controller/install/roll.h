#pragma once
// Which speaker is replaced next, so that no rack loses its last ready one while another of that
// rack is expected back. Pure; the order follows from names alone.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::install {

// A Pod of the DaemonSet.
struct Pod {
  std::string name;
  std::string uid;
  std::string node;      // empty: not bound to one yet
  std::string revision;  // of the template that it was made from
  bool deleting = false;
  bool ready = false;   // as its kubelet says
  std::string trouble;  // what keeps it from running, in the kubelet's or scheduler's words
};
Pod ReadPod(const codec::Value& object);

// The revision of the DaemonSet with this uid that is the newest of these ControllerRevisions;
// empty: there is none.
std::string NewestRevision(const std::vector<const codec::Value*>& revisions,
                           absl::string_view daemon_set_uid);

// What the controller knows of the speaker on a node, or of one that is to be there.
struct SpeakerFact {
  std::string rack;
  bool expected = false;   // the DaemonSet wants one there
  bool reachable = false;  // the node is alive
  bool ready = false;      // stream up, plan acknowledged, wanted sessions established
  std::string lacks;       // what it is not ready for; empty when it is
  std::string instance;    // of the process that attached last
  bool operator==(const SpeakerFact&) const = default;
};
using Speakers = std::map<std::string, SpeakerFact>;  // by node

struct RollInput {
  std::string revision;  // that speakers are to have
  std::vector<Pod> pods;
  Speakers speakers;
  std::set<std::string> taken;  // uids of Pods whose deletion was asked for
  // By node: the process that was there when its Pod was taken. As long as it is the one known,
  // what is known is not of the new Pod.
  std::map<std::string, std::string> before;
  int max_racks = 1;
};

struct Roll {
  std::vector<Pod> replace;  // now
  int ready = 0;             // nodes with a speaker that is ready
  int updated = 0;           // Pods of the newest revision
  int outdated = 0;          // the others
  std::string broken;  // the first Pod of the newest revision that cannot run, and why; empty: none
  std::string waits;   // what the roll waits for; empty: nothing
  std::vector<std::string> dark;  // racks without a ready speaker, sorted
};
// With a Pod of the newest revision that cannot run, none is replaced. Until one of that revision
// is ready, one at a time; then one of a rack in up to `max_racks` racks. Racks with one speaker
// come last. A node that is not alive holds nothing up and is left alone.
Roll PlanRoll(const RollInput& input);

}  // namespace openelb::install
