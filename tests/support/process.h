// SPDX-License-Identifier: Apache-2.0
// Real processes for tests and benchmarks: started, watched by pidfd, stopped
// by pid whatever happens to the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/unique_fd.h"

namespace fodc::test {

struct ProcessOptions {
  std::string name;               // of the log file, and in messages
  std::vector<std::string> argv;  // argv[0]: a path, or a name in PATH
  std::vector<std::pair<std::string, std::string>> env;  // beside our own
  std::string log_path;     // standard output and error; appended to
  std::string stdout_path;  // standard output alone, if set; truncated
};

// One child in a process group of its own. It gets SIGKILL when the thread
// that started it ends (so start them from the main thread), and when the
// object goes, with what it left in its group. Not thread-safe.
class Process {
 public:
  Process() = default;
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process() { Kill(); }

  // A program that cannot be executed ends with 127 and says so in its log.
  static Process Start(ProcessOptions options);

  pid_t pid() const { return pid_; }
  const std::string& name() const { return options_.name; }
  bool Running();
  // Wait status as of waitpid, once the process has ended.
  std::optional<int> Wait(std::chrono::milliseconds limit);
  // The exit code; 128 + signal if it was killed; nothing if it still runs.
  std::optional<int> WaitExitCode(std::chrono::milliseconds limit);
  void Signal(int number);
  // SIGKILL, then reaps.
  void Kill();
  // SIGTERM, then SIGKILL after `limit`. The exit code as WaitExitCode.
  int Stop(std::chrono::milliseconds limit = std::chrono::seconds(10));
  // What it has written so far.
  std::string Log() const;

 private:
  ProcessOptions options_;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<int> status_;
};

struct Output {
  int exit_code = -1;  // -1: it did not end in time and was killed
  std::string out;
  std::string err;
};
// Runs to the end and captures both streams.
Output RunToEnd(std::vector<std::string> argv,
                std::chrono::milliseconds limit = std::chrono::seconds(30),
                std::vector<std::pair<std::string, std::string>> env = {});

// A port of 127.0.0.1 that nobody listens on, outside the range that the kernel
// hands to outgoing connections; never the same twice in one process.
std::uint16_t FreePort();

// The path of a program in PATH or the sbin directories; empty if there is
// none.
std::string FindProgram(const std::string& name);

}  // namespace fodc::test
