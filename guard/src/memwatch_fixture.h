// SPDX-License-Identifier: Apache-2.0
// A watchdog on a scripted source and a clock that its waits move.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event_log.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/guard/memwatch.h"
#include "memwatch_impl.h"

namespace fodc::guard {

using namespace std::chrono_literals;  // NOLINT: tests only

inline constexpr std::uint64_t kMib = 1 << 20;

// What the sampler gives, one after the other; the last for ever.
struct Script {
  // Of an auto source under a cgroup limit. Nothing: the sample fails.
  std::vector<std::optional<std::uint64_t>> mib;
  std::vector<std::uint64_t> limits_mib = {1000};  // one per ReadLimits
  MemorySource source = MemorySource::kCgroup;
  bool can_fall_back = true;
  bool too_slow = false;
  bool has_cgroup_limit = true;
  // A sample that fails throws, as for want of memory.
  bool throws = false;
};

class ScriptedSampler final : public MemorySampler {
 public:
  explicit ScriptedSampler(Script script) : script_(std::move(script)) {}

  Sample Read() override {
    const std::size_t i = std::min(reads_++, script_.mib.size() - 1);
    Sample s;
    if (source() == MemorySource::kRss) {
      s.bytes = 7 * kMib;
    } else if (script_.mib[i]) {
      s.bytes = *script_.mib[i] * kMib;
    } else if (script_.throws) {
      throw std::bad_alloc();
    }
    s.too_slow = script_.too_slow && source() == MemorySource::kHeapGlibc;
    return s;
  }
  Kernel ReadKernel() override { return {7 * kMib, {}}; }
  Status last_error() const override { return DataLoss("stat is damaged"); }
  MemorySource source() const override {
    return fell_back_ ? MemorySource::kRss : script_.source;
  }
  bool FallBack() override {
    if (!script_.can_fall_back || fell_back_) return false;
    return fell_back_ = true;
  }
  void ReadLimits() override {
    if (limit_ + 1 < script_.limits_mib.size()) ++limit_;
  }
  std::uint64_t limit_bytes() const override {
    return script_.limits_mib[limit_] * kMib;
  }
  bool has_cgroup_limit() const override { return script_.has_cgroup_limit; }
  std::optional<CgroupDirectory> group() const override {
    return CgroupDirectory{
        .version = CgroupVersion::kV1, .mount = "/m", .path = "/m/g"};
  }
  std::optional<CgroupDirectory> unified_group() const override { return {}; }

 private:
  Script script_;
  std::size_t reads_ = 0;
  std::size_t limit_ = 0;
  bool fell_back_ = false;
};

// Moves the clock instead of waiting; after so many waits it is stopped.
class FakeWaiter final : public WatchWaiter {
 public:
  FakeWaiter(FakeClock* clock, std::size_t waits,
             std::vector<std::string>* calls, std::vector<std::string>* quiets)
      : clock_(clock), waits_(waits), calls_(calls), quiets_(quiets) {}
  Woke Wait(std::chrono::nanoseconds at_most,
            std::chrono::nanoseconds quiet) override {
    if (stopped_ || waits_ == 0) return Woke::kStop;
    --waits_;
    calls_->push_back(FormatGoDuration(at_most));
    quiets_->push_back(FormatGoDuration(quiet));
    clock_->Advance(at_most);
    return Woke::kTime;
  }
  void Stop() override { stopped_ = true; }
  Status WatchGroup(const CgroupDirectory& group, std::uint64_t soft_bytes,
                    std::uint64_t hard_bytes) override {
    calls_->push_back(
        StrCat(group.path, " ", soft_bytes / kMib, " ", hard_bytes / kMib));
    return OkStatus();
  }
  Result<std::string> WatchStalls(
      const std::optional<CgroupDirectory>&) override {
    return Unimplemented("no PSI");
  }

 private:
  FakeClock* clock_;
  std::size_t waits_;
  std::vector<std::string>* calls_;
  std::vector<std::string>* quiets_;
  std::atomic<bool> stopped_{false};
};

class MemwatchTest : public ::testing::Test {
 protected:
  MemwatchTest() {
    options_.hard.percent = 90;
    options_.on_pressure = [this](const MemoryState& s) {
      ++fired_;
      state_ = s;
    };
    options_.deadline = 0s;
    options_.reserve_bytes = 1;
    options_.kernel_events = false;
    options_.events = log_.sink();
    options_.metrics = metrics_.get();
    options_.clock = &clock_;
  }
  Result<std::unique_ptr<Memwatch>> Make(Script script,
                                         std::size_t waits = 1000) {
    return MakeMemwatch(
        options_, std::make_unique<ScriptedSampler>(std::move(script)),
        std::make_unique<FakeWaiter>(&clock_, waits, &calls_, &quiets_));
  }
  // Until it fires or has waited so many times.
  void Run(Script script, std::size_t waits = 1000) {
    auto watch = Make(std::move(script), waits);
    ASSERT_THAT(watch, IsOk());
    ASSERT_THAT((*watch)->Start(), IsOk());
    (*watch)->WaitDone();
    (*watch)->Stop();
    last_ = (*watch)->state();
  }
  std::string Page() {
    std::string page;
    EXPECT_THAT(metrics_->AppendTextPage(&page), IsOk());
    return page;
  }
  std::vector<std::string> Lines(std::string_view with) {
    std::vector<std::string> out;
    for (const std::string& line : log_.lines()) {
      if (line.find(with) != std::string::npos) out.push_back(line);
    }
    return out;
  }

  FakeClock clock_;
  EventLog log_;
  std::unique_ptr<Metrics> metrics_ = std::move(Metrics::Create()).value();
  MemwatchOptions options_;
  std::vector<std::string> calls_;
  std::vector<std::string> quiets_;  // of the same waits
  std::atomic<int> fired_{0};
  MemoryState state_;
  MemoryState last_;
};

}  // namespace fodc::guard
