// SPDX-License-Identifier: Apache-2.0
// Samples as text, for people and scripts. Every number is the shortest text
// that reads back to the same bits (NaN is one NaN).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"
#include "fodc/exposition/metric.h"

namespace fodc::ctl {

// A series as it is shown: identity labels merged.
struct ShownSeries {
  std::string_view name;
  std::span<const exposition::Label> labels;  // sorted by name
  std::string_view family;
  exposition::MetricType type = exposition::MetricType::kUnknown;
  std::string_view help;
  std::string_view unit;
};

// Not thread-safe.
class SampleWriter {
 public:
  virtual ~SampleWriter() = default;
  // The text formats want the series of one family one after the other, and
  // write its head before the first.
  virtual Status Write(const ShownSeries& series,
                       std::span<const std::int64_t> unix_ms,
                       std::span<const double> values) = 0;
  // Writes what closes the document. Once.
  virtual Status End() = 0;
};

// `with_times`: whether the text formats write a timestamp behind each value
// (a page of one instant has none). CSV and JSON always do.
//   kText         milliseconds since the epoch
//   kOpenMetrics  seconds, with three decimals
//   kCsv          timestamp,name,labels,value; times in RFC 3339
//   kJson         [{"name","description","type","labels","data":[{"timestamp",
//                 "value"}]}]; NaN and infinities are strings
std::unique_ptr<SampleWriter> MakeSampleWriter(SampleFormat format,
                                               bool with_times, Output* out);

// Turns OpenMetrics text, which comes in pieces of any size, into the lines of
// kCsv.
class OpenMetricsToCsv {
 public:
  explicit OpenMetricsToCsv(Output* out) : out_(out) {}
  // Errors: kDataLoss, naming a line that is no sample with a time; those of
  // the output.
  Status Feed(std::string_view piece);
  // Errors: kDataLoss if the text did not end with "# EOF".
  Status End();

 private:
  Status Line(std::string_view line);
  Output* out_;
  std::string rest_;
  bool began_ = false;
  bool ended_ = false;
};

}  // namespace fodc::ctl
