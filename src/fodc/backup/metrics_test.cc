// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/backup/metrics_server.h"
#include "fodc/backup/progress_show.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/http.h"

namespace fodc::backup {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public ::testing::Test {
 protected:
  std::string Page() const { return metrics_.Page(exposition::Format::kText); }
  Metrics metrics_;
};

TEST_F(MetricsTest, CountsRequests) {
  metrics_.OnAttempt({.store = "S3",
                      .operation = "put",
                      .status = 503,
                      .took = std::chrono::milliseconds(20)});
  metrics_.OnAttempt({.store = "S3",
                      .operation = "put",
                      .status = 200,
                      .took = std::chrono::milliseconds(20),
                      .retry_reason = "throttled"});
  EXPECT_THAT(
      Page(),
      AllOf(HasSubstr("fodc_backup_requests_total{code=\"200\",op=\"put\","
                      "store=\"s3\"} 1\n"),
            HasSubstr("fodc_backup_requests_total{code=\"503\",op=\"put\","
                      "store=\"s3\"} 1\n"),
            HasSubstr("fodc_backup_request_duration_seconds_count{op=\"put\","
                      "store=\"s3\"} 2\n"),
            HasSubstr("fodc_backup_retries_total{reason=\"throttled\","
                      "store=\"s3\"} 1\n")));
}

// While it lasts, after it, and over two runs.
TEST_F(MetricsTest, TellsOfARunAsItGoes) {
  EXPECT_THAT(Page(), HasSubstr("fodc_backup_run_in_progress 0\n"));
  for (int run = 1; run <= 2; ++run) {
    RunProgress progress;
    metrics_.RunBegins(&progress);
    RunProgress::Catalog& c = progress.Add("measure");
    c.counters.uploaded = 3;
    c.counters.unchanged = 4;
    c.counters.failed = 1;
    c.counters.uploaded_bytes = 100;
    c.counters.remote_objects = 7;
    c.counters.small_in_flight = 2;
    EXPECT_THAT(
        Page(),
        AllOf(HasSubstr("fodc_backup_run_in_progress 1\n"),
              HasSubstr("fodc_backup_inflight{lane=\"small\"} 2\n"),
              HasSubstr(StrCat("fodc_backup_files_total{action=\"uploaded\","
                               "catalog=\"measure\"} ",
                               3 * run, "\n"))));
    c.counters.small_in_flight = 0;
    metrics_.RunEnds(
        {.outcome = run == 1 ? Outcome::kSuccess : Outcome::kPartial,
         .catalogs = {{.catalog = "measure",
                       .status = run == 1 ? OkStatus() : Unavailable("no")}},
         .started = UnixTime(std::chrono::seconds(100 * run)),
         .ended = UnixTime(std::chrono::seconds(100 * run + 7))});
  }
  metrics_.TicksSkipped(5);
  EXPECT_THAT(
      Page(),
      AllOf(HasSubstr("fodc_backup_files_total{action=\"uploaded\","
                      "catalog=\"measure\"} 6\n"),
            HasSubstr("fodc_backup_files_total{action=\"skipped\","
                      "catalog=\"measure\"} 8\n"),
            HasSubstr("fodc_backup_bytes_total{catalog=\"measure\"} 200\n"),
            HasSubstr("fodc_backup_remote_objects{catalog=\"measure\"} 7\n"),
            HasSubstr("fodc_backup_runs_total{result=\"success\"} 1\n"),
            HasSubstr("fodc_backup_runs_total{result=\"partial\"} 1\n"),
            HasSubstr("fodc_backup_run_duration_seconds_sum 14\n"),
            HasSubstr("fodc_backup_last_success_timestamp_seconds{"
                      "catalog=\"measure\"} 107\n"),
            HasSubstr("fodc_backup_ticks_skipped_total 5\n")));
}

TEST_F(MetricsTest, TellsOfRestores) {
  EXPECT_THAT(Page(), Not(HasSubstr("fodc_restore")));
  RestoreCounters counters;
  metrics_.Restoring("stream", &counters);
  counters.downloaded = 9;
  counters.mismatches = 1;
  EXPECT_THAT(Page(),
              AllOf(HasSubstr("fodc_restore_files_total{action=\"downloaded\","
                              "catalog=\"stream\"} 9\n"),
                    HasSubstr("fodc_restore_checksum_mismatch_total 1\n")));
}

TEST_F(MetricsTest, AreServed) {
  const auto server = MetricsServer::Start("127.0.0.1:0", metrics_);
  ASSERT_THAT(server, IsOk());
  const auto page =
      test::Get(StrCat("http://127.0.0.1:", (*server)->port(), "/metrics"));
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("fodc_backup_build_info{"));
  EXPECT_FALSE(
      MetricsServer::Start(StrCat("127.0.0.1:", (*server)->port()), metrics_)
          .ok());
}

TEST(ProgressLine, HasABarWhereTheWholeIsKnown) {
  RunProgress progress;
  EXPECT_EQ(ProgressLine(progress, 80), "");
  RunProgress::Catalog& c = progress.Add("measure");
  c.counters.uploaded = 3;
  c.counters.unchanged = 2;
  c.counters.uploaded_bytes = 3 << 19;
  EXPECT_EQ(ProgressLine(progress, 80),
            "measure  5 files  1.5 MiB up  2 unchanged");
  c.counters.total_files = 10;
  EXPECT_EQ(ProgressLine(progress, 80),
            "measure  [============>           ] 50 %  5 of 10 files  1.5 MiB "
            "up  2 unchanged");
  c.counters.uploaded = 20;  // of a snapshot that grew
  EXPECT_EQ(ProgressLine(progress, 44),
            "measure  [========================] 100 %  2");
}

}  // namespace
}  // namespace fodc::backup
