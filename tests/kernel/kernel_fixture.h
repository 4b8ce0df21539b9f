// SPDX-License-Identifier: Apache-2.0
// What tests of kernel telemetry on the real kernel share.
#pragma once

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/kernel/telemetry.h"
#include "tests/kernel/group.h"
#include "tests/support/paths.h"
#include "tests/support/wait.h"

namespace fodc::kernel {

// The real kernel, but for what a test takes away.
class LackingKernel : public KernelView {
 public:
  Result<KernelTypes> Types() const override {
    auto types = KernelView::Types();
    if (!types.ok()) return types;
    std::erase_if(types->tracepoints, [this](const std::string& name) {
      return std::find(without.begin(), without.end(), name) != without.end();
    });
    if (without_cast) types->has_rdonly_cast = false;
    return types;
  }
  std::uint32_t PidMax() const override {
    return pid_max ? *pid_max : KernelView::PidMax();
  }

  Status MayLoadProgram(std::string_view name) const override {
    return refused.contains(name) ? FailedPrecondition("the verifier says no")
                                  : OkStatus();
  }
  Status MayAttachProgram(std::string_view name) const override {
    return not_attached.contains(name) ? FailedPrecondition("no hook")
                                       : OkStatus();
  }

  std::vector<std::string> without;                 // tracepoints
  std::set<std::string, std::less<>> refused;       // programs, gate's parts
  std::set<std::string, std::less<>> not_attached;  // programs
  bool without_cast = false;
  std::optional<std::uint32_t> pid_max;
};

// What a process holds in the kernel, "prog 17", "map 4" or "link 3", by its
// descriptors.
inline std::set<std::string> HeldBy(pid_t pid) {
  std::set<std::string> ids;
  const std::string directory = StrCat("/proc/", pid, "/fdinfo");
  const auto names = ListDirectory(directory);
  if (!names.ok()) return ids;
  for (const std::string& name : *names) {
    const auto text = ReadFile(StrCat(directory, "/", name));
    if (!text.ok()) continue;
    for (std::string_view line : Split(*text, '\n')) {
      for (const char* what : {"prog", "map", "link"}) {
        if (ConsumePrefix(&line, StrCat(what, "_id:"))) {
          ids.insert(StrCat(what, " ", Trim(line)));
        }
      }
    }
  }
  return ids;
}

// The descriptor by which this process holds the map of the name.
inline int OwnMap(std::string_view name) {
  const auto descriptors = ListDirectory("/proc/self/fdinfo");
  FODC_CHECK(descriptors.ok());
  for (const std::string& text : *descriptors) {
    const auto about = ReadFile("/proc/self/fdinfo/" + text);
    if (!about.ok() || about->find("map_id:") == std::string::npos) continue;
    const int fd = std::stoi(text);
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && name == info.name) {
      return fd;
    }
  }
  FODC_CHECK(false);
  return -1;
}

// Takes all the room of a hash map, under keys from `first` on, and gives it
// back with the object.
template <typename Key, typename Value>
class FullMap {
 public:
  FullMap(std::string_view name, Key first) : fd_(OwnMap(name)), first_(first) {
    const Value nobodys{};
    for (;; ++end_) {
      const Key key = first_ + end_;
      if (bpf_map_update_elem(fd_, &key, &nobodys, BPF_NOEXIST) != 0) break;
    }
  }
  ~FullMap() {
    for (Key i = 0; i < end_; ++i) {
      const Key key = first_ + i;
      (void)bpf_map_delete_elem(fd_, &key);
    }
  }
  FullMap(const FullMap&) = delete;
  FullMap& operator=(const FullMap&) = delete;

  std::size_t size() const { return end_; }

 private:
  int fd_;
  Key first_;
  Key end_ = 0;
};

class KernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "SKIPPED: needs root to load programs";
    }
    if (test::Cgroup2Root().empty()) {
      GTEST_SKIP() << "SKIPPED: no cgroup2 is mounted";
    }
  }

  std::unique_ptr<Telemetry> Make(const TelemetryOptions& options = {}) {
    return Telemetry::Create(options, SystemClock());
  }

  // One target with these processes.
  static void Set(Telemetry& telemetry, std::vector<pid_t> processes) {
    const TargetFilter row{.name = "db", .processes = std::move(processes)};
    telemetry.SetTargets({&row, 1});
  }

  TargetReading Read(Telemetry& telemetry) {
    auto readings = telemetry.Collect(&events_);
    return readings.empty() ? TargetReading{} : readings[0];
  }

  static std::uint64_t Lost(const TargetReading& r) {
    return std::accumulate(r.lost.begin(), r.lost.end(), std::uint64_t{0});
  }

  static std::uint64_t LostForRoom(const TargetReading& r) {
    return r.lost[static_cast<std::size_t>(Loss::kMapFull)];
  }

  // A file of so many bytes; it lives as long as the program.
  static std::string FileOf(std::size_t bytes) {
    static const TempDirectory directory("fodc_kernel");
    static int made = 0;
    std::string path = directory.File("file" + std::to_string(made++));
    FODC_CHECK(WriteFileAtomically(path, std::string(bytes, 'x')).ok());
    return path;
  }

  // The same in the build tree, which is on a disk where /tmp may be in memory;
  // its pages are not in the page cache.
  static std::string DiskFile(std::size_t bytes) {
    struct Files {
      ~Files() {
        for (const std::string& path : paths) (void)::unlink(path.c_str());
      }
      std::vector<std::string> paths;
    };
    static Files files;
    std::string path = StrCat(test::ProgramPath(".fodc_kernel_"), ::getpid(),
                              "_", files.paths.size());
    files.paths.push_back(path);
    FODC_CHECK(WriteFileAtomically(path, std::string(bytes, 'x')).ok());
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    FODC_CHECK(::fsync(fd.get()) == 0);
    FODC_CHECK(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
    return path;
  }

  // Until the process sleeps in the system call.
  static void AwaitSleepIn(pid_t pid, int number) {
    const std::string wanted = std::to_string(number) + " ";
    FODC_CHECK(test::WaitUntil(
        [&] {
          const auto text =
              ReadFile("/proc/" + std::to_string(pid) + "/syscall");
          return text.ok() && text->starts_with(wanted);
        },
        std::chrono::seconds(20), std::chrono::milliseconds(1)));
  }

  std::vector<KernelEvent> events_;
};

// Makes `calls` preads of one byte of the file.
inline void Pread(const std::string& path, int calls) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  for (int i = 0; i < calls; ++i) {
    if (::pread(file, &byte, 1, 0) != 1) ::abort();
  }
  ::close(file);
}

inline std::uint64_t Preads(const TargetReading& r) {
  return r.read ? r.read->OfCall(ReadCall::kPread).latency.Count() : 0;
}

}  // namespace fodc::kernel
