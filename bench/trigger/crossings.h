// SPDX-License-Identifier: Apache-2.0
// Go servers that fill a memory cgroup until the kernel kills them, under the
// eyes of the trigger, with real captures of what it fires for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace fodc::bench {

// Times in milliseconds from when the charge passed the trigger's line: from
// the last moment at which the child itself read it below. What was not there
// before the capture ended is nothing.
struct Crossing {
  std::optional<double> decision_ms;    // the trigger fired
  std::optional<double> first_byte_ms;  // of an artifact, in its file
  std::optional<double> commit_ms;      // meta.json was renamed: heap and
                                        // goroutine are kept, whatever comes
  std::optional<double> end_ms;         // of the whole capture
  double kill_ms = 0;                   // the group was out of memory
  double mb_per_second = 0;             // that the child grew until the line
  // `go tool pprof` opens heap and goroutine.
  bool opens = false;

  bool IsCompleteBeforeKill() const {
    return opens && commit_ms && *commit_ms <= kill_ms;
  }
  bool IsOverBeforeKill() const {
    return IsCompleteBeforeKill() && end_ms && *end_ms <= kill_ms;
  }
};

// Wired as the agent does it, without cooldown, window and pages: these come
// last in a capture. Not thread-safe.
class Crossings {
 public:
  static constexpr std::uint64_t kLimitBytes = 512u << 20;

  // Why there can be none here; empty if there can.
  static std::string WhyNone();
  // Builds the child: bench/trigger/child.go.
  Crossings();
  ~Crossings();
  Crossings(const Crossings&) = delete;
  Crossings& operator=(const Crossings&) = delete;

  // One life of a child. `has_events`: those of cgroup v1 are asked for.
  Crossing Run(int megabytes_per_second, bool has_events);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::bench
