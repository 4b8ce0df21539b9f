// SPDX-License-Identifier: Apache-2.0
// A program's own metrics, over prometheus-cpp core. They are collected as
// plain families, which the exposition writer renders in either format.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/exposition/metric.h"

namespace fodc::program {

using OwnLabels = std::vector<std::pair<std::string, std::string>>;

// One line of a page.
struct OwnSample {
  std::string name;    // the family's, with _bucket, _sum, _count
  OwnLabels labels{};  // sorted by name, but for `le`, which is last
  double value = 0;
};

struct OwnFamily {
  std::string name;
  exposition::MetricType type = exposition::MetricType::kGauge;
  std::string help{};
  std::vector<OwnSample> samples{};
};

// Handles live as long as their OwnMetrics and are cheap to copy. Thread-safe.
class Counter {
 public:
  Counter() = default;            // counts nothing
  void Add(double by = 1) const;  // not negative
  double value() const;
  explicit Counter(void* counter) : counter_(counter) {}

 private:
  void* counter_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  void Set(double value) const;
  double value() const;
  explicit Gauge(void* gauge) : gauge_(gauge) {}

 private:
  void* gauge_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  void Observe(double value) const;
  explicit Histogram(void* histogram) : histogram_(histogram) {}

 private:
  void* histogram_ = nullptr;
};

// Thread-safe.
class OwnMetrics {
 public:
  OwnMetrics();
  ~OwnMetrics();
  OwnMetrics(const OwnMetrics&) = delete;
  OwnMetrics& operator=(const OwnMetrics&) = delete;

  // The same name and labels give the same handle again. A name has one type
  // and one help: another one aborts.
  Counter AddCounter(const std::string& name, const std::string& help,
                     const OwnLabels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help,
                 const OwnLabels& labels = {});
  // `bounds` ascend; +Inf is added.
  Histogram AddHistogram(const std::string& name, const std::string& help,
                         const std::vector<double>& bounds,
                         const OwnLabels& labels = {});

  // Values that are kept elsewhere: called by Collect, on its thread. Families
  // of one name, from several callbacks, are joined.
  void AddCallback(std::function<void(std::vector<OwnFamily>*)> collect);
  void AddCallback(const std::string& name, exposition::MetricType type,
                   const std::string& help, std::function<double()> value);

  // `<prefix>_build_info{version=...} 1`.
  void AddBuildInfo(const std::string& prefix);

  // Sorted by name; families without samples are left out.
  std::vector<OwnFamily> Collect() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What /proc/self says: process_cpu_seconds_total,
// process_resident_memory_bytes, process_virtual_memory_bytes,
// process_open_fds, process_max_fds, process_threads,
// process_start_time_seconds. What cannot be read is left out.
void CollectProcessMetrics(std::vector<OwnFamily>* out);

}  // namespace fodc::program
