// SPDX-License-Identifier: Apache-2.0
// What /proc tells of processes and their listening sockets. proc(5). Parsers
// take text; readers take the root of the tree ("/proc", or a test's copy).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc {

inline constexpr std::string_view kProcRoot = "/proc";

// /proc/<pid>/stat. Times and faults are of all threads, dead ones included.
struct ProcessStat {
  pid_t pid = 0;
  std::string comm;  // up to 15 bytes, any bytes
  char state = '?';  // R, S, D, Z, T, ...
  pid_t parent_pid = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t user_ticks = 0;  // of ClockTicksPerSecond()
  std::uint64_t system_ticks = 0;
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  // since boot; with the pid it names a process
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
  // As wait(2) gives it; of a zombie (state Z), and only with the right to
  // trace it. Absent in a line that ends before (tests).
  std::optional<int> exit_code;
};
// Errors: kDataLoss if it is not such a line.
Status ParseProcessStat(std::string_view text, ProcessStat* out);
Result<ProcessStat> ReadProcessStat(std::string_view root, pid_t pid);

// /proc/<pid>/status. What a kernel thread or an old kernel does not show is
// absent.
struct ProcessStatus {
  std::optional<std::uint64_t> virtual_bytes;         // VmSize
  std::optional<std::uint64_t> resident_bytes;        // VmRSS
  std::optional<std::uint64_t> resident_peak_bytes;   // VmHWM
  std::optional<std::uint64_t> resident_anon_bytes;   // RssAnon
  std::optional<std::uint64_t> resident_file_bytes;   // RssFile
  std::optional<std::uint64_t> resident_shmem_bytes;  // RssShmem
  std::optional<std::uint64_t> swap_bytes;            // VmSwap
  std::optional<std::uint64_t> threads;
  // Of the main thread alone: the kernel keeps no sum for the process here.
  std::optional<std::uint64_t> main_thread_voluntary_switches;
  std::optional<std::uint64_t> main_thread_involuntary_switches;
};
// Errors: kDataLoss if a value that is there is no number of its unit.
Result<ProcessStatus> ParseProcessStatus(std::string_view text);

// CapEff of /proc/<pid>/status: capability N is bit N. capabilities(7).
// Errors: kDataLoss if there is no such line, or no number in it.
Result<std::uint64_t> ParseEffectiveCapabilities(std::string_view status_text);

// How a process takes signals: /proc/<pid>/status. Signal N is bit N - 1.
struct ProcessSignals {
  // Of the main thread alone (SigBlk): perhaps taken by signalfd or sigwait.
  std::uint64_t blocked = 0;
  std::uint64_t ignored = 0;  // SigIgn
  std::uint64_t caught = 0;   // SigCgt: there is a handler
  // As its own process namespace numbers it (NSpid); absent before Linux 4.1.
  std::optional<pid_t> innermost_pid;

  bool Blocks(int number) const { return (blocked >> (number - 1) & 1) != 0; }
  bool Ignores(int number) const { return (ignored >> (number - 1) & 1) != 0; }
  bool Catches(int number) const { return (caught >> (number - 1) & 1) != 0; }
};
// Errors: kDataLoss if a line is missing or no number.
Result<ProcessSignals> ParseProcessSignals(std::string_view status_text);

// /proc/<pid>/io. Another user's needs CAP_SYS_PTRACE.
struct ProcessIo {
  std::uint64_t read_chars_bytes = 0;  // by read(2), page cache included
  std::uint64_t write_chars_bytes = 0;
  std::uint64_t read_syscalls = 0;
  std::uint64_t write_syscalls = 0;
  std::uint64_t read_storage_bytes = 0;
  std::uint64_t write_storage_bytes = 0;
  std::uint64_t cancelled_write_bytes = 0;
};
// Errors: kDataLoss if a line is missing or no number.
Result<ProcessIo> ParseProcessIo(std::string_view text);

// The soft limit "Max open files" of /proc/<pid>/limits; absent if unlimited.
// Errors: kDataLoss if there is no such line.
Result<std::optional<std::uint64_t>> ParseMaxOpenFiles(std::string_view text);

// Boot time, whole seconds since the Unix epoch: the line "btime" of
// /proc/stat. Moves when the wall clock steps.
Result<std::uint64_t> ParseBootTime(std::string_view text);
Result<std::uint64_t> ReadBootTime(std::string_view root);

// Seconds since boot, suspension included, as start_ticks count them: the first
// word of /proc/uptime.
Result<double> ParseUptimeSeconds(std::string_view text);
Result<double> ReadUptimeSeconds(std::string_view root);

// When the process of `start_ticks` started; to a second, as btime is.
UnixTime StartTime(std::uint64_t boot_time_s, std::uint64_t start_ticks);

// The random id of this boot: /proc/sys/kernel/random/boot_id, trimmed.
Result<std::string> ReadBootId(std::string_view root);

// The inode of our namespace of that kind ("pid", "cgroup"; namespaces(7)).
// Errors: kNotFound if the kernel (or a test's tree) does not tell.
Result<std::uint64_t> ReadNamespace(std::string_view root,
                                    std::string_view kind);
// Of processes: pids of another namespace are other pids.
Result<std::uint64_t> ReadPidNamespace(std::string_view root);

std::uint64_t ClockTicksPerSecond();

// The tick that a time since boot lies in, as the kernel rounds it for
// ProcessStat::start_ticks; 0 if it is negative.
std::uint64_t BootTicksOf(std::chrono::nanoseconds since_boot);
std::uint64_t PageBytes();

// Ids of all processes (not threads), ascending.
Result<std::vector<pid_t>> ListProcesses(std::string_view root);

// /proc/<pid>/comm without its line feed. Cheaper than stat.
Result<std::string> ReadComm(std::string_view root, pid_t pid);

// A TCP socket that listens.
struct ListeningSocket {
  std::uint16_t port = 0;
  bool is_ipv6 = false;
  bool is_loopback = false;  // bound to 127.0.0.0/8 or ::1
  std::uint64_t inode = 0;
};
// Appends the listening ones of /proc/net/tcp or tcp6. Lines that are not
// understood are passed over. False if the text holds a socket that does not
// listen: the kernel lists those last, so nothing of interest follows.
bool ParseListeningSockets(std::string_view text, bool is_ipv6,
                           std::vector<ListeningSocket>* out);

// Those of the network namespace that the tree at `root` shows, IPv4 first.
// Reads no further than the first socket that does not listen. A family that
// the kernel does not have is absent.
// Errors: if neither file can be read.
Result<std::vector<ListeningSocket>> ReadListeningSockets(
    std::string_view root);

// What readlink says of a descriptor of the socket: "socket:[4711]" is 4711.
std::optional<std::uint64_t> ParseSocketLink(std::string_view link);

// Whether a descriptor of the process refers to one of the sockets.
// Errors: kPermissionDenied without CAP_SYS_PTRACE for another user's process;
// kNotFound if it is gone.
Result<bool> OwnsAnySocket(std::string_view root, pid_t pid,
                           const std::vector<std::uint64_t>& inodes);

}  // namespace fodc
