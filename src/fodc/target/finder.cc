// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/finder.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::target {
namespace {

constexpr std::size_t kMaxCommandLineBytes = 4u << 20;

std::string_view ParentPath(std::string_view path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

std::optional<ProcessStat> Finder::Alive(pid_t pid) const {
  if (pid == own_pid_) return {};
  Result<ProcessStat> stat = ReadProcessStat(root_, pid);
  if (!stat.ok() || stat->state == 'Z' || stat->state == 'X') return {};
  if (stat->virtual_bytes == 0) return {};  // a kernel thread
  return *std::move(stat);
}

Finder::Fate Finder::FateOf(pid_t pid, std::uint64_t start_ticks) const {
  const Result<ProcessStat> stat = ReadProcessStat(root_, pid);
  if (!stat.ok()) {
    if (stat.status().code() != Code::kNotFound) return Fate::kUnknown;
    // With hidepid, one of another user is not to be seen.
    const bool is_hidden =
        root_ == kProcRoot && (::kill(pid, 0) == 0 || errno != ESRCH);
    return is_hidden ? Fate::kUnknown : Fate::kGone;
  }
  if (stat->start_ticks != start_ticks || stat->state == 'X')
    return Fate::kGone;
  // A main thread that has ended is a zombie while others go on.
  return stat->state == 'Z' && stat->threads <= 1 ? Fate::kGone : Fate::kLives;
}

std::vector<ProcessStat> Finder::KeepComm(const std::vector<pid_t>& pids,
                                          std::string_view prefix) const {
  std::vector<ProcessStat> found;
  prefix = prefix.substr(0, kCommBytes);
  for (const pid_t pid : pids) {
    if (!prefix.empty()) {
      const Result<std::string> comm = ReadComm(root_, pid);
      if (!comm.ok() || !comm->starts_with(prefix)) continue;
    }
    if (auto stat = Alive(pid)) found.push_back(*std::move(stat));
  }
  return found;
}

std::vector<ProcessStat> Finder::WithComm(std::string_view prefix) const {
  return KeepComm(ListProcesses(root_).value_or({}), prefix);
}

std::vector<std::uint64_t> Finder::SocketsOf(std::uint16_t port,
                                             bool prefer_loopback) const {
  std::vector<std::uint64_t> loopback;
  std::vector<std::uint64_t> all;
  for (const ListeningSocket& s : ReadListeningSockets(root_).value_or({})) {
    if (s.port != port || s.inode == 0) continue;
    all.push_back(s.inode);
    if (s.is_loopback) loopback.push_back(s.inode);
  }
  std::vector<std::uint64_t>& out =
      prefer_loopback && !loopback.empty() ? loopback : all;
  std::sort(out.begin(), out.end());
  return std::move(out);
}

std::vector<ProcessStat> Finder::OwnersOf(
    const std::vector<std::uint64_t>& inodes, std::optional<pid_t> first,
    bool* is_denied) const {
  *is_denied = false;
  std::vector<ProcessStat> owners;
  const auto ask = [&](pid_t pid) {
    const Result<bool> owns = OwnsAnySocket(root_, pid, inodes);
    if (!owns.ok()) {
      *is_denied =
          *is_denied || owns.status().code() == Code::kPermissionDenied;
      return;
    }
    if (!*owns) return;
    if (auto stat = Alive(pid)) owners.push_back(*std::move(stat));
  };
  if (first) ask(*first);
  if (!owners.empty()) return owners;
  for (const pid_t pid : ListProcesses(root_).value_or({})) {
    if (pid != own_pid_ && pid != first) ask(pid);
  }
  return owners;
}

std::optional<ProcessStat> Finder::Choose(
    const std::vector<ProcessStat>& candidates) {
  const auto key = [&candidates](const ProcessStat& p) {
    const bool has_parent = std::any_of(
        candidates.begin(), candidates.end(),
        [&p](const ProcessStat& c) { return c.pid == p.parent_pid; });
    return std::tuple(has_parent, p.start_ticks, p.pid);
  };
  const auto best =
      std::min_element(candidates.begin(), candidates.end(),
                       [&key](const ProcessStat& a, const ProcessStat& b) {
                         return key(a) < key(b);
                       });
  if (best == candidates.end()) return {};
  return *best;
}

std::string Finder::ContainerOf(pid_t pid) const {
  const Result<std::string> text = ReadFile(StrCat(root_, "/", pid, "/cgroup"));
  if (!text.ok()) return {};
  std::string unified;
  for (const CgroupMembership& m : ParseCgroupMemberships(*text)) {
    if (std::find(m.controllers.begin(), m.controllers.end(), "memory") !=
        m.controllers.end()) {
      return m.path;
    }
    if (m.is_v2) unified = m.path;
  }
  return unified;
}

std::string Finder::GroupOf(pid_t pid) const {
  const Result<std::string> text = ReadFile(StrCat(root_, "/", pid, "/cgroup"));
  if (!text.ok()) return {};
  std::string memory;
  for (const CgroupMembership& m : ParseCgroupMemberships(*text)) {
    if (m.path == "/") continue;
    if (m.is_v2) return m.path;
    if (std::find(m.controllers.begin(), m.controllers.end(), "memory") !=
        m.controllers.end()) {
      memory = m.path;
    }
  }
  return memory;
}

std::optional<std::vector<ProcessStat>> Finder::InGroupOf(pid_t pid) const {
  const Result<CgroupPlace> place = FindCgroup(root_, pid);
  if (!place.ok()) return {};
  for (const auto* group : {&place->unified, &place->memory}) {
    if (!*group || (*group)->is_root) continue;
    const auto pids = ReadCgroupProcesses((*group)->path);
    if (pids.ok()) return KeepComm(*pids, "");
  }
  return {};
}

std::string Finder::CommandLineOf(pid_t pid) const {
  return ReadFile(StrCat(root_, "/", pid, "/cmdline"), kMaxCommandLineBytes)
      .value_or("");
}

Likeness Finder::LikenessOf(const ProcessStat& p) const {
  return {p.comm, CommandLineOf(p.pid), ContainerOf(p.pid)};
}

std::vector<ProcessStat> Finder::Like(const Likeness& like,
                                      std::uint64_t start_ticks) const {
  std::vector<ProcessStat> found;
  if (like.command_line.empty()) return found;
  for (ProcessStat& p : WithComm(like.comm)) {
    if (p.comm != like.comm || p.start_ticks < start_ticks) continue;
    if (CommandLineOf(p.pid) != like.command_line) continue;
    const std::string container = ContainerOf(p.pid);
    // A container that is made anew gets a new group beside the old one.
    if (container != like.container &&
        ParentPath(container) != ParentPath(like.container)) {
      continue;
    }
    found.push_back(std::move(p));
  }
  return found;
}

}  // namespace fodc::target
