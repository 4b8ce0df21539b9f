// SPDX-License-Identifier: Apache-2.0
#include "tests/guard/memory_child.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kStepBytes = 1u << 20;

std::uint64_t ReadNumber(const std::string& path) {
  const auto text = ReadFile(path);
  FODC_CHECK(text.ok());
  return ParseUint(Trim(*text)).value_or(0);
}

}  // namespace

MemoryGroup::MemoryGroup(const std::string& name, std::uint64_t limit_bytes)
    : group_(StrCat("fodc-", name, "-", ::getpid()), Cgroup1Root("memory")) {
  SetLimit(limit_bytes);
}

void MemoryGroup::SetLimit(std::uint64_t bytes) const {
  group_.Write("memory.limit_in_bytes", StrCat(bytes));
}

std::uint64_t MemoryGroup::oom_kills() const {
  const auto text = ReadFile(group_.path() + "/memory.oom_control");
  FODC_CHECK(text.ok());
  CgroupMemory m;
  FODC_CHECK(ParseOomControlV1(*text, &m).ok());
  return m.oom_kill_events.value_or(0);
}

std::uint64_t MemoryGroup::usage_bytes() const {
  return ReadNumber(group_.path() + "/memory.usage_in_bytes");
}

std::string WhyNoMemoryGroups() {
  if (::geteuid() != 0) return "not root";
  const std::string root = Cgroup1Root("memory");
  if (root.empty()) return "no cgroup v1 memory controller";
  if (::access(root.c_str(), W_OK) != 0) return root + " is read-only";
  return {};
}

ChildEnd RunInGroup(const MemoryGroup& group, const std::function<int()>& body,
                    const Group* beside) {
  ChildEnd end;
  const std::uint64_t kills_before = group.oom_kills();
  const pid_t pid = ::fork();
  FODC_CHECK(pid >= 0);
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    group.group().Add(::getpid());
    if (beside != nullptr) beside->Add(::getpid());
    ::_exit(body());
  }
  int status = 0;
  const auto ended = [&] { return ::waitpid(pid, &status, WNOHANG) == pid; };
  if (!WaitUntil(ended, 60s, 1ms)) {
    (void)::kill(pid, SIGKILL);
    (void)::waitpid(pid, &status, 0);
  }
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.code = WEXITSTATUS(status);
  end.oom_kills = group.oom_kills() - kills_before;
  return end;
}

std::uint64_t Grow(double bytes_per_second, std::uint64_t max_bytes,
                   const std::atomic<bool>& stop) {
  void* at = ::mmap(nullptr, max_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  FODC_CHECK(at != MAP_FAILED);
  (void)::madvise(at, max_bytes, MADV_HUGEPAGE);
  auto* bytes = static_cast<volatile char*>(at);
  const Clock::time_point start = Clock::now();
  std::uint64_t touched = 0;
  while (touched < max_bytes && !stop.load(std::memory_order_relaxed)) {
    const std::uint64_t end = std::min(touched + kStepBytes, max_bytes);
    for (; touched < end; touched += 4096) bytes[touched] = 1;
    const auto due =
        start + std::chrono::duration_cast<Clock::duration>(
                    std::chrono::duration<double>(static_cast<double>(touched) /
                                                  bytes_per_second));
    // Short waits are coarse; the next step makes up for it.
    if (due - Clock::now() > 100us) std::this_thread::sleep_until(due);
  }
  return touched;
}

}  // namespace fodc::test
