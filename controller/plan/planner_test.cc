#include "controller/plan/planner.h"

#include "controller/plan/model.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PlannerTest, DocumentedTopology) {
  for (const char* label : {"openelb.kubesphere.io/rack", "porter.kubesphere.io/rack"}) {
    Planner planner;
    FillDocumentedTopology(&planner, label);
    planner.Step();
    EXPECT_THAT(Announced(planner, "master1"),
                ElementsAre("192.168.0.2: 172.22.0.2/32 via 192.168.0.3 192.168.0.4"))
        << label;
    EXPECT_THAT(Announced(planner, "worker-p002"),
                ElementsAre("192.168.1.1: 172.22.0.2/32 via 192.168.1.2"))
        << label;
    EXPECT_THAT(planner.SetsOf("worker1"), IsEmpty());
    EXPECT_THAT(planner.Problems(), IsEmpty());
  }
}

TEST(PlannerTest, WhatAllocationSaysOfEipsIsAmongTheProblems) {
  Planner planner;
  planner.Step();
  const Problem overlap{{network::Eip::kKind, "", "p"}, "Overlap", "overlaps"};
  planner.SetPoolProblems({overlap});
  EXPECT_TRUE(planner.Step().problems);
  EXPECT_THAT(planner.Problems(), ElementsAre(overlap));
  planner.SetPoolProblems({overlap});
  EXPECT_FALSE(planner.Step().problems);
  planner.SetPoolProblems({});
  EXPECT_TRUE(planner.Step().problems);
  EXPECT_THAT(planner.Problems(), IsEmpty());
}

}  // namespace
}  // namespace openelb::plan
