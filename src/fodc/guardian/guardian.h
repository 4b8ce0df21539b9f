// SPDX-License-Identifier: Apache-2.0
// The thread that watches the targets' memory and stops them before the kernel
// does. The target is given; it never chooses.
//
// It is a thread of its own: the loop of a program packs, compresses and
// answers for tens of milliseconds at a time, in which a target can fill what
// is left of its limit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guardian/actions.h"
#include "fodc/guardian/course.h"
#include "fodc/guardian/report.h"
#include "fodc/guardian/stop_record.h"
#include "fodc/guardian/subject.h"
#include "fodc/guardian/wall.h"
#include "fodc/guardian/watch.h"

namespace fodc::guardian {

struct GuardianOptions {
  Rules rules;
  std::size_t rows = 1;
  // Of each row: what guardians before this one did, the oldest first. None
  // beyond its end.
  std::vector<std::vector<Stop>> stops_before = {};
  // The pause at the wall: for rows that are given one.
  bool has_walls = false;
  WallOptions wall = {};
};

// Thread-safe where said; all else belongs to one thread, the owner's.
class Guardian {
 public:
  // Starts the thread. `clock` must outlive it.
  // With has_walls a keeper is forked (WallKeeper). Errors: as eventfd(2),
  // pthread_create(3) and fork(2).
  static Result<std::unique_ptr<Guardian>> Start(const GuardianOptions& options,
                                                 const Clock& clock);
  // Joins. Every killer that it has switched off is on again.
  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  // From now on that process is the row's; see Watch::Arm.
  void Guard(std::size_t row, std::unique_ptr<KernelSubject> subject,
             MonotonicTime started);
  // The row has nobody to guard.
  void LetGo(std::size_t row);
  // With has_walls: what that process is to stand still at; gone again if
  // another one is guarded by now.
  void PutWall(std::size_t row, std::unique_ptr<KernelWall> wall,
               const ProcessName& who);
  // Frees what the thread no longer needs. Now and then.
  void FreeRetired();

  // Readable while there are reports.
  int report_fd() const;
  std::optional<Report> TakeReport();
  std::uint64_t reports_dropped() const;

  // Of each row, as of its last look. Thread-safe.
  std::vector<WatchState> States() const;
  const ActionCounts& counts() const;
  // What of its own survival was refused ("mlock: ..."); empty if nothing.
  // Known when Start returns.
  const std::string& refused() const;

 private:
  struct Impl;
  explicit Guardian(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::guardian
