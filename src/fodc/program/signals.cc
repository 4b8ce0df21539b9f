// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace fodc::program {
namespace {

sigset_t OurSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void BlockSignals() {
  const sigset_t set = OurSignals();
  FODC_CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  FODC_CHECK(::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

Result<SignalWatch> SignalWatch::Create(
    net::EventLoop& loop, net::UniqueFunction<void(int signal)> on_signal) {
  const sigset_t set = OurSignals();
  SignalWatch w;
  w.fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!w.fd_.ok()) return ErrnoStatus(errno, "signalfd");
  const int fd = w.fd_.get();
  FODC_ASSIGN_OR_RETURN(
      w.watch_,
      loop.WatchReadable(fd, [fd, f = std::move(on_signal)]() mutable {
        signalfd_siginfo info{};
        if (::read(fd, &info, sizeof info) == sizeof info) {
          f(static_cast<int>(info.ssi_signo));
        }
      }));
  return w;
}

}  // namespace fodc::program
