// SPDX-License-Identifier: Apache-2.0
// Asks the node to stop, from any thread and even from the memory watchdog's:
// nothing is allocated and no lock is taken.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace kvnode {

class StopEvent {
 public:
  static fodc::Result<StopEvent> Create() {
    StopEvent event;
    event.fd_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.fd_.ok()) return fodc::ErrnoStatus(errno, "eventfd");
    return event;
  }
  void Ask() const noexcept {
    const std::uint64_t one = 1;
    // It fails only when it was asked 2^64 times.
    (void)!::write(fd_.get(), &one, sizeof one);
  }
  int fd() const { return fd_.get(); }  // readable once asked

 private:
  fodc::UniqueFd fd_;
};

}  // namespace kvnode
