// SPDX-License-Identifier: Apache-2.0
// What our agent answers to a proxy that speaks v1 only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "fodc/link/v1_agent_testing.h"
#include "fodc/link/v1_codec.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using recorder::FrameTime;

using Labels = std::map<std::string, std::string>;
Labels LabelsOf(const v1::Metric& m) {
  return {m.labels().begin(), m.labels().end()};
}

TEST_F(V1AgentTest, LatestValuesCarryIdentityTypeAndHelp) {
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("http://node/metrics", "data");
  const exposition::Label clash[] = {
      {"pod_name", "theirs"}, {"exported_pod_name", "as well"}, {"le", "+Inf"}};
  const exposition::SeriesDesc lines[] = {
      {.name = "up",
       .labels = {},
       .family = "up",
       .type = exposition::MetricType::kGauge,
       .help = "Is it up?",
       .unit = ""},
      {.name = "h_bucket",
       .labels = clash,
       .family = "h",
       .type = exposition::MetricType::kHistogram,
       .help = "A histogram",
       .unit = ""},
      {.name = "x",
       .labels = {},
       .family = "x",
       .type = exposition::MetricType::kUnknown,
       .help = "",
       .unit = ""}};
  recording.SpliceLines(source, 0, 0, lines);
  const double values[] = {1, std::nan(""), -INFINITY};
  (void)recording.Append(source, {1000, 1'800'000'000'000}, values,
                         std::nullopt);
  const auto answer = Ask("");
  ASSERT_EQ(answer.metrics_size(), 3);
  const Labels identity = {{"node_role", "ROLE_DATA"},
                           {"pod_name", "banyandb-warm-0"},
                           {"container_name", "data"},
                           {"node_type", "warm"}};
  EXPECT_EQ(answer.metrics(0).name(), "up");
  EXPECT_EQ(LabelsOf(answer.metrics(0)), identity);
  EXPECT_EQ(answer.metrics(0).value(), 1);
  EXPECT_EQ(answer.metrics(0).description(), "Is it up?");
  EXPECT_EQ(answer.metrics(0).type(), v1::METRIC_TYPE_GAUGE);
  EXPECT_FALSE(answer.metrics(0).has_timestamp());
  Labels bucket = identity;
  bucket["exported_pod_name"] = "as well";
  bucket["exported_exported_pod_name"] = "theirs";
  bucket["le"] = "+Inf";
  EXPECT_EQ(LabelsOf(answer.metrics(1)), bucket);
  EXPECT_TRUE(std::isnan(answer.metrics(1).value()));
  EXPECT_EQ(answer.metrics(1).description(), "");
  EXPECT_EQ(answer.metrics(1).type(), v1::METRIC_TYPE_HISTOGRAM);
  EXPECT_EQ(answer.metrics(2).value(), -INFINITY);
  EXPECT_EQ(answer.metrics(2).type(), v1::METRIC_TYPE_UNTYPED);
}

TEST_F(V1AgentTest, ALabelThatIsNoUtf8IsMended) {
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("s", "data");
  const exposition::Label bad[] = {{"path", "a\xff"}};
  const exposition::SeriesDesc line{.name = "m",
                                    .labels = bad,
                                    .family = "m",
                                    .type = exposition::MetricType::kGauge,
                                    .help = "\xfe",
                                    .unit = ""};
  recording.SpliceLines(source, 0, 0, {&line, 1});
  const double value = 1;
  (void)recording.Append(source, {1000, 1'800'000'000'000}, {&value, 1},
                         std::nullopt);
  const auto answer = Ask("");
  ASSERT_EQ(answer.metrics_size(), 1);
  EXPECT_EQ(answer.metrics(0).labels().at("path"), "a\xEF\xBF\xBD");
}

TEST_F(V1AgentTest, AWindowHasEverySampleAtItsWholeSecond) {
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("s", "data");
  const exposition::SeriesDesc line{.name = "m",
                                    .labels = {},
                                    .family = "m",
                                    .type = exposition::MetricType::kGauge,
                                    .help = "",
                                    .unit = ""};
  recording.SpliceLines(source, 0, 0, {&line, 1});
  for (int i = 0; i < 10; ++i) {
    const double value = i;
    (void)recording.Append(source,
                           {1000 + i * 1000, 1'800'000'000'250 + i * 1000},
                           {&value, 1}, std::nullopt);
  }
  v1::StreamMetricsResponse question;
  question.mutable_start_time()->set_seconds(1'800'000'003);
  question.mutable_end_time()->set_seconds(1'800'000'006);
  question.mutable_end_time()->set_nanos(300'000'000);
  auto answer = Ask(question.SerializeAsString());
  ASSERT_EQ(answer.metrics_size(), 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(answer.metrics(i).value(), 3 + i);
    EXPECT_EQ(answer.metrics(i).timestamp().seconds(), 1'800'000'003 + i);
    EXPECT_EQ(answer.metrics(i).timestamp().nanos(), 0);
  }
  question.clear_end_time();  // one bound alone counts too
  EXPECT_EQ(Ask(question.SerializeAsString()).metrics_size(), 7);
  question.mutable_end_time()->set_seconds(1);
  EXPECT_EQ(Ask(question.SerializeAsString()).metrics_size(), 0);
}

TEST_F(V1AgentTest, AnAnswerTooLargeForV1LosesItsOldestSeconds) {
  options_.link.max_message_bytes = 2000;
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("s", "data");
  const exposition::SeriesDesc line{.name = "m",
                                    .labels = {},
                                    .family = "m",
                                    .type = exposition::MetricType::kGauge,
                                    .help = "",
                                    .unit = ""};
  recording.SpliceLines(source, 0, 0, {&line, 1});
  for (int i = 0; i < 100; ++i) {
    const double value = i;
    (void)recording.Append(source,
                           {1000 + i * 1000, 1'800'000'000'000 + i * 1000},
                           {&value, 1}, std::nullopt);
  }
  v1::StreamMetricsResponse question;
  question.mutable_start_time()->set_seconds(1);
  const auto answer = Ask(question.SerializeAsString());
  EXPECT_LE(answer.ByteSizeLong(), 2000u);
  EXPECT_GT(answer.ByteSizeLong(), 1700u);
  EXPECT_EQ(answer.metrics(answer.metrics_size() - 1).value(), 99);
  EXPECT_EQ(answer.metrics(0).value(), 100 - answer.metrics_size());
  EXPECT_EQ(agent_->stats().v1_dropped_samples,
            static_cast<std::uint64_t>(100 - answer.metrics_size()));
}

TEST_F(V1AgentTest, ALargeAnswerLeavesWhole) {
  options_.recording.max_series = 100'000;
  options_.recording.budget_bytes = 256u << 20;
  options_.recording.stretch_bytes = 64u << 20;
  Register();
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("large", "data");
  constexpr std::size_t kSeries = 200;
  std::vector<std::string> texts;
  texts.reserve(kSeries);
  for (std::size_t i = 0; i < kSeries; ++i) {
    texts.push_back(std::string(100'000, 'x') + std::to_string(i));
  }
  std::vector<exposition::Label> labels;
  labels.reserve(texts.size());
  for (const std::string& text : texts) labels.push_back({"l", text});
  std::vector<exposition::SeriesDesc> lines(kSeries);
  for (std::size_t i = 0; i < kSeries; ++i) {
    lines[i].name = lines[i].family = "large";
    lines[i].labels = {&labels[i], 1};
  }
  recording.SpliceLines(source, 0, 0, lines);
  (void)recording.Append(source, {1000, 1'800'000'000'000},
                         std::vector<double>(kSeries, 1), std::nullopt);
  const auto answer = Ask("");
  EXPECT_EQ(answer.metrics_size(), static_cast<int>(kSeries));
  EXPECT_GT(answer.ByteSizeLong(), 19u << 20);
}

TEST_F(V1AgentTest, ANodeThatIsGoneDoesNotLookAlive) {
  options_.link.stale_after = std::chrono::hours(10'000);
  Register();
  const auto append = [&](FrameTime time) {
    recorder::Recording& recording = agent_->recording();
    const auto source = recording.OpenSource("s", "data");
    const exposition::SeriesDesc line{.name = "m",
                                      .labels = {},
                                      .family = "m",
                                      .type = exposition::MetricType::kGauge,
                                      .help = "",
                                      .unit = ""};
    recording.SpliceLines(source, 0, recording.stats().frames == 0 ? 0 : 1,
                          {&line, 1});
    const double value = 1;
    (void)recording.Append(source, time, {&value, 1}, std::nullopt);
  };
  const std::int64_t long_ago_ms = -std::int64_t{1} << 50;
  // Whatever the wall clock says: it may have been set back since.
  append({long_ago_ms, std::int64_t{1} << 50});
  EXPECT_EQ(Ask("").metrics_size(), 0);
  append({0, long_ago_ms});
  EXPECT_EQ(Ask("").metrics_size(), 1);
  // What a life before has left is no news either.
  agent_->StopLink();
  agent_ = agent_->Reborn(0);
  V1AnswerOptions options;
  V1AnswerStats stats;
  const auto answer = [&] {
    v1::StreamMetricsRequest m;
    EXPECT_TRUE(m.ParseFromString(EncodeV1Answer(agent_->recording().Take(),
                                                 agent_->identity(), {},
                                                 UnixTime(), options, &stats)));
    return m.metrics_size();
  };
  EXPECT_EQ(answer(), 1);
  options.incarnation = agent_->recording().incarnation();
  options.fresh_from_ms = long_ago_ms;
  EXPECT_EQ(answer(), 0);
}

}  // namespace
}  // namespace fodc::link
