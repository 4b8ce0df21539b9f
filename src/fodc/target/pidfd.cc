// SPDX-License-Identifier: Apache-2.0
#include "fodc/target/pidfd.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace fodc::target {
namespace {

// struct pidfd_info of linux/pidfd.h in its first size, which later kernels
// still take; Debian 12's headers are older.
struct PidfdInfo {
  std::uint64_t mask = 0;
  std::uint64_t cgroup_id = 0;
  std::uint32_t pid = 0, tgid = 0, ppid = 0;
  std::uint32_t ruid = 0, rgid = 0, euid = 0, egid = 0;
  std::uint32_t suid = 0, sgid = 0, fsuid = 0, fsgid = 0;
  std::int32_t exit_code = 0;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kInfoExit = 1u << 3;
constexpr unsigned long kGetInfo = _IOWR(0xff, 11, PidfdInfo);
#ifndef SYS_pidfd_open
constexpr long SYS_pidfd_open = 434;
#endif

}  // namespace

UniqueFd OpenPidfd(pid_t pid) {
  // Close-on-exec by itself.
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool HasEnded(int pidfd) {
  pollfd p{pidfd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

std::optional<int> ExitCodeOf(int pidfd) {
  PidfdInfo info;
  info.mask = kInfoExit;
  if (::ioctl(pidfd, kGetInfo, &info) != 0) return {};
  if ((info.mask & kInfoExit) == 0) return {};
  return info.exit_code;
}

}  // namespace fodc::target
