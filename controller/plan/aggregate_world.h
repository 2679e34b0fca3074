#pragma once
// One rack of nodes n1, n2, n3 under one router, with Services of a pool, for tests of aggregates.

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/announce.h"
#include "controller/plan/model.h"
#include "controller/plan/test_world.h"

namespace openelb::plan {

class AggregateTest : public ::testing::Test {
 protected:
  AggregateTest() {
    planner_.Upsert(MakeConf(50000));
    planner_.Upsert(MakePeer("leaf", "10.0.0.1", 50001));
    for (int i = 1; i <= 3; ++i) {
      const std::string node = absl::StrCat("n", i);
      planner_.Upsert(MakeNode(node, absl::StrCat("10.0.0.1", i)));
      planner_.SetFact(MakeSpeaker(node));
      planner_.SetFact(MakePrefixes(node, {absl::StrCat("eth0 10.0.0.1", i, "/24")}));
    }
  }

  // A Service at 172.22.0.LAST (or at the address, if it is one) with Pods on `nodes`.
  void Put(const std::string& name, const std::string& last, std::vector<std::string> nodes,
           kube::TrafficPolicy policy = kube::TrafficPolicy::kCluster,
           const std::string& pool = "pool") {
    const bool whole = last.find_first_of(".:") != std::string::npos;
    const IpAddress address = *IpAddress::Parse(whole ? last : "172.22.0." + last);
    planner_.Upsert(MakeService(name, policy));
    planner_.Upsert(MakeSlice(name, nodes, std::string(FamilyName(address.family()))));
    planner_.SetAddresses("default/" + name, {address}, pool);
  }
  void PutLocal(const std::string& name, const std::string& last, std::vector<std::string> nodes) {
    Put(name, last, std::move(nodes), kube::TrafficPolicy::kLocal);
  }
  void Delete(const std::string& name) {
    planner_.SetAddresses("default/" + name, {});
    planner_.Remove({kube::Service::kKind, "default", name});
  }
  void PutPool(int length, bool host_routes = false, const std::string& address = "172.22.0.0/24") {
    network::Eip eip = MakeEip("pool", address, length);
    eip.aggregation.host_routes = host_routes;
    planner_.Upsert(eip);
  }

  // A step, and the end of what it exchanges.
  void Settle() {
    change_ = planner_.Step();
    if (change_.exchange == 0) return;
    planner_.FinishExchanges(change_.exchange);
    const bool problems = change_.problems;
    change_ = planner_.Step();
    change_.problems |= problems;
  }

  // What n1 announces after a step, and once what it exchanges has ended: "PREFIX via NEXT-HOP
  // ...", next hops by their last octet.
  std::vector<std::string> Routes(const std::string& node = "n1") {
    Settle();
    return Now(node);
  }
  // The same without a step.
  std::vector<std::string> Now(const std::string& node = "n1") {
    std::vector<std::string> lines;
    for (const auto& [peer, announced] : Announcements(planner_, node, /*add_path=*/true)) {
      for (const AnnouncedRoute& route : announced.routes) {
        std::vector<std::string> hops;
        for (const IpAddress& hop : route.next_hops) {
          const std::string text = hop.ToString();
          hops.push_back(text.substr(text.find_last_of(".:") + 1));
        }
        std::sort(hops.begin(), hops.end());
        lines.push_back(absl::StrCat(route.prefix.ToString(), " via ", absl::StrJoin(hops, " ")));
      }
    }
    return lines;
  }

  // The problems of the pool: "REASON: MESSAGE".
  std::vector<std::string> Problems(const std::string& pool = "pool") {
    Settle();
    std::vector<std::string> lines;
    for (const Problem& problem : planner_.Problems()) {
      if (problem.about.name == pool)
        lines.push_back(absl::StrCat(problem.reason, ": ", problem.message));
    }
    return lines;
  }

  Planner planner_;
  PlanChange change_;
};

}  // namespace openelb::plan
