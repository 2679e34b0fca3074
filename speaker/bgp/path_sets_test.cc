#include "speaker/bgp/path_sets.h"

#include <gmock/gmock.h>

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

PathRef PathTo(uint32_t address) {
  return std::make_shared<const Path>(Path{Family::kV4, address, IpAddress::FromV4(address), {}});
}

TEST(PathSetsTest, KeepsASetForAsLongAsItHasUsers) {
  PathSets sets;
  const PathRef path = PathTo(1);
  const PathSets::Id id = sets.Add({path});
  EXPECT_NE(id, PathSets::kNone);
  sets.Use(id);
  sets.Release(id);
  EXPECT_THAT(sets[id], ElementsAre(path));
  EXPECT_EQ(sets.users(id), 1u);
  sets.Release(id);
  EXPECT_EQ(path.use_count(), 1) << "its paths go with it";
  EXPECT_EQ(sets.size(), 0u);
}

TEST(PathSetsTest, GivesNumbersAgain) {
  PathSets sets;
  const PathSets::Id held = sets.Add({PathTo(1)});
  for (uint32_t i = 0; i < 1000; ++i) {
    const PathSets::Id id = sets.Add({PathTo(i)});
    EXPECT_NE(id, held);
    EXPECT_LE(id, 2u);
    sets.Release(id);
  }
  EXPECT_EQ(sets.size(), 1u);
}

TEST(PathSetsTest, TheEmptySetIsAlwaysThere) {
  PathSets sets;
  sets.Use(PathSets::kNone);
  sets.Release(PathSets::kNone);
  sets.Release(PathSets::kNone);
  EXPECT_THAT(sets[PathSets::kNone], IsEmpty());
  EXPECT_EQ(sets.size(), 0u);
}

}  // namespace
}  // namespace openelb::bgp
