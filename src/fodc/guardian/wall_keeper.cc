// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/wall_keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace fodc::guardian {
namespace {

// With a descriptor: keep it; without: drop the row's.
struct Message {
  std::uint32_t row = 0;
};

union Control {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr align;
};

bool Send(int socket, std::size_t row, int fd) {
  Message message{.row = static_cast<std::uint32_t>(row)};
  iovec part{.iov_base = &message, .iov_len = sizeof message};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  Control control{};
  if (fd >= 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(sizeof message);
}

// From here on in the keeper: the other threads of the process are not there,
// so nothing may be called that another could have been in the middle of.

void CloseFrom(unsigned first, unsigned last) {
  if (first > last || ::close_range(first, last, 0) == 0) return;
  rlimit most{};  // before Linux 5.9
  (void)::getrlimit(RLIMIT_NOFILE, &most);
  const auto end = static_cast<unsigned>(
      std::min<rlim_t>(most.rlim_cur, std::numeric_limits<int>::max()));
  for (unsigned fd = first; fd <= last && fd < end; ++fd)
    (void)::close(static_cast<int>(fd));
}

[[noreturn]] void KeepUntilEnd(int socket, int* fds, std::size_t rows) {
  (void)::setsid();
  (void)::prctl(PR_SET_NAME, "fodc-wall");
  (void)!::chdir("/");
  const auto own = static_cast<unsigned>(socket);
  if (own > 0) CloseFrom(0, own - 1);
  CloseFrom(own + 1, std::numeric_limits<unsigned>::max());
  for (;;) {
    Message message;
    iovec part{.iov_base = &message, .iov_len = sizeof message};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    Control control{};
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    const ssize_t n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof message)) break;
    int fd = -1;
    const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS)
      std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    if (message.row >= rows) continue;
    std::swap(fds[message.row], fd);
    if (fd >= 0) (void)::close(fd);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    if (fds[i] >= 0) (void)!::pwrite(fds[i], "0", 1, 0);
  }
  ::_exit(0);
}

}  // namespace

Result<std::unique_ptr<WallKeeper>> WallKeeper::Start(std::size_t rows) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return ErrnoStatus(errno, "socketpair");
  UniqueFd ours(ends[0]);
  const UniqueFd keepers(ends[1]);
  std::vector<int> fds(rows, -1);
  // No handler of this process's may run in the keeper.
  sigset_t all;
  sigset_t before;
  (void)::sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) KeepUntilEnd(keepers.get(), fds.data(), rows);
  const int error = errno;
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return ErrnoStatus(error, "fork");
  return std::unique_ptr<WallKeeper>(new WallKeeper(std::move(ours), pid));
}

WallKeeper::~WallKeeper() {
  socket_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool WallKeeper::Keep(std::size_t row, int control_fd) {
  return Send(socket_.get(), row, control_fd);
}

void WallKeeper::Drop(std::size_t row) { (void)Send(socket_.get(), row, -1); }

}  // namespace fodc::guardian
