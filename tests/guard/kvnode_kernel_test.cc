// SPDX-License-Identifier: Apache-2.0
// The example node under a spike in a real memory cgroup: with the guard it
// stops by itself, without it the kernel kills it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/guard/kvnode_fixture.h"
#include "tests/kernel/group.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

class KvnodeKernelTest : public KvnodeTest {
 protected:
  struct End {
    int exit_code = -1;
    std::uint64_t oom_kills = 0;
  };

  // Runs the node in the group until the spike has ended it.
  End RunSpike(const Group& group, const std::vector<std::string>& flags) {
    const std::uint16_t port = FreePort();
    std::vector<std::string> argv = {
        "sh",
        "-c",
        "echo $$ >\"$0/cgroup.procs\"; exec \"$@\"",
        group.path(),
        ProgramPath("kvnode"),
        StrCat("--listen=127.0.0.1:", port),
        "--data-dir=" + dir_.File("data")};
    argv.insert(argv.end(), flags.begin(), flags.end());
    Server node("kvnode", std::move(argv), dir_.path(), port, "/readyz");
    EXPECT_TRUE(node.Start());
    EXPECT_EQ(
        Load(node, {"--write-burst", "--count=500", "--ledger=" + Ledger()})
            .exit_code,
        0);
    EXPECT_EQ(
        Load(node, {"--spike", "--connections=64", "--value-bytes=16MiB",
                    "--hold-bytes=1GiB", "--hold-rate=1GiB", "--duration=4s"})
            .exit_code,
        0);
    End end;
    end.exit_code = node.process().WaitExitCode(30s).value_or(-1);
    const std::string text = *ReadFile(group.path() + "/memory.oom_control");
    const std::size_t at = text.find("oom_kill ");
    if (at != std::string::npos) {
      end.oom_kills = ParseUint(Trim(text.substr(at + 9))).value_or(99);
    }
    EXPECT_TRUE(node.Start()) << node.Log();
    const Output verified = Verify(node);
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    log_ = node.Log();
    page_ = node.Get("/metrics").body;
    EXPECT_EQ(node.Stop(), 0) << node.Log();
    return end;
  }

  std::string log_;   // of both lives
  std::string page_;  // of the life after
};

TEST_F(KvnodeKernelTest, StopsByItselfWithTheGuardAndIsKilledWithout) {
  const std::string root = Cgroup1Root("memory");
  if (::geteuid() != 0 || root.empty()) {
    std::puts("SKIPPED: needs root and the memory controller of cgroup v1");
    GTEST_SKIP();
  }
  const Group group(StrCat("fodc_kvnode_", ::getpid()), root);
  group.Write("memory.limit_in_bytes", "536870912");

  // With the budget that it has by itself it refuses the spike and lives; this
  // is about what comes behind.
  const End guarded = RunSpike(group, {"--inflight-bytes=2GiB"});
  EXPECT_EQ(guarded.exit_code, 2) << log_;
  EXPECT_EQ(guarded.oom_kills, 0u);
  EXPECT_THAT(log_, HasSubstr("memory pressure shutdown"));
  EXPECT_EQ(
      ValueOf(page_, "fodc_guard_last_exit_info", {{"cause", "pressure"}}), 1);
  EXPECT_EQ(ValueOf(page_, "fodc_guard_wal_tail_repairs_total",
                    {{"result", "repaired"}}),
            0);

  const End bare = RunSpike(group, {"--no-guard"});
  EXPECT_EQ(bare.exit_code, 128 + SIGKILL) << log_;
  EXPECT_EQ(bare.oom_kills, 1u);
}

}  // namespace
}  // namespace fodc::test
