#include "controller/observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/plan/test_world.h"

namespace openelb::observe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ControllerMetricsTest, TheReadmeExplainsEveryMetric) {
  EXPECT_EQ(MetricsReadmeDifference(ControllerMetricsTable(), "../README.md"), "");
}

class RackMetricsTest : public testing::Test {
 protected:
  RackMetricsTest() { plan::FillDocumentedTopology(&planner_); }
  std::string Expose() {
    planner_.Step();
    exporter_.UpdateRacks(planner_.model(), sessions_);
    return metrics_.Expose();
  }

  plan::Planner planner_;
  SessionBoard sessions_;
  Metrics metrics_{ControllerMetricsTable()};
  ControllerMetrics exporter_{&metrics_, "test"};
};

TEST_F(RackMetricsTest, SpeakersByStateAndNextHops) {
  plan::v1::Observed observed;
  observed.add_peers()->set_session_state("ESTABLISHED");
  sessions_.Update("master1", observed, absl::ZeroDuration());
  EXPECT_THAT(Expose(),
              AllOf(HasSubstr("\nopenelb_rack_speakers{rack=\"leaf1\",state=\"ready\"} 1\n"),
                    HasSubstr("\nopenelb_rack_speakers{rack=\"leaf1\",state=\"silent\"} 0\n"),
                    HasSubstr("\nopenelb_rack_speakers{rack=\"leaf2\",state=\"ready\"} 0\n"),
                    HasSubstr("\nopenelb_rack_speakers{rack=\"leaf2\",state=\"silent\"} 1\n"),
                    HasSubstr("\nopenelb_rack_next_hops{rack=\"leaf1\"} 2\n"),
                    HasSubstr("\nopenelb_rack_next_hops{rack=\"leaf2\"} 1\n"),
                    HasSubstr("\nopenelb_addresses_without_next_hop 0\n")));
  // What is gone leaves nothing behind.
  planner_.Remove(plan::KeyOfNode("worker-p002"));
  planner_.Upsert(plan::MakeSlice("web", {}));
  EXPECT_THAT(Expose(), AllOf(Not(HasSubstr("rack=\"leaf2\"")),
                              HasSubstr("\nopenelb_rack_next_hops{rack=\"leaf1\"} 0\n"),
                              HasSubstr("\nopenelb_addresses_without_next_hop 1\n")));
}

}  // namespace
}  // namespace openelb::observe
