#include "api/kube/daemon_set.h"

#include <gtest/gtest.h>

namespace openelb::kube {
namespace {

using Operator = NodeSelectorRequirement::Operator;

Node MakeNode(Labels labels, std::vector<Taint> taints = {}) {
  Node node;
  node.meta.name = "a";
  node.meta.labels = std::move(labels);
  node.taints = std::move(taints);
  return node;
}

DaemonSet WithTerms(std::vector<NodeSelectorTerm> terms) {
  DaemonSet set;
  set.required_node_affinity = std::move(terms);
  return set;
}

NodeSelectorTerm Expression(std::string key, Operator op, std::vector<std::string> values) {
  return {{{std::move(key), op, std::move(values)}}, {}};
}

TEST(DaemonSet, WithoutConstraintsSelectsEveryNode) {
  EXPECT_TRUE(DaemonSet().Selects(MakeNode({})));
}

TEST(DaemonSet, NodeNameAndNodeSelector) {
  DaemonSet set;
  set.node_name = "b";
  EXPECT_FALSE(set.Selects(MakeNode({})));
  set.node_name = "a";
  set.node_selector = {{"lb", "openelb"}, {"os", "linux"}};
  EXPECT_TRUE(set.Selects(MakeNode({{"lb", "openelb"}, {"os", "linux"}, {"x", ""}})));
  EXPECT_FALSE(set.Selects(MakeNode({{"lb", "openelb"}, {"os", "windows"}})));
  EXPECT_FALSE(set.Selects(MakeNode({{"lb", "openelb"}})));
}

TEST(DaemonSet, AffinityOperators) {
  const struct {
    Operator op;
    std::vector<std::string> values;
    bool present_5, absent;  // whether a node with the label "n" = "5" matches, and one without it
  } kCases[] = {
      {Operator::kIn, {"4", "5"}, true, false}, {Operator::kIn, {"4"}, false, false},
      {Operator::kNotIn, {"4"}, true, true},    {Operator::kNotIn, {"5"}, false, true},
      {Operator::kExists, {}, true, false},     {Operator::kDoesNotExist, {}, false, true},
      {Operator::kGt, {"4"}, true, false},      {Operator::kGt, {"5"}, false, false},
      {Operator::kLt, {"6"}, true, false},      {Operator::kLt, {"5"}, false, false},
      {Operator::kGt, {"x"}, false, false},     {Operator::kGt, {"1", "2"}, false, false},
      {Operator::kLt, {}, false, false},
  };
  for (const auto& c : kCases) {
    const DaemonSet set = WithTerms({Expression("n", c.op, c.values)});
    EXPECT_EQ(set.Selects(MakeNode({{"n", "5"}})), c.present_5) << static_cast<int>(c.op);
    EXPECT_EQ(set.Selects(MakeNode({})), c.absent) << static_cast<int>(c.op);
  }
  const DaemonSet words = WithTerms({Expression("n", Operator::kGt, {"4"})});
  EXPECT_FALSE(words.Selects(MakeNode({{"n", "five"}})));
}

TEST(DaemonSet, TermsAreAlternativesAndTheirRequirementsAllHold) {
  NodeSelectorTerm both = Expression("a", Operator::kExists, {});
  both.match_expressions.push_back({"b", Operator::kExists, {}});
  const DaemonSet set = WithTerms({both, Expression("c", Operator::kExists, {})});
  EXPECT_FALSE(set.Selects(MakeNode({{"a", ""}})));
  EXPECT_TRUE(set.Selects(MakeNode({{"a", ""}, {"b", ""}})));
  EXPECT_TRUE(set.Selects(MakeNode({{"c", ""}})));
}

TEST(DaemonSet, EmptyTermsMatchNothing) {
  EXPECT_FALSE(WithTerms({}).Selects(MakeNode({})));
  EXPECT_FALSE(WithTerms({{}}).Selects(MakeNode({})));
  EXPECT_TRUE(WithTerms({{}, Expression("c", Operator::kDoesNotExist, {})}).Selects(MakeNode({})));
}

TEST(DaemonSet, FieldsMatchTheName) {
  const NodeSelectorTerm named{{}, {{"metadata.name", Operator::kIn, {"a"}}}};
  const NodeSelectorTerm other{{}, {{"metadata.name", Operator::kNotIn, {"a"}}}};
  EXPECT_TRUE(WithTerms({named}).Selects(MakeNode({})));
  EXPECT_FALSE(WithTerms({other}).Selects(MakeNode({})));
}

TEST(DaemonSet, NodeSelectorAndAffinityBothHold) {
  DaemonSet set = WithTerms({Expression("a", Operator::kExists, {})});
  set.node_selector = {{"b", "1"}};
  EXPECT_FALSE(set.Selects(MakeNode({{"a", ""}})));
  EXPECT_FALSE(set.Selects(MakeNode({{"b", "1"}})));
  EXPECT_TRUE(set.Selects(MakeNode({{"a", ""}, {"b", "1"}})));
}

TEST(DaemonSet, TaintsAgainstTolerations) {
  const Taint taint{"speaker", "true", "NoSchedule"};
  const struct {
    Toleration toleration;
    bool want;
  } kCases[] = {
      {{"speaker", "Equal", "true", "NoSchedule"}, true},
      {{"speaker", "Equal", "true", ""}, true},
      {{"speaker", "Equal", "false", ""}, false},
      {{"speaker", "Exists", "", ""}, true},
      {{"speaker", "Exists", "", "NoExecute"}, false},
      {{"other", "Exists", "", ""}, false},
      {{"", "Exists", "", ""}, true},
      {{"", "Exists", "", "NoSchedule"}, true},
      {{"", "Equal", "true", ""}, false},
  };
  for (const auto& c : kCases) {
    DaemonSet set;
    set.tolerations = {c.toleration};
    EXPECT_EQ(set.Selects(MakeNode({}, {taint})), c.want)
        << c.toleration.key << " " << c.toleration.op << " " << c.toleration.effect;
  }
  EXPECT_TRUE(DaemonSet().Selects(MakeNode({}, {{"soft", "", "PreferNoSchedule"}})));
  DaemonSet one;
  one.tolerations = {{"a", "Exists", "", ""}};
  EXPECT_FALSE(one.Selects(MakeNode({}, {{"a", "", "NoExecute"}, {"b", "", "NoExecute"}})));
}

// The table of pkg/controller/daemon/util/daemonset_util.go, AddOrUpdateDaemonPodTolerations.
TEST(DaemonSet, ToleratesWhatTheDaemonSetControllerAdds) {
  const struct {
    const char* key;
    const char* effect;
    bool pod_network, host_network;
  } kCases[] = {
      {"not-ready", "NoExecute", true, true},
      {"unreachable", "NoExecute", true, true},
      {"disk-pressure", "NoSchedule", true, true},
      {"memory-pressure", "NoSchedule", true, true},
      {"pid-pressure", "NoSchedule", true, true},
      {"unschedulable", "NoSchedule", true, true},
      {"network-unavailable", "NoSchedule", false, true},
      {"not-ready", "NoSchedule", false, false},
      {"unreachable", "NoSchedule", false, false},
      {"unschedulable", "NoExecute", false, false},
      {"out-of-service", "NoExecute", false, false},
  };
  for (const auto& c : kCases) {
    const Node node = MakeNode({}, {{std::string("node.kubernetes.io/") + c.key, "", c.effect}});
    DaemonSet set;
    EXPECT_EQ(set.Selects(node), c.pod_network) << c.key << " " << c.effect;
    set.host_network = true;
    EXPECT_EQ(set.Selects(node), c.host_network) << c.key << " " << c.effect;
  }
}

}  // namespace
}  // namespace openelb::kube
