// What a router sees when aggregates come instead of host routes, and these again.

#include <set>

#include "speaker/bgp/test_rib.h"

namespace openelb::bgp {
namespace {

constexpr uint32_t kHosts = 3000;  // more than one UPDATE can withdraw

IpPrefix AggregateOf(const IpPrefix& host) { return {host.address(), 30}; }

class AggregateExchangeTest : public AdjRibOutTest,
                              public ::testing::WithParamInterface<bool> {  // ADD-PATH
 protected:
  AggregateExchangeTest() {
    for (uint32_t i = 0; i < kHosts; ++i) {
      hosts_.insert(Host(i));
      aggregates_.insert(AggregateOf(Host(i)));
    }
    RemoveRoute("172.22.0.2/32");
    Start(GetParam());
  }

  void Change(const std::set<IpPrefix>& gone, const std::set<IpPrefix>& fresh) {
    for (const IpPrefix& prefix : gone) RemoveRoute(prefix.ToString());
    for (const IpPrefix& prefix : fresh) AddRoute(prefix, "rack");
    Touch();
  }

  bool Has(const IpPrefix& prefix) const {
    const auto path = peer_.table.lower_bound({prefix, 0});
    return path != peer_.table.end() && path->first.first == prefix;
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
        EXPECT_FALSE(CheckUpdate(message->body, format_, &peer_).has_value());
        for (const IpPrefix& host : hosts_) gap |= !Has(host) && !Has(AggregateOf(host));
      }
      EXPECT_FALSE(error.has_value());
    }
    return gap;
  }

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
