// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/window_openmetrics.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "fodc/exposition/names.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::api {
namespace {

using exposition::MetricType;

// Seconds since the epoch, exact.
void AppendSeconds(std::int64_t unix_ms, std::string* out) {
  if (unix_ms < 0) out->push_back('-');
  const auto ms = unix_ms < 0 ? -static_cast<std::uint64_t>(unix_ms)
                              : static_cast<std::uint64_t>(unix_ms);
  out->append(std::to_string(ms / 1000));
  if (const auto fraction = ms % 1000; fraction != 0) {
    out->push_back('.');
    out->push_back(static_cast<char>('0' + fraction / 100));
    out->push_back(static_cast<char>('0' + fraction / 10 % 10));
    out->push_back(static_cast<char>('0' + fraction % 10));
  }
}

}  // namespace

struct WindowOpenMetrics::Node {
  explicit Node(OpenMetricsNode n)
      : data(std::move(n)), identities(data.agent) {}
  OpenMetricsNode data;
  NodeIdentities identities;
  std::vector<std::pair<std::string, std::string>> sources;  // name, container
  std::unique_ptr<recorder::Snapshot::SeriesReader> reader;
  // The reader's series in the order of families; those before `planned` have
  // been read, and are in `ahead` until they are written.
  std::vector<std::uint32_t> plan;
  std::size_t planned = 0;
  struct Points {
    std::vector<std::int64_t> unix_ms;
    std::vector<double> values;
  };
  std::unordered_map<std::uint32_t, Points> ahead;
};

WindowOpenMetrics::WindowOpenMetrics(std::vector<OpenMetricsNode> nodes,
                                     Window window,
                                     const exposition::SelectorSet* selectors)
    : window_(window), selectors_(selectors) {
  for (OpenMetricsNode& node : nodes) {
    nodes_.push_back(std::make_unique<Node>(std::move(node)));
  }
}
WindowOpenMetrics::~WindowOpenMetrics() = default;

const exposition::Identity& WindowOpenMetrics::IdentityOf(const Entry& entry) {
  static const exposition::Identity* const kNone = new exposition::Identity();
  Node& node = *nodes_[entry.node];
  if (!node.data.answered.empty()) return *kNone;
  return *node.identities.Of(node.sources[entry.source].second);
}

void WindowOpenMetrics::Catalog(std::uint32_t index) {
  Node& node = *nodes_[index];
  const auto add = [&](const recorder::Series& series, std::uint32_t source,
                       std::uint32_t line) {
    const Entry entry{&series, index, source, line};
    if (!selectors_->empty() &&
        (!selectors_->MayMatchName(series.name()) ||
         !selectors_->Matches(
             series.name(),
             merger_.Merge(series.labels(), IdentityOf(entry))))) {
      return;
    }
    // Legal, so that names which are shown as one are one family.
    families_[exposition::ToMetricName(series.family())].push_back(entry);
  };
  for (std::uint32_t i = 0; i < node.data.answered.size(); ++i) {
    add(*node.data.answered[i].series, 0, i);
  }
  for (std::uint32_t f = 0; f < node.data.frames.size(); ++f) {
    const recorder::SourceFrame& frame = node.data.frames[f];
    node.sources.emplace_back(frame.source_name, frame.container_name);
    for (std::uint32_t i = 0; i < frame.series->size(); ++i) {
      add(*(*frame.series)[i], f, i);
    }
  }
  if (!node.data.snapshot) return;
  const recorder::Snapshot::SeriesReader& reader = ReaderOf(index);
  for (std::uint32_t i = 0; i < reader.size(); ++i) {
    const recorder::SeriesView view = reader.series(i);
    std::uint32_t s = 0;
    while (s < node.sources.size() &&
           (node.sources[s].first != view.source_name ||
            node.sources[s].second != view.container_name)) {
      ++s;
    }
    if (s == node.sources.size()) {
      node.sources.emplace_back(view.source_name, view.container_name);
    }
    add(*view.series, s, i);
  }
}

recorder::Snapshot::SeriesReader& WindowOpenMetrics::ReaderOf(
    std::uint32_t index) {
  const auto at = std::find(open_.begin(), open_.end(), index);
  if (at != open_.end()) {
    open_.erase(at);
  } else {
    if (open_.size() == kOpenNodes) {
      nodes_[open_.front()]->reader.reset();
      open_.erase(open_.begin());
    }
    ++opened_;
    // The same snapshot and range give the same series in the same order.
    nodes_[index]->reader = nodes_[index]->data.snapshot->OpenSeriesReader(
        {window_.from_unix_ms, window_.to_unix_ms}, nullptr);
  }
  open_.push_back(index);
  return *nodes_[index]->reader;
}

void WindowOpenMetrics::PlanAhead() {
  for (const auto& [name, entries] : families_) {
    for (const Entry& e : entries) {
      Node& node = *nodes_[e.node];
      if (node.data.snapshot) node.plan.push_back(e.line);
    }
  }
}

void WindowOpenMetrics::TakeAhead(const Entry& entry, std::uint32_t line) {
  Node& node = *nodes_[entry.node];
  auto it = node.ahead.find(entry.line);
  if (it == node.ahead.end()) {
    // It is one of this family, so it comes soon in the plan.
    recorder::Snapshot::SeriesReader& reader = ReaderOf(entry.node);
    const std::size_t share = kAheadBytes / 16 / nodes_.size();
    std::size_t points = 0;
    bool found = false;
    while (node.planned < node.plan.size() && (!found || points < share)) {
      const std::uint32_t next = node.plan[node.planned++];
      std::span<const std::int64_t> times;
      std::span<const double> values;
      reader.Read(next, &times, &values);
      node.ahead[next] = {{times.begin(), times.end()},
                          {values.begin(), values.end()}};
      points += values.size() + 4;
      found |= next == entry.line;
    }
    node.reader.reset();
    std::erase(open_, entry.node);
    it = node.ahead.find(entry.line);
    if (it == node.ahead.end()) return;
  }
  const Node::Points& points = it->second;
  for (std::size_t i = 0; i < points.values.size(); ++i) {
    points_.push_back({points.unix_ms[i], line, points.values[i]});
  }
  node.ahead.erase(it);
}

void WindowOpenMetrics::BeginFamily(std::string* out) {
  const std::string& name = family_->first;
  entries_ = family_->second;
  MetricType type = MetricType::kUnknown;
  std::string_view help;
  std::string_view unit;
  bool all_total = true;
  for (const Entry& e : entries_) {
    if (type == MetricType::kUnknown) type = e.series->type();
    if (help.empty()) help = e.series->help();
    if (unit.empty()) unit = e.series->unit();
    all_total &= e.series->name().ends_with("_total") ||
                 e.series->name().ends_with("_created");
  }
  // A counter x has samples x_total; what text 0.0.4 calls the counter x_total
  // is that. A counter of any other name is none to OpenMetrics.
  std::string_view shown = name;
  if (type == MetricType::kCounter) {
    if (!all_total) {
      type = MetricType::kUnknown;
    } else if (shown.ends_with("_total")) {
      shown.remove_suffix(6);
      if (families_.contains(shown)) {
        shown = name;
        type = MetricType::kUnknown;
      }
    }
  }
  AppendFamilyHead(out, exposition::Format::kOpenMetrics,
                   {.name = shown, .type = type, .help = help, .unit = unit});

  struct Ordered {
    Entry entry;
    ComponentOrder order;
    bool single = true;
  };
  std::vector<Ordered> ordered;
  for (const Entry& e : entries_) {
    ordered.push_back(
        {e, OrderInFamily(e.series->name(), e.series->labels(), name, type)});
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const Ordered& a, const Ordered& b) {
                     return std::tie(a.entry.node, a.entry.source, a.order) <
                            std::tie(b.entry.node, b.entry.source, b.order);
                   });
  const auto same_source = [](const Entry& a, const Entry& b) {
    return a.node == b.node && a.source == b.source;
  };
  for (std::size_t i = 0; i + 1 < ordered.size(); ++i) {
    Ordered& a = ordered[i];
    Ordered& b = ordered[i + 1];
    if (same_source(a.entry, b.entry) && a.order.others == b.order.others) {
      a.single = b.single = false;
    }
  }
  entries_.clear();
  groups_.clear();
  group_ = 0;
  for (std::uint32_t i = 0; i < ordered.size(); ++i) {
    const Ordered& now = ordered[i];
    const bool joins =
        i > 0 && same_source(ordered[i - 1].entry, now.entry) &&
        ordered[i - 1].single == now.single &&
        (now.single || ordered[i - 1].order.others == now.order.others);
    if (!joins) groups_.push_back({i, i, now.single});
    groups_.back().end = i + 1;
    entries_.push_back(now.entry);
  }
}

std::string WindowOpenMetrics::LineOf(const Entry& entry) {
  Line line;
  const exposition::Identity& identity = IdentityOf(entry);
  LineCache::Build(*entry.series, identity, &merger_, &line);
  std::string text(
      line.text_bytes + identity.text_bytes() + exposition::kCopySlack, '\0');
  const char* end = AppendLine(text.data(), line, identity);
  text.resize(static_cast<std::size_t>(end - text.data()));
  return text;
}

void WindowOpenMetrics::Load(const Entry& entry, std::uint32_t line) {
  const OpenMetricsNode& data = nodes_[entry.node]->data;
  lines_.push_back(LineOf(entry));
  if (data.snapshot && ReadsAhead()) {
    TakeAhead(entry, line);
  } else if (data.snapshot) {
    std::span<const std::int64_t> times;
    std::span<const double> values;
    ReaderOf(entry.node).Read(entry.line, &times, &values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      points_.push_back({times[i], line, values[i]});
    }
  } else if (!data.answered.empty()) {
    const AnsweredSeries& s = data.answered[entry.line];
    for (std::size_t i = 0; i < s.values.size(); ++i) {
      points_.push_back({s.unix_ms[i], line, s.values[i]});
    }
  } else {
    const recorder::SourceFrame& frame = data.frames[entry.source];
    points_.push_back({frame.time.unix_ms, line, frame.values[entry.line]});
  }
}

void WindowOpenMetrics::BeginGroup() {
  const Group& group = groups_[group_];
  in_group_ = true;
  next_single_ = group.begin;
  lines_.clear();
  points_.clear();
  point_ = 0;
  if (group.singles) return;
  for (std::uint32_t i = group.begin; i < group.end; ++i) {
    Load(entries_[i], i - group.begin);
  }
  std::stable_sort(
      points_.begin(), points_.end(), [](const Point& a, const Point& b) {
        return std::tie(a.unix_ms, a.line) < std::tie(b.unix_ms, b.line);
      });
}

void WindowOpenMetrics::AppendPoint(const std::string& line, double value,
                                    std::int64_t unix_ms, std::string* out) {
  out->append(line);
  exposition::AppendNumber(out, value);
  out->push_back(' ');
  AppendSeconds(unix_ms, out);
  out->push_back('\n');
}

bool WindowOpenMetrics::AppendGroup(std::string* out, std::size_t stop) {
  const Group& group = groups_[group_];
  for (;;) {
    for (; point_ < points_.size(); ++point_) {
      if (out->size() >= stop) return true;
      const Point& p = points_[point_];
      AppendPoint(lines_[p.line], p.value, p.unix_ms, out);
    }
    if (!group.singles || next_single_ == group.end) return false;
    lines_.clear();
    points_.clear();
    point_ = 0;
    Load(entries_[next_single_++], 0);
  }
}

bool WindowOpenMetrics::Append(std::string* out, std::size_t max_bytes) {
  const std::size_t stop = out->size() + max_bytes;
  if (cataloged_ < nodes_.size()) {
    Catalog(cataloged_++);
    return true;
  }
  if (!std::exchange(in_families_, true)) {
    if (ReadsAhead()) PlanAhead();
    family_ = families_.begin();
    if (family_ != families_.end()) BeginFamily(out);
  }
  while (family_ != families_.end()) {
    while (group_ < groups_.size()) {
      if (!in_group_) BeginGroup();
      if (AppendGroup(out, stop)) return true;
      in_group_ = false;
      ++group_;
      if (out->size() >= stop) return true;
    }
    if (++family_ != families_.end()) BeginFamily(out);
  }
  out->append("# EOF\n");
  return false;
}

}  // namespace fodc::api
