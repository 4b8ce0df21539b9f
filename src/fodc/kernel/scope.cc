// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/scope.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc::kernel {
namespace {

constexpr std::size_t kMaxProcesses = 4096;
constexpr std::size_t kMaxDirectories = 4096;
constexpr int kMaxAncestors = 64;

std::optional<ContainerId> DirectoryId(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0 || !S_ISDIR(s.st_mode)) return {};
  return ContainerId{.device = s.st_dev, .inode = s.st_ino};
}

// All processes of the group and of those below it. Nothing if one cannot be
// read or there are too many.
std::optional<std::vector<pid_t>> ProcessesIn(const std::string& top) {
  std::vector<pid_t> found;
  std::vector<std::string> open = {top};
  for (std::size_t seen = 0; !open.empty(); ++seen) {
    if (seen == kMaxDirectories) return {};
    const std::string directory = std::move(open.back());
    open.pop_back();
    const auto text = ReadFile(directory + "/cgroup.procs");
    // One that was removed meanwhile holds nobody.
    if (!text.ok()) {
      if (directory != top && text.status().code() == Code::kNotFound) continue;
      return {};
    }
    std::string_view rest = *text;
    std::string_view line;
    while (NextLine(&rest, &line)) {
      const auto pid = ParseUint(Trim(line));
      if (!pid || found.size() == kMaxProcesses) return {};
      found.push_back(static_cast<pid_t>(*pid));
    }
    const auto names = ListDirectory(directory);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      std::string below = StrCat(directory, "/", name);
      if (DirectoryId(below)) open.push_back(std::move(below));
    }
  }
  return found;
}

bool IsZombie(const std::string& proc_root, pid_t pid) {
  const auto stat = ReadProcessStat(proc_root, pid);
  return stat.ok() && stat->state == 'Z';
}

bool IsAmong(std::span<const pid_t> processes, pid_t pid) {
  return std::find(processes.begin(), processes.end(), pid) != processes.end();
}

class Descent {
 public:
  Descent(std::span<const pid_t> processes, std::span<const pid_t> all,
          const std::string& proc_root)
      : processes_(processes), all_(all), proc_root_(proc_root) {}

  // Whether the process is the target's or descends from one that is.
  bool Holds(pid_t pid) const {
    for (int i = 0; i < kMaxAncestors && pid > 0; ++i) {
      if (IsAmong(processes_, pid)) return true;
      if (IsAmong(all_, pid)) return false;
      const auto stat = ReadProcessStat(proc_root_, pid);
      // One that has died meanwhile is nobody's.
      if (!stat.ok()) return i == 0 && stat.status().code() == Code::kNotFound;
      pid = stat->parent_pid;
    }
    return false;
  }

 private:
  std::span<const pid_t> processes_;
  std::span<const pid_t> all_;
  const std::string& proc_root_;
};

std::optional<std::string> ForcedDirectory(const ScopeOptions& options) {
  // It would lead out of the mount, into something that is no group.
  for (const std::string_view name : Split(options.forced_path, '/'))
    if (name == "..") return {};
  const auto text = ReadFile(options.proc_root + "/self/mountinfo");
  if (!text.ok()) return {};
  for (const CgroupMount& mount : ParseCgroupMounts(*text)) {
    if (!mount.is_v2) continue;
    const std::string root = options.sys_root + mount.mount;
    std::string_view path = options.forced_path;
    if (path == root || path.starts_with(root + "/")) return std::string(path);
    while (path.starts_with('/')) path.remove_prefix(1);
    const std::string below = StrCat(root, "/", path);
    if (DirectoryId(below)) return below;
  }
  return {};
}

// Whether a process is in the group or below it. The root does not tell.
bool IsPopulated(const std::string& directory) {
  const auto text = ReadFile(directory + "/cgroup.events");
  return !text.ok() || text->find("populated 0") == std::string::npos;
}

Scope ForcedScope(const ScopeOptions& options) {
  Scope scope;
  const auto directory = ForcedDirectory(options);
  const auto id = directory ? DirectoryId(*directory) : std::nullopt;
  if (!id) {
    scope.reason = "cgroup_path";
    return scope;
  }
  scope.container_path = *directory;
  scope.container_id = *id;
  if (!IsPopulated(*directory)) {
    scope.reason = "no_target";
    return scope;
  }
  scope.state = FilterState::kByCgroup;
  scope.cgroup_id = id->inode;
  return scope;
}

}  // namespace

Scope FindScope(std::span<const pid_t> processes, std::span<const pid_t> all,
                const ScopeOptions& options) {
  if (!options.forced_path.empty()) return ForcedScope(options);
  Scope scope;
  scope.reason = "no_target";
  if (processes.empty()) return scope;
  scope.state = FilterState::kByThreadGroup;
  scope.reason = "no_cgroup2";
  std::optional<CgroupPlace> place;
  for (const pid_t pid : processes) {
    auto found = FindCgroup(options.proc_root, pid, options.sys_root);
    if (!found.ok()) continue;
    // A zombie has left its groups of v1 for the root.
    if (!found->unified && IsZombie(options.proc_root, pid)) continue;
    place = *std::move(found);
    break;
  }
  if (!place) return scope;
  const auto& directory = place->unified ? place->unified : place->memory;
  if (!directory) return scope;
  const auto id = DirectoryId(directory->path);
  if (!id) return scope;
  scope.container_path = directory->path;
  scope.container_id = *id;
  if (!place->unified) return scope;
  if (directory->is_root) {
    scope.reason = "root_cgroup";
    return scope;
  }
  scope.reason = "foreign_process";
  const auto inside = ProcessesIn(directory->path);
  if (!inside) return scope;
  const Descent descent(processes, all, options.proc_root);
  for (const pid_t pid : *inside) {
    if (!descent.Holds(pid)) return scope;
  }
  // Several processes of one target in several groups: none has them all.
  for (const pid_t pid : processes) {
    if (!IsAmong(*inside, pid) &&
        DirectoryId(StrCat(options.proc_root, "/", pid))) {
      scope.reason = "several_cgroups";
      return scope;
    }
  }
  scope.state = FilterState::kByCgroup;
  scope.reason = {};
  scope.cgroup_id = id->inode;
  return scope;
}

bool ContainerLives(const std::string& path, const ContainerId& id) {
  return !path.empty() && DirectoryId(path) == id;
}

}  // namespace fodc::kernel
