// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <memory>

#include "fodc/base/file.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

constexpr std::size_t kMaxFileBytes = 16u << 20;
constexpr std::uint64_t kBytesPerKib = 1024;

struct CloseDirectory {
  void operator()(DIR* d) const { (void)::closedir(d); }
};
using UniqueDirectory = std::unique_ptr<DIR, CloseDirectory>;

std::string ProcessPath(std::string_view root, pid_t pid,
                        std::string_view name) {
  return StrCat(root, "/", pid, "/", name);
}

std::optional<pid_t> ParsePid(std::string_view text) {
  const std::optional<std::uint64_t> v = ParseUint(text);
  if (!v || *v == 0 || *v > 0x7fffffff) return {};
  return static_cast<pid_t>(*v);
}

std::optional<std::uint64_t> ParseHex(std::string_view text) {
  std::uint64_t v = 0;
  const char* end = text.data() + text.size();
  const auto [at, ec] = std::from_chars(text.data(), end, v, 16);
  if (ec != std::errc() || at != end) return {};
  return v;
}

}  // namespace

Status ParseProcessStat(std::string_view text, ProcessStat* out) {
  const auto bad = [] { return DataLoss("not a line of /proc/<pid>/stat"); };
  // The name may hold anything, blanks and parentheses too: it ends at the
  // last parenthesis of the line.
  const std::size_t open = text.find(" (");
  const std::size_t close = text.rfind(") ");
  if (open == std::string_view::npos || close == std::string_view::npos ||
      close < open + 2) {
    return bad();
  }
  const std::optional<pid_t> pid = ParsePid(text.substr(0, open));
  if (!pid) return bad();
  out->pid = *pid;
  out->comm.assign(text.substr(open + 2, close - open - 2));
  std::string_view rest = Trim(text.substr(close + 2));
  const std::string_view state = NextField(&rest);
  const std::optional<std::int64_t> parent = ParseInt(NextField(&rest));
  if (state.size() != 1 || !parent) return bad();
  out->state = state[0];
  out->parent_pid = static_cast<pid_t>(*parent);
  // Fields 5 to 24, as proc(5) counts them; some may be negative.
  std::array<std::int64_t, 25> field{};
  for (std::size_t i = 5; i <= 24; ++i) {
    const std::string_view word = NextField(&rest);
    const std::optional<std::int64_t> v = ParseInt(word);
    if (!v) return bad();
    field[i] = *v;
  }
  const auto unsigned_field = [&field](std::size_t i) {
    return field[i] < 0 ? 0 : static_cast<std::uint64_t>(field[i]);
  };
  out->minor_faults = unsigned_field(10);
  out->major_faults = unsigned_field(12);
  out->user_ticks = unsigned_field(14);
  out->system_ticks = unsigned_field(15);
  out->threads = unsigned_field(20);
  out->start_ticks = unsigned_field(22);
  out->virtual_bytes = unsigned_field(23);
  out->resident_pages = unsigned_field(24);
  for (int i = 25; i < 52; ++i) (void)NextField(&rest);
  const std::optional<std::int64_t> exit_code = ParseInt(NextField(&rest));
  out->exit_code.reset();
  if (exit_code) out->exit_code = static_cast<int>(*exit_code);
  return OkStatus();
}

Result<ProcessStat> ReadProcessStat(std::string_view root, pid_t pid) {
  const std::string path = ProcessPath(root, pid, "stat");
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  ProcessStat stat;
  FODC_RETURN_IF_ERROR(ParseProcessStat(text, &stat).WithContext(path));
  return stat;
}

Result<ProcessStatus> ParseProcessStatus(std::string_view text) {
  struct Key {
    std::string_view name;
    std::optional<std::uint64_t> ProcessStatus::*field;
    bool is_kib;
  };
  static constexpr std::array<Key, 10> kKeys = {{
      {"VmHWM", &ProcessStatus::resident_peak_bytes, true},
      {"VmRSS", &ProcessStatus::resident_bytes, true},
      {"VmSize", &ProcessStatus::virtual_bytes, true},
      {"VmSwap", &ProcessStatus::swap_bytes, true},
      {"RssAnon", &ProcessStatus::resident_anon_bytes, true},
      {"RssFile", &ProcessStatus::resident_file_bytes, true},
      {"RssShmem", &ProcessStatus::resident_shmem_bytes, true},
      {"Threads", &ProcessStatus::threads, false},
      {"voluntary_ctxt_switches",
       &ProcessStatus::main_thread_voluntary_switches, false},
      {"nonvoluntary_ctxt_switches",
       &ProcessStatus::main_thread_involuntary_switches, false},
  }};
  ProcessStatus out;
  std::string_view line;
  while (NextLine(&text, &line)) {
    // Most lines are of no interest; this sorts them out.
    if (line.empty() ||
        std::string_view("VRTvn").find(line[0]) == std::string_view::npos) {
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    for (const Key& key : kKeys) {
      if (name != key.name) continue;
      line.remove_prefix(colon + 1);
      const std::optional<std::uint64_t> v = NextUint(&line);
      const std::string_view unit = NextField(&line);
      if (!v || unit != (key.is_kib ? "kB" : "")) {
        return DataLoss(StrCat("line \"", name, "\" is not understood"));
      }
      out.*key.field = key.is_kib ? *v * kBytesPerKib : *v;
      break;
    }
  }
  return out;
}

namespace {

// Of a line "SigIgn:\t0000000000001000".
Result<std::uint64_t> HexLine(std::string_view status_text,
                              std::string_view name) {
  std::string_view line;
  while (NextLine(&status_text, &line)) {
    if (!ConsumePrefix(&line, name) || !ConsumePrefix(&line, ":")) continue;
    const std::string_view digits = Trim(line);
    const char* const end = digits.data() + digits.size();
    std::uint64_t set = 0;
    const auto read = std::from_chars(digits.data(), end, set, 16);
    if (read.ec == std::errc() && read.ptr == end) return set;
    return DataLoss(StrCat(name, " is no hexadecimal number"));
  }
  return DataLoss(StrCat("no line ", name, " in the process status"));
}

}  // namespace

Result<std::uint64_t> ParseEffectiveCapabilities(std::string_view status_text) {
  return HexLine(status_text, "CapEff");
}

Result<ProcessSignals> ParseProcessSignals(std::string_view status_text) {
  ProcessSignals out;
  FODC_ASSIGN_OR_RETURN(out.blocked, HexLine(status_text, "SigBlk"));
  FODC_ASSIGN_OR_RETURN(out.ignored, HexLine(status_text, "SigIgn"));
  FODC_ASSIGN_OR_RETURN(out.caught, HexLine(status_text, "SigCgt"));
  std::string_view line;
  while (NextLine(&status_text, &line)) {
    if (!ConsumePrefix(&line, "NSpid:")) continue;
    while (!Trim(line).empty()) {
      const auto pid = NextUint(&line);
      if (!pid || *pid > std::numeric_limits<pid_t>::max())
        return DataLoss("NSpid is no list of process ids");
      out.innermost_pid = static_cast<pid_t>(*pid);
    }
  }
  return out;
}

Result<ProcessIo> ParseProcessIo(std::string_view text) {
  struct Key {
    std::string_view name;
    std::uint64_t ProcessIo::*field;
  };
  static constexpr std::array<Key, 7> kKeys = {{
      {"rchar:", &ProcessIo::read_chars_bytes},
      {"wchar:", &ProcessIo::write_chars_bytes},
      {"syscr:", &ProcessIo::read_syscalls},
      {"syscw:", &ProcessIo::write_syscalls},
      {"read_bytes:", &ProcessIo::read_storage_bytes},
      {"write_bytes:", &ProcessIo::write_storage_bytes},
      {"cancelled_write_bytes:", &ProcessIo::cancelled_write_bytes},
  }};
  ProcessIo out;
  unsigned seen = 0;
  std::string_view line;
  while (NextLine(&text, &line)) {
    const std::string_view name = NextField(&line);
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
      if (name != kKeys[i].name) continue;
      const std::optional<std::uint64_t> v = NextUint(&line);
      if (!v) {
        return DataLoss(StrCat("line \"", name, "\" is not understood"));
      }
      out.*kKeys[i].field = *v;
      seen |= 1u << i;
      break;
    }
  }
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    if ((seen & 1u << i) == 0) {
      return DataLoss(StrCat("line \"", kKeys[i].name, "\" is missing"));
    }
  }
  return out;
}

Result<std::optional<std::uint64_t>> ParseMaxOpenFiles(std::string_view text) {
  std::string_view line;
  while (NextLine(&text, &line)) {
    if (!ConsumePrefix(&line, "Max open files ")) continue;
    const std::string_view word = NextField(&line);
    if (word == "unlimited") return std::optional<std::uint64_t>();
    const std::optional<std::uint64_t> v = ParseUint(word);
    if (!v) return DataLoss("\"Max open files\" is no number");
    return v;
  }
  return DataLoss("\"Max open files\" is missing");
}

Result<std::uint64_t> ParseBootTime(std::string_view text) {
  std::string_view line;
  while (NextLine(&text, &line)) {
    if (!ConsumePrefix(&line, "btime ")) continue;
    const std::optional<std::uint64_t> v = NextUint(&line);
    // Beyond the year 2261 it is out of UnixTime's range.
    if (!v || *v > 9'000'000'000) return DataLoss("btime is no time");
    return *v;
  }
  return DataLoss("btime is missing");
}

Result<std::uint64_t> ReadBootTime(std::string_view root) {
  const std::string path = StrCat(root, "/stat");
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return ParseBootTime(text).WithContext(path);
}

Result<double> ParseUptimeSeconds(std::string_view text) {
  text = Trim(text);
  const std::optional<double> v = ParseDouble(NextField(&text));
  if (!v || !(*v >= 0 && *v < 1e10)) return DataLoss("not an uptime");
  return *v;
}

Result<double> ReadUptimeSeconds(std::string_view root) {
  const std::string path = StrCat(root, "/uptime");
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return ParseUptimeSeconds(text).WithContext(path);
}

UnixTime StartTime(std::uint64_t boot_time_s, std::uint64_t start_ticks) {
  const std::uint64_t hz = ClockTicksPerSecond();
  const auto s = static_cast<std::int64_t>(boot_time_s + start_ticks / hz);
  const auto ns =
      static_cast<std::int64_t>(start_ticks % hz * 1'000'000'000 / hz);
  return UnixTime(std::chrono::seconds(s) + std::chrono::nanoseconds(ns));
}

Result<std::string> ReadBootId(std::string_view root) {
  FODC_ASSIGN_OR_RETURN(
      const std::string text,
      ReadFile(StrCat(root, "/sys/kernel/random/boot_id"), kMaxFileBytes));
  return std::string(Trim(text));
}

Result<std::uint64_t> ReadNamespace(std::string_view root,
                                    std::string_view kind) {
  const std::string path = StrCat(root, "/self/ns/", kind);
  std::array<char, 64> link{};
  const ssize_t n = ::readlink(path.c_str(), link.data(), link.size());
  if (n < 0) return ErrnoStatus(errno, "readlink " + path);
  std::string_view text(link.data(), static_cast<std::size_t>(n));
  if (ConsumePrefix(&text, kind) && ConsumePrefix(&text, ":[") &&
      text.ends_with(']')) {
    text.remove_suffix(1);
    if (const auto inode = ParseUint(text)) return *inode;
  }
  return DataLoss(path + " names no namespace");
}

Result<std::uint64_t> ReadPidNamespace(std::string_view root) {
  return ReadNamespace(root, "pid");
}

std::uint64_t ClockTicksPerSecond() {
  static const long ticks = ::sysconf(_SC_CLK_TCK);
  return ticks > 0 ? static_cast<std::uint64_t>(ticks) : 100;
}

std::uint64_t BootTicksOf(std::chrono::nanoseconds since_boot) {
  const auto ns =
      static_cast<std::uint64_t>(std::max<std::int64_t>(since_boot.count(), 0));
  const std::uint64_t hz = ClockTicksPerSecond();
  return ns / 1'000'000'000 * hz + ns % 1'000'000'000 * hz / 1'000'000'000;
}

std::uint64_t PageBytes() {
  static const long bytes = ::sysconf(_SC_PAGESIZE);
  return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 4096;
}

Result<std::vector<pid_t>> ListProcesses(std::string_view root) {
  const std::string path(root);
  const UniqueDirectory dir(::opendir(path.c_str()));
  if (dir == nullptr) return ErrnoStatus(errno, "open " + path);
  std::vector<pid_t> pids;
  for (;;) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): safe on distinct streams (glibc)
    const dirent* e = ::readdir(dir.get());
    if (e == nullptr) break;
    if (const std::optional<pid_t> pid = ParsePid(e->d_name)) {
      pids.push_back(*pid);
    }
  }
  if (errno != 0) return ErrnoStatus(errno, "read " + path);
  std::sort(pids.begin(), pids.end());
  return pids;
}

Result<std::string> ReadComm(std::string_view root, pid_t pid) {
  FODC_ASSIGN_OR_RETURN(
      std::string text,
      ReadFile(ProcessPath(root, pid, "comm"), kMaxFileBytes));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool ParseListeningSockets(std::string_view text, bool is_ipv6,
                           std::vector<ListeningSocket>* out) {
  constexpr std::string_view kListening = "0A";
  bool all_listen = true;
  std::string_view line;
  while (NextLine(&text, &line)) {
    // "sl: local_address rem_address st queues timer retransmits uid timeout
    // inode ..."
    if (!NextField(&line).ends_with(':')) continue;
    const std::string_view local = NextField(&line);
    (void)NextField(&line);
    const std::string_view state = NextField(&line);
    if (state.size() != 2) continue;
    if (state != kListening) {
      all_listen = false;
      continue;
    }
    for (int i = 0; i < 5; ++i) (void)NextField(&line);
    const std::optional<std::uint64_t> inode = NextUint(&line);
    const std::size_t colon = local.find(':');
    if (!inode || colon != (is_ipv6 ? 32u : 8u)) continue;
    const std::string_view address = local.substr(0, colon);
    const std::optional<std::uint64_t> port = ParseHex(local.substr(colon + 1));
    if (!port || *port > 65535) continue;
    ListeningSocket s;
    s.port = static_cast<std::uint16_t>(*port);
    s.is_ipv6 = is_ipv6;
    // Words of the address are in the order of this machine, little-endian.
    s.is_loopback = is_ipv6 ? address == "00000000000000000000000001000000"
                            : address.ends_with("7F");
    s.inode = *inode;
    out->push_back(s);
  }
  return all_listen;
}

namespace {

// Reads in pieces that end at a line feed, until nothing of interest follows.
Status AddListeningSockets(const std::string& path, bool is_ipv6,
                           std::vector<ListeningSocket>* out) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  std::string text;
  std::size_t kept = 0;  // the beginning of a line
  for (;;) {
    text.resize(kept + 16 * 1024);
    const ssize_t n = ::read(fd.get(), text.data() + kept, text.size() - kept);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read " + path);
    text.resize(kept + static_cast<std::size_t>(n));
    const std::size_t end = n == 0 ? text.size() : text.find_last_of('\n') + 1;
    if (!ParseListeningSockets(std::string_view(text).substr(0, end), is_ipv6,
                               out) ||
        n == 0) {
      return OkStatus();
    }
    text.erase(0, end);
    kept = text.size();
    if (kept > 64 * 1024) return DataLoss(path + ": a line without an end");
  }
}

}  // namespace

Result<std::vector<ListeningSocket>> ReadListeningSockets(
    std::string_view root) {
  std::vector<ListeningSocket> sockets;
  const Status v4 =
      AddListeningSockets(StrCat(root, "/net/tcp"), false, &sockets);
  const Status v6 =
      AddListeningSockets(StrCat(root, "/net/tcp6"), true, &sockets);
  if (!v4.ok() && !v6.ok()) return v4;
  return sockets;
}

std::optional<std::uint64_t> ParseSocketLink(std::string_view link) {
  if (!ConsumePrefix(&link, "socket:[") || !link.ends_with(']')) return {};
  link.remove_suffix(1);
  return ParseUint(link);
}

Result<bool> OwnsAnySocket(std::string_view root, pid_t pid,
                           const std::vector<std::uint64_t>& inodes) {
  const std::string path = ProcessPath(root, pid, "fd");
  const UniqueDirectory dir(::opendir(path.c_str()));
  if (dir == nullptr) return ErrnoStatus(errno, "open " + path);
  for (;;) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): safe on distinct streams (glibc)
    const dirent* e = ::readdir(dir.get());
    if (e == nullptr) break;
    std::array<char, 64> link{};
    const ssize_t n =
        ::readlinkat(::dirfd(dir.get()), e->d_name, link.data(), link.size());
    if (n <= 0) {
      // Without the right to trace, the names show and the links do not.
      if (errno == EACCES || errno == EPERM) {
        return ErrnoStatus(errno, "read links of " + path);
      }
      continue;  // ".", "..", or closed meanwhile
    }
    const std::optional<std::uint64_t> inode =
        ParseSocketLink({link.data(), static_cast<std::size_t>(n)});
    if (inode &&
        std::find(inodes.begin(), inodes.end(), *inode) != inodes.end()) {
      return true;
    }
  }
  if (errno != 0) return ErrnoStatus(errno, "read " + path);
  return false;
}

}  // namespace fodc
