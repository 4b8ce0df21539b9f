// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;

constexpr CapabilitySet kBpf =
    Bit(Capability::kBpf) | Bit(Capability::kPerfmon);
constexpr CapabilitySet kAdmin = Bit(Capability::kSysAdmin);
constexpr CapabilitySet kForeign =
    Bit(Capability::kSysPtrace) | Bit(Capability::kDacReadSearch);

TEST(CapabilitiesTest, KeepsTheUnionOfWhatIsSwitchedOn) {
  constexpr CapabilitySet kAll = (CapabilitySet{1} << 41) - 1;
  EXPECT_EQ(ToKeep(kAll, CapabilityNeeds({})), 0u);
  EXPECT_EQ(ToKeep(kAll, CapabilityNeeds({.kernel_telemetry = true})), kBpf);
  EXPECT_EQ(ToKeep(kAll, CapabilityNeeds(
                             {.kernel_telemetry = true, .targets = true})),
            kBpf | kForeign);
  EXPECT_EQ(ToKeep(kAll, CapabilityNeeds({.low_ports = true})),
            Bit(Capability::kNetBindService));
  EXPECT_EQ(ToKeep(kAll, CapabilityNeeds({.foreign_files = true})),
            Bit(Capability::kDacOverride));
  EXPECT_EQ(ToKeep(kAll, CapabilityNeeds({.guardian = true})),
            Bit(Capability::kKill));
  EXPECT_EQ(ToKeep(0, CapabilityNeeds({.kernel_telemetry = true})), 0u);
}

TEST(CapabilitiesTest, TheOldOneStandsInWhereTheNewOnesAreMissing) {
  const auto needs = CapabilityNeeds({.kernel_telemetry = true});
  EXPECT_EQ(ToKeep(kAdmin, needs), kAdmin);
  EXPECT_EQ(Lacks(kAdmin, needs[0]), 0u);
  EXPECT_EQ(Lacks(Bit(Capability::kBpf), needs[0]), Bit(Capability::kPerfmon));
  EXPECT_EQ(Lacks(0, needs[0]), kBpf);
  EXPECT_EQ(CapabilityText(Lacks(0, needs[0])), "CAP_PERFMON and CAP_BPF");
}

TEST(CapabilitiesTest, ReadsWhatIsHeld) {
  const TempDirectory tree;
  ASSERT_THAT(MakeDirectories(tree.File("self")), IsOk());
  const auto put = [&](const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(tree.File("self/status"), text), IsOk());
  };
  put("Name:\tx\nCapEff:\t000000c000080004\nCapBnd:\t0\n");
  EXPECT_EQ(*HeldCapabilities(tree.path()), kBpf | kForeign);
  put("Name:\tx\n");
  EXPECT_THAT(HeldCapabilities(tree.path()),
              StatusIs(Code::kDataLoss, HasSubstr("CapEff")));
}

// In a child, for there is no way back.
TEST(CapabilitiesTest, WhatIsDroppedIsGoneForEver) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root to drop anything";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = HeldCapabilities();
    const CapabilitySet keep = held.ok() ? *held & kBpf : 0;
    bool ok = KeepOnly(keep).ok() && *HeldCapabilities() == keep;
    ok &= !KeepOnly(keep | kAdmin).ok() && *HeldCapabilities() == keep;
    if (!ok) ::_exit(1);
    // Nor has root them back by executing something.
    constexpr const char* kAsk =
        "while read -r name set; do case $name in CapEff:) exec test "
        "$((0x$set)) -eq $0;; esac; done < /proc/self/status; exit 1";
    const std::string kept = std::to_string(keep);
    ::execl("/bin/sh", "sh", "-c", kAsk, kept.c_str(), nullptr);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace fodc::agent
