#include "controller/observe/truncate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/codec/encode.h"
#include "api/codec/write.h"

namespace openelb::observe {
namespace {

// Room for what is not counted: names of fields, conditions.
constexpr size_t kSlack = 4096;

TEST(Truncate, LeavesWhatFits) {
  network::EipStatus eip{.used = {{"10.0.0.1", "ns/a"}}};
  network::BgpPeerStatus peer{.nodes = {{"n", {}}}};
  network::BgpConfStatus conf{.nodes = {{"n", {}}}};
  EXPECT_EQ(Truncate(&eip), std::nullopt);
  EXPECT_EQ(Truncate(&peer), std::nullopt);
  EXPECT_EQ(Truncate(&conf), std::nullopt);
}

TEST(Truncate, UsedStopsInOrderAndTotalsStay) {
  network::EipStatus status;
  for (int i = 0; i < 20000; ++i) {
    const std::string ip = absl::StrCat("10.1.", i / 250, ".", i % 250);
    status.used[ip] = absl::StrCat("namespace-of-some-length/service-of-some-length-", i);
  }
  status.usage = static_cast<int64_t>(status.used.size());
  const auto all = status.used;
  const std::optional<std::string> sentence = Truncate(&status);
  EXPECT_EQ(sentence,
            absl::StrCat("status.used shows the first ", status.used.size(),
                         " of 20000 entries: all of them would be too large for one object"));
  EXPECT_EQ(status.usage, 20000);
  EXPECT_TRUE(std::equal(status.used.begin(), status.used.end(), all.begin()));
  const size_t bytes = codec::ToJson(codec::EncodeEipStatus(status)).size();
  EXPECT_LE(bytes, kMaxStatusBytes + kSlack);
  EXPECT_GE(bytes, kMaxStatusBytes - kSlack);
}

TEST(Truncate, NodesStopInOrder) {
  network::BgpPeerStatus peer{.established = 5000};
  network::BgpConfStatus conf;
  for (int i = 0; i < 20000; ++i) {
    const std::string node = absl::StrCat("node-", i);
    if (i < 5000) peer.nodes[node] = {.neighbor_address = "192.168.0.1", .last_error = "why"};
    conf.nodes[node] = {"192.168.0.1", 65000};
  }
  ASSERT_TRUE(Truncate(&peer).has_value());
  ASSERT_TRUE(Truncate(&conf).has_value());
  EXPECT_EQ(peer.established, 5000);
  EXPECT_LE(codec::ToJson(codec::EncodeBgpPeerStatus(peer)).size(), kMaxStatusBytes + kSlack);
  EXPECT_LE(codec::ToJson(codec::EncodeBgpConfStatus(conf)).size(), kMaxStatusBytes + kSlack);
  EXPECT_FALSE(conf.nodes.empty());
}

}  // namespace
}  // namespace openelb::observe
