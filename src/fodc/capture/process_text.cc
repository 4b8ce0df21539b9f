// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/process_text.h"

#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "fodc/base/cgroup.h"
#include "fodc/base/directory.h"
#include "fodc/base/proc.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/capture/redact.h"
#include "fodc/capture/section_text.h"

namespace fodc::capture {
namespace {

// What is looked at, not what is kept.
constexpr std::size_t kMaxDescriptors = 65'536;
constexpr std::size_t kMaxThreads = 4096;
constexpr std::size_t kMaxSocketTableBytes = 8 << 20;

std::string NumberText(double value) {
  std::array<char, 32> buffer{};
  const int n = std::snprintf(buffer.data(), buffer.size(), "%.17g", value);
  return std::string(buffer.data(), static_cast<std::size_t>(n));
}

std::string DecisionText(const CaptureRequest& request) {
  std::string out = StrCat("at ", FormatRfc3339(request.at, 9), "\ntarget ",
                           request.target, "\ntrigger ", request.trigger.kind,
                           "\nsummary ", request.trigger.summary, "\nbytes ",
                           request.bytes, "\nlimit_bytes ", request.limit_bytes,
                           "\nthreshold_bytes ", request.threshold_bytes,
                           "\ntrigger_percent ", request.trigger_percent, "\n");
  if (request.seconds_to_limit) {
    out += StrCat("seconds_to_limit ", NumberText(*request.seconds_to_limit),
                  "\n");
  }
  for (const evidence::IncidentNumber& n : request.trigger.inputs)
    out += StrCat(n.name, " ", NumberText(n.value), "\n");
  return out;
}

// A group's files; there are others, which need no capture.
bool IsGroupFile(std::string_view name) {
  constexpr std::array<std::string_view, 9> kNames = {
      "cgroup.events", "cgroup.stat",      "cpu.stat",
      "cpu.max",       "cpu.cfs_quota_us", "cpu.cfs_period_us",
      "io.stat",       "pids.current",     "pids.max"};
  if (name.ends_with(".pressure")) return true;
  if (name.starts_with("memory.")) {
    // Those that are written, and what takes a walk over all pages.
    return name != "memory.reclaim" && name != "memory.force_empty" &&
           name != "memory.numa_stat" && !name.ends_with(".kmem.slabinfo");
  }
  for (const std::string_view n : kNames) {
    if (name == n) return true;
  }
  return false;
}

void AddGroup(const CgroupDirectory& group, SectionText* out) {
  const auto directory = Directory::Open(group.path);
  if (!directory.ok()) return out->AddFailure(directory.status());
  auto names = directory->List(1024);
  if (!names.ok()) return out->AddFailure(names.status());
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    if (IsGroupFile(name)) out->AddFile(*directory, name);
  }
}

void AddLimitsAbove(const CgroupDirectory& group, SectionText* out) {
  std::string path = group.path;
  while (path.size() > group.mount.size()) {
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return;
    path.resize(slash);
    if (path.size() < group.mount.size()) return;
    const auto directory = Directory::Open(path);
    if (!directory.ok()) return;
    for (const std::string_view name :
         {"memory.max", "memory.high", "memory.current",
          "memory.limit_in_bytes", "memory.usage_in_bytes"}) {
      if (directory->Stat(name).ok()) out->AddFile(*directory, name);
    }
  }
}

// The states of include/net/tcp_states.h.
std::string_view TcpStateName(std::string_view hex) {
  constexpr std::array<std::string_view, 12> kNames = {
      "ESTABLISHED", "SYN_SENT",  "SYN_RECV", "FIN_WAIT1",
      "FIN_WAIT2",   "TIME_WAIT", "CLOSE",    "CLOSE_WAIT",
      "LAST_ACK",    "LISTEN",    "CLOSING",  "NEW_SYN_RECV"};
  if (hex.size() != 2) return "?";
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
  };
  const int state = digit(hex[0]) * 16 + digit(hex[1]);
  if (state < 1 || state > static_cast<int>(kNames.size())) return "?";
  return kNames[static_cast<std::size_t>(state) - 1];
}

std::string CountsText(const std::map<std::string, std::uint64_t>& counts) {
  std::string out;
  for (const auto& [name, count] : counts)
    out += StrCat(name, " ", count, "\n");
  return out;
}

void AddTcpStates(const Directory& net, std::string_view name,
                  SectionText* out) {
  const auto table = ReadPiece(net, name, kMaxSocketTableBytes);
  if (!table.ok()) return;  // a family that the kernel does not have
  std::map<std::string, std::uint64_t> states;
  std::string_view rest = table->text;
  std::string_view line;
  (void)NextLine(&rest, &line);  // the head
  while (NextLine(&rest, &line)) {
    for (int i = 0; i < 3; ++i) (void)NextField(&line);
    const std::string_view state = NextField(&line);
    if (!state.empty()) ++states[std::string(TcpStateName(state))];
  }
  out->Add(StrCat(net.path(), "/", name, ", sockets by state"),
           CountsText(states));
  if (table->is_cut) out->Cut(StrCat(name, ": not all sockets were counted"));
}

// "socket", "pipe", "anon_inode:[eventpoll]", "file", ...
std::string DescriptorKind(std::string_view link) {
  if (link.starts_with("/")) return "file";
  if (link.starts_with("anon_inode:")) return std::string(link);
  return std::string(link.substr(0, link.find(':')));
}

void AddDescriptors(const Directory& process, SectionText* out) {
  const auto directory = process.OpenDirectory("fd");
  if (!directory.ok()) return out->AddFailure(directory.status());
  const auto names = directory->List(kMaxDescriptors);
  if (!names.ok()) return out->AddFailure(names.status());
  std::map<std::string, std::uint64_t> kinds;
  for (const std::string& name : *names) {
    std::array<char, 256> link{};
    const ssize_t n =
        ::readlinkat(directory->fd(), name.c_str(), link.data(), link.size());
    if (n <= 0) continue;
    ++kinds[DescriptorKind({link.data(), static_cast<std::size_t>(n)})];
  }
  out->Add(StrCat(process.path(), "/fd, descriptors by kind"),
           CountsText(kinds));
}

std::string ThreadText(const Directory& thread, std::string_view tid) {
  const auto stat_text = ReadPiece(thread, "stat", 4096);
  ProcessStat stat;
  if (!stat_text.ok() || !ParseProcessStat(stat_text->text, &stat).ok())
    return {};
  std::string out =
      StrCat("thread ", tid, " ", ToValidUtf8(stat.comm), "\n  state ",
             stat.state, ", user_ticks ", stat.user_ticks, ", system_ticks ",
             stat.system_ticks, "\n");
  const auto channel = ReadPiece(thread, "wchan", 256);
  if (channel.ok() && !channel->text.empty() && channel->text != "0")
    out += StrCat("  wait_channel ", Trim(channel->text), "\n");
  const auto stack = ReadPiece(thread, "stack", 16384);
  if (!stack.ok()) return out;
  std::string_view rest = stack->text;
  std::string_view line;
  while (NextLine(&rest, &line)) out += StrCat("    ", line, "\n");
  return out;
}

template <typename Redact>
Result<StepText> RedactedText(const HeldProcesses& processes,
                              const std::string& name, std::size_t max_bytes,
                              const Redact& redact) {
  SectionText out(max_bytes);
  for (const auto& process : processes) {
    if (out.is_full()) break;
    const auto piece = ReadPiece(process->directory(), name, max_bytes);
    if (!piece.ok()) {
      out.AddFailure(piece.status());
      continue;
    }
    const std::string title = StrCat(process->directory().path(), "/", name);
    out.Add(title, ToValidUtf8(redact(piece->text)));
    if (piece->is_cut) out.Cut(title + " is longer");
  }
  return std::move(out).Take();
}

}  // namespace

StepText CountersText(const CaptureRequest& request,
                      const HeldProcesses& processes,
                      const std::string& proc_root, std::size_t max_bytes) {
  SectionText out(max_bytes);
  out.Add("decision", DecisionText(request));
  for (const auto& process : processes) {
    for (const std::string_view name :
         {"stat", "statm", "io", "schedstat", "oom_score"}) {
      out.AddFile(process->directory(), name);
    }
  }
  const auto machine = Directory::Open(proc_root);
  if (machine.ok()) {
    for (const std::string_view name : {"meminfo", "loadavg", "vmstat"})
      out.AddFile(*machine, name);
    const auto pressure = machine->OpenDirectory("pressure");
    if (pressure.ok()) {
      for (const std::string_view name : {"memory", "io", "cpu"})
        out.AddFile(*pressure, name);
    }
  }
  return std::move(out).Take().value();
}

Result<StepText> ProcessFilesText(const HeldProcesses& processes,
                                  const std::string& name,
                                  std::size_t max_bytes) {
  SectionText out(max_bytes);
  for (const auto& process : processes) out.AddFile(process->directory(), name);
  return std::move(out).Take();
}

Result<StepText> CgroupText(const HeldProcesses& processes,
                            std::size_t max_bytes) {
  if (processes.empty()) return NotFound("there is no process");
  const HeldProcess& node = *processes.front();
  FODC_ASSIGN_OR_RETURN(const CgroupPlace place,
                        FindCgroup(node.proc_root(), node.pid()));
  // It may be another process's that has the pid by now.
  if (!node.IsAlive()) return NotFound("the process has ended");
  SectionText out(max_bytes);
  std::vector<CgroupDirectory> groups;
  for (const auto* group :
       {&place.memory, &place.cpu, &place.cpuacct, &place.unified}) {
    if (*group &&
        std::find(groups.begin(), groups.end(), **group) == groups.end()) {
      groups.push_back(**group);
    }
  }
  for (const CgroupDirectory& group : groups) AddGroup(group, &out);
  if (place.memory) AddLimitsAbove(*place.memory, &out);
  return std::move(out).Take();
}

Result<StepText> SocketsText(const HeldProcesses& processes,
                             std::size_t max_bytes) {
  SectionText out(max_bytes);
  if (!processes.empty()) {
    const auto net = processes.front()->directory().OpenDirectory("net");
    if (net.ok()) {
      for (const std::string_view name : {"sockstat", "sockstat6"}) {
        if (net->Stat(name).ok()) out.AddFile(*net, name);
      }
      AddTcpStates(*net, "tcp", &out);
      AddTcpStates(*net, "tcp6", &out);
    } else {
      out.AddFailure(net.status());
    }
  }
  for (const auto& process : processes)
    AddDescriptors(process->directory(), &out);
  return std::move(out).Take();
}

Result<StepText> ThreadsText(const HeldProcesses& processes,
                             std::size_t max_bytes) {
  SectionText out(max_bytes);
  for (const auto& process : processes) {
    const auto tasks = process->directory().OpenDirectory("task");
    if (!tasks.ok()) {
      out.AddFailure(tasks.status());
      continue;
    }
    const auto names = tasks->List(kMaxThreads);
    if (!names.ok()) {
      out.AddFailure(names.status());
      continue;
    }
    std::string text;
    for (const std::string& tid : *names) {
      if (text.size() > max_bytes) break;
      const auto thread = tasks->OpenDirectory(tid);
      if (thread.ok()) text += ThreadText(*thread, tid);
    }
    if (text.empty()) continue;
    out.Add(tasks->path(), text);
    if (names->size() == kMaxThreads)
      out.Cut(StrCat("more than ", kMaxThreads, " threads"));
  }
  return std::move(out).Take();
}

Result<StepText> ArgumentsText(const HeldProcesses& processes,
                               std::size_t max_bytes) {
  return RedactedText(processes, "cmdline", max_bytes, RedactArguments);
}

Result<StepText> EnvironmentText(const HeldProcesses& processes,
                                 std::size_t max_bytes) {
  return RedactedText(processes, "environ", max_bytes, RedactEnvironment);
}

}  // namespace fodc::capture
