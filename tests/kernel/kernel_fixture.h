// SPDX-License-Identifier: Apache-2.0
// What tests of kernel telemetry on the real kernel share.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/kernel/telemetry.h"
#include "tests/kernel/group.h"

namespace fodc::kernel {

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

  std::unique_ptr<Telemetry> Make(TelemetryOptions options = {}) {
    return Telemetry::Create(options, SystemClock());
  }

  // One target with these processes.
  static void Set(Telemetry& telemetry, std::vector<pid_t> processes) {
    const TargetFilter row{.name = "db", .processes = std::move(processes)};
    telemetry.SetTargets({&row, 1});
  }

  TargetReading Read(Telemetry& telemetry) {
    auto readings = telemetry.Collect(&events_);
    return readings.empty() ? TargetReading{} : std::move(readings[0]);
  }

  static std::uint64_t Lost(const TargetReading& r) {
    return std::accumulate(r.lost.begin(), r.lost.end(), std::uint64_t{0});
  }

  // A file of so many bytes; it lives as long as the program.
  static std::string FileOf(std::size_t bytes) {
    static const TempDirectory directory("fodc_kernel");
    static int made = 0;
    std::string path = directory.File("file" + std::to_string(made++));
    FODC_CHECK(WriteFileAtomically(path, std::string(bytes, 'x')).ok());
    return path;
  }

  std::vector<KernelEvent> events_;
};

}  // namespace fodc::kernel
