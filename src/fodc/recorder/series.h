// SPDX-License-Identifier: Apache-2.0
// Series as a recording keeps them: interned once, shared by every chunk and,
// at the proxy, by every agent that exposes the same series.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/exposition/metric.h"

namespace fodc::recorder {

class SeriesPool;

namespace series_internal {

struct PoolCore;

// What all series of one name share. Its text follows it in memory.
struct NameRecord {
  PoolCore* core;
  std::uint64_t hash;
  std::uint32_t refs;  // guarded by the pool's mutex
  exposition::MetricType type;
  std::uint32_t name_size;
  std::uint32_t family_size;
  std::uint32_t help_size;
  std::uint32_t unit_size;
  bool family_begins_name;  // then the family's text is not stored again

  const char* text() const { return reinterpret_cast<const char*>(this + 1); }
};

}  // namespace series_internal

// One interned series: immutable, reference-counted, never moved. Equal
// pointers of one pool are equal series: same name, labels, family, type, help
// and unit.
// Identity labels (pod_name, node_role, ...) are not part of it: they belong to
// the recording and to its sources and are merged when a series is shown.
class Series {
 public:
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;

  std::string_view name() const {
    return {record_->text(), record_->name_size};
  }
  // Canonical text (exposition::AppendCanonicalLabels), without braces.
  std::string_view labels() const {
    return {reinterpret_cast<const char*>(this + 1), labels_size_};
  }
  std::string_view family() const {
    return {record_->text() +
                (record_->family_begins_name ? 0 : record_->name_size),
            record_->family_size};
  }
  exposition::MetricType type() const { return record_->type; }
  std::string_view help() const;
  std::string_view unit() const;
  // Of name and labels alone. Differs from pool to pool.
  std::uint64_t hash() const { return hash_; }

 private:
  friend class SeriesPool;
  friend class SeriesRef;
  friend struct series_internal::PoolCore;
  Series(series_internal::NameRecord* record, std::uint64_t hash,
         std::uint32_t labels_size)
      : record_(record), hash_(hash), labels_size_(labels_size) {}

  void AddRef() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void Release() const;

  series_internal::NameRecord* record_;
  std::uint64_t hash_;
  mutable std::atomic<std::uint32_t> refs_{0};
  std::uint32_t labels_size_;
  // The text of the labels follows.
};

// Shares a Series. Safe to copy and drop on any thread; 8 bytes.
class SeriesRef {
 public:
  SeriesRef() = default;
  explicit SeriesRef(const Series* series) : series_(series) {
    if (series_ != nullptr) series_->AddRef();
  }
  SeriesRef(const SeriesRef& other) : SeriesRef(other.series_) {}
  SeriesRef(SeriesRef&& other) noexcept
      : series_(std::exchange(other.series_, nullptr)) {}
  SeriesRef& operator=(SeriesRef other) noexcept {
    std::swap(series_, other.series_);
    return *this;
  }
  ~SeriesRef() {
    if (series_ != nullptr) series_->Release();
  }

  const Series* get() const { return series_; }
  const Series& operator*() const { return *series_; }
  const Series* operator->() const { return series_; }
  explicit operator bool() const { return series_ != nullptr; }
  friend bool operator==(const SeriesRef&, const SeriesRef&) = default;

 private:
  const Series* series_ = nullptr;
};

}  // namespace fodc::recorder
