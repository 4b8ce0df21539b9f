// SPDX-License-Identifier: Apache-2.0
// Telemetry in a process namespace that is not the first one: numbers of
// processes are not the kernel's there.
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <string>

#include "fodc/base/unique_fd.h"
#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Worker;

class KernelNamespaceTest : public KernelTest {
 protected:
  static std::string& Path() {
    static std::string path = FileOf(64);
    return path;
  }
  static void Read101() { Pread(Path(), 101); }
  void SetUp() override {
    KernelTest::SetUp();
    (void)Path();
  }

  static bool WriteTo(const std::string& file, const std::string& text) {
    const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    return fd.ok() && WriteAll(fd.get(), text, file).ok();
  }

  // What `inside` returns when it is the first process of a new namespace, as
  // by `unshare --pid --fork`, and with `mounts` by `--mount-proc`; 101 and
  // more, or below 0: it did not come to that.
  template <typename Inside>
  static int RunInside(bool mounts, const Inside& inside) {
    const pid_t outer = ::fork();
    if (outer == 0) {
      if (::unshare(CLONE_NEWNS | CLONE_NEWPID) != 0 ||
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        ::_exit(101);
      }
      const pid_t first = ::fork();
      if (first == 0) {
        if (mounts && ::mount("proc", "/proc", "proc", 0, nullptr) != 0) {
          ::_exit(102);
        }
        ::_exit(inside());
      }
      int status = -1;
      (void)::waitpid(first, &status, 0);
      ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 103);
    }
    int status = -1;
    (void)::waitpid(outer, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(KernelNamespaceTest, CountsItsTargetAndNotTheHostsOfThatNumber) {
  // In the root group: told by their numbers.
  Worker stranger({}, Read101);
  const int result = RunInside(/*mounts=*/true, [&] {
    // The next process gets the stranger's number.
    if (!WriteTo("/proc/sys/kernel/ns_last_pid",
                 std::to_string(stranger.pid() - 1))) {
      return 1;
    }
    Worker target({}, Read101);
    if (target.pid() != stranger.pid()) return 2;
    auto telemetry = Make();
    Set(*telemetry, {target.pid()});
    if (Read(*telemetry).state != FilterState::kByThreadGroup) return 3;
    stranger.Run();
    if (Preads(Read(*telemetry)) != 0) return 4;
    target.Run();
    const auto r = Read(*telemetry);
    if (Preads(r) != 101 || Lost(r) != 0) return 5;
    return 0;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(KernelNamespaceTest, IsOffWhereProcShowsTheHostsProcesses) {
  const int result = RunInside(/*mounts=*/false, [&] {
    Worker target({}, Read101);
    auto telemetry = Make();
    Set(*telemetry, {target.pid()});
    const auto r = Read(*telemetry);
    if (r.state != FilterState::kOff) return 1;
    return r.reason == "pid_namespace" ? 0 : 2;
  });
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace fodc::kernel
