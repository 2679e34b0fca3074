#pragma once
// Three nodes and a Layer 2 address that each of them could answer for. For tests.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/plan/layer2_table.h"
#include "controller/plan/test_world.h"
#include "gtest/gtest.h"

namespace openelb::plan {

inline constexpr auto kLocal = kube::TrafficPolicy::kLocal;
inline constexpr const char* kVip = "192.168.0.91";

inline IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class Layer2TableTest : public testing::Test {
 protected:
  Layer2TableTest() { Begin(); }

  // A new planner.
  void Begin() {
    planner_ = std::make_unique<Planner>();
    planner_->SetWatchSecret("a cluster's secret");
    SetPool("eth0");
    for (int i = 1; i <= 3; ++i) Start(i);
    planner_->Upsert(MakeService("web"));
    planner_->Upsert(MakeSlice("web", {"n1"}));
    Give("web", kVip);
  }

  static std::string Name(int i) { return absl::StrCat("n", i); }
  static kube::Node Node(int i) { return MakeNode(Name(i), absl::StrCat("192.168.0.", i)); }
  void Start(int i) {
    planner_->Upsert(Node(i));
    planner_->SetFact(MakePrefixes(Name(i), {absl::StrCat("eth0 192.168.0.", i, "/24"),
                                             absl::StrCat("eth1 10.1.0.", i, "/24")}));
    planner_->SetFact(MakeSpeaker(Name(i), true, ++now_));
    planner_->SetFact({Name(i), kModesFact, {kLayer2Mode}, absl::FromUnixSeconds(++now_)});
  }
  void Tell(int i, const char* kind, std::vector<std::string> values) {
    planner_->SetFact({Name(i), kind, std::move(values), absl::FromUnixSeconds(++now_)});
  }
  void SetReady(int i, kube::ConditionStatus ready) {
    kube::Node node = Node(i);
    node.ready = ready;
    planner_->Upsert(node);
  }
  void SetPool(const std::string& interface, bool off_link = false) {
    network::Eip eip;
    eip.meta.name = "pool";
    eip.protocol = network::Protocol::kLayer2;
    eip.interface = interface;
    eip.off_link = off_link;
    planner_->Upsert(eip);
  }
  void Give(const std::string& service, const std::string& address) {
    planner_->SetLayer2(absl::StrCat("default/", service), "pool", {Ip(address)});
  }
  std::vector<std::string> Ranks(const std::string& address = kVip) {
    planner_->Step();
    const auto it = planner_->model().layer2.find(Ip(address));
    return it == planner_->model().layer2.end() ? std::vector<std::string>{} : it->second.ranks;
  }
  uint64_t Turn() const { return planner_->model().layer2.at(Ip(kVip)).turn; }
  std::map<std::string, v1::ResourceBody> Plan(int i) {
    std::map<std::string, v1::ResourceBody> plan;
    for (const std::string& set : planner_->SetsOf(Name(i))) {
      if (planner_->Find(set) == nullptr) continue;
      for (const auto& [key, resource] : planner_->Find(set)->resources())
        plan[key].ParseFromString(*resource.body);
    }
    return plan;
  }
  // What the speaker on node `i` is told: "ADDRESS eth0 n1 n2@PEER n3@PEER", one for each address.
  std::vector<std::string> Told(int i) {
    std::vector<std::string> told;
    for (const auto& [key, body] : Plan(i)) {
      if (!body.has_layer2_address()) continue;
      const v1::Layer2Address& address = body.layer2_address();
      std::string& text =
          told.emplace_back(absl::StrCat(address.address(), " ", address.interface()));
      for (const v1::Layer2Rank& rank : address.ranks()) {
        absl::StrAppend(&text, " ", rank.node(), rank.bfd_peer().empty() ? "" : "@",
                        rank.bfd_peer());
      }
    }
    return told;
  }
  // The keys of its sessions.
  std::vector<std::string> Watches(int i) {
    std::vector<std::string> keys;
    for (const auto& [key, body] : Plan(i)) {
      if (body.has_bfd_session()) keys.push_back(key);
    }
    return keys;
  }
  std::vector<std::string> Reasons() {
    planner_->Step();
    std::vector<std::string> reasons;
    for (const Problem& problem : planner_->Problems()) {
      if (problem.about.kind == network::Eip::kKind) reasons.push_back(problem.reason);
    }
    return reasons;
  }

  std::unique_ptr<Planner> planner_;
  int64_t now_ = 0;
};

}  // namespace openelb::plan
