// SPDX-License-Identifier: Apache-2.0
// For tests: recordings written as frames of series.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/exposition/identity.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::ctl {

struct TestFrame {
  std::int64_t offset_ms = 0;
  // `name{a="b"}` or `name`, with labels in order.
  std::vector<std::pair<std::string, double>> samples;
};
using Frames = std::vector<TestFrame>;

// Each frame from `at_unix_ms` on, of one source.
inline recorder::Recording MakeRecording(const Frames& frames,
                                         std::int64_t at_unix_ms) {
  recorder::Recording recording(7, {});
  const recorder::SourceId source = recording.OpenSource("target etcd", "etcd");
  std::size_t lines = 0;
  for (const TestFrame& frame : frames) {
    std::vector<std::vector<exposition::Label>> labels(frame.samples.size());
    std::vector<std::string> unescaped;
    std::vector<exposition::SeriesDesc> series;
    std::vector<double> values;
    for (std::size_t i = 0; i < frame.samples.size(); ++i) {
      const auto& [text, value] = frame.samples[i];
      std::string_view view = text;
      const std::string_view name = view.substr(0, view.find('{'));
      if (name.size() < view.size()) {
        exposition::ParseCanonicalLabels(
            view.substr(name.size() + 1, view.size() - name.size() - 2),
            &labels[i], &unescaped);
      }
      series.push_back({.name = name,
                        .labels = labels[i],
                        .family = name,
                        .type = exposition::MetricType::kGauge,
                        .help = "",
                        .unit = ""});
      values.push_back(value);
    }
    recording.SpliceLines(source, 0, lines, series);
    lines = series.size();
    // From the first frame on, which may be before it.
    recording.Append(source,
                     {.monotonic_ms = 100'000'000 + frame.offset_ms,
                      .unix_ms = at_unix_ms + frame.offset_ms},
                     values, std::nullopt);
  }
  return recording;
}

}  // namespace fodc::ctl
