// SPDX-License-Identifier: Apache-2.0
// A process under guard: what is read of it and what may be done to it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fodc/base/memory_gauge.h"
#include "fodc/base/threshold_events.h"
#include "fodc/guardian/levels.h"
#include "fodc/guardian/process.h"

namespace fodc::guardian {

// The seam between what is decided and the kernel. What is called on the
// watching thread allocates nothing. Not thread-safe.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual ProcessName name() const = 0;
  virtual bool HasEnded() const = 0;
  // Under a cgroup limit the charge of the group that has it, else the
  // process's resident memory. Nothing if it cannot be read.
  virtual std::optional<std::uint64_t> ReadBytes() = 0;
  // The same, but only as near as it must be below `line`, for less.
  virtual std::optional<std::uint64_t> ReadBytesNear(std::uint64_t line) = 0;
  virtual std::optional<std::uint64_t> ReadResident() = 0;
  // Reads the limit anew.
  virtual void ReadLimit() = 0;
  virtual std::uint64_t limit_bytes() const = 0;
  virtual bool has_cgroup_limit() const = 0;
  // The group that is measured; empty if there is none.
  virtual std::string_view group() const = 0;
  // The errno; 0 if it was sent.
  virtual int Signal(int number) = 0;
  virtual int Release() = 0;
  // Readable when it has ended; -1 if there is none.
  virtual int pidfd() const = 0;
  // Readable when a line was crossed, in either direction; -1 likewise.
  virtual int event_fd() const = 0;
  virtual void DrainEvents() = 0;
};

class KernelSubject final : public Subject {
 public:
  // Opens all it will need, with the limits of now. Events are at the lines of
  // `levels` for these; a process that is moved is not followed.
  // Nothing if the process may not be guarded: `*refusal` says why.
  static std::unique_ptr<KernelSubject> Open(const ProcessName& who,
                                             const ProcessOptions& options,
                                             const Levels& levels,
                                             Refusal* refusal,
                                             std::string* detail);

  ProcessName name() const override { return process_.name(); }
  bool HasEnded() const override { return process_.HasEnded(); }
  std::optional<std::uint64_t> ReadBytes() override {
    return gauge_.ReadBytes();
  }
  std::optional<std::uint64_t> ReadBytesNear(std::uint64_t line) override {
    return gauge_.ReadBytesNear(line);
  }
  std::optional<std::uint64_t> ReadResident() override {
    return gauge_.ReadResident();
  }
  void ReadLimit() override { gauge_.ReadKnownLimits(); }
  std::uint64_t limit_bytes() const override { return gauge_.limit_bytes(); }
  bool has_cgroup_limit() const override { return gauge_.has_cgroup_limit(); }
  std::string_view group() const override { return group_; }
  int Signal(int number) override { return process_.Signal(number); }
  int Release() override { return process_.Release(); }
  int pidfd() const override { return process_.pidfd(); }
  int event_fd() const override { return events_.fd(); }
  void DrainEvents() override { events_.Drain(); }

 private:
  KernelSubject(Process process, MemoryGauge gauge, ThresholdEvents events)
      : process_(std::move(process)),
        gauge_(std::move(gauge)),
        events_(std::move(events)) {
    if (const auto group = gauge_.group()) group_ = group->path;
  }

  Process process_;
  MemoryGauge gauge_;
  ThresholdEvents events_;
  std::string group_;
};

}  // namespace fodc::guardian
