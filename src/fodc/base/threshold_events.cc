// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/threshold_events.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc {

Result<ThresholdEvents> ThresholdEvents::Open(
    const CgroupDirectory& group, std::initializer_list<std::uint64_t> at) {
  if (group.version != CgroupVersion::kV1)
    return Unimplemented("cgroup v2 has no threshold events");
  ThresholdEvents out;
  out.event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!out.event_.ok()) return ErrnoStatus(errno, "eventfd");
  const std::string usage = group.path + "/memory.usage_in_bytes";
  out.usage_ = UniqueFd(::open(usage.c_str(), O_RDONLY | O_CLOEXEC));
  if (!out.usage_.ok()) return ErrnoStatus(errno, usage);
  const std::string control = group.path + "/cgroup.event_control";
  const UniqueFd control_fd(::open(control.c_str(), O_WRONLY | O_CLOEXEC));
  if (!control_fd.ok()) return ErrnoStatus(errno, control);
  for (const std::uint64_t line : at) {
    if (line == 0) continue;
    FODC_RETURN_IF_ERROR(WriteAll(
        control_fd.get(),
        StrCat(out.event_.get(), " ", out.usage_.get(), " ", line), control));
  }
  return out;
}

void ThresholdEvents::Drain() const {
  std::uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);
}

}  // namespace fodc
