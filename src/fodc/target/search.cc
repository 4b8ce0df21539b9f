// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/search.h"

#include <string_view>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::target {
namespace {

// One that ran beside the target before is not the target.
void KeepSuccessors(const std::optional<Search::Predecessor>& predecessor,
                    std::vector<ProcessStat>* found) {
  if (!predecessor) return;
  std::erase_if(*found, [&predecessor](const ProcessStat& p) {
    return p.start_ticks < predecessor->last_alive_ticks;
  });
}

}  // namespace

Search::Found Search::Find(MonotonicTime now, bool by_pid,
                           const std::optional<Predecessor>& predecessor) {
  if (spec_.pid && by_pid) return FindPid();
  if (!spec_.comm_prefix.empty()) return FindComm(now, predecessor);
  return FindOwner(now, predecessor);
}

// Ports that tell the target, most telling first.
std::vector<std::uint16_t> Search::Ports() const {
  std::vector<std::uint16_t> ports;
  if (spec_.listen_port) ports.push_back(*spec_.listen_port);
  if (!spec_.listen_port || !spec_.comm_prefix.empty()) {
    ports.insert(ports.end(), spec_.endpoint_ports.begin(),
                 spec_.endpoint_ports.end());
  }
  return ports;
}

std::vector<std::uint64_t> Search::SocketsOf(std::uint16_t port) const {
  return finder_.SocketsOf(port, port != spec_.listen_port);
}

bool Search::AreOfAPort(const std::vector<std::uint64_t>& inodes) const {
  if (inodes.empty()) return false;
  for (const std::uint16_t port : Ports()) {
    if (SocketsOf(port) == inodes) return true;
  }
  return false;
}

Search::Owned Search::OwnersOfPorts(MonotonicTime now,
                                    std::optional<pid_t> first) {
  Owned out;
  for (const std::uint16_t port : Ports()) {
    out.inodes = SocketsOf(port);
    if (out.inodes.empty()) continue;
    out.is_listened_to = true;
    Ownerless& ownerless = ownerless_[port];
    if (out.inodes == ownerless.inodes && now < ownerless.until) {
      out.is_denied = out.is_denied || ownerless.is_denied;
      continue;
    }
    bool is_denied = false;
    out.owners = finder_.OwnersOf(out.inodes, first, &is_denied);
    if (!out.owners.empty()) return out;
    out.is_denied = out.is_denied || is_denied;
    ownerless = {out.inodes, now + port_check_interval_, is_denied};
  }
  return out;
}

void Search::KeepComm(std::vector<ProcessStat>* processes) const {
  const std::string_view prefix =
      std::string_view(spec_.comm_prefix).substr(0, kCommBytes);
  std::erase_if(*processes, [prefix](const ProcessStat& p) {
    return !p.comm.starts_with(prefix);
  });
}

Search::Found Search::FindPid() const {
  Found found;
  found.process = finder_.Alive(*spec_.pid);
  found.candidates = found.process ? 1 : 0;
  if (!found.process) found.problem = StrCat("no process has pid ", *spec_.pid);
  return found;
}

Search::Found Search::FindComm(MonotonicTime now,
                               const std::optional<Predecessor>& predecessor) {
  Found found;
  std::vector<ProcessStat> named = finder_.WithComm(spec_.comm_prefix);
  found.candidates = named.size();
  if (named.empty()) {
    found.problem =
        StrCat("no process is named \"", spec_.comm_prefix, "...\"");
    return found;
  }
  Owned owned = OwnersOfPorts(now, {});
  if (!owned.owners.empty()) {
    std::vector<ProcessStat> both = owned.owners;
    KeepComm(&both);
    if (!both.empty()) {
      found.process = Finder::Choose(both);
      found.inodes = std::move(owned.inodes);
      return found;
    }
    // Somebody of another name answers on the port; the target can only be in
    // the same container.
    const std::string container =
        finder_.ContainerOf(Finder::Choose(owned.owners)->pid);
    std::erase_if(named, [&](const ProcessStat& p) {
      return finder_.ContainerOf(p.pid) != container;
    });
    if (named.empty()) {
      found.problem = StrCat("no process named \"", spec_.comm_prefix,
                             "...\" is in the container that owns the port");
      return found;
    }
  }
  KeepSuccessors(predecessor, &named);
  found.process = Finder::Choose(named);
  if (!found.process) {
    found.problem = StrCat("no process named \"", spec_.comm_prefix,
                           "...\" started after the last one died");
  }
  return found;
}

Search::Found Search::FindOwner(MonotonicTime now,
                                const std::optional<Predecessor>& predecessor) {
  Owned owned = OwnersOfPorts(now, {});
  Found found;
  found.candidates = owned.owners.size();
  found.process = Finder::Choose(owned.owners);
  if (found.process) {
    found.inodes = std::move(owned.inodes);
    return found;
  }
  // A node that dies before it listens is known by its likeness.
  if (predecessor && predecessor->likeness) {
    const auto like =
        finder_.Like(*predecessor->likeness, predecessor->last_alive_ticks);
    found.candidates = like.size();
    found.process = Finder::Choose(like);
    if (found.process) return found;
  }
  // Whoever listens is the target, also where it is not to be seen who that is.
  if (!owned.is_listened_to && !spec_.fallback_comm_prefix.empty())
    return FindFallback(predecessor);
  if (owned.is_denied) {
    found.problem =
        "the owner of the port cannot be read (needs CAP_SYS_PTRACE, and its "
        "process namespace; --target-comm names it as well)";
  } else if (owned.is_listened_to) {
    found.problem = "no process visible here owns the port";
  } else if (Ports().empty()) {
    found.problem = "no rule tells how to find it";
  } else {
    found.problem = "nothing listens on the port";
  }
  return found;
}

// By name alone: of several containers nobody knows which one is the node's.
Search::Found Search::FindFallback(
    const std::optional<Predecessor>& predecessor) const {
  std::vector<ProcessStat> named = finder_.WithComm(spec_.fallback_comm_prefix);
  KeepSuccessors(predecessor, &named);
  Found found;
  found.candidates = named.size();
  const std::string_view ports =
      Ports().empty() ? "" : "nothing listens on the port, and ";
  if (named.empty()) {
    found.problem = StrCat(ports, "no process is named \"",
                           spec_.fallback_comm_prefix, "...\"");
    return found;
  }
  const std::string container = finder_.ContainerOf(named.front().pid);
  for (const ProcessStat& p : named) {
    if (finder_.ContainerOf(p.pid) == container) continue;
    found.problem = StrCat(
        ports, named.size(), " processes named \"", spec_.fallback_comm_prefix,
        "...\" are in several containers (--target-comm, --target-port "
        "or --target-pid tells which one it is)");
    return found;
  }
  found.process = Finder::Choose(named);
  found.is_by_fallback = true;
  return found;
}

}  // namespace fodc::target
