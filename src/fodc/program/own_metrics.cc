// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/own_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/program/version.h"

namespace fodc::program {
namespace {

using exposition::MetricType;

MetricType TypeOf(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return MetricType::kCounter;
    case prometheus::MetricType::Histogram:
      return MetricType::kHistogram;
    case prometheus::MetricType::Summary:
      return MetricType::kSummary;
    case prometheus::MetricType::Untyped:
      return MetricType::kUntyped;
    default:
      return MetricType::kGauge;
  }
}

std::string FormatBound(double v) {
  if (std::isinf(v)) return "+Inf";
  char buffer[32];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
  return {buffer, r.ptr};
}

void AppendSamples(const std::string& name, prometheus::MetricType type,
                   const prometheus::ClientMetric& m, OwnFamily* out) {
  OwnLabels labels;
  for (const auto& l : m.label) labels.emplace_back(l.name, l.value);
  std::sort(labels.begin(), labels.end());
  if (type == prometheus::MetricType::Counter) {
    out->samples.push_back({name, std::move(labels), m.counter.value});
    return;
  }
  if (type != prometheus::MetricType::Histogram) {
    out->samples.push_back({name, std::move(labels), m.gauge.value});
    return;
  }
  for (const auto& b : m.histogram.bucket) {
    OwnLabels with_bound = labels;
    with_bound.emplace_back("le", FormatBound(b.upper_bound));
    out->samples.push_back({name + "_bucket", std::move(with_bound),
                            static_cast<double>(b.cumulative_count)});
  }
  out->samples.push_back({name + "_sum", labels, m.histogram.sample_sum});
  out->samples.push_back(
      {name + "_count", labels, static_cast<double>(m.histogram.sample_count)});
}

prometheus::Labels ToMap(const OwnLabels& labels) {
  return {labels.begin(), labels.end()};
}

}  // namespace

struct OwnMetrics::Impl {
  prometheus::Registry registry;
  struct Kept {
    MetricType type;
    std::string help;
    void* family;
  };
  mutable Mutex mutex;
  std::map<std::string, Kept> families FODC_GUARDED_BY(mutex);
  std::vector<std::function<void(std::vector<OwnFamily>*)>> callbacks
      FODC_GUARDED_BY(mutex);

  // The family of that name, made by `build` if it is new.
  template <typename Metric, typename Build>
  prometheus::Family<Metric>& FamilyOf(const std::string& name,
                                       const std::string& help, MetricType type,
                                       Build build) FODC_REQUIRES(mutex) {
    auto it = families.find(name);
    if (it == families.end()) {
      auto& family = build().Name(name).Help(help).Register(registry);
      it = families.emplace(name, Kept{type, help, &family}).first;
    }
    FODC_CHECK(it->second.type == type && it->second.help == help);
    return *static_cast<prometheus::Family<Metric>*>(it->second.family);
  }
};

OwnMetrics::OwnMetrics() : impl_(std::make_unique<Impl>()) {}
OwnMetrics::~OwnMetrics() = default;

Counter OwnMetrics::AddCounter(const std::string& name, const std::string& help,
                               const OwnLabels& labels) {
  MutexLock lock(impl_->mutex);
  return Counter(&impl_
                      ->FamilyOf<prometheus::Counter>(name, help,
                                                      MetricType::kCounter,
                                                      prometheus::BuildCounter)
                      .Add(ToMap(labels)));
}

Gauge OwnMetrics::AddGauge(const std::string& name, const std::string& help,
                           const OwnLabels& labels) {
  MutexLock lock(impl_->mutex);
  return Gauge(&impl_
                    ->FamilyOf<prometheus::Gauge>(
                        name, help, MetricType::kGauge, prometheus::BuildGauge)
                    .Add(ToMap(labels)));
}

Histogram OwnMetrics::AddHistogram(const std::string& name,
                                   const std::string& help,
                                   const std::vector<double>& bounds,
                                   const OwnLabels& labels) {
  MutexLock lock(impl_->mutex);
  return Histogram(
      &impl_
           ->FamilyOf<prometheus::Histogram>(name, help, MetricType::kHistogram,
                                             prometheus::BuildHistogram)
           .Add(ToMap(labels), bounds));
}

void Counter::Add(double by) const {
  if (counter_) static_cast<prometheus::Counter*>(counter_)->Increment(by);
}
double Counter::value() const {
  return counter_ ? static_cast<prometheus::Counter*>(counter_)->Value() : 0;
}
void Gauge::Set(double value) const {
  if (gauge_) static_cast<prometheus::Gauge*>(gauge_)->Set(value);
}
double Gauge::value() const {
  return gauge_ ? static_cast<prometheus::Gauge*>(gauge_)->Value() : 0;
}
void Histogram::Observe(double value) const {
  if (histogram_) {
    static_cast<prometheus::Histogram*>(histogram_)->Observe(value);
  }
}

void OwnMetrics::AddCallback(
    std::function<void(std::vector<OwnFamily>*)> collect) {
  MutexLock lock(impl_->mutex);
  impl_->callbacks.push_back(std::move(collect));
}

void OwnMetrics::AddCallback(const std::string& name, MetricType type,
                             const std::string& help,
                             std::function<double()> value) {
  AddCallback([=, v = std::move(value)](std::vector<OwnFamily>* out) {
    out->push_back({name, type, help, {{name, {}, v()}}});
  });
}

void OwnMetrics::AddBuildInfo(const std::string& prefix) {
  AddGauge(prefix + "_build_info",
           "Always 1; the label says which version runs.",
           {{"version", Version()}})
      .Set(1);
}

std::vector<OwnFamily> OwnMetrics::Collect() const {
  std::vector<OwnFamily> all;
  for (const prometheus::MetricFamily& f : impl_->registry.Collect()) {
    OwnFamily family{f.name, TypeOf(f.type), f.help};
    for (const auto& m : f.metric) AppendSamples(f.name, f.type, m, &family);
    all.push_back(std::move(family));
  }
  // Copied: a callback may take its time, and may add others.
  std::vector<std::function<void(std::vector<OwnFamily>*)>> callbacks;
  {
    MutexLock lock(impl_->mutex);
    callbacks = impl_->callbacks;
  }
  for (const auto& callback : callbacks) callback(&all);
  std::stable_sort(
      all.begin(), all.end(),
      [](const OwnFamily& a, const OwnFamily& b) { return a.name < b.name; });
  std::vector<OwnFamily> out;
  for (OwnFamily& f : all) {
    if (f.samples.empty()) continue;
    if (!out.empty() && out.back().name == f.name) {
      auto& samples = out.back().samples;
      samples.insert(samples.end(), std::make_move_iterator(f.samples.begin()),
                     std::make_move_iterator(f.samples.end()));
    } else {
      out.push_back(std::move(f));
    }
  }
  return out;
}

}  // namespace fodc::program
