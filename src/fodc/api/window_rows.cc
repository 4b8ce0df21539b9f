// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/window_rows.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "fodc/recorder/series_reader.h"

namespace fodc::api {
namespace {

using exposition::Label;

// Whether the series is asked for, as it is shown.
bool IsSelected(const recorder::Series& series,
                const exposition::Identity& identity,
                const exposition::SelectorSet* selectors,
                exposition::LabelMerger* merger) {
  return selectors->empty() ||
         (selectors->MayMatchName(series.name()) &&
          selectors->Matches(series.name(),
                             merger->Merge(series.labels(), identity)));
}

class RecordedRowsImpl final : public WindowRows {
 public:
  RecordedRowsImpl(fleet::Agent agent, recorder::Snapshot snapshot,
                   Window window, const exposition::SelectorSet* selectors)
      : agent_(std::move(agent)),
        snapshot_(std::move(snapshot)),
        window_(window),
        selectors_(selectors),
        identities_(agent_) {}

  bool Next(WindowRow* row) override {
    if (!reader_) {
      recorder::SeriesFilter filter;
      if (!selectors_->empty()) {
        filter = [this](const recorder::SeriesView& view) {
          return IsSelected(*view.series, *identities_.Of(view.container_name),
                            selectors_, &merger_);
        };
      }
      reader_ = snapshot_->OpenSeriesReader(
          {window_.from_unix_ms, window_.to_unix_ms}, filter);
      snapshot_.reset();  // the reader has its own
    }
    recorder::SeriesView view;
    if (!reader_->Next(&view, &row->unix_ms, &row->values)) return false;
    row->agent = &agent_;
    row->name = view.series->name();
    row->help = view.series->help();
    row->pod_name = agent_.identity.pod_name;
    row->labels = &merger_.Merge(view.series->labels(),
                                 *identities_.Of(view.container_name));
    return true;
  }

 private:
  const fleet::Agent agent_;
  std::optional<recorder::Snapshot> snapshot_;
  const Window window_;
  const exposition::SelectorSet* const selectors_;
  NodeIdentities identities_;
  exposition::LabelMerger merger_;
  std::unique_ptr<recorder::Snapshot::SeriesReader> reader_;
};

class FrameRowsImpl final : public WindowRows {
 public:
  FrameRowsImpl(NodeFrames node, const exposition::SelectorSet* selectors)
      : node_(std::move(node)),
        selectors_(selectors),
        identities_(node_.agent) {}

  bool Next(WindowRow* row) override {
    for (; frame_ < node_.frames.size(); ++frame_, line_ = 0) {
      const recorder::SourceFrame& frame = node_.frames[frame_];
      const exposition::Identity& identity =
          *identities_.Of(frame.container_name);
      while (line_ < frame.values.size()) {
        const std::size_t i = line_++;
        const recorder::Series& series = *(*frame.series)[i];
        if (!IsSelected(series, identity, selectors_, &merger_)) continue;
        row->agent = &node_.agent;
        row->name = series.name();
        row->help = series.help();
        row->pod_name = node_.agent.identity.pod_name;
        row->labels = &merger_.Merge(series.labels(), identity);
        row->unix_ms = {&frame.time.unix_ms, 1};
        row->values = {&frame.values[i], 1};
        return true;
      }
    }
    return false;
  }

 private:
  const NodeFrames node_;
  const exposition::SelectorSet* const selectors_;
  NodeIdentities identities_;
  exposition::LabelMerger merger_;
  std::size_t frame_ = 0;
  std::size_t line_ = 0;
};

class AnsweredRowsImpl final : public WindowRows {
 public:
  AnsweredRowsImpl(fleet::Agent agent,
                   std::shared_ptr<const fleet::MetricsAnswer> answer,
                   std::optional<Window> window,
                   const exposition::SelectorSet* selectors)
      : agent_(std::move(agent)),
        answer_(std::move(answer)),
        selectors_(selectors) {
    const auto& samples = answer_->samples;
    for (std::uint32_t i = 0; i < samples.size(); ++i) {
      if (!window || (samples[i].unix_ms >= window->from_unix_ms &&
                      samples[i].unix_ms <= window->to_unix_ms)) {
        order_.push_back(i);
      }
    }
    std::stable_sort(order_.begin(), order_.end(),
                     [&samples](std::uint32_t a, std::uint32_t b) {
                       const auto& x = samples[a];
                       const auto& y = samples[b];
                       return std::tie(x.name, x.labels, x.unix_ms) <
                              std::tie(y.name, y.labels, y.unix_ms);
                     });
  }

  bool Next(WindowRow* row) override {
    while (at_ < order_.size()) {
      const fleet::MetricSample& first = answer_->samples[order_[at_]];
      times_.clear();
      values_.clear();
      for (; at_ < order_.size(); ++at_) {
        const fleet::MetricSample& s = answer_->samples[order_[at_]];
        if (s.name != first.name || s.labels != first.labels) break;
        times_.push_back(s.unix_ms);
        values_.push_back(s.value);
      }
      labels_.clear();
      row->pod_name = {};
      for (const auto& [name, value] : first.labels) {
        labels_.push_back({name, value});
        if (name == "pod_name") row->pod_name = value;
      }
      if (!selectors_->Matches(first.name, labels_)) continue;
      row->agent = &agent_;
      row->name = first.name;
      row->help = first.help;
      row->labels = &labels_;
      row->unix_ms = times_;
      row->values = values_;
      return true;
    }
    return false;
  }

 private:
  const fleet::Agent agent_;
  const std::shared_ptr<const fleet::MetricsAnswer> answer_;
  const exposition::SelectorSet* const selectors_;
  std::vector<std::uint32_t> order_;
  std::size_t at_ = 0;
  std::vector<std::int64_t> times_;
  std::vector<double> values_;
  std::vector<Label> labels_;
};

}  // namespace

const std::shared_ptr<const exposition::Identity>& NodeIdentities::Of(
    std::string_view container_name) {
  const auto it = known_.find(container_name);
  if (it != known_.end()) return it->second;
  return known_
      .emplace(std::string(container_name),
               std::make_shared<const exposition::Identity>(
                   agent_.identity.role, agent_.identity.pod_name,
                   container_name, agent_.identity.labels))
      .first->second;
}

std::unique_ptr<WindowRows> RecordedRows(
    fleet::Agent agent, recorder::Snapshot snapshot, Window window,
    const exposition::SelectorSet* selectors) {
  return std::make_unique<RecordedRowsImpl>(
      std::move(agent), std::move(snapshot), window, selectors);
}

std::unique_ptr<WindowRows> FrameRows(
    NodeFrames node, const exposition::SelectorSet* selectors) {
  return std::make_unique<FrameRowsImpl>(std::move(node), selectors);
}

std::unique_ptr<WindowRows> AnsweredRows(
    fleet::Agent agent, std::shared_ptr<const fleet::MetricsAnswer> answer,
    std::optional<Window> window, const exposition::SelectorSet* selectors) {
  return std::make_unique<AnsweredRowsImpl>(std::move(agent), std::move(answer),
                                            window, selectors);
}

}  // namespace fodc::api
