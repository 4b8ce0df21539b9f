// SPDX-License-Identifier: Apache-2.0
// Where a process belongs: the part of cgroup.h that finds directories.
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

constexpr std::size_t kMaxFileBytes = 16u << 20;
// Of a search below a mount whose depth alone is known.
constexpr std::size_t kMaxDirectories = 4096;
// include/linux/proc_ns.h: the cgroup namespace that the kernel starts with.
constexpr std::uint64_t kFirstCgroupNamespace = 0xEFFFFFFB;
// Of the root of each hierarchy, since Linux 5.5.
constexpr ino_t kRootInode = 1;
// include/uapi/linux/magic.h
constexpr auto kCgroup1Magic = 0x27e0eb;
constexpr auto kCgroup2Magic = 0x63677270;

std::vector<std::string> SplitToStrings(std::string_view text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (const std::string_view piece : Split(text, ',')) out.emplace_back(piece);
  return out;
}

bool Contains(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// "\040" for a blank, as the kernel writes names in mountinfo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t k) {
      return i + k < text.size() && text[i + k] >= '0' && text[i + k] <= '7';
    };
    if (text[i] == '\\' && digit(1) && digit(2) && digit(3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 +
                               (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// A group as the kernel names it: from the root of our cgroup namespace, "/.."
// for each group above that.
struct GroupPath {
  std::size_t climbs = 0;
  std::string_view down;  // "/a/b"; empty where the climb ends
};

std::optional<GroupPath> ParseGroupPath(std::string_view path) {
  constexpr std::string_view kUp = "/..";
  if (!path.starts_with('/')) return {};
  GroupPath out;
  while (path == kUp || path.starts_with("/../")) {
    path.remove_prefix(kUp.size());
    ++out.climbs;
  }
  // The kernel climbs at the beginning alone.
  if (path.find("/../") != path.npos || path.ends_with(kUp)) return {};
  while (path.ends_with('/')) path.remove_suffix(1);
  out.down = path;
  return out;
}

bool Holds(const std::string& directory, pid_t pid) {
  const auto pids = ReadCgroupProcesses(directory);
  return pids.ok() && std::find(pids->begin(), pids->end(), pid) != pids->end();
}

// Of the groups that lie `levels` below `top`, under whatever names, and from
// there `down`: the one that holds the process.
std::optional<std::string> LookBelow(const std::string& top, std::size_t levels,
                                     std::string_view down, pid_t pid) {
  std::vector<std::pair<std::string, std::size_t>> open = {{top, levels}};
  for (std::size_t seen = 0; !open.empty(); ++seen) {
    if (seen == kMaxDirectories) return {};
    const auto [directory, left] = std::move(open.back());
    open.pop_back();
    if (left == 0) {
      std::string group = StrCat(directory, down);
      if (Holds(group, pid)) return group;
      continue;
    }
    std::error_code error;
    for (std::filesystem::directory_iterator it(directory, error), end;
         !error && it != end; it.increment(error)) {
      std::error_code gone;
      if (it->is_directory(gone)) open.emplace_back(it->path(), left - 1);
    }
  }
  return {};
}

// Some mounts, and what stands before their paths.
struct Mounts {
  std::vector<CgroupMount> all;
  std::string prefix;
  bool are_foreign = false;  // as a process has arranged them that is not ours
};

class PlaceFinder {
 public:
  PlaceFinder(std::string_view proc_root, pid_t pid)
      : proc_root_(proc_root), pid_(pid) {}

  // The group's directory, if the mounts show it.
  std::optional<CgroupDirectory> Find(const Mounts& mounts,
                                      const CgroupMembership& group,
                                      std::string_view controller) const {
    for (const CgroupMount& mount : mounts.all) {
      if (mount.is_v2 != group.is_v2) continue;
      if (!group.is_v2 && !Contains(mount.controllers, controller)) continue;
      const std::string top = mounts.prefix + mount.mount;
      if (mounts.are_foreign && !MayTrust(top)) continue;
      const auto path = FindUnder(mount, top, group.path);
      if (!path) continue;
      return CgroupDirectory{
          .version = group.is_v2 ? CgroupVersion::kV2 : CgroupVersion::kV1,
          .mount = top,
          .path = *path,
          .is_root = *path == top && ShowsRoot(mount, top)};
    }
    return {};
  }

 private:
  std::optional<std::string> FindUnder(const CgroupMount& mount,
                                       const std::string& top,
                                       std::string_view path) const {
    if (const auto told = ResolveCgroupPath(mount, path))
      return top + told->substr(mount.mount.size());
    const auto root = ParseGroupPath(mount.root);
    const auto group = ParseGroupPath(path);
    if (!root || !group || !root->down.empty()) return {};
    if (root->climbs <= group->climbs) return {};
    return LookBelow(top, root->climbs - group->climbs, group->down, pid_);
  }

  // Whether the mount's top is the root of its hierarchy.
  bool ShowsRoot(const CgroupMount& mount, const std::string& top) const {
    struct stat s {};
    if (::stat(top.c_str(), &s) == 0 && s.st_ino == kRootInode) return true;
    if (mount.root != "/") return false;
    const auto space = ReadNamespace(proc_root_, "cgroup");
    return !space.ok() || *space == kFirstCgroupNamespace;
  }

  // What another process calls a cgroup mount might be anything by now; of a
  // test's tree it is a directory.
  bool MayTrust(const std::string& top) const {
    if (proc_root_ != kProcRoot) return true;
    struct statfs s {};
    return ::statfs(top.c_str(), &s) == 0 &&
           (s.f_type == kCgroup1Magic || s.f_type == kCgroup2Magic);
  }

  const std::string_view proc_root_;
  const pid_t pid_;
};

}  // namespace

std::vector<CgroupMembership> ParseCgroupMemberships(std::string_view text) {
  std::vector<CgroupMembership> out;
  std::string_view line;
  while (NextLine(&text, &line)) {
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    CgroupMembership m;
    const std::string_view names = line.substr(first + 1, second - first - 1);
    m.is_v2 = line.substr(0, first) == "0" && names.empty();
    m.controllers = SplitToStrings(names);
    m.path = line.substr(second + 1);
    if (!m.path.starts_with('/')) continue;
    // What the kernel adds when the group is gone and the process is not.
    constexpr std::string_view kDeleted = " (deleted)";
    if (m.path.ends_with(kDeleted)) {
      m.path.resize(m.path.size() - kDeleted.size());
    }
    out.push_back(std::move(m));
  }
  return out;
}

std::vector<CgroupMount> ParseCgroupMounts(std::string_view text) {
  std::vector<CgroupMount> out;
  std::string_view line;
  while (NextLine(&text, &line)) {
    // "id parent major:minor root mount options tags... - type source super"
    for (int i = 0; i < 3; ++i) (void)NextField(&line);
    const std::string_view root = NextField(&line);
    std::string mount = Unescape(NextField(&line));
    std::erase_if(out, [&mount](const CgroupMount& hidden) {
      return hidden.mount == mount;
    });
    std::string_view field;
    do {
      field = NextField(&line);
    } while (!field.empty() && field != "-");
    const std::string_view type = NextField(&line);
    if (type != "cgroup" && type != "cgroup2") continue;
    (void)NextField(&line);
    CgroupMount m;
    m.is_v2 = type == "cgroup2";
    m.root = Unescape(root);
    m.mount = std::move(mount);
    if (!m.is_v2) m.controllers = SplitToStrings(NextField(&line));
    out.push_back(std::move(m));
  }
  return out;
}

std::optional<std::string> ResolveCgroupPath(const CgroupMount& mount,
                                             std::string_view path) {
  const auto root = ParseGroupPath(mount.root);
  auto group = ParseGroupPath(path);
  if (!root || !group || root->climbs != group->climbs) return {};
  if (!ConsumePrefix(&group->down, root->down)) return {};
  if (!group->down.empty() && group->down[0] != '/') return {};
  return StrCat(mount.mount, group->down);
}

Result<std::vector<pid_t>> ReadCgroupProcesses(const std::string& directory) {
  const std::string path = directory + "/cgroup.procs";
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  std::vector<pid_t> pids;
  std::string_view rest = text;
  std::string_view line;
  while (NextLine(&rest, &line)) {
    const auto pid = ParseInt(Trim(line));
    if (!pid) return DataLoss(path + ": a line is no process id");
    pids.push_back(static_cast<pid_t>(*pid));
  }
  return pids;
}

Result<CgroupPlace> FindCgroup(std::string_view proc_root, pid_t pid,
                               std::string_view sys_root) {
  const std::string path = StrCat(proc_root, "/", pid, "/cgroup");
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  FODC_ASSIGN_OR_RETURN(
      const std::string mount_text,
      ReadFile(StrCat(proc_root, "/self/mountinfo"), kMaxFileBytes));
  const std::vector<CgroupMembership> memberships =
      ParseCgroupMemberships(text);
  const Mounts own = {.all = ParseCgroupMounts(mount_text),
                      .prefix = std::string(sys_root)};
  std::optional<Mounts> its;  // the process's
  const PlaceFinder finder(proc_root, pid);

  const auto resolve =
      [&](const CgroupMembership& group,
          std::string_view controller) -> std::optional<CgroupDirectory> {
    if (auto found = finder.Find(own, group, controller)) return found;
    if (!its) {
      const auto its_text =
          ReadFile(StrCat(proc_root, "/", pid, "/mountinfo"), kMaxFileBytes);
      its = {.all = ParseCgroupMounts(its_text.value_or("")),
             .prefix = StrCat(proc_root, "/", pid, "/root"),
             .are_foreign = true};
    }
    return finder.Find(*its, group, controller);
  };
  CgroupPlace place;
  for (const CgroupMembership& m : memberships) {
    if (m.is_v2) place.unified = resolve(m, "");
  }
  // A controller is in v1 or in v2, never in both.
  const auto find = [&](std::string_view controller) {
    for (const CgroupMembership& m : memberships) {
      if (!m.is_v2 && Contains(m.controllers, controller)) {
        return resolve(m, controller);
      }
    }
    return place.unified;
  };
  place.memory = find("memory");
  place.cpu = find("cpu");
  place.cpuacct = find("cpuacct");
  if (!place.memory && !place.cpu && !place.cpuacct && !place.unified) {
    return NotFound(path + ": no group of it is mounted here");
  }
  return place;
}

}  // namespace fodc
