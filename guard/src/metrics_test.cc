// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "families.h"
#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public ::testing::Test {
 protected:
  std::string Page() {
    std::string page;
    EXPECT_THAT(metrics_->AppendTextPage(&page), IsOk());
    return page;
  }
  std::unique_ptr<Metrics> metrics_ = std::move(Metrics::Create()).value();
};

TEST_F(MetricsTest, AllFamiliesAreThereFromTheStart) {
  const std::string page = Page();
  for (const StandardFamily& f : StandardFamilies()) {
    EXPECT_THAT(page, HasSubstr("# TYPE " + std::string(f.name) + " "));
  }
  EXPECT_THAT(page, HasSubstr("\nfodc_guard_wal_tail_repairs_total{result="
                              "\"unrepairable_after_repair\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("\nfodc_guard_memory_level 0\n"));
}

TEST_F(MetricsTest, ASeriesIsFoundAgain) {
  Counter* a = *metrics_->FindCounter("fodc_guard_rejected_total",
                                      {{"class", "scan"}, {"reason", "x"}});
  Counter* b = *metrics_->FindCounter("fodc_guard_rejected_total",
                                      {{"reason", "x"}, {"class", "scan"}});
  EXPECT_EQ(a, b);
  a->Add(3);
  EXPECT_THAT(
      Page(),
      HasSubstr("fodc_guard_rejected_total{class=\"scan\",reason=\"x\"} 3\n"));
}

TEST_F(MetricsTest, AGaugeThatIsClearedIsNotShown) {
  Gauge* g = *metrics_->FindGauge("fodc_guard_memory_seconds_to_limit");
  g->Set(2.5);
  EXPECT_THAT(Page(), HasSubstr("\nfodc_guard_memory_seconds_to_limit 2.5\n"));
  g->Clear();
  EXPECT_THAT(Page(), Not(HasSubstr("\nfodc_guard_memory_seconds_to_limit ")));
}

TEST_F(MetricsTest, BucketsAreCumulativeAndTheirBoundsBelongToThem) {
  ASSERT_THAT(metrics_->Declare("h_seconds", "Time.", MetricType::kHistogram),
              IsOk());
  const double bounds[] = {0.1, 1};
  Histogram* h = *metrics_->FindHistogram("h_seconds", bounds);
  for (const double v : {0.1, 0.2, 1.0, 7.0}) h->Observe(v);
  EXPECT_THAT(Page(), HasSubstr("# HELP h_seconds Time.\n"
                                "# TYPE h_seconds histogram\n"
                                "h_seconds_bucket{le=\"0.1\"} 1\n"
                                "h_seconds_bucket{le=\"1\"} 3\n"
                                "h_seconds_bucket{le=\"+Inf\"} 4\n"
                                "h_seconds_sum 8.3\n"
                                "h_seconds_count 4\n"));
}

TEST_F(MetricsTest, ValuesOfLabelsAreEscaped) {
  ASSERT_THAT(metrics_->Declare("c_total", "a\\b\nc", MetricType::kCounter),
              IsOk());
  ASSERT_THAT(metrics_->FindCounter("c_total", {{"l", "a\\\"\n"}}), IsOk());
  EXPECT_THAT(Page(), HasSubstr("# HELP c_total a\\\\b\\nc\n"));
  EXPECT_THAT(Page(), HasSubstr("c_total{l=\"a\\\\\\\"\\n\"} 0\n"));
}

TEST_F(MetricsTest, BadNamesAndTypesAreRefused) {
  EXPECT_THAT(metrics_->Declare("1x", "", MetricType::kGauge),
              StatusIs(Code::kInvalidArgument, HasSubstr("1x")));
  EXPECT_THAT(metrics_->Declare("fodc_guard_slots", "", MetricType::kCounter),
              StatusIs(Code::kAlreadyExists, HasSubstr("gauge")));
  EXPECT_THAT(metrics_->FindCounter("nothing_total"),
              StatusIs(Code::kNotFound, HasSubstr("nothing_total")));
  EXPECT_THAT(metrics_->FindCounter("fodc_guard_slots"),
              StatusIs(Code::kInvalidArgument, HasSubstr("gauge")));
  EXPECT_THAT(metrics_->FindGauge("fodc_guard_slots", {{"a:b", ""}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("a:b")));
}

TEST_F(MetricsTest, AFamilyIsBounded) {
  for (std::size_t i = 0; i < Metrics::kMaxSeriesOfFamily; ++i) {
    ASSERT_THAT(
        metrics_->FindGauge("fodc_guard_slots", {{"class", std::to_string(i)}}),
        IsOk());
  }
  EXPECT_THAT(metrics_->FindGauge("fodc_guard_slots", {{"class", "more"}}),
              StatusIs(Code::kResourceExhausted, HasSubstr("1000")));
}

TEST_F(MetricsTest, ThreadsCountTogether) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 1000; ++i) {
        const auto c = metrics_->FindCounter("fodc_guard_admitted_total",
                                             {{"class", "read"}});
        if (c.ok()) (*c)->Add();
        std::string page;
        if (i % 250 == 0) {
          EXPECT_THAT(metrics_->AppendTextPage(&page), IsOk());
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_THAT(Page(),
              HasSubstr("fodc_guard_admitted_total{class=\"read\"} 4000\n"));
}

// A registry of the host's may count what it is given, in this very one.
TEST_F(MetricsTest, AVisitorMayAskForASeries) {
  class Counting final : public MetricVisitor {
   public:
    explicit Counting(Metrics* metrics) : metrics_(metrics) {}
    void Family(std::string_view, std::string_view, MetricType) override {
      const auto c =
          metrics_->FindCounter("fodc_guard_admitted_total", {{"class", "v"}});
      if (c.ok()) (*c)->Add();
    }
    void Sample(std::string_view, std::span<const MetricLabel>,
                double) override {}

   private:
    Metrics* metrics_;
  };
  Counting counting(metrics_.get());
  metrics_->Visit(&counting);
  EXPECT_THAT(Page(), HasSubstr("fodc_guard_admitted_total{class=\"v\"} "));
}

}  // namespace
}  // namespace fodc::guard
