// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/table.h"
#include "fodc/exposition/identity.h"
#include "fodc/exposition/number.h"

namespace fodc::ctl {
namespace {

using Unit = TimelineColumn::Unit;
using exposition::Label;

constexpr std::int64_t kReachMs = 3'600'000;
// Seconds from the instant; the last sample of all comes behind them.
constexpr std::array kOffsets = {-1800, -600, -300, -120, -60, -30, -10, -5,
                                 0,     1,    3,    10,   30,  60,  300, 1800};

struct Wanted {
  std::string_view head;
  std::string_view series;
  // A label beside `target`, and what it must be.
  std::array<std::pair<std::string_view, std::string_view>, 2> labels;
  Unit unit = Unit::kBytes;
  bool is_counter = false;
  bool has_target = true;  // the label
};

// Of those with one head the first that has samples is taken.
constexpr std::array kWanted = {
    Wanted{.head = "RESIDENT",
           .series = "fodc_target_resident_memory_bytes",
           .labels = {}},
    // What a database says of itself, where the agent does not see its process.
    Wanted{.head = "RESIDENT",
           .series = "process_resident_memory_bytes",
           .labels = {},
           .has_target = false},
    Wanted{.head = "ANON",
           .series = "fodc_container_memory_bytes",
           .labels = {{{"kind", "anon"}, {}}}},
    Wanted{.head = "CHARGED",
           .series = "fodc_container_memory_usage_bytes",
           .labels = {}},
    Wanted{.head = "LIMIT",
           .series = "fodc_container_memory_limit_bytes",
           .labels = {}},
    Wanted{.head = "AT LIMIT",
           .series = "fodc_container_memory_events_total",
           .labels = {{{"event", "max"}, {}}},
           .unit = Unit::kCount,
           .is_counter = true},
    Wanted{.head = "OOM KILLS",
           .series = "fodc_container_memory_events_total",
           .labels = {{{"event", "oom_kill"}, {}}},
           .unit = Unit::kCount,
           .is_counter = true},
    Wanted{.head = "MEMORY STALL",
           .series = "fodc_pressure_stalled_seconds_total",
           .labels = {{{"resource", "memory"}, {"kind", "some"}}},
           .unit = Unit::kShare,
           .is_counter = true},
    Wanted{.head = "IO STALL",
           .series = "fodc_pressure_stalled_seconds_total",
           .labels = {{{"resource", "io"}, {"kind", "some"}}},
           .unit = Unit::kShare,
           .is_counter = true},
    Wanted{.head = "READ P99",
           .series = "fodc_detector_read_latency_seconds",
           .labels = {{{"quantile", "0.99"}, {}}},
           .unit = Unit::kSeconds},
};

struct Sample {
  std::int64_t unix_ms = 0;
  double value = 0;
};
using Samples = std::vector<Sample>;

struct Column {
  const Wanted* wanted = nullptr;
  Samples samples;  // in order
};

bool HasLabel(const std::vector<Label>& labels, std::string_view name,
              std::string_view value) {
  return std::any_of(labels.begin(), labels.end(), [&](const Label& l) {
    return l.name == name && l.value == value;
  });
}

bool Takes(const Wanted& wanted, std::string_view target,
           const recorder::SeriesView& view) {
  if (view.series->name() != wanted.series) return false;
  std::vector<Label> labels;
  std::vector<std::string> unescaped;
  exposition::ParseCanonicalLabels(view.series->labels(), &labels, &unescaped);
  for (const auto& [name, value] : wanted.labels) {
    if (!name.empty() && !HasLabel(labels, name, value)) return false;
  }
  return target.empty() || !wanted.has_target ||
         HasLabel(labels, "target", target);
}

// The series that has most of them.
Samples ReadColumn(std::span<const recorder::Snapshot> recordings,
                   const Wanted& wanted, std::string_view target,
                   std::int64_t at_unix_ms, int* damaged) {
  std::map<std::string, Samples> by_series;
  for (const recorder::Snapshot& recording : recordings) {
    recording.ReadSeries(
        {at_unix_ms - kReachMs, at_unix_ms + kReachMs},
        [&](const recorder::SeriesView& view) {
          return Takes(wanted, target, view);
        },
        [&](const recorder::SeriesView& view,
            std::span<const std::int64_t> unix_ms,
            std::span<const double> values) {
          Samples& samples =
              by_series[StrCat(view.source_name, " ", view.series->labels())];
          for (std::size_t i = 0; i < values.size(); ++i) {
            if (std::isfinite(values[i]))
              samples.push_back({unix_ms[i], values[i]});
          }
          return true;
        },
        damaged);
  }
  Samples most;
  for (auto& [key, samples] : by_series) {
    if (samples.size() > most.size()) most = std::move(samples);
  }
  std::stable_sort(
      most.begin(), most.end(),
      [](const Sample& a, const Sample& b) { return a.unix_ms < b.unix_ms; });
  return most;
}

// The newest in (from, to].
const Sample* NewestIn(const Samples& samples, std::int64_t from,
                       std::int64_t to) {
  auto it = std::upper_bound(
      samples.begin(), samples.end(), to,
      [](std::int64_t t, const Sample& s) { return t < s.unix_ms; });
  if (it == samples.begin() || (--it)->unix_ms <= from) return nullptr;
  return &*it;
}

std::vector<std::int64_t> Instants(const std::vector<Column>& columns,
                                   std::int64_t at_unix_ms) {
  std::vector<std::int64_t> instants;
  std::int64_t last = INT64_MIN;
  for (const Column& c : columns)
    last = std::max(last, c.samples.back().unix_ms);
  for (const int offset : kOffsets) {
    const std::int64_t t = at_unix_ms + std::int64_t{1000} * offset;
    if (t < last) instants.push_back(t);
  }
  instants.push_back(last);
  return instants;
}

std::optional<double> Value(const Wanted& wanted, const Sample& sample,
                            const Sample* before) {
  if (!wanted.is_counter) return sample.value;
  if (before == nullptr) return std::nullopt;
  // Of a counter that began anew all of it is growth.
  double growth = sample.value < before->value ? sample.value
                                               : sample.value - before->value;
  if (wanted.unit == Unit::kShare)
    growth *= 1000 / static_cast<double>(sample.unix_ms - before->unix_ms);
  // Two that are far apart may be beyond any number.
  return std::isfinite(growth) ? std::optional(growth) : std::nullopt;
}

std::string ValueText(double value, Unit unit) {
  switch (unit) {
    case Unit::kBytes:
      return HumanBytes(value);
    case Unit::kSeconds:
      return Fixed(value * 1000, 2) + "ms";
    case Unit::kShare:
      return Fixed(value * 100, 1) + "%";
    case Unit::kCount:
      return Fixed(value, 0);
  }
  return "";
}

std::string_view UnitName(Unit unit) {
  switch (unit) {
    case Unit::kBytes:
      return "bytes";
    case Unit::kSeconds:
      return "seconds";
    case Unit::kShare:
      return "ratio";
    case Unit::kCount:
      return "count";
  }
  return "";
}

}  // namespace

Timeline MakeTimeline(std::span<const recorder::Snapshot> recordings,
                      std::string_view target, std::int64_t at_unix_ms,
                      int* damaged) {
  Timeline timeline{.at_unix_ms = at_unix_ms, .columns = {}, .rows = {}};
  std::vector<Column> columns;
  for (const Wanted& wanted : kWanted) {
    if (!columns.empty() && columns.back().wanted->head == wanted.head)
      continue;
    // A damaged chunk is counted once, though each column looks at it.
    int passed_over = 0;
    Samples samples =
        ReadColumn(recordings, wanted, target, at_unix_ms, &passed_over);
    *damaged = std::max(*damaged, passed_over);
    if (samples.empty()) continue;
    columns.push_back({&wanted, std::move(samples)});
    timeline.columns.push_back({.head = std::string(wanted.head),
                                .series = std::string(wanted.series),
                                .unit = wanted.unit});
  }
  if (columns.empty()) return timeline;
  std::vector<const Sample*> before(columns.size());
  std::int64_t from = INT64_MIN;
  for (const std::int64_t to : Instants(columns, at_unix_ms)) {
    TimelineRow row{.unix_ms = to, .values = {}};
    bool any = false;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      auto& value = row.values.emplace_back();
      const Sample* sample = NewestIn(columns[i].samples, from, to);
      if (sample == nullptr) continue;
      any = true;
      value = Value(*columns[i].wanted, *sample, before[i]);
      before[i] = sample;
    }
    if (!any) continue;
    timeline.rows.push_back(std::move(row));
    from = to;
  }
  return timeline;
}

std::string TimelineText(const Timeline& timeline) {
  std::vector<TableLine> lines(1, {"TIME", "OFFSET"});
  std::vector<bool> is_number = {false, true};
  for (const TimelineColumn& c : timeline.columns) {
    lines[0].push_back(c.head);
    is_number.push_back(true);
  }
  for (const TimelineRow& row : timeline.rows) {
    const std::int64_t offset = row.unix_ms - timeline.at_unix_ms;
    TableLine& line = lines.emplace_back();
    line.push_back(FormatRfc3339(FromUnixMillis(row.unix_ms), 3));
    line.push_back(StrCat(offset > 0 ? "+" : "",
                          FormatGoDuration(std::chrono::milliseconds(offset))));
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      line.push_back(row.values[i]
                         ? ValueText(*row.values[i], timeline.columns[i].unit)
                         : "-");
    }
  }
  std::string out;
  for (const std::string& line : RenderTable(std::move(lines), is_number))
    out += line + "\n";
  return out;
}

std::string TimelineJson(const Timeline& timeline) {
  std::string out = "{\"columns\":[";
  for (const TimelineColumn& c : timeline.columns) {
    out += &c == timeline.columns.data() ? "{\"name\":" : ",{\"name\":";
    AppendJsonString(&out, c.head);
    out += StrCat(",\"series\":\"", c.series, "\",\"unit\":\"",
                  UnitName(c.unit), "\"}");
  }
  out += "],\"rows\":[";
  for (const TimelineRow& row : timeline.rows) {
    out += StrCat(&row == timeline.rows.data() ? "" : ",", "{\"time\":\"",
                  FormatRfc3339(FromUnixMillis(row.unix_ms), 3),
                  "\",\"offset_seconds\":");
    exposition::AppendNumber(
        &out, static_cast<double>(row.unix_ms - timeline.at_unix_ms) / 1000);
    out += ",\"values\":[";
    for (const std::optional<double>& value : row.values) {
      if (&value != row.values.data()) out += ",";
      if (value) {
        exposition::AppendNumber(&out, *value);
      } else {
        out += "null";
      }
    }
    out += "]}";
  }
  return out + "]}";
}

}  // namespace fodc::ctl
