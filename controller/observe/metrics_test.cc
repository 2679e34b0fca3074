#include "controller/observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controller/ipam/ipam_testing.h"
#include "controller/plan/test_world.h"

namespace openelb::observe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ControllerMetricsTest, TheReadmeExplainsEveryMetric) {
  EXPECT_EQ(MetricsReadmeDifference(ControllerMetricsTable(), "../README.md"), "");
  EXPECT_EQ(MetricsReadmeDifference(LegacyControllerMetricsTable(), "../README.md", "old name"),
            "");
}

class PoolMetricsTest : public testing::Test {
 protected:
  // Serves the Services s0, s1 and so on from an Eip.
  void Serve(int count) {
    ipam_.Upsert(ipam::MakeEip("pool", "10.0.0.0/16"));
    for (int i = 0; i < count; ++i)
      ipam_.Upsert(ipam::FromEip(ipam::MakeService(absl::StrCat("ns/s", i)), "pool"));
    ipam_.Start();
    Update();
  }
  void Update() {
    ipam_.TakeChanges();
    exporter_.UpdatePools(ipam_, {"pool"});
  }

  ipam::Ipam ipam_;
  Metrics metrics_{ControllerMetricsTable()};
  ControllerMetrics exporter_{&metrics_, "test"};
};

TEST_F(PoolMetricsTest, EveryServiceIsNamedWithItsAddress) {
  Serve(2);
  EXPECT_THAT(
      metrics_.Expose(),
      AllOf(HasSubstr("\nopenelb_eip_addresses{eip=\"pool\"} 65536\n"),
            HasSubstr("\nopenelb_eip_addresses_used{eip=\"pool\"} 2\n"),
            HasSubstr("\nopenelb_service_info{address=\"10.0.0.0\",eip=\"pool\",service_name="
                      "\"s0\",service_namespace=\"ns\"} 1\n"),
            HasSubstr("service_name=\"s1\""), HasSubstr("\nopenelb_service_info_omitted 0\n")));
  ipam_.Remove({kube::Service::kKind, "ns", "s1"});
  Update();
  EXPECT_THAT(metrics_.Expose(), Not(HasSubstr("service_name=\"s1\"")));
  ipam_.Remove({network::Eip::kKind, "", "pool"});
  Update();
  EXPECT_THAT(metrics_.Expose(), Not(HasSubstr("eip=\"pool\"")));
}

TEST_F(PoolMetricsTest, ManyServicesAreCountedInstead) {
  Serve(2003);
  const std::string text = metrics_.Expose();
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  EXPECT_EQ(std::count_if(
                lines.begin(), lines.end(),
                [](const std::string& line) { return line.starts_with("openelb_service_info{"); }),
            2000);
  EXPECT_THAT(text, HasSubstr("\nopenelb_service_info_omitted 3\n"));
}

TEST_F(PoolMetricsTest, OldNamesAreServedWhereTheyAreAskedFor) {
  Serve(2);
  EXPECT_THAT(metrics_.Expose(), Not(HasSubstr("eipName")));

  Metrics metrics(ControllerMetricsTable());
  ControllerMetrics legacy(&metrics, "test");
  legacy.AddLegacy();
  ipam_.Upsert(ipam::OnPort(
      ipam::WithIp(ipam::FromEip(ipam::MakeService("ns/shared"), "pool"), "10.0.0.0"), 81));
  ipam_.TakeChanges();
  legacy.UpdatePools(ipam_, {"pool"});
  EXPECT_THAT(metrics.Expose(), AllOf(HasSubstr("\naddresses_total{eipName=\"pool\"} 65536\n"),
                                      HasSubstr("\naddresses_in_use_total{eipName=\"pool\"} 2\n"),
                                      HasSubstr("\nservices_allocated_total{eipName=\"pool\"} 3\n"),
                                      HasSubstr("\nopenelb_eip_addresses_used{eip=\"pool\"} 2\n")));
  legacy.UpdatePools(ipam_, {});
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("eipName=\"pool\"")));
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
