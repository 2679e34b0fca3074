#include "speaker/io/route_monitor.h"

#include <poll.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

using testing::IsEmpty;

bool Readable(const RouteMonitor& monitor, int patience_ms = 0) {
  pollfd readable{monitor.fd(), POLLIN, 0};
  return poll(&readable, 1, patience_ms) == 1;
}

TEST(RouteMonitorTest, TellsWhereDefaultRoutesLead) {
  ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
  auto monitor = RouteMonitor::Create().value();
  EXPECT_THAT(monitor->routes(), IsEmpty());
  for (const char* name : {"one", "two"}) {
    const std::string one = name;
    RunShell(absl::StrCat("ip link add ", one, " type veth peer name ", one, "-far"));
    for (const std::string& end : {one, one + "-far"})
      RunShell(absl::StrCat("ip link set ", end, " addrgenmode none && ip link set ", end, " up"));
  }
  RunShell("ip addr add 10.1.0.1/24 dev one && ip addr add 10.2.0.1/24 dev two");
  RunShell("ip addr add 2001:db8::1/64 dev two nodad");
  do {  // links come up in their own time
    ASSERT_TRUE(monitor->Refresh().ok());
  } while (Readable(*monitor, 200));
  EXPECT_THAT(monitor->routes(), IsEmpty());
  const struct {
    const char* change;
    bool news;
    std::map<Family, std::string> routes;
  } kSteps[] = {
      {"ip route add 172.16.0.0/12 via 10.1.0.2", false, {}},
      {"ip route add default via 10.1.0.2", true, {{Family::kV4, "one"}}},
      {"ip -6 route add default via 2001:db8::2",
       true,
       {{Family::kV4, "one"}, {Family::kV6, "two"}}},
      {"ip route replace default via 10.2.0.2", true, {{Family::kV4, "two"}, {Family::kV6, "two"}}},
      {"ip -6 route del default && ip -6 route add 2000::/3 via 2001:db8::2",
       true,
       {{Family::kV4, "two"}, {Family::kV6, "two"}}},
      {"ip route add default via 10.1.0.2 metric 5",
       true,
       {{Family::kV4, "two"}, {Family::kV6, "two"}}},
      {"ip link set two down", true, {{Family::kV4, "one"}}},
      {"ip route replace unreachable default metric 5", true, {}},
  };
  for (const auto& step : kSteps) {
    SCOPED_TRACE(step.change);
    RunShell(step.change);
    EXPECT_EQ(Readable(*monitor), step.news);
    const auto before = monitor->routes();
    EXPECT_EQ(monitor->Refresh().value(), before != step.routes);
    EXPECT_EQ(monitor->routes(), step.routes);
  }
}

}  // namespace
}  // namespace openelb::io
