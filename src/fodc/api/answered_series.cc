// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/answered_series.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/exposition/identity.h"
#include "fodc/exposition/shown_family.h"

namespace fodc::api {
namespace {

using exposition::MetricType;

}  // namespace

void TypedFamilies::Add(const fleet::MetricsAnswer& answer) {
  for (const fleet::MetricSample& s : answer.samples) {
    if (s.type == MetricType::kUnknown) continue;
    std::string_view name = s.name;
    if (exposition::HasComponents(s.type)) {
      const std::string_view base = exposition::WithoutComponentSuffix(name);
      if (!base.empty()) name = base;
    }
    if (names_.find(name) == names_.end()) names_.emplace(name);
  }
}

std::string_view TypedFamilies::FamilyOf(const fleet::MetricSample& sample,
                                         MetricType* type) const {
  const std::string_view name = sample.name;
  const std::string_view base = exposition::WithoutComponentSuffix(name);
  *type = sample.type;
  if (sample.type != MetricType::kUnknown) {
    return exposition::HasComponents(sample.type) && !base.empty() ? base
                                                                   : name;
  }
  if (names_.contains(name)) return name;
  if (base.empty()) {
    *type = MetricType::kGauge;
    return name;
  }
  if (!names_.contains(base)) *type = MetricType::kHistogram;
  return base;
}

ComponentOrder OrderInFamily(std::string_view name,
                             std::string_view canonical_labels,
                             std::string_view family, MetricType type) {
  ComponentOrder out;
  out.labels = canonical_labels;
  if (!exposition::HasComponents(type)) {
    // x_total and x_created of one counter stay together.
    out.others = canonical_labels;
    out.component = name.ends_with("_created") ? 1 : 0;
    return out;
  }
  std::vector<exposition::Label> labels;
  std::vector<std::string> unescaped;
  exposition::ParseCanonicalLabels(canonical_labels, &labels, &unescaped);
  out.bound = std::numeric_limits<double>::infinity();
  for (const exposition::Label& label : labels) {
    if (label.name == "le" || label.name == "quantile") {
      out.bound = ParseDouble(label.value)
                      .value_or(std::numeric_limits<double>::infinity());
      if (!(out.bound == out.bound)) out.bound = 0;
    } else {
      out.others.append(label.name).append("=");
      out.others.append(label.value).push_back('\0');
    }
  }
  const std::string_view suffix =
      name.size() > family.size() ? name.substr(family.size()) : "";
  out.component = suffix.empty() || suffix == "_bucket"       ? 0
                  : suffix == "_sum" || suffix == "_gsum"     ? 1
                  : suffix == "_count" || suffix == "_gcount" ? 2
                                                              : 3;
  return out;
}

std::vector<AnsweredSeries> SeriesOfAnswer(
    const fleet::MetricsAnswer& answer, const TypedFamilies& families,
    const std::function<bool(const fleet::MetricSample&)>& takes,
    recorder::SeriesPool* pool) {
  // By identity alone: what samples say of help and type may differ.
  std::map<std::pair<std::string_view, std::string>, std::size_t> found;
  struct Item {
    AnsweredSeries series;
    ComponentOrder order;
  };
  std::vector<Item> items;
  std::vector<exposition::Label> labels;
  std::string text;
  for (const fleet::MetricSample& s : answer.samples) {
    if (takes && !takes(s)) continue;
    labels.clear();
    for (const auto& [name, value] : s.labels) labels.push_back({name, value});
    text.clear();
    exposition::AppendCanonicalLabels(&text, labels);
    const auto [it, fresh] = found.try_emplace({s.name, text}, items.size());
    if (fresh) {
      MetricType type = MetricType::kUnknown;
      const std::string_view family = families.FamilyOf(s, &type);
      Item item;
      item.series.series =
          pool->Intern({s.name, labels, family, type, s.help, {}});
      item.order = OrderInFamily(s.name, text, family, type);
      items.push_back(std::move(item));
    }
    AnsweredSeries& series = items[it->second].series;
    series.unix_ms.push_back(s.unix_ms);
    series.values.push_back(s.value);
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return std::tuple(a.series.series->family(), std::cref(a.order),
                      a.series.series->name()) <
           std::tuple(b.series.series->family(), std::cref(b.order),
                      b.series.series->name());
  });
  std::vector<AnsweredSeries> out;
  out.reserve(items.size());
  for (Item& item : items) {
    AnsweredSeries& s = item.series;
    if (!std::is_sorted(s.unix_ms.begin(), s.unix_ms.end())) {
      std::vector<std::pair<std::int64_t, double>> points;
      for (std::size_t i = 0; i < s.values.size(); ++i) {
        points.emplace_back(s.unix_ms[i], s.values[i]);
      }
      std::stable_sort(
          points.begin(), points.end(),
          [](const auto& a, const auto& b) { return a.first < b.first; });
      for (std::size_t i = 0; i < points.size(); ++i) {
        s.unix_ms[i] = points[i].first;
        s.values[i] = points[i].second;
      }
    }
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace fodc::api
