// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/incidents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::ctl {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNow = 1'767'226'000'000;  // 2026-01-01T00:06:40Z

constexpr std::string_view kIncidents = R"({"incidents":[
 {"id":"5f-2","name":"etcd-0","pod_name":"etcd-0","target":"etcd",
  "detector":"read_latency","verdict":"W3","cause":"policy","state":"open",
  "watched":true,"started_at":"2026-01-01T00:03:35.700Z",
  "updated_at":"2026-01-01T00:03:40.000Z","ended_at":null,"revision":3,
  "summary":"reads became slow","advice":"raise eviction thresholds",
  "numbers":[{"name":"read_p99_seconds","value":0.25},
             {"name":"ratio","value":null}],
  "missing_signals":["compaction_bytes","compaction_threads"],
  "evidence":[{"id":"20260101T000336.000000000Z","bytes":4096,"pinned":true,
               "lies":["agent","proxy"]},{"id":"20260101T000335.800000000Z"}],
  "agent":{"id":"1","status":"online","silence_seconds":0.5}},
 {"id":"5f-1","pod_name":"b-0","target":"","detector":"read_latency",
  "verdict":"W4","cause":"","state":"open","watched":false,
  "started_at":"2026-01-01T00:01:00Z","updated_at":"2026-01-01T00:02:10Z",
  "summary":"","numbers":[],"missing_signals":[],
  "agent":{"id":"2","status":"offline","silence_seconds":185.2}},
 {"id":"5f-0","name":"b-0","verdict":"W5","state":"ended","watched":null,
  "detector":"read_latency","started_at":"2026-01-01T00:00:00.5Z",
  "updated_at":"2026-01-01T00:00:10Z","ended_at":"2026-01-01T00:00:45.5Z",
  "summary":"memory ran out",
  "agent":{"id":"2","status":"conflict","silence_seconds":1}}],
 "total":9})";

TEST(IncidentsTest, TableHasWhatTheProxySays) {
  const auto incidents = ParseIncidents(kIncidents);
  ASSERT_THAT(incidents, IsOk());
  EXPECT_EQ(
      RenderIncidents(*incidents, kNow, false),
      "STARTED               LASTED  STATE      NODE    TARGET  VERDICT    "
      "AGENT            EVENTS  SUMMARY\n"
      "2026-01-01T00:03:35Z   3m04s  open       etcd-0  etcd    W3 policy  "
      "online                2  reads became slow\n"
      "2026-01-01T00:01:00Z  1m10s+  unwatched  b-0     -       W4         "
      "offline (3m05s)       -  -\n"
      "2026-01-01T00:00:00Z     45s  ended      b-0     -       W5         "
      "conflict              -  memory ran out\n"
      "(6 more, that began earlier; see --limit)\n");
}

TEST(IncidentsTest, DetailsStandBelowEach) {
  const auto incidents = ParseIncidents(kIncidents);
  ASSERT_THAT(incidents, IsOk());
  const std::string text = RenderIncidents(*incidents, kNow, true);
  EXPECT_THAT(text, HasSubstr("reads became slow\n"
                              "    advice: raise eviction thresholds\n"
                              "    read_p99_seconds: 0.25\n"
                              "    ratio: -\n"
                              "    missing signals: compaction_bytes, "
                              "compaction_threads\n"
                              "    evidence: event "
                              "20260101T000336.000000000Z, 4096 bytes, pinned, "
                              "lies at: agent, proxy\n"
                              "    evidence: event "
                              "20260101T000335.800000000Z\n"
                              "    detector: read_latency; id: 5f-2\n"
                              "2026-01-01T00:01:00Z"));
  EXPECT_THAT(text, HasSubstr("memory ran out\n"
                              "    detector: read_latency; id: 5f-0\n"));
}

TEST(IncidentsTest, NoneIsSaid) {
  const auto incidents = ParseIncidents(R"({"incidents":[],"total":0})");
  ASSERT_THAT(incidents, IsOk());
  EXPECT_THAT(RenderIncidents(*incidents, kNow, true),
              testing::EndsWith("SUMMARY\n(no incidents)\n"));
}

TEST(IncidentsTest, TextsCannotCommandTheTerminal) {
  const auto incidents = ParseIncidents(
      R"({"incidents":[{"name":"a\u001b[2J","summary":"b\u009bc\nd",
          "advice":"e\u001b[1A","numbers":[{"name":"\u0007","value":1}],
          "missing_signals":["\r"],"id":"\u007f","verdict":"\t"}]})");
  ASSERT_THAT(incidents, IsOk());
  const std::string text = RenderIncidents(*incidents, kNow, true);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);
  for (const char c : text) EXPECT_TRUE(c == '\n' || c >= ' ');
  EXPECT_THAT(text, HasSubstr("a?[2J"));
  EXPECT_THAT(text, HasSubstr("b?c?d\n    advice: e?[1A\n    ?: 1\n"));
}

TEST(IncidentsTest, OtherAnswersAreNotTakenForIncidents) {
  for (const char* text : {"", "404 page not found", "[]", "{}",
                           R"({"incidents":1})", R"({"incidents":[)"}) {
    EXPECT_THAT(ParseIncidents(text),
                StatusIs(Code::kDataLoss, HasSubstr("FODC proxy")));
  }
  // Members of a wrong kind are absent, not a crash.
  const auto incidents = ParseIncidents(
      R"({"total":-1,"incidents":[1,{"id":7,"numbers":{},"agent":[],"watched":1,
          "started_at":5,"evidence":[1,{"id":1,"bytes":"x","pinned":1,
          "lies":[1]}],"missing_signals":[1]},{"numbers":[1]}]})");
  ASSERT_THAT(incidents, IsOk());
  EXPECT_EQ(incidents->rows.size(), 3U);
  EXPECT_EQ(incidents->total, 3U);
  EXPECT_THAT(RenderIncidents(*incidents, kNow, true), HasSubstr("ended"));
}

}  // namespace
}  // namespace fodc::ctl
