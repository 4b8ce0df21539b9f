// SPDX-License-Identifier: Apache-2.0
// The samples of v1 answers as series with families, so that they are shown in
// the same way as those of recordings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fodc/fleet/agent_commander.h"
#include "fodc/recorder/series.h"
#include "fodc/recorder/series_pool.h"

namespace fodc::api {

// Families that some sample of some answer names a type for. Samples without a
// type (of older agents, of kernel telemetry) join them; of the others, those
// with a name like a histogram's component make a histogram, and the rest are
// gauges.
class TypedFamilies {
 public:
  void Add(const fleet::MetricsAnswer& answer);
  // The family of a sample, and the type to show it with.
  std::string_view FamilyOf(const fleet::MetricSample& sample,
                            exposition::MetricType* type) const;

 private:
  std::set<std::string, std::less<>> names_;
};

// One series of an answer, with its samples in the order of their times. The
// labels are all that it has: identity labels are among them.
struct AnsweredSeries {
  recorder::SeriesRef series;
  std::vector<std::int64_t> unix_ms;
  std::vector<double> values;
};

// In an order fit for text: by family, the components of a histogram or summary
// by their other labels, then buckets by their bounds, sum, count. Only
// samples that `takes` accepts.
std::vector<AnsweredSeries> SeriesOfAnswer(
    const fleet::MetricsAnswer& answer, const TypedFamilies& families,
    const std::function<bool(const fleet::MetricSample&)>& takes,
    recorder::SeriesPool* pool);

// Where a series belongs inside its family, so that points of one histogram or
// summary stay together in a legal order.
struct ComponentOrder {
  std::string others;  // labels but for le and quantile
  int component = 0;   // buckets and quantiles, sum, count, the rest
  double bound = 0;    // le or quantile
  std::string labels;  // all of them
  friend auto operator<=>(const ComponentOrder&,
                          const ComponentOrder&) = default;
};
ComponentOrder OrderInFamily(std::string_view name,
                             std::string_view canonical_labels,
                             std::string_view family,
                             exposition::MetricType type);

}  // namespace fodc::api
