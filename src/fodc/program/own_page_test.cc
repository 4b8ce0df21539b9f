// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/own_page.h"

#include <gtest/gtest.h>

namespace fodc::program {
namespace {

TEST(OwnPage, IsWhatPrometheusReads) {
  OwnMetrics metrics;
  metrics.AddCounter("fodc_x_total", "counted \"things\"", {{"a", "b\"\n"}})
      .Add(3);
  metrics.AddGauge("fodc_y", "a value").Set(0.5);
  metrics.AddHistogram("fodc_z_seconds", "a time", {0.1, 1}).Observe(0.5);
  const auto families = metrics.Collect();
  EXPECT_EQ(OwnPage(families, exposition::Format::kText),
            "# HELP fodc_x_total counted \"things\"\n"
            "# TYPE fodc_x_total counter\n"
            "fodc_x_total{a=\"b\\\"\\n\"} 3\n"
            "# HELP fodc_y a value\n"
            "# TYPE fodc_y gauge\n"
            "fodc_y 0.5\n"
            "# HELP fodc_z_seconds a time\n"
            "# TYPE fodc_z_seconds histogram\n"
            "fodc_z_seconds_bucket{le=\"0.1\"} 0\n"
            "fodc_z_seconds_bucket{le=\"1\"} 1\n"
            "fodc_z_seconds_bucket{le=\"+Inf\"} 1\n"
            "fodc_z_seconds_sum 0.5\n"
            "fodc_z_seconds_count 1\n");
  const std::string open = OwnPage(families, exposition::Format::kOpenMetrics);
  EXPECT_TRUE(open.starts_with("# HELP fodc_x counted"));
  EXPECT_TRUE(open.ends_with("# EOF\n"));
}

}  // namespace
}  // namespace fodc::program
