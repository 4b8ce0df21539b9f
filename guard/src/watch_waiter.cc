// SPDX-License-Identifier: Apache-2.0
#include "watch_waiter.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base64.h"
#include "environment.h"
#include "fodc/base/clock.h"
#include "fodc/base/psi_trigger.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "small_text.h"

namespace fodc::guard {
namespace {

using std::chrono::nanoseconds;

timespec ToTimespec(nanoseconds d) {
  timespec t{};
  t.tv_sec = d.count() / 1'000'000'000;
  t.tv_nsec = d.count() % 1'000'000'000;
  return t;
}

void Drain(int fd) {
  std::uint64_t count = 0;
  (void)!::read(fd, &count, sizeof count);
}

// So that a poll waits for the next event; false if the file is gone.
bool ReadAgain(int fd) {
  std::array<char, 512> text;
  return ::pread(fd, text.data(), text.size(), 0) >= 0;
}

class RealWaiter final : public WatchWaiter {
 public:
  explicit RealWaiter(UniqueFd stop) : stop_(std::move(stop)) {}

  Woke Wait(nanoseconds at_most, nanoseconds quiet) override {
    const Clock& clock = SystemClock();
    const MonotonicTime begin = clock.Monotonic();
    const MonotonicTime until = begin + at_most;
    const MonotonicTime quiet_until = begin + std::min(quiet, at_most);
    for (;;) {
      const nanoseconds left = quiet_until - clock.Monotonic();
      if (left <= nanoseconds(0)) break;
      if (PollStop(left)) return Woke::kStop;
    }
    for (;;) {
      const nanoseconds left = until - clock.Monotonic();
      if (left <= nanoseconds(0)) return Woke::kTime;
      const std::optional<Woke> woke = PollAll(left);
      if (woke) return *woke;
    }
  }

  void Stop() override {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
  }

  Status WatchGroup(const CgroupDirectory& group, std::uint64_t soft_bytes,
                    std::uint64_t hard_bytes) override {
    soft_.reset();
    hard_.reset();
    events_.reset();
    if (group.version == CgroupVersion::kV2) {
      const std::string path = group.path + "/memory.events";
      events_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!events_.ok()) return ErrnoStatus(errno, "open " + path);
      (void)ReadAgain(events_.get());
      return OkStatus();
    }
    FODC_RETURN_IF_ERROR(WatchUsage(group, soft_bytes, &soft_));
    return WatchUsage(group, hard_bytes, &hard_);
  }

  Result<std::string> WatchStalls(
      const std::optional<CgroupDirectory>& unified_group) override {
    const char* path = ReadVariable("MEMORY_PRESSURE_WATCH");
    if (path == nullptr || *path == '\0') return WatchOwn(unified_group);
    auto given = WatchGiven(path);
    if (given.ok()) return given;
    // It may be a FIFO or a socket, too.
    auto own = WatchOwn(unified_group);
    if (!own.ok()) return given;
    return StrCat(*own, ", as MEMORY_PRESSURE_WATCH cannot be used: ",
                  given.status().ToString());
  }

 private:
  enum Index : std::size_t { kStopFd, kSoftFd, kHardFd, kEventsFd, kStallFd };

  // Nothing if a signal came between.
  std::optional<Woke> PollAll(nanoseconds left) {
    std::array<pollfd, 5> fds = {{{stop_.get(), POLLIN, 0},
                                  {soft_.get(), POLLIN, 0},
                                  {hard_.get(), POLLIN, 0},
                                  {events_.get(), POLLPRI, 0},
                                  {stall_.get(), POLLPRI, 0}}};
    const timespec timeout = ToTimespec(left);
    const int n = ::ppoll(fds.data(), fds.size(), &timeout, nullptr);
    if (n < 0) return {};
    if (n == 0) return Woke::kTime;
    if (fds[kStopFd].revents != 0) return Woke::kStop;
    bool crossed = false;
    for (const Index i : {kSoftFd, kHardFd}) {
      if (fds[i].revents == 0) continue;
      Drain(fds[i].fd);
      crossed = true;
    }
    if ((fds[kEventsFd].revents & POLLPRI) != 0) {
      if (!ReadAgain(events_.get())) events_.reset();
      crossed = true;
    }
    if ((fds[kStallFd].revents & POLLERR) != 0) {
      stall_.reset();
      return crossed ? std::optional(Woke::kThreshold) : std::nullopt;
    }
    if (crossed) return Woke::kThreshold;
    return Woke::kStall;
  }

  bool PollStop(nanoseconds at_most) const {
    pollfd fd = {stop_.get(), POLLIN, 0};
    const timespec timeout = ToTimespec(at_most);
    return ::ppoll(&fd, 1, &timeout, nullptr) > 0;
  }

  static Status WatchUsage(const CgroupDirectory& group, std::uint64_t bytes,
                           UniqueFd* event) {
    if (bytes == 0) return OkStatus();
    const std::string usage_path = group.path + "/memory.usage_in_bytes";
    const std::string control_path = group.path + "/cgroup.event_control";
    UniqueFd made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!made.ok()) return ErrnoStatus(errno, "eventfd");
    const UniqueFd usage(::open(usage_path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!usage.ok()) return ErrnoStatus(errno, "open " + usage_path);
    const UniqueFd control(::open(control_path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!control.ok()) return ErrnoStatus(errno, "open " + control_path);
    std::array<char, 80> buffer;
    const std::string_view line = SmallText(buffer)
                                      .Put(made.get())
                                      .Put(" ")
                                      .Put(usage.get())
                                      .Put(" ")
                                      .Put(bytes)
                                      .text();
    if (::write(control.get(), line.data(), line.size()) < 0) {
      return ErrnoStatus(errno, "write " + control_path);
    }
    *event = std::move(made);
    return OkStatus();
  }

  Result<std::string> WatchOwn(
      const std::optional<CgroupDirectory>& unified_group) {
    if (unified_group && !unified_group->is_root) {
      auto own = WatchFile(unified_group->path + "/memory.pressure");
      if (own.ok()) return own;
    }
    return WatchFile("/proc/pressure/memory");
  }

  Result<std::string> WatchFile(const std::string& path) {
    FODC_ASSIGN_OR_RETURN(PsiTrigger trigger, OpenPsiTrigger(path, {}));
    stall_ = std::move(trigger.fd);
    return StrCat(path, " some ", trigger.spec.stall_us, " ",
                  trigger.spec.window_us);
  }

  // systemd, docs/MEMORY_PRESSURE.md: /dev/null turns it off, and what is to be
  // written is in base64.
  Result<std::string> WatchGiven(const std::string& path) {
    if (path == "/dev/null") return std::string("off by MEMORY_PRESSURE_WATCH");
    const char* text = ReadVariable("MEMORY_PRESSURE_WRITE");
    const std::optional<std::string> line =
        DecodeBase64(text == nullptr ? "" : text);
    if (!line) return InvalidArgument("MEMORY_PRESSURE_WRITE is no base64");
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
    struct stat s {};
    if (::fstat(fd.get(), &s) != 0 || !S_ISREG(s.st_mode)) {
      return Unimplemented(path + " is no pressure file");
    }
    if (!line->empty() && ::write(fd.get(), line->data(), line->size()) < 0) {
      return ErrnoStatus(errno, "write " + path);
    }
    stall_ = std::move(fd);
    return StrCat(path, " ", std::string_view(line->c_str()));
  }

  UniqueFd stop_, soft_, hard_, events_, stall_;
};

}  // namespace

Result<std::unique_ptr<WatchWaiter>> MakeWatchWaiter() {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.ok()) return ErrnoStatus(errno, "eventfd");
  return std::unique_ptr<WatchWaiter>(new RealWaiter(std::move(stop)));
}

}  // namespace fodc::guard
