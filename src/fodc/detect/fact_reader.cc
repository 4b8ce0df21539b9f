// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/fact_reader.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "fodc/exposition/identity.h"
#include "fodc/exposition/number.h"

namespace fodc::detect {
namespace {

// Fewer say nothing of their 95th percentile: then it is the median, for a
// stalled disk answers few.
constexpr double kLeastEvents = 20;

using Labels = std::vector<exposition::Label>;

// An empty label name asks for nothing.
bool HasLabel(const Labels& labels, std::string_view name,
              std::string_view value) {
  if (name.empty()) return true;
  return std::find(labels.begin(), labels.end(),
                   exposition::Label{name, value}) != labels.end();
}

std::optional<double> BoundOf(const Labels& labels) {
  for (const exposition::Label& l : labels) {
    double bound = 0;
    if (l.name == "le" && exposition::ParseNumber(l.value, &bound))
      return bound;
  }
  return std::nullopt;
}

double Milliseconds(double seconds) { return seconds * 1e3; }

}  // namespace

FactReader::FactReader(const Options& options, const SignalMap& signals)
    : options_(options),
      rows_(AllFactSeries().size()),
      histograms_(AllFactHistograms().size()),
      histogram_sources_(AllFactHistograms().size()),
      signals_(signals) {}

FactReader::Outcome FactReader::OnOwnFrame(OwnSource source,
                                           const recorder::SourceFrame& frame) {
  Own& own = own_[static_cast<std::size_t>(source)];
  if (own.layout && frame.time.monotonic_ms < own.newest_ms) return {};
  own.newest_ms = frame.time.monotonic_ms;
  if (own.layout != frame.series) SetLayout(source, frame);
  bool ended = false;
  if (own.up) {
    const bool is_up = frame.values[*own.up] != 0;
    ended = is_up_ && !is_up;
    is_up_ = is_up;
  }
  const bool restarted = HasRestarted(own, frame);
  if (restarted) DropWork();
  ReadRows(source, frame);
  Outcome outcome;
  if (reads_source_ == source) outcome = OnLatency(frame);
  outcome.restarted |= restarted;
  outcome.ended = ended;
  return outcome;
}

void FactReader::SetLayout(OwnSource source,
                           const recorder::SourceFrame& frame) {
  Own& own = own_[static_cast<std::size_t>(source)];
  own.layout = frame.series;
  own.pid = own.start = own.restarts = own.up = std::nullopt;
  std::vector<bool> found(rows_.size());
  std::vector<std::vector<HistogramTrack::Column>> columns(histograms_.size());
  std::vector<HistogramTrack::Column> reads;
  Labels labels;
  std::vector<std::string> unescaped;
  for (std::size_t line = 0; line < frame.series->size(); ++line) {
    const recorder::Series& s = *(*frame.series)[line];
    const std::string_view name = s.name();
    if (name == kTargetPid) own.pid = line;
    if (name == kTargetStart) own.start = line;
    if (name == kTargetRestarts) own.restarts = line;
    if (name == kTargetUp) own.up = line;
    if (!name.starts_with("ktm_") && !name.starts_with("fodc_")) continue;
    exposition::ParseCanonicalLabels(s.labels(), &labels, &unescaped);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const FactSeries& f = AllFactSeries()[i];
      if (f.family != name || !HasLabel(labels, f.label, f.value) ||
          !HasLabel(labels, f.label2, f.value2)) {
        continue;
      }
      rows_[i].source = source;
      rows_[i].line = line;
      found[i] = true;
    }
    const auto bound = BoundOf(labels);
    if (!bound) continue;
    if (name == kReadLatencyBuckets && HasLabel(labels, "kind", "file"))
      reads.push_back({*bound, line});
    for (std::size_t i = 0; i < histograms_.size(); ++i) {
      const FactHistogram& h = AllFactHistograms()[i];
      if (h.series == name && HasLabel(labels, h.label, h.value))
        columns[i].push_back({*bound, line});
    }
  }
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (found[i] || rows_[i].source != source) continue;
    rows_[i] = Row();
  }
  const auto set = [source](std::vector<HistogramTrack::Column> found_columns,
                            HistogramTrack* track,
                            std::optional<OwnSource>* of) {
    if (found_columns.empty() && *of != source) return;
    track->SetColumns(std::move(found_columns));
    *of = track->is_there() ? std::optional(source) : std::nullopt;
  };
  set(std::move(reads), &reads_, &reads_source_);
  for (std::size_t i = 0; i < histograms_.size(); ++i)
    set(std::move(columns[i]), &histograms_[i], &histogram_sources_[i]);
}

bool FactReader::HasRestarted(const Own& own,
                              const recorder::SourceFrame& frame) {
  // Whether it is there; whether it is another than before.
  const auto follow = [&frame](std::optional<std::size_t> line,
                               std::optional<double>* known) {
    if (!line) return std::pair(false, false);
    const double value = frame.values[*line];
    if (!std::isfinite(value) || value < 0) return std::pair(false, false);
    const bool is_other = known->has_value() && **known != value;
    *known = value;
    return std::pair(true, is_other);
  };
  const bool knew_pid = pid_.has_value();
  const auto [has_pid, is_other_pid] = follow(own.pid, &pid_);
  const auto [has_start, is_other_start] = follow(own.start, &start_);
  const auto [has_count, is_other_count] = follow(own.restarts, &restarts_);
  // The count may also be mended, when what an earlier life knew comes late.
  return has_pid && knew_pid ? is_other_pid || is_other_start : is_other_count;
}

void FactReader::DropWork() {
  for (Row& r : rows_) r.track.Take();
  for (HistogramTrack& h : histograms_) h.Take();
  reads_.Take();
  signals_.Forget();
  window_from_ms_.reset();
}

void FactReader::ReadRows(OwnSource source,
                          const recorder::SourceFrame& frame) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    if (row.source != source) continue;
    const double value = frame.values[row.line];
    if (AllFactSeries()[i].reading == Reading::kRate) {
      row.track.Read(value, frame.time.monotonic_ms);
      continue;
    }
    row.is_known = std::isfinite(value) && value >= 0;
    row.value = value;
    row.at_ms = frame.time.monotonic_ms;
  }
  for (std::size_t i = 0; i < histograms_.size(); ++i) {
    if (histogram_sources_[i] == source) histograms_[i].Read(frame.values);
  }
}

FactReader::Outcome FactReader::OnLatency(const recorder::SourceFrame& frame) {
  Outcome outcome;
  const std::int64_t now = frame.time.monotonic_ms;
  bool was_away = false;
  if (window_from_ms_) {
    const std::int64_t interval = now - newest_latency_ms_;
    intervals_ms_ = {interval, intervals_ms_[0]};
    was_away = static_cast<double>(interval) > StaleMs();
  }
  newest_latency_ms_ = now;
  const HistogramTrack::Step step = reads_.Read(frame.values);
  if (step == HistogramTrack::Step::kReset) outcome.restarted = true;
  if (step != HistogramTrack::Step::kCounted || was_away || !window_from_ms_) {
    DropWork();
    window_from_ms_ = now;
    frames_in_window_ = 0;
    return outcome;
  }
  ++frames_in_window_;
  const auto elapsed = static_cast<double>(now - *window_from_ms_);
  if (elapsed <= 0 ||
      elapsed + elapsed / (2 * static_cast<double>(frames_in_window_)) <
          Milliseconds(options_.window_seconds)) {
    return outcome;
  }
  outcome.window = TakeWindow(frame);
  window_from_ms_ = now;
  frames_in_window_ = 0;
  return outcome;
}

double FactReader::StaleMs() const {
  const auto interval = std::min(intervals_ms_[0], intervals_ms_[1]);
  return std::max(Milliseconds(options_.stale_seconds),
                  3 * static_cast<double>(interval));
}

Window FactReader::TakeWindow(const recorder::SourceFrame& frame) {
  Window w;
  w.from_ms = *window_from_ms_;
  w.to_ms = frame.time.monotonic_ms;
  w.to_unix_ms = frame.time.unix_ms;
  const Buckets reads = reads_.Take();
  w.reads = reads.total();
  if (const auto p = reads.Quantile(0.5)) w.p50 = *p;
  if (const auto p = reads.Quantile(0.95)) w.p95 = *p;
  if (const auto p = reads.Quantile(0.99)) w.p99 = *p;

  const double stale_ms = StaleMs();
  std::array<int, kFacts> rank_of;
  rank_of.fill(-1);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const FactSeries& f = AllFactSeries()[i];
    Row& row = rows_[i];
    if (!row.source) continue;
    if (f.reading == Reading::kRate) {
      if (const auto growth = row.track.Take()) {
        row.value = growth->amount / growth->seconds;
        row.at_ms = own_[static_cast<std::size_t>(*row.source)].newest_ms;
        row.is_known = true;
      }
      row.is_known &= row.track.is_there();
    }
    if (!row.is_known || static_cast<double>(w.to_ms - row.at_ms) > stale_ms)
      continue;
    int& rank = rank_of[static_cast<std::size_t>(f.fact)];
    if (rank >= 0 && rank < f.rank) continue;
    double& fact = w.facts[f.fact];
    fact = rank == f.rank ? fact + row.value : row.value;
    rank = f.rank;
  }
  for (std::size_t i = 0; i < histograms_.size(); ++i) {
    const bool is_known = histograms_[i].has_counted();
    const Buckets buckets = histograms_[i].Take();
    if (!is_known) continue;
    const double q = buckets.total() < kLeastEvents ? 0.5 : 0.95;
    // Nobody waited, where there were no events.
    w.facts[AllFactHistograms()[i].fact] = buckets.Quantile(q).value_or(0);
  }
  signals_.Take(w.to_ms, static_cast<std::int64_t>(stale_ms), &w.facts);
  return w;
}

}  // namespace fodc::detect
