// SPDX-License-Identifier: Apache-2.0
#include "memory_sampler.h"

#include <utility>

#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

// For so long all threads that allocate may wait.
constexpr std::chrono::milliseconds kTooSlow{20};

class RealSampler final : public MemorySampler {
 public:
  RealSampler(MemoryGauge gauge, const Clock& clock)
      : gauge_(std::move(gauge)), clock_(clock) {}

  Status Choose(MemorySource source) {
    is_auto_ = source == MemorySource::kAuto;
    source_ = is_auto_ ? Best() : source;
    if (source_ == MemorySource::kRss) return OkStatus();
    if (source_ == MemorySource::kCgroup) {
      if (is_auto_ || gauge_.ReadCharge()) return OkStatus();
      return NotFound(StrCat("memory source cgroup: this process has none: ",
                             gauge_.last_error().message()));
    }
    heap_ = FindHeap(source_);
    if (heap_ != nullptr) return OkStatus();
    return NotFound(StrCat("memory source ", MemorySourceName(source_),
                           ": this process does not have that allocator"));
  }

  Sample Read() override {
    Sample s;
    s.cgroup_bytes = gauge_.ReadCharge();
    if (source_ == MemorySource::kCgroup && !s.cgroup_bytes) {
      error_ = gauge_.last_error();
    }
    s.rss_bytes = gauge_.ReadResident();
    if (source_ == MemorySource::kRss && !s.rss_bytes) {
      error_ = gauge_.last_error();
    }
    if (heap_ != nullptr) {
      ReadHeap(&s);
    } else {
      s.bytes = source_ == MemorySource::kCgroup ? s.cgroup_bytes : s.rss_bytes;
    }
    return s;
  }

  Status last_error() const override { return error_; }
  MemorySource source() const override { return source_; }

  bool FallBack() override {
    const MemorySource before = source_;
    if (heap_ != nullptr) {
      heap_.reset();
      is_auto_ = true;
      source_ = Best();
    } else if (is_auto_) {
      source_ = MemorySource::kRss;
      has_fallen_back_ = true;
    }
    return source_ != before;
  }

  void ReadLimits() override {
    gauge_.ReadLimits();
    if (is_auto_ && !has_fallen_back_) source_ = Best();
  }
  std::uint64_t limit_bytes() const override { return gauge_.limit_bytes(); }
  bool has_cgroup_limit() const override { return gauge_.has_cgroup_limit(); }
  std::optional<CgroupDirectory> group() const override {
    return gauge_.group();
  }
  std::optional<CgroupDirectory> unified_group() const override {
    return gauge_.place() ? gauge_.place()->unified : std::nullopt;
  }

 private:
  MemorySource Best() const {
    return gauge_.has_cgroup_limit() ? MemorySource::kCgroup
                                     : MemorySource::kRss;
  }

  void ReadHeap(Sample* s) {
    const MonotonicTime before = clock_.Monotonic();
    s->bytes = heap_->ReadInUse();
    if (!s->bytes) error_ = Unavailable("the allocator does not tell");
    s->too_slow = source_ == MemorySource::kHeapGlibc &&
                  clock_.Monotonic() - before > kTooSlow;
  }

  MemoryGauge gauge_;
  const Clock& clock_;
  bool is_auto_ = false;
  bool has_fallen_back_ = false;
  MemorySource source_ = MemorySource::kRss;
  std::unique_ptr<Heap> heap_;
  Status error_;
};

}  // namespace

Result<std::unique_ptr<MemorySampler>> MakeMemorySampler(
    MemorySource source, const Clock& clock, const MemoryGaugeOptions& gauge) {
  FODC_ASSIGN_OR_RETURN(MemoryGauge opened, MemoryGauge::Open(gauge));
  auto sampler = std::make_unique<RealSampler>(std::move(opened), clock);
  FODC_RETURN_IF_ERROR(sampler->Choose(source));
  return std::unique_ptr<MemorySampler>(std::move(sampler));
}

}  // namespace fodc::guard
