// SPDX-License-Identifier: Apache-2.0
// What lies on the agent's disk may be damaged, full or read-only: the agent
// says so and goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <optional>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/paths.h"
#include "tests/support/window.h"

namespace fodc::test {
namespace {

using testing::HasSubstr;

class BadDiskTest : public testing::Test {
 protected:
  BadDiskTest()
      : endpoint_([this](std::string_view, Exchange& e) {
          e.Answer(200, StrCat("served_total ", ++count_, "\nfixed 1\n"));
        }) {}

  AgentOptions Options() {
    return {.pod = "a",
            .endpoint_ports = {endpoint_.port()},
            .containers = {},
            .proxy_ports = {FreePort()},
            .interval = "200ms",
            .role = "ROLE_DATA",
            .labels = "",
            .recorder_dir = "spill",
            .flags = {}};
  }
  bool Recorded(std::uint64_t scrapes) {
    const std::uint64_t goal = count_ + scrapes;
    return WaitUntil([&] { return count_ >= goal; }, 20s);
  }
  // The largest file of the spill: the segment that holds the samples.
  std::string Segment() {
    const Output o = RunToEnd({"sh", "-c",
                               "find " + dir_.File("spill") +
                                   " -type f -printf '%s %p\\n' | sort -n | "
                                   "tail -1 | cut -d' ' -f2-"});
    return std::string(Trim(o.out));
  }
  // Runs an agent for a while, so that there is something to damage.
  void MakeSpill() {
    FodcAgent agent(dir_, Options());
    ASSERT_TRUE(agent.Start());
    ASSERT_TRUE(Recorded(20));
    ASSERT_EQ(agent.Stop(), 0);
    ASSERT_NE(Segment(), "");
  }
  // The agent starts, records, ends in good order, and what it recorded after
  // the damage can be read.
  std::vector<double> RunOnDamagedSpill(std::string* log) {
    FodcAgent agent(dir_, Options());
    EXPECT_TRUE(agent.Start());
    EXPECT_TRUE(Recorded(8));
    EXPECT_EQ(agent.Stop(), 0);
    *log = agent.Log();
    return Values(RecordedWindow(agent.recorder_dir()), "served_total{");
  }

  TempDirectory dir_{"fodc-bad-disk"};
  std::atomic<std::uint64_t> count_{0};
  FakeEndpoint endpoint_;
};

// Whether `recording stat` says that something is damaged.
bool Tells(const Output& stat) {
  return stat.exit_code == 1 ||
         stat.out.find("damage          none") == std::string::npos;
}

TEST_F(BadDiskTest, TornTailOfTheSpillIsRepaired) {
  MakeSpill();
  const std::string segment = Segment();
  const auto bytes = ReadFile(segment);
  ASSERT_TRUE(bytes.ok());
  ASSERT_TRUE(
      WriteFileAtomically(segment, bytes->substr(0, bytes->size() - 7)).ok());
  // Reading alone changes nothing and finds what is whole.
  EXPECT_EQ(Fodcctl({"recording", "stat", dir_.File("spill")}).exit_code, 3);
  EXPECT_EQ(ReadFile(segment)->size(), bytes->size() - 7);
  std::string log;
  const std::vector<double> served = RunOnDamagedSpill(&log);
  ASSERT_FALSE(served.empty());
  EXPECT_EQ(served.front(), 1);
  EXPECT_EQ(served.back(), static_cast<double>(count_));
  EXPECT_THAT(log, HasSubstr("repair"));
}

TEST_F(BadDiskTest, DamageInTheMiddleIsReadAroundAndSetAside) {
  MakeSpill();
  const std::string segment = Segment();
  auto bytes = ReadFile(segment);
  ASSERT_TRUE(bytes.ok());
  for (std::size_t i = 0; i < 16; ++i) {
    (*bytes)[bytes->size() / 2 + i] ^= 0x5a;
  }
  ASSERT_TRUE(WriteFileAtomically(segment, *bytes).ok());
  const Output stat = Fodcctl({"recording", "stat", dir_.File("spill")});
  EXPECT_EQ(stat.exit_code, 3) << stat.err;
  EXPECT_THAT(stat.out + stat.err, HasSubstr("offset")) << "names the place";
  std::string log;
  const std::vector<double> served = RunOnDamagedSpill(&log);
  ASSERT_FALSE(served.empty());
  EXPECT_EQ(served.back(), static_cast<double>(count_));
  EXPECT_THAT(log, HasSubstr("offset"));
  const Output left = RunToEnd({"ls", "-R", dir_.File("spill")});
  EXPECT_THAT(left.out, HasSubstr("damaged")) << left.out;
  const Output after = Fodcctl({"recording", "stat", dir_.File("spill")});
  EXPECT_EQ(after.exit_code, 0) << after.out;
  EXPECT_THAT(after.out, HasSubstr(".wal.damaged-"));
}

TEST_F(BadDiskTest, FileFullOfGarbageCrashesNobody) {
  MakeSpill();
  ASSERT_TRUE(WriteFileAtomically(Segment(), std::string(5000, '\x7e')).ok());
  // Nothing can be read, and that is said.
  const Output stat = Fodcctl({"recording", "stat", dir_.File("spill")});
  EXPECT_THAT(stat.exit_code, testing::AnyOf(1, 3)) << stat.err;
  EXPECT_TRUE(Tells(stat)) << stat.out << stat.err;
  std::string log;
  const std::vector<double> served = RunOnDamagedSpill(&log);
  ASSERT_FALSE(served.empty());
  EXPECT_EQ(served.back(), static_cast<double>(count_));
}

// A directory on a file system of its own, inside the agent's mount namespace.
class MountedSpillTest : public BadDiskTest {
 protected:
  void Run(const std::string& mount_options) {
    const std::string spill = dir_.File("spill");
    ASSERT_TRUE(MakeDirectories(spill).ok());
    // Root needs no user namespace, and may have none.
    std::vector<std::string> argv{"unshare", "--mount"};
    const std::string mount = "mount -t tmpfs -o size=64k none " + spill;
    if (RunToEnd({"unshare", "--mount", "sh", "-c", mount}).exit_code != 0) {
      argv.emplace_back("--map-root-user");
      const Output o = RunToEnd(
          {"unshare", "--mount", "--map-root-user", "sh", "-c", mount});
      if (o.exit_code != 0)
        GTEST_SKIP() << "SKIPPED: no mount namespaces: " << o.err;
    }
    http_port_ = FreePort();
    argv.insert(
        argv.end(),
        {"sh", "-c",
         StrCat(mount, " && mount -o ", mount_options, " ", spill, " && exec ",
                ProgramPath("fodc-agent"),
                " --pod-name=a --poll-metrics-interval=200ms"
                " --poll-metrics-ports=",
                endpoint_.port(), " --proxy-addr=127.0.0.1:", FreePort(),
                " --prometheus-listen-addr=127.0.0.1:", http_port_,
                " --recorder-spill-interval=300ms --recorder-dir=", spill)});
    agent_ = Process::Start({.name = "agent",
                             .argv = argv,
                             .env = {},
                             .log_path = dir_.File("agent.log"),
                             .stdout_path = ""});
  }
  std::string Page() {
    return Get(StrCat("http://127.0.0.1:", http_port_, "/metrics")).body;
  }
  void ExpectRecordingGoesOn() {
    std::string page;
    EXPECT_TRUE(WaitUntil(
        [&] {
          page = Page();
          // Not before there is a sample: it may come after the first error.
          return ValueOf(page, "fodc_agent_spill_errors_total") > 0 &&
                 ValueOf(page, "served_total") > 0;
        },
        15s))
        << page << agent_.Log();
    const double seen = ValueOf(page, "served_total");
    EXPECT_TRUE(
        WaitUntil([&] { return ValueOf(Page(), "served_total") > seen + 5; }));
    EXPECT_TRUE(agent_.Running()) << agent_.Log();
    // Said once, not at every interval.
    std::size_t lines = 0;
    const std::string log = agent_.Log();
    for (const std::string_view line : Split(log, '\n')) {
      if (line.find("spill") != std::string_view::npos &&
          (line.find("level=warn") != std::string_view::npos ||
           line.find("level=error") != std::string_view::npos)) {
        ++lines;
      }
    }
    EXPECT_EQ(lines, 1U) << agent_.Log();
  }
  Process agent_;
  std::uint16_t http_port_ = 0;
};

TEST_F(MountedSpillTest, ReadOnlyDirectory) {
  Run("remount,ro");
  if (!IsSkipped()) ExpectRecordingGoesOn();
}

TEST_F(MountedSpillTest, FullDisk) {
  Run("remount,size=8k");
  if (!IsSkipped()) ExpectRecordingGoesOn();
}

// Offline reading of damaged .fdr files: never a crash, whatever the bytes.
TEST_F(BadDiskTest, FdrFilesCutOrDamagedAnywhereCrashNobody) {
  const std::string pages = dir_.File("pages");
  ASSERT_TRUE(MakeDirectories(pages).ok());
  std::string frames;
  for (int i = 0; i < 200; ++i) {
    const std::string body = StrCat("a ", i, "\nb{x=\"1\"} ", i / 2, ".5\n");
    frames += StrCat("#@@ ", i, " ", 1'700'000'000'000 + i * 1000, " 200 ",
                     body.size(), "\n", body);
  }
  ASSERT_TRUE(WriteFileAtomically(pages + "/x.frames", frames).ok());
  const std::string fdr = dir_.File("x.fdr");
  const Output made = Fodcctl({"recording", "import", pages, "-o", fdr});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto bytes = ReadFile(fdr);
  ASSERT_TRUE(bytes.ok());
  const std::string bad = dir_.File("bad.fdr");
  for (int i = 0; i < 24; ++i) {
    SCOPED_TRACE(i);
    std::string damaged = *bytes;
    const std::size_t at = bytes->size() * static_cast<std::size_t>(i) / 24;
    if (i % 2 == 0) {
      damaged.resize(at);
    } else {
      damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    }
    ASSERT_TRUE(WriteFileAtomically(bad, damaged).ok());
    const Output stat = Fodcctl({"recording", "stat", bad});
    EXPECT_TRUE(stat.exit_code == 1 || stat.exit_code == 3) << stat.exit_code;
    const Output cat = Fodcctl({"recording", "cat", bad, "--format", "csv"});
    EXPECT_TRUE(cat.exit_code == 1 || cat.exit_code == 3) << cat.exit_code;
    // Damage is told, never passed over in silence.
    EXPECT_TRUE(Tells(stat)) << stat.out;
    EXPECT_NE(cat.err, "");
  }
}

}  // namespace
}  // namespace fodc::test
