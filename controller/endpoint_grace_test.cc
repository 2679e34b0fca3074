#include "controller/endpoint_grace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::Duration At(double seconds) { return absl::Seconds(seconds); }

kube::Endpoint Ready(const std::string& node) {
  return {.addresses = {"10.0.0." + node}, .node_name = node, .ready = true};
}

kube::Endpoint Terminating(const std::string& node) {
  return {.addresses = {"10.0.0." + node},
          .node_name = node,
          .ready = false,
          .serving = true,
          .terminating = true};
}

kube::Endpoint NotReady(const std::string& node) {
  return {.addresses = {"10.0.0." + node}, .node_name = node, .ready = false};
}

kube::EndpointSlice Slice(std::vector<kube::Endpoint> endpoints) {
  kube::EndpointSlice slice;
  slice.meta.namespace_ = "ns";
  slice.meta.name = "web-1";
  slice.address_type = "IPv4";
  slice.endpoints = std::move(endpoints);
  return slice;
}

std::vector<std::string> ReadyNodes(const kube::EndpointSlice& slice) {
  std::vector<std::string> nodes;
  for (const kube::Endpoint& endpoint : slice.endpoints)
    if (endpoint.IsReady()) nodes.push_back(endpoint.node_name);
  return nodes;
}

TEST(EndpointGrace, NewEndpointWaitsBesideOthers) {
  EndpointGrace grace(At(1));
  const kube::EndpointSlice before = Slice({Ready("1")});
  const kube::EndpointSlice real = Slice({Ready("1"), Ready("2")});
  kube::EndpointSlice seen = grace.See(&before.endpoints, real, At(0));
  EXPECT_THAT(ReadyNodes(seen), ElementsAre("1"));
  EXPECT_FALSE(seen.endpoints[1].IsServing());
  EXPECT_EQ(grace.NextDue(), At(1));
  EXPECT_THAT(grace.TakeDue(At(0.9)), IsEmpty());
  EXPECT_THAT(grace.TakeDue(At(1)), ElementsAre(real));
  EXPECT_EQ(grace.See(&seen.endpoints, real, At(1)), real);
  EXPECT_EQ(grace.NextDue(), absl::InfiniteDuration());
}

TEST(EndpointGrace, EndpointsThatAreAllTheServiceHasCountAtOnce) {
  EndpointGrace grace(At(1));
  const kube::EndpointSlice real = Slice({Ready("1"), Ready("2"), NotReady("3")});
  EXPECT_EQ(grace.See(nullptr, real, At(0)), real);
  const kube::EndpointSlice before = Slice({NotReady("1"), NotReady("2")});
  EXPECT_EQ(grace.See(&before.endpoints, real, At(0)), real);
  EXPECT_EQ(grace.NextDue(), absl::InfiniteDuration());
}

TEST(EndpointGrace, ZeroWaitsForNothing) {
  EndpointGrace grace(absl::ZeroDuration());
  const kube::EndpointSlice before = Slice({Ready("1")});
  const kube::EndpointSlice real = Slice({Ready("1"), Ready("2")});
  EXPECT_EQ(grace.See(&before.endpoints, real, At(0)), real);
}

// A rollout: the old Pod serves on while the new one's node learns of it.
TEST(EndpointGrace, OldEndpointThatServesWhileItTerminatesCarriesTheTraffic) {
  EndpointGrace grace(At(1));
  const kube::EndpointSlice before = Slice({Ready("1")});
  kube::EndpointSlice seen = grace.See(&before.endpoints, Slice({Ready("1"), Ready("2")}), At(0));
  const kube::EndpointSlice later = Slice({Terminating("1"), Ready("2")});
  seen = grace.See(&seen.endpoints, later, At(0.5));
  EXPECT_THAT(ReadyNodes(seen), IsEmpty());
  EXPECT_TRUE(seen.endpoints[0].IsServing());
  EXPECT_EQ(grace.NextDue(), At(1));  // since it was first seen
  EXPECT_THAT(ReadyNodes(grace.See(&seen.endpoints, later, At(1))), ElementsAre("2"));
}

TEST(EndpointGrace, WaitEndsWithTheLastOther) {
  EndpointGrace grace(At(1));
  const kube::EndpointSlice before = Slice({Ready("1")});
  const kube::EndpointSlice seen =
      grace.See(&before.endpoints, Slice({Ready("1"), Ready("2")}), At(0));
  const kube::EndpointSlice alone = Slice({NotReady("1"), Ready("2")});
  EXPECT_EQ(grace.See(&seen.endpoints, alone, At(0.1)), alone);
  EXPECT_EQ(grace.NextDue(), absl::InfiniteDuration());
}

TEST(EndpointGrace, EachNewEndpointHasItsOwnGrace) {
  EndpointGrace grace(At(1));
  const kube::EndpointSlice before = Slice({Ready("1")});
  kube::EndpointSlice seen = grace.See(&before.endpoints, Slice({Ready("1"), Ready("2")}), At(0));
  const kube::EndpointSlice real = Slice({Ready("1"), Ready("2"), Ready("3")});
  seen = grace.See(&seen.endpoints, real, At(0.5));
  EXPECT_THAT(ReadyNodes(seen), ElementsAre("1"));
  seen = grace.See(&seen.endpoints, real, At(1));
  EXPECT_THAT(ReadyNodes(seen), ElementsAre("1", "2"));
  EXPECT_EQ(grace.NextDue(), At(1.5));
}

TEST(EndpointGrace, DeletedSliceIsForgotten) {
  EndpointGrace grace(At(1));
  const kube::EndpointSlice before = Slice({Ready("1")});
  grace.See(&before.endpoints, Slice({Ready("1"), Ready("2")}), At(0));
  grace.Forget("ns/web-1");
  EXPECT_THAT(grace.TakeDue(At(5)), IsEmpty());
}

}  // namespace
}  // namespace openelb
