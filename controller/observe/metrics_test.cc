#include "controller/observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::observe {
namespace {

TEST(ControllerMetricsTest, TheReadmeExplainsEveryMetric) {
  EXPECT_EQ(MetricsReadmeDifference(ControllerMetricsTable(), "../README.md"), "");
}

}  // namespace
}  // namespace openelb::observe
