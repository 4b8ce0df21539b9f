// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/psi_trigger.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "fodc/base/strings.h"

namespace fodc {
namespace {

constexpr std::uint64_t kUnprivilegedStepUs = 2'000'000;

// The kernel wants the terminating zero, too.
int SetTrigger(int fd, const PsiTriggerSpec& spec) {
  const std::string text =
      StrCat(spec.full ? "full " : "some ", spec.stall_us, " ", spec.window_us);
  return ::write(fd, text.c_str(), text.size() + 1) < 0 ? errno : 0;
}

}  // namespace

PsiTriggerSpec Unprivileged(const PsiTriggerSpec& spec) {
  PsiTriggerSpec out = spec;
  const std::uint64_t steps =
      (spec.window_us + kUnprivilegedStepUs - 1) / kUnprivilegedStepUs;
  out.window_us = (steps == 0 ? 1 : steps) * kUnprivilegedStepUs;
  if (spec.window_us > 0) {
    out.stall_us = spec.stall_us * out.window_us / spec.window_us;
  }
  return out;
}

Result<PsiTrigger> OpenPsiTrigger(const std::string& path,
                                  const PsiTriggerSpec& spec) {
  PsiTrigger t;
  t.spec = spec;
  t.fd.reset(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!t.fd.ok()) return ErrnoStatus(errno, "open " + path);
  int err = SetTrigger(t.fd.get(), t.spec);
  if (err == EINVAL && Unprivileged(spec) != spec) {
    t.spec = Unprivileged(spec);
    err = SetTrigger(t.fd.get(), t.spec);
  }
  if (err != 0) return ErrnoStatus(err, "set a trigger in " + path);
  return t;
}

}  // namespace fodc
