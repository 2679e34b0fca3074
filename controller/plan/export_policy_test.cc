#include "controller/plan/export_policy.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Verdict = ExportRule::Verdict;

IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }
IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

// As GoBGP's documentation writes it, with all that is read.
constexpr absl::string_view kWhole = R"(
[[defined-sets.prefix-sets]]
  prefix-set-name = "lab"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "10.33.0.0/16"
    masklength-range = "21..32"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "fd00::1/128"
[[defined-sets.neighbor-sets]]
  neighbor-set-name = "leaves"
  neighbor-info-list = ["10.0.255.1", "192.168.0.0/24"]

[[policy-definitions]]
  name = "mark"
  [[policy-definitions.statements]]
    name = "lab"
    [policy-definitions.statements.conditions.match-prefix-set]
      prefix-set = "lab"
      match-set-options = "any"
    [policy-definitions.statements.conditions.match-neighbor-set]
      neighbor-set = "leaves"
      match-set-options = "invert"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
      [policy-definitions.statements.actions.bgp-actions]
        set-med = 200
        set-local-pref = 110
        [policy-definitions.statements.actions.bgp-actions.set-as-path-prepend]
          as = "65005"
          repeat-n = 5
        [policy-definitions.statements.actions.bgp-actions.set-community]
          options = "add"
          [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]
            communities-list = ["65100:20", "no-export"]
        [policy-definitions.statements.actions.bgp-actions.set-large-community]
          options = "replace"
          [policy-definitions.statements.actions.bgp-actions.set-large-community.set-large-community-method]
            communities-list = ["1:2:3"]
  [[policy-definitions.statements]]
    name = "rest"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"

[global.apply-policy.config]
  export-policy-list = ["mark"]
  import-policy-list = []
  default-import-policy = "reject-route"
  default-export-policy = "accept-route"
)";

TEST(ExportPolicyTest, ReadsAllThatMapsOntoRules) {
  const ExportPolicy policy = ReadExportPolicy(kWhole);
  ASSERT_EQ(policy.error, "");
  ASSERT_THAT(policy.statements, SizeIs(2));
  const PolicyStatement& mark = policy.statements[0];
  EXPECT_EQ(mark.rule.name, "mark/lab");
  EXPECT_THAT(mark.rule.prefixes, ElementsAre(ExportRule::Range{Prefix("10.33.0.0/16"), 21, 32},
                                              ExportRule::Range{Prefix("fd00::1/128"), 128, 128}));
  EXPECT_FALSE(mark.rule.others);
  EXPECT_THAT(mark.neighbors, ElementsAre(Prefix("10.0.255.1/32"), Prefix("192.168.0.0/24")));
  EXPECT_TRUE(mark.other_neighbors);
  EXPECT_EQ(mark.rule.verdict, Verdict::kAccept);
  EXPECT_EQ(mark.rule.set.med, 200u);
  EXPECT_EQ(mark.rule.set.local_pref, 110u);
  EXPECT_EQ(mark.rule.set.prepend, 5u);
  EXPECT_EQ(mark.prepended_as, 65005u);
  EXPECT_THAT(mark.rule.set.communities,
              testing::UnorderedElementsAre(65100u << 16 | 20u, 0xffffff01u));
  EXPECT_THAT(mark.rule.set.large_communities, SizeIs(1));
  EXPECT_TRUE(mark.rule.clear_large_communities);
  EXPECT_FALSE(mark.rule.clear_communities);
  EXPECT_EQ(policy.statements[1].rule.verdict, Verdict::kReject);
  EXPECT_FALSE(policy.rejects_rest);
}

TEST(ExportPolicyTest, AppliesPoliciesInTheOrderOfTheList) {
  constexpr absl::string_view kTwo = R"(
[[policy-definitions]]
name = "a"
[[policy-definitions.statements]]
name = "1"
[[policy-definitions]]
name = "b"
[[policy-definitions.statements]]
name = "1"
[[policy-definitions]]
name = "unused"
[[policy-definitions.statements]]
name = "1"
[global.apply-policy.config]
export-policy-list = ["b", "a"]
default-export-policy = "reject-route"
)";
  const ExportPolicy policy = ReadExportPolicy(kTwo);
  ASSERT_EQ(policy.error, "");
  const PeerRules rules = RulesFor(policy, Ip("10.0.0.1"), 65000);
  std::vector<std::string> names;
  for (const ExportRule& rule : rules.rules) names.push_back(rule.name);
  EXPECT_THAT(names, ElementsAre("b/1", "a/1", "default-export-policy"));
  EXPECT_EQ(rules.rules.back().verdict, Verdict::kReject);
  EXPECT_EQ(ReadExportPolicy("").error, "");
  EXPECT_THAT(RulesFor(ReadExportPolicy(""), Ip("10.0.0.1"), 65000).rules, IsEmpty());
}

TEST(ExportPolicyTest, GivesEachNeighbourItsRules) {
  const ExportPolicy policy = ReadExportPolicy(kWhole);
  const auto rules = [&](absl::string_view peer) {
    return RulesFor(policy, Ip(peer), 65005).rules.size();
  };
  EXPECT_EQ(rules("10.0.255.1"), 1u) << "it is among those that the first statement is not for";
  EXPECT_EQ(rules("192.168.0.77"), 1u);
  EXPECT_EQ(rules("10.0.255.2"), 2u);
  EXPECT_EQ(rules("fd00::1"), 2u);
}

TEST(ExportPolicyTest, PrependsOnlyTheOwnAs) {
  const ExportPolicy policy = ReadExportPolicy(kWhole);
  EXPECT_EQ(RulesFor(policy, Ip("10.0.0.1"), 65005).error, "");
  EXPECT_EQ(RulesFor(policy, Ip("10.0.0.1"), 65006).error,
            "statement mark/lab prepends AS 65005, but the speaker's is 65006");
  EXPECT_EQ(RulesFor(policy, Ip("10.0.255.1"), 65006).error, "") << "it is not for this neighbour";
}

// `actions` and `conditions` as inline tables of the one statement.
std::string Statement(absl::string_view conditions, absl::string_view actions) {
  return absl::StrCat(
      "[[policy-definitions]]\nname = \"p\"\n[[policy-definitions.statements]]\n"
      "name = \"s\"\nconditions = ",
      conditions, "\nactions = ", actions,
      "\n[global.apply-policy.config]\nexport-policy-list = [\"p\"]\n");
}
ExportRule Rule(absl::string_view actions) {
  const ExportPolicy policy = ReadExportPolicy(Statement("{}", actions));
  EXPECT_EQ(policy.error, "") << actions;
  return policy.statements.empty() ? ExportRule() : policy.statements[0].rule;
}

TEST(ExportPolicyTest, ReadsEachFormOfAMed) {
  EXPECT_EQ(Rule("{bgp-actions = {set-med = 7}}").set.med, 7u);
  EXPECT_EQ(Rule("{bgp-actions = {set-med = \"7\"}}").set.med, 7u);
  EXPECT_EQ(Rule("{bgp-actions = {set-med = \"+7\"}}").add_med, 7);
  EXPECT_EQ(Rule("{bgp-actions = {set-med = \"-7\"}}").add_med, -7);
  EXPECT_EQ(Rule("{bgp-actions = {set-med = \"+7\"}}").set.med, std::nullopt);
}

TEST(ExportPolicyTest, TakesCommunitiesOutAndReplacesThem) {
  const auto rule = [](absl::string_view option) {
    return Rule(absl::StrCat("{bgp-actions = {set-community = {options = \"", option,
                             "\", set-community-method = {communities-list = [\"1:2\"]}}}}"));
  };
  EXPECT_THAT(rule("add").set.communities, ElementsAre(0x10002u));
  EXPECT_THAT(rule("REMOVE").remove.communities, ElementsAre(0x10002u));
  EXPECT_THAT(rule("remove").set.communities, IsEmpty());
  EXPECT_TRUE(rule("replace").clear_communities);
  EXPECT_THAT(rule("replace").set.communities, ElementsAre(0x10002u));
}

TEST(ExportPolicyTest, NamesTheStatementThatCannotBeApplied) {
  const struct {
    std::string text;
    std::string error;
  } kCases[] = {
      {"a = ", "line 1: \"\" is not a string, a whole number, true or false"},
      {"[[neighbors]]", "line 1: neighbors: is not applied by this version"},
      {Statement("{match-tag-set = {tag-set = \"t\"}}", "{}"),
       "line 5: statement p/s: conditions[match-tag-set]: is not applied by this version"},
      {Statement("{bgp-conditions = {route-type = \"local\"}}", "{}"),
       "statement p/s: conditions[bgp-conditions]: is not applied"},
      {Statement("{match-prefix-set = {prefix-set = \"x\"}}", "{}"), "there is no set \"x\""},
      {Statement("{match-neighbor-set = {neighbor-set = \"x\"}}", "{}"), "there is no set \"x\""},
      {"[[defined-sets.neighbor-sets]]\nneighbor-set-name = \"x\"\n" +
           Statement("{match-neighbor-set = {neighbor-set = \"x\"}}", "{}"),
       "set \"x\" is empty"},
      {Statement("{match-prefix-set = {prefix-set = \"x\", match-set-options = \"all\"}}", "{}"),
       "\"all\" is not one of any, ANY, invert, INVERT"},
      {Statement("{}", "{route-disposition = \"drop\"}"),
       "actions[route-disposition]: \"drop\" is not one of none, accept-route, reject-route"},
      {Statement("{}", "{bgp-actions = {set-next-hop = \"10.0.0.1\"}}"),
       "actions[bgp-actions][set-next-hop]: is not applied by this version"},
      {Statement("{}", "{bgp-actions = {set-med = \"x\"}}"), "\"x\" is not a MED"},
      {Statement("{}", "{bgp-actions = {set-med = -1}}"), "set-med"},
      {Statement("{}", "{bgp-actions = {set-as-path-prepend = {as = \"x\", repeat-n = 1}}}"),
       "\"x\" is not an AS number or last-as"},
      {Statement("{}", "{bgp-actions = {set-as-path-prepend = {as = \"1\", repeat-n = 65}}}"),
       "repeat-n"},
      {Statement("{}",
                 "{bgp-actions = {set-community = {options = \"ADD\", "
                 "set-community-method = {communities-list = [\"^65.*\"]}}}}"),
       "\"^65.*\" is not one"},
      {Statement("{}",
                 "{bgp-actions = {set-large-community = {set-large-community-method = "
                 "{communities-list = [\"1:2\"]}}}}"),
       "\"1:2\" is not one"},
      {"[global.apply-policy.config]\nexport-policy-list = [\"x\"]\n", "there is no policy \"x\""},
      {"[global.apply-policy.config]\ndefault-export-policy = \"drop\"\n",
       "\"drop\" is not one of accept-route, reject-route"},
      {"[[defined-sets.prefix-sets]]\nprefix-set-name = \"x\"\nprefix-list = [{ip-prefix = "
       "\"10.0.0.0/33\"}]",
       "\"10.0.0.0/33\" is not a prefix"},
      {"[[defined-sets.prefix-sets]]\nprefix-set-name = \"x\"\nprefix-list = [{ip-prefix = "
       "\"10.0.0.0/8\", masklength-range = \"24..33\"}]",
       "\"24..33\" is not LEAST..MOST"},
      {"[[defined-sets.neighbor-sets]]\nneighbor-set-name = \"x\"\nneighbor-info-list = [\"y\"]",
       "\"y\" is not an address"},
      {std::string(65537, '#'), "is longer than 64 KiB"},
  };
  for (const auto& c : kCases)
    EXPECT_THAT(ReadExportPolicy(c.text).error, HasSubstr(c.error)) << c.text;
}

}  // namespace
}  // namespace openelb::plan
