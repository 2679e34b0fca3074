#include "speaker/link/packed_resources.h"

#include <gmock/gmock.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "api/base/random.h"

namespace openelb::link {
namespace {

using ::testing::IsEmpty;

using Model = std::map<std::string, std::string>;

Model Read(const PackedResources& resources) {
  Model model;
  std::string last;
  for (const ResourceView resource : resources) {
    EXPECT_TRUE(model.empty() || last < resource.key);
    last = std::string(resource.key);
    model.emplace(resource.key, resource.body);
  }
  EXPECT_EQ(model.size(), resources.size());
  return model;
}

PackedResources Pack(const Model& model) {
  std::vector<ResourceView> resources;
  for (const auto& [key, body] : model) resources.push_back({key, body});
  return PackedResources::Of(std::move(resources));
}

TEST(PackedResourcesTest, SortsAndTakesTheFirstOfAKey) {
  const PackedResources resources =
      PackedResources::Of({{"b", "1"}, {"a", "2"}, {"b", "3"}, {"", ""}});
  EXPECT_EQ(Read(resources), (Model{{"", ""}, {"a", "2"}, {"b", "1"}}));
  EXPECT_EQ(resources.BodyOf("b"), "1");
  EXPECT_EQ(resources.BodyOf(""), "");
  EXPECT_EQ(resources.BodyOf("c"), std::nullopt);
  EXPECT_EQ(PackedResources().BodyOf("c"), std::nullopt);
  EXPECT_THAT(Read(PackedResources()), IsEmpty());
}

TEST(PackedResourcesTest, AreTheSameHoweverTheyCame) {
  PackedResources one = PackedResources::Of({{"a", "1"}, {"c", "3"}});
  const PackedResources::Edit edits[] = {{"b", "2"}, {"c", std::nullopt}, {"d", std::nullopt}};
  one.Apply(edits);
  EXPECT_EQ(one, PackedResources::Of({{"a", "1"}, {"b", "2"}}));
  EXPECT_NE(one, PackedResources::Of({{"a", "1"}, {"b", "3"}}));
  EXPECT_NE(one, PackedResources::Of({{"a", "1"}, {"bb", "2"}}));
}

class PackedResourcesModelTest : public ::testing::TestWithParam<uint64_t> {  // seed
 protected:
  uint64_t Pick(uint64_t n) { return random_.Next64() % n; }
  // Numbers of all lengths, few and many octets, any values.
  std::string PickBody() {
    switch (Pick(8)) {
      case 0:
        return "";
      case 1: {
        std::string octets(Pick(40), 'x');
        for (char& octet : octets) octet = static_cast<char>(Pick(3) == 0 ? Pick(256) : 'x');
        return octets;
      }
      case 2:
        return std::string(Pick(3000), static_cast<char>('a' + Pick(2)));
      default:
        return absl::StrCat("route 10.0.", Pick(300), " group g", Pick(3), " s", Pick(20000));
    }
  }
  std::string PickKey() { return absl::StrCat("route/10.", Pick(4), ".", Pick(200), "/32"); }

  SeededRandom random_{GetParam()};
};

TEST_P(PackedResourcesModelTest, HoldWhatAMapHolds) {
  Model model;
  PackedResources resources;
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, std::optional<std::string>> changes;
    const bool remove = Pick(4) == 0;
    for (uint64_t i = Pick(Pick(5) == 0 ? 500 : 5); i > 0; --i) {
      const bool gone = Pick(4) == 0 || remove;
      changes[PickKey()] = gone ? std::nullopt : std::optional(PickBody());
    }
    std::vector<PackedResources::Edit> edits;
    for (const auto& [key, body] : changes) {
      edits.push_back({key, body});
      if (body) model[key] = *body;
      if (!body) model.erase(key);
    }
    resources.Apply(edits);
    ASSERT_EQ(Read(resources), model) << "round " << round;
    ASSERT_EQ(resources, Pack(model));
    auto at = resources.begin();
    for (const auto& [key, body] : changes) {
      const auto known = model.lower_bound(key);
      ASSERT_EQ(at.Seek(key), body.has_value());
      ASSERT_EQ(at == std::default_sentinel, known == model.end());
      if (known != model.end()) {
        ASSERT_EQ(*at, (ResourceView{known->first, known->second}));
      }
      ASSERT_EQ(resources.BodyOf(key), body);
    }
  }
  const PackedResources copy = resources;
  std::vector<PackedResources::Edit> all;
  for (const auto& [key, body] : model) all.push_back({key, std::nullopt});
  resources.Apply(all);
  EXPECT_THAT(Read(resources), IsEmpty());
  EXPECT_EQ(Read(copy), model);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PackedResourcesModelTest, ::testing::Range<uint64_t>(1, 7));

}  // namespace
}  // namespace openelb::link
