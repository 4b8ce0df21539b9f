// SPDX-License-Identifier: Apache-2.0
// Growers in memory cgroups (v1) of their own, for tests of the guardian.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/kernel/group.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::test {

// Why memory cgroups cannot be made here; empty if they can.
inline std::string NoMemoryGroups() {
  if (::geteuid() != 0) return "needs root to make cgroups";
  if (Cgroup1Root("memory").empty())
    return "the memory controller is not mounted as cgroup v1";
  return {};
}

// A memory cgroup of this process's own, gone when the object is.
class MemoryGroup : public Group {
 public:
  explicit MemoryGroup(const std::string& name, std::uint64_t limit_mib)
      : Group(StrCat("fodc_", name, "_", ::getpid()), Cgroup1Root("memory")) {
    Write("memory.limit_in_bytes", std::to_string(limit_mib << 20));
  }

  std::uint64_t OomKills() const { return Control().oom_kill_events.value(); }
  bool UnderOom() const { return Control().under_oom.value(); }
  // Whether the kernel's killer is switched off.
  bool IsKillerOff() const {
    return Read("memory.oom_control").find("oom_kill_disable 1") !=
           std::string::npos;
  }
  std::uint64_t Limit() const {
    return *ParseUint(Trim(Read("memory.limit_in_bytes")));
  }
  std::uint64_t Usage() const {
    return *ParseUint(Trim(Read("memory.usage_in_bytes")));
  }

 private:
  std::string Read(const std::string& file) const {
    return ReadFile(StrCat(path(), "/", file)).value_or("");
  }
  CgroupMemory Control() const {
    CgroupMemory memory;
    FODC_CHECK(ParseOomControlV1(Read("memory.oom_control"), &memory).ok());
    return memory;
  }
};

// What this test's growers are called: others may run at the same time. No
// prefix of another test's.
inline std::string GrowerName() { return StrCat("grower", ::getpid(), "g"); }

// A grower in the group, once it is there.
inline Process StartGrower(const Group& group, const TempDirectory& dir,
                           std::vector<std::string> flags) {
  std::vector<std::string> argv = {ProgramPath("grower"),
                                   "--group=" + group.path(),
                                   "--name=" + GrowerName()};
  argv.insert(argv.end(), flags.begin(), flags.end());
  static int number = 0;
  const std::string out = dir.File(StrCat("grower", ++number, ".log"));
  Process process = Process::Start({.name = "grower",
                                    .argv = std::move(argv),
                                    .env = {},
                                    .log_path = out,
                                    .stdout_path = ""});
  FODC_CHECK(WaitUntil(
      [&] { return process.Log().find("ready") != std::string::npos; }, 20s,
      2ms));
  return process;
}

}  // namespace fodc::test
