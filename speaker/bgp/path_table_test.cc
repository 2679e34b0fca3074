#include "speaker/bgp/path_table.h"

#include <gmock/gmock.h>

namespace openelb::bgp {
namespace {

TEST(PathTableTest, ProbesWhereIdentifiersCollide) {
  // These two addresses have the same hash.
  PathTable table;
  std::map<uint32_t, IpAddress> seen;
  IpAddress first;
  IpAddress second;
  for (uint32_t i = 0; i < 400000; ++i) {
    const IpAddress address = IpAddress::FromV4(0x0a000000 + i * 7919);
    const auto [known, added] = seen.try_emplace(PathTable::Hash(address), address);
    if (added || known->second == address) continue;
    first = known->second;
    second = address;
    break;
  }
  ASSERT_NE(first, second);
  const auto a = table.Intern(Family::kV4, first, {1});
  auto b = table.Intern(Family::kV4, second, {1});
  EXPECT_EQ(a->id, PathTable::Hash(first));
  EXPECT_EQ(b->id, a->id + 1);
  // Other attributes, same next hop, same identifier.
  EXPECT_EQ(table.Intern(Family::kV4, second, {2})->id, b->id);
  EXPECT_EQ(table.Intern(Family::kV4, second, {1}), b);
  EXPECT_EQ(table.size(), 2u);
  b.reset();
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace openelb::bgp
