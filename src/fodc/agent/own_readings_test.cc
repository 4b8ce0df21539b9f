// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/own_readings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/net/http_client.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {
namespace {

constexpr std::size_t kBudget = 200u << 10;

// A page of a hundred series each second, all of which change.
class OwnReadingsTest : public ::testing::Test {
 protected:
  OwnReadingsTest() {
    std::vector<std::string> names;
    names.reserve(100);
    for (int i = 0; i < 100; ++i) names.push_back(StrCat("s", i));
    std::vector<exposition::SeriesDesc> lines(names.size());
    for (std::size_t i = 0; i < lines.size(); ++i)
      lines[i].name = lines[i].family = names[i];
    recording_.SpliceLines(page_, 0, 0, lines);
  }

  void Second() {
    clock_.Advance(std::chrono::seconds(1));
    const recorder::FrameTime now{
        .monotonic_ms =
            clock_.Monotonic().time_since_epoch().count() / 1'000'000,
        .unix_ms = ToUnixMillis(clock_.Unix())};
    std::vector<double> values(100);
    for (double& v : values) v = static_cast<double>(random_() % 100'000);
    (void)recording_.Append(page_, now, values, std::nullopt);
    own_.Read(now);
  }
  double Newest(std::string_view name) const {
    for (const recorder::SourceFrame& frame : recording_.Latest()) {
      if (frame.source_name != kAgentSource) continue;
      for (std::size_t i = 0; i < frame.values.size(); ++i) {
        if ((*frame.series)[i]->name() == name) return frame.values[i];
      }
    }
    return -1;
  }
  // From the first frame that is held to the last.
  double HeldSeconds() const {
    std::vector<std::int64_t> times;
    recording_.Take().ReadFrames({}, [&](const recorder::SourceFrame& frame) {
      times.push_back(frame.time.monotonic_ms);
      return true;
    });
    const auto [first, last] = std::minmax_element(times.begin(), times.end());
    return static_cast<double>(*last - *first) / 1e3;
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  net::HttpClient client_;
  recorder::Recording recording_{1, {.budget_bytes = kBudget}};
  recorder::SourceId page_ = recording_.OpenSource("page", "");
  collect::Collector collector_{{}, {}, loop_, client_, recording_};
  OwnReadings own_{clock_, recording_, collector_, kBudget};
  std::mt19937 random_{4711};
};

TEST_F(OwnReadingsTest, TellHowFarTheRecordingReachesAndWill) {
  Second();
  Second();
  EXPECT_EQ(Newest("fodc_agent_recording_window_seconds"), 1);
  EXPECT_EQ(Newest("fodc_agent_recording_expected_window_seconds"), 0)
      << "not known yet";
  EXPECT_EQ(Newest("fodc_agent_recording_budget_bytes"), kBudget);
  constexpr double kHalf = kBudget / 2.0;
  while (Newest("fodc_agent_recording_bytes") < kHalf) Second();
  const double expected =
      Newest("fodc_agent_recording_expected_window_seconds");
  EXPECT_EQ(Newest("fodc_agent_recording_window_seconds"), HeldSeconds());
  EXPECT_LT(HeldSeconds(), expected);
  EXPECT_EQ(Newest("fodc_agent_recording_evicted_samples_total"), 0);

  double longest = 0;
  for (int i = 0; i < 2 * expected; ++i) {
    Second();
    longest = std::max(longest, Newest("fodc_agent_recording_window_seconds"));
  }
  EXPECT_GT(Newest("fodc_agent_recording_evicted_samples_total"), 0);
  EXPECT_NEAR(Newest("fodc_agent_recording_window_seconds"), HeldSeconds(), 2);
  EXPECT_NEAR(longest, expected, 0.2 * expected);
  EXPECT_NEAR(Newest("fodc_agent_recording_expected_window_seconds"), longest,
              0.2 * longest);
  EXPECT_LE(Newest("fodc_agent_recording_bytes"), kBudget);
  EXPECT_EQ(Newest("fodc_agent_recording_series"), 100 + 14);
}

}  // namespace
}  // namespace fodc::agent
