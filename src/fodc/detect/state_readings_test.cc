// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/state_readings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "fodc/base/strings.h"
#include "fodc/detect/scene_testing.h"

namespace fodc::detect {
namespace {

// By `name label=value`, without the label `target`.
std::map<std::string, double> Read(const TargetState& state) {
  const auto descs = DescribeState(state.target);
  const auto values = ReadState(state);
  EXPECT_EQ(descs.size(), values.size());
  std::map<std::string, double> out;
  for (std::size_t i = 0; i < descs.size(); ++i) {
    EXPECT_EQ(descs[i].labels.at(0).second, state.target);
    std::string key(descs[i].name);
    for (std::size_t l = 1; l < descs[i].labels.size(); ++l)
      key +=
          StrCat(" ", descs[i].labels[l].first, "=", descs[i].labels[l].second);
    EXPECT_FALSE(out.contains(key)) << key;
    if (values[i]) out[key] = *values[i];
  }
  return out;
}

TEST(StateReadingsTest, OfATargetOfWhichNothingIsKnown) {
  TargetState s;
  s.target = "db";
  const auto r = Read(s);
  EXPECT_EQ(r.at("fodc_detector_state state=no_readings"), 1);
  EXPECT_EQ(r.at("fodc_detector_state state=calm"), 0);
  EXPECT_EQ(r.at("fodc_incidents_total verdict=W3"), 0);
  EXPECT_EQ(r.at("fodc_incident_open verdict=W3 cause=scan"), 0);
  EXPECT_EQ(r.at("fodc_incident_open verdict=W6"), 0);
  EXPECT_FALSE(r.contains("fodc_detector_baseline_seconds quantile=0.95"));
}

TEST(StateReadingsTest, FollowAnIncident) {
  Scene s;
  s.db.page.rates["rocksdb_block_cache_miss"] = 1;
  s.Learn();
  auto r = Read(s.State());
  EXPECT_EQ(r.at("fodc_detector_state state=calm"), 1);
  EXPECT_EQ(r.at("fodc_detector_calm_verdict verdict=W1"), 0);
  EXPECT_EQ(r.at("fodc_detector_learned_windows"), 29);
  EXPECT_EQ(r.at("fodc_detector_window_reads"), 10'000);
  EXPECT_EQ(r.at("fodc_detector_signal_series signal=block_cache_misses"), 1);
  EXPECT_EQ(r.at("fodc_detector_signal_series signal=compaction_bytes"), 0);
  s.db.kernel.rates["ktm_cache_added_pages_total"] = 5000;
  s.Run(3);
  EXPECT_EQ(Read(s.State()).at("fodc_detector_calm_verdict verdict=W1"), 1);
  s.db.Cold();
  s.Run(3);
  r = Read(s.State());
  EXPECT_EQ(r.at("fodc_detector_state state=incident"), 1);
  EXPECT_EQ(r.at("fodc_detector_calm_verdict verdict=W1"), 0);
  EXPECT_EQ(r.at("fodc_incident_open verdict=W4 cause=cold_data"), 1);
  EXPECT_EQ(r.at("fodc_incident_open verdict=W4 cause=contention"), 0);
  EXPECT_EQ(r.at("fodc_incidents_total verdict=W4"), 1);
  EXPECT_GT(r.at("fodc_detector_read_latency_seconds quantile=0.99"), 1e-3);
  EXPECT_LT(r.at("fodc_detector_baseline_seconds quantile=0.99"), 1e-5);
  s.db.Calm();
  s.Run(6);
  r = Read(s.State());
  EXPECT_EQ(r.at("fodc_incident_open verdict=W4 cause=cold_data"), 0);
  EXPECT_EQ(r.at("fodc_incidents_total verdict=W4"), 1);
}

}  // namespace
}  // namespace fodc::detect
