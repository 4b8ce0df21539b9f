// SPDX-License-Identifier: Apache-2.0
// Real cgroups and real processes in them, for tests of kernel telemetry.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fodc::test {

// A cgroup directory of its own, made under `parent`; its processes are killed
// and it is removed when the object goes.
class Group {
 public:
  // `parent` empty: the root of the cgroup2 mount.
  explicit Group(const std::string& name, const std::string& parent = "");
  ~Group() { Remove(); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t id() const;
  void Add(pid_t pid) const;
  void Write(const std::string& file, const std::string& text) const;
  void Remove();
  static void AddToRoot(pid_t pid);
  // The directory, made anew under its name.
  void Make() const;

 private:
  std::string path_;
};

// Where cgroup2, and the v1 hierarchy of a controller, are mounted; empty if
// they are not.
std::string Cgroup2Root();
std::string Cgroup1Root(const std::string& controller);

// A child in a group that does a piece of work when it is told to. It waits
// without read or write, so that these are the work's alone. Killed when the
// object goes.
class Worker {
 public:
  // The child joins the groups, then waits. `work` runs in the child, which has
  // this thread alone: no allocation that another thread may hold a lock of.
  Worker(const std::vector<const Group*>& groups,
         const std::function<void()>& work, const char* name = "worker");
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  pid_t pid() const { return pid_; }
  // Starts the work; it may be asked for again when it is done.
  void Go();
  void AwaitDone();
  void Run() {
    Go();
    AwaitDone();
  }
  // Waits for the end; the status as of waitpid.
  int AwaitExit();
  void Kill(int signal) const;

 private:
  struct Shared;
  Shared* shared_ = nullptr;
  int rounds_ = 0;
  pid_t pid_ = -1;
};

}  // namespace fodc::test
