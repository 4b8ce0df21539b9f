// SPDX-License-Identifier: Apache-2.0
#include "deadline.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "edge.h"
#include "fodc/base/clock.h"
#include "own_thread.h"

namespace fodc::guard {
namespace {

constexpr std::chrono::seconds kFlushTime{1};

void Raise(const UniqueFd& fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd.get(), &one, sizeof one);
}

// False when the time ran out. Nothing else ends it, and a signal does not
// prolong it.
bool WaitFor(const UniqueFd& a, const UniqueFd& b,
             const std::chrono::nanoseconds* at_most) {
  std::array<pollfd, 2> fds = {{{a.get(), POLLIN, 0}, {b.get(), POLLIN, 0}}};
  const Clock& clock = SystemClock();
  const MonotonicTime begin = clock.Monotonic();
  for (;;) {
    timespec timeout{};
    if (at_most != nullptr) {
      const std::chrono::nanoseconds left = std::max(
          *at_most - (clock.Monotonic() - begin), std::chrono::nanoseconds(0));
      timeout.tv_sec = left.count() / 1'000'000'000;
      timeout.tv_nsec = left.count() % 1'000'000'000;
    }
    const int n = ::ppoll(fds.data(), fds.size(),
                          at_most != nullptr ? &timeout : nullptr, nullptr);
    if (n >= 0 || errno != EINTR) return n > 0;
  }
}

bool IsRaised(const UniqueFd& fd) {
  const std::chrono::nanoseconds none{0};
  return WaitFor(fd, fd, &none);
}

}  // namespace

Status Deadline::Start(std::chrono::nanoseconds after,
                       std::function<int()> exit_code) {
  exit_code_ = std::move(exit_code);
  for (UniqueFd* fd : {&armed_, &stopped_, &flush_, &flushed_}) {
    fd->reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd->ok()) return ErrnoStatus(errno, "eventfd");
  }
  return StartThread(&thread_, "fodc-deadline", [this, after] { Run(after); });
}

void Deadline::Run(std::chrono::nanoseconds after) const {
  (void)WaitFor(armed_, stopped_, nullptr);
  if (!IsRaised(armed_) || WaitFor(stopped_, stopped_, &after)) return;
  const int code = exit_code_();
  Raise(flush_);
  const std::chrono::nanoseconds flush_time = kFlushTime;
  (void)WaitFor(flushed_, flushed_, &flush_time);
  ::_exit(code);
}

void Deadline::Arm() {
  if (armed_.ok()) Raise(armed_);
}

void Deadline::Stop() {
  if (stopped_.ok()) Raise(stopped_);
  if (thread_.joinable()) thread_.join();
}

void Deadline::RunFlush(const std::function<void()>& flush) {
  if (!flush_.ok()) return;  // it was never started
  (void)WaitFor(flush_, stopped_, nullptr);
  if (!IsRaised(flush_)) return;
  Quietly([&flush] {
    if (flush) flush();
  });
  Raise(flushed_);
}

}  // namespace fodc::guard
