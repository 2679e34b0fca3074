#include "api/base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

namespace openelb {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr MetricDef kErrors = {"openelb_errors_total", MetricType::kCounter, "Errors.",
                               "peer,reason"};
constexpr MetricDef kUsed = {"openelb_used", MetricType::kGauge, "In use.", ""};
constexpr MetricDef kDelay = {"openelb_delay_seconds", MetricType::kHistogram, "Delay.", "stage"};
constexpr MetricDef kHeld = {"openelb_held", MetricType::kGauge, "Held.", "eip,address"};
constexpr MetricDef kTable[] = {kErrors, kUsed, kDelay};
constexpr MetricDef kTwo[] = {kErrors, kHeld};

TEST(MetricsTest, ExposesWhatWasCounted) {
  Metrics metrics(kTable);
  metrics.CounterOf(kErrors, {"10.0.0.1", "hold timer"}).Increment();
  metrics.CounterOf(kErrors, {"10.0.0.1", "hold timer"}).Increment(2);
  metrics.CounterOf(kErrors, {"10.0.0.1", "cease"});
  metrics.GaugeOf(kUsed).Set(0.1);
  metrics.HistogramOf(kDelay, {"ack"}).Observe(0.002);
  EXPECT_EQ(metrics.Expose().substr(0, metrics.Expose().find("# HELP openelb_errors")),
            R"(# HELP openelb_delay_seconds Delay.
# TYPE openelb_delay_seconds histogram
openelb_delay_seconds_count{stage="ack"} 1
openelb_delay_seconds_sum{stage="ack"} 0.002
openelb_delay_seconds_bucket{stage="ack",le="0.0005"} 0
openelb_delay_seconds_bucket{stage="ack",le="0.001"} 0
openelb_delay_seconds_bucket{stage="ack",le="0.0025"} 1
openelb_delay_seconds_bucket{stage="ack",le="0.005"} 1
openelb_delay_seconds_bucket{stage="ack",le="0.01"} 1
openelb_delay_seconds_bucket{stage="ack",le="0.025"} 1
openelb_delay_seconds_bucket{stage="ack",le="0.05"} 1
openelb_delay_seconds_bucket{stage="ack",le="0.1"} 1
openelb_delay_seconds_bucket{stage="ack",le="0.25"} 1
openelb_delay_seconds_bucket{stage="ack",le="0.5"} 1
openelb_delay_seconds_bucket{stage="ack",le="1"} 1
openelb_delay_seconds_bucket{stage="ack",le="2.5"} 1
openelb_delay_seconds_bucket{stage="ack",le="5"} 1
openelb_delay_seconds_bucket{stage="ack",le="10"} 1
openelb_delay_seconds_bucket{stage="ack",le="30"} 1
openelb_delay_seconds_bucket{stage="ack",le="60"} 1
openelb_delay_seconds_bucket{stage="ack",le="+Inf"} 1
)");
  EXPECT_THAT(metrics.Expose(), HasSubstr(R"(# HELP openelb_errors_total Errors.
# TYPE openelb_errors_total counter
openelb_errors_total{peer="10.0.0.1",reason="cease"} 0
openelb_errors_total{peer="10.0.0.1",reason="hold timer"} 3
# HELP openelb_used In use.
# TYPE openelb_used gauge
openelb_used 0.1
)"));
}

TEST(MetricsTest, RemovesEverySeriesOfAnObject) {
  Metrics metrics(kTable);
  metrics.CounterOf(kErrors, {"a", "x"}).Increment();
  metrics.CounterOf(kErrors, {"a", "y"}).Increment();
  metrics.CounterOf(kErrors, {"b", "a"}).Increment();
  metrics.Remove(kErrors, "peer", "a");
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr(R"(peer="a")")));
  EXPECT_THAT(metrics.Expose(), HasSubstr(R"({peer="b",reason="a"} 1)"));
  EXPECT_EQ(metrics.CounterOf(kErrors, {"a", "x"}).Value(), 0) << "a new series starts at zero";
}

TEST(MetricsTest, ReplacesAllSeriesOfAFamily) {
  Metrics metrics(kTwo);
  metrics.Replace(kHeld, {{{"a", "10.0.0.1"}, 1}, {{"a", "10.0.0.2"}, 2}, {{"", "10.0.0.3"}, 3}});
  EXPECT_THAT(metrics.Expose(), HasSubstr(R"(# TYPE openelb_held gauge
openelb_held{address="10.0.0.1",eip="a"} 1
openelb_held{address="10.0.0.2",eip="a"} 2
openelb_held{address="10.0.0.3",eip=""} 3
)"));
  metrics.Replace(kHeld, {{{"a", "10.0.0.2"}, 5}});
  EXPECT_THAT(metrics.Expose(), HasSubstr(R"(# TYPE openelb_held gauge
openelb_held{address="10.0.0.2",eip="a"} 5
)"));
  EXPECT_EQ(metrics.GaugeOf(kHeld, {"a", "10.0.0.2"}).Value(), 5);
  metrics.Replace(kHeld, {});
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("openelb_held{")));

  metrics.Replace(kErrors, {{{"a", "x"}, 3}, {{"b", "x"}, 1}});
  metrics.Replace(kErrors, {{{"a", "x"}, 5}});
  EXPECT_EQ(metrics.CounterOf(kErrors, {"a", "x"}).Value(), 5);
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr(R"(peer="b")")));
  metrics.Replace(kErrors, {{{"a", "x"}, 4}});
  EXPECT_EQ(metrics.CounterOf(kErrors, {"a", "x"}).Value(), 5) << "a counter never falls";
}

TEST(MetricsTest, AnotherTableCanBeAdded) {
  Metrics metrics(kTable);
  constexpr MetricDef kMore[] = {kHeld};
  metrics.Declare(kMore);
  metrics.GaugeOf(kHeld, {"a", "10.0.0.1"}).Set(2);
  EXPECT_THAT(metrics.Expose(), HasSubstr("openelb_held{address=\"10.0.0.1\",eip=\"a\"} 2\n"));
}

TEST(MetricsTest, CountsFromManyThreadsWhileBeingScraped) {
  Metrics metrics(kTable);
  Counter counter = metrics.CounterOf(kErrors, {"a", "x"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&metrics, counter, t]() mutable {
      for (int i = 0; i < 1000; ++i) {
        counter.Increment();
        metrics.CounterOf(kErrors, {"b", std::to_string(t)}).Increment();
        if (i % 10 == 0) metrics.Remove(kErrors, "reason", std::to_string(t));
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_THAT(metrics.Expose(), HasSubstr("openelb_errors_total"));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.Value(), 3000);
}

TEST(MetricsDeathTest, MisuseEndsTheProcessWithTheFamilysName) {
  Metrics metrics(kTable);
  constexpr MetricDef kOther = {"openelb_other", MetricType::kGauge, "Other.", ""};
  EXPECT_DEATH(metrics.GaugeOf(kOther), "metric openelb_other: is not in the table");
  EXPECT_DEATH(metrics.CounterOf(kUsed), "metric openelb_used: is of another type");
  EXPECT_DEATH(metrics.CounterOf(kErrors, {"a"}), "another number of labels");
  EXPECT_DEATH(metrics.Remove(kErrors, "node", "a"), "has no such label");
  EXPECT_DEATH(metrics.Declare(kTable), "metric openelb_errors_total: declared twice");
  EXPECT_DEATH(Metrics(kTable).Replace(kDelay, {}), "is a histogram");
  EXPECT_DEATH(Metrics(kTwo).Replace(kHeld, {{{"a"}, 1}}), "another number of labels");
}

class MetricsReadmeTest : public ::testing::Test {
 protected:
  std::string Difference(const std::string& text) {
    const std::string path = ::testing::TempDir() + "metrics_readme_test.md";
    std::ofstream(path) << text;
    std::string difference = MetricsReadmeDifference(kTable, path);
    std::remove(path.c_str());
    return difference.empty() ? difference : difference.substr(path.size() + 2);
  }
};

TEST_F(MetricsReadmeTest, AgreesOrNamesTheDifference) {
  const std::string head = "# Metrics\n\n| name | type | labels | meaning |\n| --- |\n";
  const std::string errors = "| `openelb_errors_total` | counter | peer, reason | errors |\n";
  const std::string used = "| `openelb_used` | gauge | - | in use |\n";
  const std::string delay = "| `openelb_delay_seconds` | histogram | stage | time to ack |\n";
  EXPECT_EQ(Difference(head + errors + used + delay), "");
  EXPECT_EQ(Difference(head + errors + used),
            "row 3 is missing, the table in code has openelb_delay_seconds\n");
  EXPECT_EQ(Difference(head + errors + used + delay + "| openelb_x | gauge | - | x |\n"),
            "row 4 is openelb_x, the table in code has no more\n");
  EXPECT_EQ(Difference(head + used + errors + delay),
            "row 1 is openelb_used, the table in code has openelb_errors_total\n");
  EXPECT_EQ(
      Difference(head + "| `openelb_errors_total` | counter | peer | errors |\n" + used + delay),
      "openelb_errors_total: labels peer, in code peer, reason\n");
  EXPECT_EQ(Difference(head + errors + "| `openelb_used` | counter | - | in use |\n" + delay),
            "openelb_used: type counter, in code gauge\n");
  EXPECT_EQ(Difference(head + errors + "| `openelb_used` | gauge | - | |\n" + delay),
            "openelb_used: no meaning\n");
}

TEST_F(MetricsReadmeTest, TablesAreToldApartByTheirHeading) {
  const std::string other = "| old name | type | labels | meaning |\n| - | - | - | - |\n";
  const std::string path = ::testing::TempDir() + "metrics_readme_headings_test.md";
  std::ofstream(path) << other << "| old_errors | counter | - | errors |\n\n"
                      << "| name | type | labels | meaning |\n| - | - | - | - |\n"
                      << "| `openelb_held` | gauge | eip, address | held |\n\n"
                      << "| stray | gauge | - | of no such table |\n";
  constexpr MetricDef kOld[] = {{"old_errors", MetricType::kCounter, "Errors.", ""}};
  constexpr MetricDef kNew[] = {kHeld};
  EXPECT_EQ(MetricsReadmeDifference(kOld, path, "old name"), "");
  EXPECT_EQ(MetricsReadmeDifference(kNew, path), "");
  EXPECT_THAT(MetricsReadmeDifference(kOld, path), HasSubstr("row 1 is openelb_held"));
  std::remove(path.c_str());
}

TEST_F(MetricsReadmeTest, AMissingFileDiffers) {
  EXPECT_THAT(MetricsReadmeDifference(kTable, "/nonexistent/README.md"),
              HasSubstr("row 1 is missing"));
}

}  // namespace
}  // namespace openelb
