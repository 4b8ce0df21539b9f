// SPDX-License-Identifier: Apache-2.0
// A real child with a name, and perhaps a port, for this room's tests.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::target {

// Started when the constructor returns. Killed and waited for in the end.
class ChildProcess {
 public:
  // `port` 0 chooses a free one, -1 does without.
  ChildProcess(const char* name, int port) {
    int up[2];
    int down[2];
    FODC_CHECK(::pipe2(up, O_CLOEXEC) == 0 && ::pipe2(down, O_CLOEXEC) == 0);
    const UniqueFd hear(up[0]);
    UniqueFd tell(up[1]);
    UniqueFd child_hears(down[0]);
    tell_ = UniqueFd(down[1]);
    pid_ = ::fork();
    FODC_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      tell_.reset();
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      (void)::prctl(PR_SET_NAME, name);
      const std::uint16_t bound = port >= 0 ? Listen(port) : 0;
      if (::write(tell.get(), &bound, sizeof bound) != sizeof bound) {
        ::_exit(1);
      }
      unsigned char status = 0;
      if (::read(child_hears.get(), &status, 1) != 1) ::pause();
      ::_exit(status);
    }
    tell.reset();
    FODC_CHECK(::read(hear.get(), &port_, sizeof port_) == sizeof port_);
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    Kill();
    Reap();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  std::uint16_t port() const { return port_; }
  void Kill() const { (void)::kill(pid_, SIGKILL); }
  void Exit(unsigned char status) const {
    FODC_CHECK(::write(tell_.get(), &status, 1) == 1);
  }
  // Until it is a zombie.
  void AwaitEnd() const {
    siginfo_t info{};
    FODC_CHECK(::waitid(P_PID, static_cast<id_t>(pid_), &info,
                        WEXITED | WNOWAIT) == 0);
  }
  void Reap() {
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  static std::uint16_t Listen(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    socklen_t n = sizeof a;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&a), n) != 0 ||
        ::listen(fd, 4) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n) != 0) {
      ::_exit(1);
    }
    return ntohs(a.sin_port);
  }

  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  UniqueFd tell_;
};

}  // namespace fodc::target
