#include "api/plan/path_attributes.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include "api/plan/path_attributes_codec.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }

TEST(PathAttributesTest, ListsAreJoinedAndTheInnerValueWins) {
  PathAttributes outer;
  outer.communities = {3, 1};
  outer.extended_communities = {5};
  outer.large_communities = {{1, 2, 3}};
  outer.med = 10;
  outer.prepend = 1;
  PathAttributes inner;
  inner.communities = {2, 3};
  inner.extended_communities = {4, 5};
  inner.large_communities = {{1, 2, 2}};
  inner.med = 0;
  inner.graceful_shutdown = true;
  const PathAttributes merged = Merge(outer, inner);
  EXPECT_THAT(merged.communities, ElementsAre(1, 2, 3));
  EXPECT_THAT(merged.extended_communities, ElementsAre(4, 5));
  EXPECT_THAT(merged.large_communities,
              ElementsAre(LargeCommunity{1, 2, 2}, LargeCommunity{1, 2, 3}));
  EXPECT_EQ(merged.med, 0u);
  EXPECT_EQ(merged.prepend, 1u);
  EXPECT_TRUE(merged.graceful_shutdown);
  EXPECT_FALSE(merged.local_pref.has_value());
  inner.prepend = 0;
  EXPECT_EQ(Merge(outer, inner).prepend, 0u) << "written, so it stands";
}

TEST(PathAttributesTest, AreTheSameAfterTheWire) {
  PathAttributes attributes;
  attributes.communities = {0xffffff01, 65000};
  attributes.extended_communities = {0x4004000000000001};
  attributes.large_communities = {{4294967295, 0, 7}};
  attributes.med = 0;
  attributes.local_pref = 200;
  attributes.prepend = 64;
  attributes.graceful_shutdown = true;
  for (const PathAttributes& each : {PathAttributes(), attributes}) {
    v1::Attributes body;
    WriteAttributes(each, &body);
    EXPECT_EQ(ReadAttributes(body).value(), each);
  }
}

TEST(ExportRuleTest, IsTheSameAfterTheWire) {
  ExportRule rule{.name = "p/s",
                  .prefixes = {{Prefix("10.0.0.0/8"), 9, 32}, {Prefix("fd00::/8"), 8, 128}},
                  .others = true,
                  .verdict = ExportRule::Verdict::kAccept,
                  .clear_communities = true,
                  .clear_extended_communities = true,
                  .clear_large_communities = true,
                  .remove = {.communities = {1}},
                  .set = {.med = 7},
                  .add_med = -4294967295};
  v1::ExportRule body;
  WriteExportRule(rule, &body);
  EXPECT_EQ(ReadExportRule(body).value(), rule);
}

TEST(ExportRuleTest, NamesWhatIsWrong) {
  const struct {
    const char* body;
    const char* error;
  } kCases[] = {
      {"prefixes { prefix: '10.0.0.0/8' least: 8 most: 33 }", "10.0.0.0/8 8..33"},
      {"prefixes { prefix: '10.0.0.0/8' least: 30 most: 24 }", "30..24"},
      {"prefixes { prefix: 'ten' most: 24 }", "export_rules.prefixes: ten"},
      {"add_med: 4294967296", "export_rules.add_med: 4294967296"},
      {"set { prepend: 65 }", "attributes.prepend: 65"},
      {"remove { prepend: 65 }", "attributes.prepend: 65"},
  };
  for (const auto& c : kCases) {
    v1::ExportRule body;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(c.body, &body)) << c.body;
    EXPECT_THAT(ReadExportRule(body).status().message(), HasSubstr(c.error));
  }
  v1::ExportRule body;
  body.set_verdict(static_cast<v1::ExportRule::Verdict>(9));
  EXPECT_THAT(ReadExportRule(body).status().message(), HasSubstr("export_rules.verdict: 9"));
}

TEST(ExportTest, AppliesRulesInOrder) {
  const ExportRule mark{.prefixes = {{Prefix("10.1.0.0/16"), 16, 32}}, .set = {.communities = {1}}};
  const ExportRule reject{.prefixes = {{Prefix("10.1.2.0/24"), 24, 32}},
                          .verdict = ExportRule::Verdict::kReject};
  const ExportRule accept{.prefixes = {{Prefix("10.1.0.0/16"), 32, 32}},
                          .verdict = ExportRule::Verdict::kAccept,
                          .set = {.med = 5}};
  const ExportRule last{.set = {.communities = {9}}};
  const std::vector<ExportRule> rules = {mark, reject, accept, last};
  EXPECT_EQ(Export(rules, Prefix("10.1.2.3/32"), {}), std::nullopt);
  EXPECT_EQ(Export(rules, Prefix("10.1.3.3/32"), {}),
            (PathAttributes{.communities = {1}, .med = 5}));
  EXPECT_EQ(Export(rules, Prefix("10.1.3.0/24"), {}), (PathAttributes{.communities = {1, 9}}));
  EXPECT_EQ(Export(rules, Prefix("10.0.0.0/8"), {}), (PathAttributes{.communities = {9}}))
      << "longer prefixes are concerned, shorter ones are not";
  EXPECT_EQ(Export(rules, Prefix("fd00::1/128"), {}), (PathAttributes{.communities = {9}}));
  EXPECT_EQ(Export({}, Prefix("10.1.2.3/32"), {.med = 3}), (PathAttributes{.med = 3}));
}

TEST(ExportTest, ConcernsOthers) {
  const std::vector<ExportRule> rules = {{.prefixes = {{Prefix("10.1.0.0/16"), 16, 32}},
                                          .others = true,
                                          .verdict = ExportRule::Verdict::kReject}};
  EXPECT_TRUE(Export(rules, Prefix("10.1.2.3/32"), {}).has_value());
  EXPECT_FALSE(Export(rules, Prefix("10.2.2.3/32"), {}).has_value());
  EXPECT_FALSE(Export(rules, Prefix("fd00::1/128"), {}).has_value());
}

TEST(ExportTest, TakesOutBeforeItSets) {
  const PathAttributes before{.communities = {1, 2},
                              .extended_communities = {1, 2},
                              .large_communities = {{1, 1, 1}, {2, 2, 2}},
                              .med = 10};
  const std::vector<ExportRule> remove = {{.remove = {.communities = {1},
                                                      .extended_communities = {2},
                                                      .large_communities = {{1, 1, 1}}},
                                           .set = {.communities = {7}}}};
  EXPECT_EQ(Export(remove, Prefix("10.0.0.1/32"), before),
            (PathAttributes{.communities = {2, 7},
                            .extended_communities = {1},
                            .large_communities = {{2, 2, 2}},
                            .med = 10}));
  const std::vector<ExportRule> replace = {{.clear_communities = true,
                                            .clear_extended_communities = true,
                                            .clear_large_communities = true,
                                            .set = {.communities = {7}}}};
  EXPECT_EQ(Export(replace, Prefix("10.0.0.1/32"), before),
            (PathAttributes{.communities = {7}, .med = 10}));
}

TEST(ExportTest, MedStaysWithinItsRange) {
  const auto med = [](std::optional<uint32_t> before, int64_t add) {
    return Export({{.add_med = add}}, Prefix("10.0.0.1/32"), {.med = before})->med;
  };
  EXPECT_EQ(med(10, 5), 15u);
  EXPECT_EQ(med(10, -5), 5u);
  EXPECT_EQ(med(std::nullopt, 5), 5u);
  EXPECT_EQ(med(10, -50), 0u);
  EXPECT_EQ(med(4294967290, 50), 4294967295u);
}

}  // namespace
}  // namespace openelb::plan
