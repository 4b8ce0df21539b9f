// SPDX-License-Identifier: Apache-2.0
// The numbers of the library, as a text page for Prometheus or sample by sample
// for the host's own registry. All of docs/reference/guard-metrics.md are there
// from the start: counters at 0, whether the part that counts is used or not.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::guard {

// Only rises. Thread-safe, no lock.
class Counter {
 public:
  void Add(std::uint64_t n = 1) noexcept {
    value_.fetch_add(n, std::memory_order_relaxed);
  }
  std::uint64_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Thread-safe, no lock.
class Gauge {
 public:
  void Set(double value) noexcept {
    value_.store(value, std::memory_order_relaxed);
  }
  void Add(double value) noexcept {
    value_.fetch_add(value, std::memory_order_relaxed);
  }
  // Not shown until it is set again.
  void Clear() noexcept;
  double value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<double> value_{0};
};

// Cumulative buckets, as Prometheus has them. Thread-safe, no lock: a reader
// may see an observation in the count and not yet in the sum.
class Histogram {
 public:
  static constexpr std::size_t kMaxBounds = 24;

  // `bounds` rise, in base units; those beyond kMaxBounds are dropped.
  explicit Histogram(std::span<const double> bounds) noexcept;
  void Observe(double value) noexcept;

  std::span<const double> bounds() const noexcept { return {bounds_, size_}; }
  // Of observations at or below bound `i`; bounds().size() for all of them.
  std::uint64_t CountUpTo(std::size_t i) const noexcept;
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  double bounds_[kMaxBounds] = {};
  std::size_t size_ = 0;
  std::atomic<std::uint64_t> counts_[kMaxBounds + 1] = {};
  std::atomic<double> sum_{0};
};

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

struct MetricLabel {
  std::string_view name;
  std::string_view value;
};

// Gets a family, then its samples. Names and labels live until the call
// returns.
class MetricVisitor {
 public:
  virtual ~MetricVisitor() = default;
  virtual void Family(std::string_view name, std::string_view help,
                      MetricType type) = 0;
  // `name` has the suffix of the sample: _bucket (with the label `le`), _sum
  // and _count of a histogram.
  virtual void Sample(std::string_view name,
                      std::span<const MetricLabel> labels, double value) = 0;
};

// Families and their series. One object serves all parts of the library in a
// process, and the host's own numbers if it likes. It must outlive them.
// Thread-safe. Finding a series takes a lock; what was found lives as long as
// the object and costs one atomic operation a time.
class Metrics {
 public:
  // Errors: kResourceExhausted without memory.
  static Result<std::unique_ptr<Metrics>> Create() noexcept;
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A family of the host's own. A second time with the same type is success.
  // Errors: kInvalidArgument for a name that Prometheus does not allow;
  // kAlreadyExists if the name has another type; kResourceExhausted.
  Status Declare(std::string_view name, std::string_view help,
                 MetricType type) noexcept;

  // The series of the family with these labels; made, with 0, if need be.
  // Errors: kNotFound for a family that was not declared; kInvalidArgument for
  // another type or a label's name; kResourceExhausted beyond
  // kMaxSeriesOfFamily and without memory.
  Result<Counter*> FindCounter(
      std::string_view family,
      std::initializer_list<MetricLabel> labels = {}) noexcept;
  Result<Gauge*> FindGauge(
      std::string_view family,
      std::initializer_list<MetricLabel> labels = {}) noexcept;
  // `bounds` count only when the series is made.
  Result<Histogram*> FindHistogram(
      std::string_view family, std::span<const double> bounds,
      std::initializer_list<MetricLabel> labels = {}) noexcept;

  // Families by name; what the visitor throws goes through. It may find series,
  // which this visit does not show.
  void Visit(MetricVisitor* visitor) const;

  // Prometheus text 0.0.4. Errors: kResourceExhausted without memory.
  Status AppendTextPage(std::string* out) const noexcept;

  static constexpr std::size_t kMaxSeriesOfFamily = 1000;

 private:
  struct Impl;
  explicit Metrics(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::guard
