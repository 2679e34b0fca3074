#pragma once
// An Adj-RIB-Out with its plan, and a peer that puts what it hears into words.

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "speaker/bgp/adj_rib_out.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/route_index.h"
#include "speaker/bgp/test_route.h"
#include "speaker/bgp/update.h"

namespace openelb::bgp {

inline IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
inline IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }
inline IpPrefix Host(uint32_t i) { return IpPrefix::Host(IpAddress::FromV4(0x0a000000 + i)); }

// Puts UPDATEs into words: "+172.22.0.2/32 via 10.0.0.3", "-172.22.0.2/32"; keeps the table that a
// peer would hold.
class Listener final : public UpdateVisitor {
 public:
  void OnWithdrawn(const IpPrefix& prefix, uint32_t id) override {
    const auto known = table.find({prefix, id});
    ASSERT_NE(known, table.end()) << "withdrawn but never announced: " << prefix.ToString();
    said.push_back(absl::StrCat("-", prefix.ToString(),
                                id == 0 ? "" : absl::StrCat(" via ", known->second.ToString())));
    table.erase(known);
  }
  void OnAttribute(uint8_t, uint8_t type, std::span<const uint8_t> value) override {
    if (type == attribute::kNextHop) next_hop_ = IpAddress::FromBytes(value);
    if (type == attribute::kCommunities) communities.emplace_back(value.begin(), value.end());
    if (type == attribute::kExtendedCommunities) extended.emplace_back(value.begin(), value.end());
  }
  void OnAnnounced(const IpPrefix& prefix, uint32_t id,
                   const std::optional<IpAddress>& next_hop) override {
    const IpAddress address = next_hop.value_or(next_hop_);
    said.push_back(absl::StrCat("+", prefix.ToString(), " via ", address.ToString()));
    table[{prefix, id}] = address;
  }
  std::vector<std::string> Take() { return std::exchange(said, {}); }

  std::vector<std::string> said;
  std::map<std::pair<IpPrefix, uint32_t>, IpAddress> table;
  std::vector<Bytes> communities;  // of each UPDATE that has any
  std::vector<Bytes> extended;

 private:
  IpAddress next_hop_;
};

class AdjRibOutTest : public ::testing::Test {
 protected:
  AdjRibOutTest() {
    SetGroup("rack", {"10.0.0.3", "10.0.0.4", "10.0.0.5"});
    AddRoute("172.22.0.2/32", "rack");
    policy_.scope = std::string("s");
  }

  // Nodes are named a, b, c ... in order.
  void SetGroup(const std::string& id, const std::vector<std::string>& addresses) {
    auto& members = plan_.groups[id];
    members.clear();
    for (size_t i = 0; i < addresses.size(); ++i) {
      members.push_back(
          {.node = std::string(1, static_cast<char>('a' + i)), .address = Ip(addresses[i])});
    }
    changes_.groups.insert(id);
  }
  void AddRoute(absl::string_view prefix, const std::string& group) {
    AddRoute(Prefix(prefix), group);
  }
  void AddRoute(const IpPrefix& prefix, const std::string& group) {
    SetRoute(prefix, RouteTo(group));
  }
  void RemoveRoute(absl::string_view prefix) { SetRoute(Prefix(prefix), link::RouteRef()); }
  void SetRoute(const IpPrefix& prefix, const link::RouteRef& route) {
    link::SetRoute(prefix, route, &plan_, &changes_);
  }
  void SetPlace(const std::string& group, const std::string& node) {
    plan_.places[group] = node;
    changes_.places.insert(group);
  }

  void Start(bool add_path, uint32_t send_max = 0) {
    Negotiated negotiated;
    negotiated.v4 = {true, add_path, ipv6_next_hops_};
    negotiated.v6 = {true, add_path};
    policy_.send_max_v4 = policy_.send_max_v6 = send_max;
    format_ = {true, add_path, add_path};
    Touch();
    rib_ = std::make_unique<AdjRibOut>(&plan_, AttributeContext{true, 65000, true, local_},
                                       negotiated, policy_, kMaxMessage);
  }
  // What the plan's changes so far mean to the rib; nothing is sent yet.
  void Touch() {
    const std::vector<IpPrefix> prefixes = index_.Update(plan_, changes_);
    if (rib_) rib_->Touch(changes_, prefixes);
    changes_ = {};
  }
  // Hands octets to the listener; returns the number of UPDATEs.
  int Deliver(const Bytes& octets) {
    Framer framer;
    framer.Append(octets);
    std::optional<MessageError> error;
    int updates = 0;
    while (auto message = framer.Next(&error)) {
      EXPECT_EQ(message->type, MessageType::kUpdate);
      const auto wrong = CheckUpdate(message->body, format_, &peer_);
      EXPECT_FALSE(wrong.has_value()) << wrong->reason;
      ++updates;
    }
    EXPECT_FALSE(error.has_value());
    return updates;
  }
  int Drain() {
    Bytes out;
    rib_->Fill(SIZE_MAX, &out);
    EXPECT_TRUE(rib_->idle());
    return Deliver(out);
  }
  // Touch, send all, and what was said.
  std::vector<std::string> Say() {
    Touch();
    Drain();
    EXPECT_EQ(rib_->paths(), peer_.table.size());
    return peer_.Take();
  }

  link::PlanState plan_;
  link::PlanChanges changes_;
  RouteIndex index_;
  AdjRibOut::Policy policy_;
  IpAddress local_;
  bool ipv6_next_hops_ = false;
  UpdateFormat format_;
  std::unique_ptr<AdjRibOut> rib_;
  Listener peer_;
};

}  // namespace openelb::bgp
