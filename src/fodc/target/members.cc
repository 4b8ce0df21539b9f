// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/members.h"

#include <string_view>
#include <utility>

namespace fodc::target {
namespace {

constexpr int kMaxAncestors = 64;

bool HasName(const ProcessStat& p, const Claim& claim) {
  return p.comm.starts_with(std::string_view(claim.name).substr(0, kCommBytes));
}

}  // namespace

const Members::Group& Members::GroupOf(const std::string& path, pid_t member) {
  const auto [at, is_new] = groups_.try_emplace(path);
  Group& group = at->second;
  if (!is_new) return group;
  auto inside = finder_.InGroupOf(member);
  group.is_whole_machine = !inside;
  if (!inside) inside = finder_.WithComm("");
  for (ProcessStat& p : *inside) {
    const pid_t pid = p.pid;
    group.processes.emplace(pid, std::move(p));
  }
  return group;
}

bool Members::Shares(const ProcessStat& p, std::size_t row,
                     const Claim& claim) {
  Looked& looked = looked_[row];
  const auto before = looked.before.find(p.pid);
  Seen seen;
  if (looked.sockets == claim.sockets && before != looked.before.end() &&
      before->second.start_ticks == p.start_ticks) {
    seen = before->second;
  } else {
    seen.start_ticks = p.start_ticks;
    seen.shares =
        OwnsAnySocket(finder_.root(), p.pid, claim.sockets).value_or(false);
  }
  looked.now[p.pid] = seen;
  return seen.shares;
}

// Of the nearest that has one: the process itself, its parent, and so on.
std::optional<std::size_t> Members::OwnerOf(const Group& group,
                                            const ProcessStat& process) const {
  pid_t pid = process.pid;
  for (int i = 0; i < kMaxAncestors && pid > 0; ++i) {
    if (const auto owner = owners_.find(pid); owner != owners_.end())
      return owner->second;
    if (const auto inside = group.processes.find(pid);
        inside != group.processes.end()) {
      pid = inside->second.parent_pid;
      continue;
    }
    // One of another group.
    const auto stat = ReadProcessStat(finder_.root(), pid);
    if (!stat.ok()) return {};
    pid = stat->parent_pid;
  }
  return {};
}

std::vector<std::vector<pid_t>> Members::Of(std::span<const Claim> claims) {
  groups_.clear();
  owners_.clear();
  looked_.resize(claims.size());
  std::vector<std::string> paths(claims.size());
  std::vector<std::size_t> rows;  // that have an instance of their own
  for (std::size_t row = 0; row < claims.size(); ++row) {
    const pid_t instance = claims[row].instance;
    if (instance == 0 || !owners_.emplace(instance, row).second) continue;
    rows.push_back(row);
    paths[row] = finder_.GroupOf(instance);
  }
  for (const std::size_t row : rows) {
    const Claim& claim = claims[row];
    if (claim.sockets.empty()) continue;
    const Group& group = GroupOf(paths[row], claim.instance);
    for (const auto& [pid, p] : group.processes) {
      if (p.comm != claim.comm || OwnerOf(group, p) == row) continue;
      if (Shares(p, row, claim)) owners_.emplace(pid, row);
    }
  }
  for (const std::size_t row : rows) {
    const Claim& claim = claims[row];
    if (claim.name.empty()) continue;
    if (paths[row].empty() && !claim.is_name_given) continue;
    const Group& group = GroupOf(paths[row], claim.instance);
    for (const auto& [pid, p] : group.processes) {
      if (!HasName(p, claim) || OwnerOf(group, p)) continue;
      if (group.is_whole_machine && finder_.GroupOf(pid) != paths[row])
        continue;
      owners_.emplace(pid, row);
    }
  }
  std::vector<std::vector<pid_t>> members(claims.size());
  for (const std::size_t row : rows) {
    const pid_t instance = claims[row].instance;
    members[row].push_back(instance);
    const Group& group = GroupOf(paths[row], instance);
    for (const auto& [pid, p] : group.processes) {
      if (pid == instance || OwnerOf(group, p) != row) continue;
      if (group.is_whole_machine && finder_.GroupOf(pid) != paths[row])
        continue;
      members[row].push_back(pid);
    }
  }
  for (const std::size_t row : rows) {
    Looked& looked = looked_[row];
    looked.sockets = claims[row].sockets;
    looked.before = std::exchange(looked.now, {});
  }
  groups_.clear();
  return members;
}

}  // namespace fodc::target
