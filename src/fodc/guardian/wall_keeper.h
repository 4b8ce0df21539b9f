// SPDX-License-Identifier: Apache-2.0
// Switches killers on again when this process dies with them off, by whatever:
// a process of its own, which outlives it for just that.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guardian {

// The keeper is a fork of this process that holds no descriptors but those it
// is given, shares no memory that is written to, and does nothing until the
// last descriptor of the other end of its socket is closed, which the kernel
// does at every death. It has a session of its own and heeds no signal but
// SIGKILL. What it does not see: a SIGKILL to all processes of a cgroup or of a
// pid namespace (that of a container whose first process ends) takes it, too.
//
// Thread-safe: each call is one message.
class WallKeeper {
 public:
  // For so many rows. Errors: as socketpair(2) and fork(2).
  static Result<std::unique_ptr<WallKeeper>> Start(std::size_t rows);
  // The keeper writes what is still kept, and is waited for.
  ~WallKeeper();
  WallKeeper(const WallKeeper&) = delete;
  WallKeeper& operator=(const WallKeeper&) = delete;

  // From now on "0" is written to that file at this process's end; in place of
  // what the row had. False if the keeper is gone or does not follow: nobody
  // must rely on it. Neither waits nor allocates.
  bool Keep(std::size_t row, int control_fd);
  void Drop(std::size_t row);

  pid_t pid() const { return pid_; }

 private:
  WallKeeper(UniqueFd socket, pid_t pid)
      : socket_(std::move(socket)), pid_(pid) {}

  UniqueFd socket_;
  const pid_t pid_;
};

}  // namespace fodc::guardian
