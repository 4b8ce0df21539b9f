// SPDX-License-Identifier: Apache-2.0
// For tests: the table over a made-up process tree and a clock that the test
// moves.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/target/target.h"

namespace fodc::target {

inline constexpr pid_t kAgent = 90;

struct Process {
  pid_t pid = 0;
  std::string comm = "db";
  pid_t parent = 1;
  double started_s = 500;  // since boot; the fake clock begins at 1000
  char state = 'S';
  std::uint64_t virtual_bytes = 4096;
  int threads = 1;
  std::string command_line = "/usr/bin/db --data /x";
  std::string container = "/pod/one";
  std::vector<std::uint64_t> sockets = {};
};

class TableTest : public ::testing::Test {
 protected:
  TableTest() {
    EXPECT_THAT(MakeDirectories(tree_.File("net")), IsOk());
    EXPECT_THAT(WriteFileAtomically(tree_.File("stat"), "btime 1767224600\n"),
                IsOk());
    Listen({});
  }
  void Start(const Process& p) {
    const std::string dir = tree_.File(std::to_string(p.pid));
    std::filesystem::remove_all(dir);
    ASSERT_THAT(MakeDirectories(dir + "/fd"), IsOk());
    const auto ticks = static_cast<std::uint64_t>(
        p.started_s * static_cast<double>(ClockTicksPerSecond()));
    const auto put = [&](const char* name, const std::string& text) {
      ASSERT_THAT(WriteFileAtomically(StrCat(dir, "/", name), text), IsOk());
    };
    put("stat", StrCat(p.pid, " (", p.comm, ") ", p.state, " ", p.parent,
                       " 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 ", p.threads, " 0 ",
                       ticks, " ", p.virtual_bytes, " 1 0\n"));
    put("comm", p.comm + "\n");
    put("cmdline", p.command_line);
    put("cgroup", StrCat("4:memory:", p.container, "\n0::/\n"));
    int fd = 3;
    for (const std::uint64_t s : p.sockets) {
      ASSERT_EQ(::symlink(StrCat("socket:[", s, "]").c_str(),
                          StrCat(dir, "/fd/", fd++).c_str()),
                0);
    }
  }
  void End(pid_t pid) {
    std::filesystem::remove_all(tree_.File(std::to_string(pid)));
  }
  struct Socket {
    std::uint16_t port;
    std::uint64_t inode;
    bool is_loopback = true;
  };
  void Listen(const std::vector<Socket>& sockets) {
    std::string text = "  sl  local_address rem_address   st ...\n";
    for (const Socket& s : sockets) {
      char port[8];
      (void)std::snprintf(port, sizeof port, "%04X", s.port);
      text += StrCat(" 0: ", s.is_loopback ? "0100007F:" : "00000000:",
                     static_cast<const char*>(port),
                     " 00000000:0000 0A 0:0 0:0 0 1000 0 ", s.inode, " 1 0\n");
    }
    ASSERT_THAT(WriteFileAtomically(tree_.File("net/tcp"), text), IsOk());
  }
  TargetTable& Table(TargetSpec spec) { return TableOf({std::move(spec)}); }
  TargetTable& TableOf(std::vector<TargetSpec> specs) {
    TableOptions options;
    options.proc_root = tree_.path();
    options.own_pid = kAgent;
    table_ = std::make_unique<TargetTable>(std::move(specs), options, clock_);
    return *table_;
  }
  const Row& Check() {
    events_.clear();
    clock_.Advance(std::chrono::seconds(1));
    table_->Check(&events_);
    return table_->rows()[0];
  }
  pid_t PidNow() {
    const Row& row = Check();
    return row.instance ? row.instance->pid : 0;
  }

  TempDirectory tree_;
  FakeClock clock_;
  std::unique_ptr<TargetTable> table_;
  std::vector<Event> events_;
};

}  // namespace fodc::target
