// SPDX-License-Identifier: Apache-2.0
// The targets' processes and containers as sources of the recording.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fodc/collect/endpoint.h"
#include "fodc/net/event_loop.h"
#include "fodc/recorder/recording.h"
#include "fodc/target/kept_row.h"
#include "fodc/target/target.h"

namespace fodc::collect {

// What the operator said of the (first) target.
struct TargetHints {
  std::int64_t pid = 0;  // 0: not given
  std::string comm = {};
  std::int64_t port = 0;  // 0: not given
  // There is one whatever its processes: its cgroup was named.
  bool has_cgroup = false;
};

// One row for each endpoint of this machine that has a container name; those
// without share one row, the last. The hints go to the first row, or make one.
std::vector<target::TargetSpec> MakeTargetSpecs(
    const std::vector<Endpoint>& endpoints, const TargetHints& hints);

// Whether the endpoint's page is that target's. Several targets may have one
// name, with a port each; of what is on other machines the name decides.
bool IsPageOf(const Endpoint& endpoint, const target::TargetSpec& spec);

// A target's process as an earlier life's newest frame has it.
struct LastSeenTarget {
  std::string source;
  pid_t pid = 0;
  double uptime_seconds = 0;
};
// Of a recording that came back, before anything is declared in this life.
std::vector<LastSeenTarget> LastSeenTargets(
    const recorder::Recording& recording);

// Belongs to the loop's thread.
class Targets {
 public:
  // `loop` and `recording` must outlive it. `sys_root` is put before cgroup
  // mounts (tests).
  Targets(const std::vector<target::TargetSpec>& specs,
          const target::TableOptions& options, net::EventLoop& loop,
          recorder::Recording& recording, const std::string& sys_root = "");
  ~Targets();
  Targets(const Targets&) = delete;
  Targets& operator=(const Targets&) = delete;

  // Before the first Read: what Keep gave in an earlier life, and how long each
  // process ran at least. Names that are no target's are left out.
  void Restore(std::vector<target::KeptRow> kept,
               const std::vector<LastSeenTarget>& last_seen);
  // The same where it becomes known late, with what happened since then. Once.
  void Merge(const std::vector<target::KeptRow>& kept);
  std::vector<target::KeptRow> Keep() const;
  // Called when Keep gives something else than before.
  void set_on_changed(std::function<void()> callback);

  // Appends one frame for each target. Between, a target that dies or comes
  // back gets a frame at that moment.
  void Read(recorder::FrameTime time);
  // Called when such a frame has been appended.
  void set_on_recorded(std::function<void()> callback);

  // Processes of the targets' memory cgroups that the kernel killed for memory
  // since their first frame, as the groups tell it. Those of a group that is
  // gone before its next frame are missing; a group of several targets counts
  // for each.
  std::uint64_t group_oom_kills() const;
  // The same of row `i` alone.
  std::uint64_t group_oom_kills(std::size_t i) const;
  // Whether the cgroup of row `i` tells of kills.
  bool tells_oom_kills(std::size_t i) const;

  const target::TargetTable& table() const { return table_; }
  // Of row `i`, as its series' label `target` has it.
  const std::string& name(std::size_t i) const;

 private:
  class Reader;
  void OnEvent();
  // Notices what happened, and says it; whether anything did.
  bool Check();
  void Append(recorder::FrameTime time);
  void Arm();

  net::EventLoop& loop_;
  target::TargetTable table_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<target::Event> events_;
  recorder::FrameTime newest_;
  std::function<void()> on_recorded_;
  std::function<void()> on_changed_;
  net::EventLoop::Handle death_watch_;
  net::EventLoop::Handle search_timer_;
};

}  // namespace fodc::collect
