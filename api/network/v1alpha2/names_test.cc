#include "api/network/v1alpha2/names.h"

#include <gtest/gtest.h>

namespace openelb::network {
namespace {

TEST(Names, BothSpellingsAreReadAndOursWins) {
  const std::string ours = kRack.openelb;
  const std::string porter = kRack.porter;
  EXPECT_EQ(Find({}, kRack), std::nullopt);
  EXPECT_EQ(Find({{porter, "old"}}, kRack), "old");
  EXPECT_EQ(Find({{ours, "new"}, {porter, "old"}}, kRack), "new");
}

TEST(Names, OnlyTheTwoValuesOptIn) {
  EXPECT_TRUE(IsOurs({{"lb.kubesphere.io/v1alpha1", "openelb"}}));
  EXPECT_TRUE(IsOurs({{"lb.kubesphere.io/v1alpha1", "porter"}}));
  EXPECT_FALSE(IsOurs({{"lb.kubesphere.io/v1alpha1", "metallb"}}));
  EXPECT_FALSE(IsOurs({{"lb.kubesphere.io/v1alpha1", ""}}));
  EXPECT_FALSE(IsOurs({}));
}

}  // namespace
}  // namespace openelb::network
