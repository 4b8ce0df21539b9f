// SPDX-License-Identifier: Apache-2.0
// Pause at the wall, cgroup v1 alone: while the kernel's killer of a group is
// switched off, a target that hits its limit stands still in the kernel instead
// of dying, and can be given a bounded breath to leave by itself. Linux,
// Documentation/admin-guide/cgroup-v1/memory.rst, 10. OOM Control.
//
// A group must not stay without its killer: it is on again when the object
// goes, when nobody has kept it off for a while (WallTimer), when the process
// dies (WallKeeper), and, if that was killed as well, with RepairWalls at the
// next start.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/cgroup.h"
#include "fodc/base/memory_gauge.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/guardian/report.h"

namespace fodc::guardian {

struct WallOptions {
  std::uint64_t raise_bytes = 64u << 20;
  std::chrono::nanoseconds deadline = std::chrono::seconds(5);
};

// The seam between what is decided and the kernel, as Subject.
class Wall {
 public:
  virtual ~Wall() = default;
  // Switches the killer off. The errno; 0 if it is off.
  virtual int Hold() = 0;
  // Switches it on. What waits is then served or killed.
  virtual void Release() = 0;
  // Off, by us.
  virtual bool IsHeld() = 0;
  // Its tasks wait at the limit.
  virtual bool IsStanding() = 0;
  // Once. Lets the limit, as it is by then, be higher by that much, if the
  // machine has it.
  virtual RaiseResult Raise(std::uint64_t bytes, int* error) = 0;
  // The limit as it was before; nothing if what is used is more, or if
  // somebody else has set another meanwhile.
  virtual void Lower() = 0;
  // Readable when the limit was hit; -1 if there is none.
  virtual int event_fd() const = 0;
  virtual void DrainEvents() = 0;
  // Of its memory.oom_control, for writing.
  virtual int control_fd() const = 0;
};

class KernelWall final : public Wall {
 public:
  // `record`: a file that says, as long as the object lives, what RepairWalls
  // would have to undo: a killer that is off, and a raise by `raise_bytes` of
  // the limit as it is now. It is on disk before anything is changed. Errors:
  // kUnimplemented where the limit is not that of a v1 group of the target's
  // own; kFailedPrecondition where the killer is off already, or the agent is
  // in the group; as open(2), and as writing the record.
  static Result<std::unique_ptr<KernelWall>> Open(const MemoryGauge& gauge,
                                                  std::string record,
                                                  const std::string& proc_root,
                                                  std::uint64_t raise_bytes);
  ~KernelWall() override;
  KernelWall(const KernelWall&) = delete;
  KernelWall& operator=(const KernelWall&) = delete;

  int Hold() override;
  void Release() override;
  bool IsHeld() override {
    return is_held_ && HasControl("oom_kill_disable 1");
  }
  bool IsStanding() override { return HasControl("under_oom 1"); }
  RaiseResult Raise(std::uint64_t bytes, int* error) override;
  void Lower() override;
  int event_fd() const override { return event_.get(); }
  void DrainEvents() override;
  int control_fd() const override { return control_write_.get(); }

 private:
  KernelWall() = default;
  bool HasControl(std::string_view line) const;

  std::string record_;
  std::uint64_t raised_bytes_ = 0;  // 0: it is as it was
  std::uint64_t limit_bytes_ = 0;   // before that
  std::uint64_t memsw_bytes_ = 0;   // memory and swap; 0: not raised
  bool is_held_ = false;
  UniqueFd control_read_, control_write_, limit_, memsw_, meminfo_, event_;
};

}  // namespace fodc::guardian
