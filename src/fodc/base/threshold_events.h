// SPDX-License-Identifier: Apache-2.0
// cgroup v1: an event when a group's usage crosses a line. It only makes the
// watcher look sooner: it fires in both directions, counts page cache, and
// once more when the group is removed. Linux,
// Documentation/admin-guide/cgroup-v1/memory.rst, 9. Memory thresholds.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "fodc/base/cgroup.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc {

class ThresholdEvents {
 public:
  ThresholdEvents() = default;  // none: fd() is -1
  // Lines of 0 are left out. Errors: kUnimplemented on cgroup v2, which has
  // none; as open(2) and write(2).
  static Result<ThresholdEvents> Open(const CgroupDirectory& group,
                                      std::initializer_list<std::uint64_t> at);

  // Readable when there was an event.
  int fd() const { return event_.get(); }
  void Drain() const;

 private:
  UniqueFd event_;
  UniqueFd usage_;  // the kernel drops the lines when it is closed
};

}  // namespace fodc
