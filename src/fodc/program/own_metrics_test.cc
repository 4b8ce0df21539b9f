// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/own_metrics.h"

#include <gmock/gmock.h>

#include <thread>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/program/version.h"

namespace fodc::program {
namespace {

using exposition::MetricType;
using ::testing::ElementsAre;

// The samples as lines of a page.
std::vector<std::string> Lines(const std::vector<OwnFamily>& families) {
  std::vector<std::string> lines;
  for (const OwnFamily& f : families) {
    for (const OwnSample& s : f.samples) {
      std::string line = s.name;
      for (const auto& [name, value] : s.labels) {
        line += StrCat("|", name, "=", value);
      }
      lines.push_back(StrCat(line, " ", static_cast<std::int64_t>(s.value)));
    }
  }
  return lines;
}

const OwnFamily* Find(const std::vector<OwnFamily>& families,
                      std::string_view name) {
  for (const OwnFamily& f : families) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

TEST(OwnMetricsTest, CollectsFamiliesSortedByName) {
  OwnMetrics m;
  const Gauge g = m.AddGauge("z_agents", "Agents.", {{"state", "online"}});
  const Counter c =
      m.AddCounter("a_frames_total", "Frames.", {{"role", "b"}, {"kind", "x"}});
  g.Set(3);
  g.Set(2);
  c.Add();
  c.Add(4);
  EXPECT_EQ(c.value(), 5);
  const auto families = m.Collect();
  EXPECT_THAT(Lines(families), ElementsAre("a_frames_total|kind=x|role=b 5",
                                           "z_agents|state=online 2"));
  EXPECT_EQ(families[0].type, MetricType::kCounter);
  EXPECT_EQ(families[0].help, "Frames.");
  EXPECT_EQ(families[1].type, MetricType::kGauge);
}

TEST(OwnMetricsTest, TheSameNameAndLabelsAreTheSameSeries) {
  OwnMetrics m;
  m.AddCounter("x_total", "X.", {{"a", "1"}}).Add();
  m.AddCounter("x_total", "X.", {{"a", "1"}}).Add();
  m.AddCounter("x_total", "X.", {{"a", "2"}}).Add();
  EXPECT_EQ(m.AddCounter("x_total", "X.", {{"a", "1"}}).value(), 2);
  EXPECT_EQ(m.Collect().size(), 1u);
  EXPECT_EQ(m.Collect()[0].samples.size(), 2u);
}

TEST(OwnMetricsTest, HistogramsAreCumulativeAndEndAtInfinity) {
  OwnMetrics m;
  const Histogram h =
      m.AddHistogram("rpc_seconds", "RPCs.", {0.1, 2}, {{"m", "q"}});
  h.Observe(0.05);
  h.Observe(1);
  h.Observe(10);
  const auto families = m.Collect();
  EXPECT_EQ(families[0].type, MetricType::kHistogram);
  EXPECT_THAT(Lines(families),
              ElementsAre("rpc_seconds_bucket|m=q|le=0.1 1",
                          "rpc_seconds_bucket|m=q|le=2 2",
                          "rpc_seconds_bucket|m=q|le=+Inf 3",
                          "rpc_seconds_sum|m=q 11", "rpc_seconds_count|m=q 3"));
}

TEST(OwnMetricsTest, PullsValuesThatAreKeptElsewhereAndJoinsFamilies) {
  OwnMetrics m;
  int bytes = 1;
  m.AddCallback("w_bytes", MetricType::kGauge, "Bytes.",
                [&] { return static_cast<double>(bytes); });
  m.AddCallback([](std::vector<OwnFamily>* out) {
    out->push_back({"w_bytes",
                    MetricType::kGauge,
                    "Bytes.",
                    {{"w_bytes", {{"part", "index"}}, 7}}});
    out->push_back({"empty", MetricType::kGauge, "None."});
  });
  bytes = 2;
  EXPECT_THAT(Lines(m.Collect()),
              ElementsAre("w_bytes 2", "w_bytes|part=index 7"));
}

TEST(OwnMetricsTest, HandlesOfNothingDoNothing) {
  Counter().Add();
  Gauge().Set(1);
  Histogram().Observe(1);
  EXPECT_EQ(Counter().value(), 0);
}

TEST(OwnMetricsTest, CountsFromManyThreads) {
  OwnMetrics m;
  const Counter c = m.AddCounter("n_total", "N.");
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 1000; ++n) c.Add();
        (void)m.Collect();
      });
    }
  }
  EXPECT_EQ(c.value(), 4000);
}

TEST(OwnMetricsTest, ReadsTheProcessItself) {
  OwnMetrics m;
  m.AddCallback(CollectProcessMetrics);
  m.AddBuildInfo("fodc_test");
  const auto families = m.Collect();
  for (const char* name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
        "process_threads", "process_start_time_seconds"}) {
    ASSERT_NE(Find(families, name), nullptr) << name;
  }
  EXPECT_GT(Find(families, "process_resident_memory_bytes")->samples[0].value,
            1 << 20);
  EXPECT_GE(Find(families, "process_open_fds")->samples[0].value, 3);
  const double now =
      static_cast<double>(ToUnixMillis(SystemClock().Unix())) / 1000;
  const double start =
      Find(families, "process_start_time_seconds")->samples[0].value;
  EXPECT_GT(start, now - 600);
  EXPECT_LT(start, now + 2);
  const OwnFamily* info = Find(families, "fodc_test_build_info");
  ASSERT_NE(info, nullptr);
  EXPECT_THAT(info->samples[0].labels,
              ElementsAre(std::pair("version", Version())));
  EXPECT_TRUE(Version().starts_with(ProjectVersion()));
}

}  // namespace
}  // namespace fodc::program
