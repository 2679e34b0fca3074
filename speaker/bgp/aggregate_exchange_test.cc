// What a router sees when aggregates come instead of host routes, and these again.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "speaker/bgp/adj_rib_out.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/route_index.h"
#include "speaker/bgp/update.h"

namespace openelb::bgp {
namespace {

constexpr uint32_t kHosts = 3000;  // more than one UPDATE can withdraw

IpPrefix Host(uint32_t i) { return IpPrefix::Host(IpAddress::FromV4(0x0a000000 + i)); }
IpPrefix AggregateOf(const IpPrefix& host) { return {host.address(), 30}; }

// Counts the paths of each prefix that a peer holds.
class Table final : public UpdateVisitor {
 public:
  void OnWithdrawn(const IpPrefix& prefix, uint32_t) override {
    if (--paths[prefix] == 0) paths.erase(prefix);
  }
  void OnAttribute(uint8_t, uint8_t, std::span<const uint8_t>) override {}
  void OnAnnounced(const IpPrefix& prefix, uint32_t, const std::optional<IpAddress>&) override {
    ++paths[prefix];
  }
  std::map<IpPrefix, int> paths;
};

class AggregateExchangeTest : public ::testing::TestWithParam<bool> {  // ADD-PATH
 protected:
  AggregateExchangeTest() {
    for (const char* hop : {"10.1.0.3", "10.1.0.4"})
      plan_.groups["rack"].push_back({.node = hop, .address = *IpAddress::Parse(hop)});
    changes_.groups.insert("rack");
    for (uint32_t i = 0; i < kHosts; ++i) {
      hosts_.insert(Host(i));
      aggregates_.insert(AggregateOf(Host(i)));
    }
    Negotiated negotiated;
    negotiated.v4 = {true, GetParam(), false};
    AdjRibOut::Policy policy;
    policy.scope = "s";
    rib_ = std::make_unique<AdjRibOut>(&plan_, AttributeContext{true, 65000, true, {}}, negotiated,
                                       policy, kMaxMessage);
  }

  void Change(const std::set<IpPrefix>& gone, const std::set<IpPrefix>& fresh) {
    for (const IpPrefix& prefix : gone) plan_.routes.erase(prefix);
    for (const IpPrefix& prefix : fresh) {
      plan_.routes[prefix].prefix = prefix;
      plan_.routes[prefix].groups["s"] = "rack";
    }
    changes_.routes.insert(gone.begin(), gone.end());
    changes_.routes.insert(fresh.begin(), fresh.end());
    const std::vector<IpPrefix> prefixes = index_.Update(plan_, changes_);
    rib_->Touch(changes_, prefixes);
    changes_ = {};
  }

  // Reads what is sent message by message; whether some host had no route after one of them.
  bool AnyGap() {
    bool gap = false;
    Framer framer;
    while (!rib_->idle()) {
      Bytes out;
      rib_->Fill(1, &out);
      framer.Append(out);
      std::optional<MessageError> error;
      while (const auto message = framer.Next(&error)) {
        EXPECT_FALSE(CheckUpdate(message->body, {.add_path_v4 = GetParam()}, &table_).has_value());
        for (const IpPrefix& host : hosts_)
          gap |= !table_.paths.contains(host) && !table_.paths.contains(AggregateOf(host));
      }
      EXPECT_FALSE(error.has_value());
    }
    return gap;
  }

  link::PlanState plan_;
  link::PlanChanges changes_;
  RouteIndex index_;
  std::unique_ptr<AdjRibOut> rib_;
  Table table_;
  std::set<IpPrefix> hosts_;
  std::set<IpPrefix> aggregates_;
};

TEST_P(AggregateExchangeTest, NoAddressIsEverWithoutARoute) {
  Change({}, hosts_);
  EXPECT_TRUE(AnyGap()) << "at first there is nothing";
  Change(hosts_, aggregates_);
  EXPECT_FALSE(AnyGap());
  EXPECT_EQ(rib_->prefixes(), aggregates_.size());
  Change(aggregates_, hosts_);
  EXPECT_FALSE(AnyGap());
  EXPECT_EQ(rib_->prefixes(), hosts_.size());
}

INSTANTIATE_TEST_SUITE_P(AddPath, AggregateExchangeTest, ::testing::Bool());

}  // namespace
}  // namespace openelb::bgp
