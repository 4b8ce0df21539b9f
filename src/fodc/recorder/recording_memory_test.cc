// SPDX-License-Identifier: Apache-2.0
// The budget against what the allocator says.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/recorder/recording_testing.h"
#include "tests/support/held_bytes.h"

namespace fodc::recorder {
namespace {

// A recording whose every byte is counted: pages whose series come and go.
TEST(RecordingMemoryTest, CountsWhatItReallyHolds) {
  constexpr std::size_t kLines = 3000;
  constexpr std::size_t kBudget = std::size_t{3} << 20;
  constexpr int kSources = 3;
  constexpr int kFrames = 150;
  // All text, before anything is measured.
  std::vector<std::string> text;
  text.reserve(kLines + 100 * kFrames);
  for (std::size_t i = 0; i < kLines + 100 * kFrames; ++i) {
    text.push_back("value_of_a_label_" + std::to_string(i));
  }
  std::vector<exposition::Label> labels;
  labels.reserve(text.size());
  for (const std::string& t : text) labels.push_back({"label", t});
  std::vector<exposition::SeriesDesc> descs;
  descs.reserve(labels.size());
  for (const exposition::Label& l : labels) {
    descs.push_back({.name = "metric_name_total",
                     .labels = {&l, 1},
                     .family = "metric_name_total",
                     .type = exposition::MetricType::kCounter,
                     .help = "Some help.",
                     .unit = ""});
  }
  std::vector<double> values(kLines);
  const std::uint64_t before = test::HeldBytes();
  Recording r(1000, {.budget_bytes = kBudget, .stretch_rows = 20});
  const auto held_bytes = [&] {
    return static_cast<double>(test::HeldBytes() - before);
  };
  const auto check = [&] {
    const double held = held_bytes();
    const auto told = static_cast<double>(r.memory_bytes());
    ASSERT_LE(held, told * 1.1);
    ASSERT_LE(told, kBudget);
  };
  std::vector<SourceId> sources;
  for (int s = 0; s < kSources; ++s) {
    sources.push_back(r.OpenSource("page " + std::to_string(s), "box"));
    r.SpliceLines(sources.back(), 0, 0, {descs.data(), kLines});
    check();
  }
  for (int i = 0; i < kFrames; ++i) {
    for (const SourceId source : sources) {
      if (i % 2 == 1) {
        const std::size_t fresh = kLines + static_cast<std::size_t>(i) * 100;
        r.SpliceLines(source, 0, 100, {});
        r.SpliceLines(source, kLines - 100, 0, {descs.data() + fresh, 100});
        check();
      }
      for (std::size_t v = 0; v < kLines; v += 3) {
        values[v] += static_cast<double>(v % 7);
      }
      r.Append(source, {i * 1000, i * 1000}, values, std::nullopt);
      check();
    }
  }
  EXPECT_GT(r.stats().evicted_samples, 0u);
  // What is told and not held is window that is not there.
  EXPECT_GE(held_bytes(), static_cast<double>(r.memory_bytes()) * 0.6);
}

}  // namespace
}  // namespace fodc::recorder
