// SPDX-License-Identifier: Apache-2.0
// Destinations that somebody else writes to, or that are full.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "fodc/base/unique_fd.h"
#include "tests/backup/cycle_fixture.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kLimit{60};

class BadDestinationTest : public BackupCycleTest {
 protected:
  ~BadDestinationTest() override {
    if (!mounted_.empty()) (void)::umount2(mounted_.c_str(), MNT_DETACH);
  }
  Process Start(const std::vector<std::string>& more) const {
    return Process::Start({.name = "the first",
                           .argv = BackupArguments(more),
                           .env = {},
                           .log_path = dir_.File("log"),
                           .stdout_path = ""});
  }
  // What is unfinished there.
  int Parts() const {
    int parts = 0;
    for (const auto& [path, what] : FilesIn(dir_.File("there")))
      parts += path.find(".fodc-part-") != path.npos;
    return parts;
  }
  // False: nobody may here.
  bool MountSmall(const std::string& name) {
    const std::string path = dir_.File(name);
    const bool is_mounted = MakeDirectories(path).ok() &&
                            ::mount("fodc-test", path.c_str(), "tmpfs",
                                    MS_NOSUID | MS_NODEV, "size=2m") == 0;
    if (is_mounted) mounted_ = path;
    return is_mounted;
  }
  bool Enlarge() const {
    return ::mount("fodc-test", mounted_.c_str(), "tmpfs",
                   MS_REMOUNT | MS_NOSUID | MS_NODEV, "size=64m") == 0;
  }

 private:
  std::string mounted_;
};

// Two machines: nothing is theirs together but the destination.
TEST_F(BadDestinationTest, TheSecondAtOneDestinationIsRefused) {
  Write("large", std::string(32u << 20, 'x'));
  Process first =
      Start({"--snapshot-dir=" + snapshot_, "--bwlimit=65536"});  // 8 min
  ASSERT_TRUE(WaitUntil([&] {
    return std::filesystem::exists(
        StrCat(dir_.File("there/"), Day(), "/.meta/lease"));
  })) << first.Log();
  const Output second = Backup();
  EXPECT_EQ(second.exit_code, 5) << second.err << second.out;
  EXPECT_THAT(second.out, HasSubstr("\"result\":\"refused\""));
  EXPECT_THAT(second.out, HasSubstr(StrCat("process ", first.pid())));
  EXPECT_TRUE(first.Running()) << first.Log();
  // The first gives its lease back, and leaves nothing that is unfinished.
  EXPECT_EQ(first.Stop(kLimit), 143) << first.Log();
  EXPECT_EQ(Parts(), 0);
  ExpectWholeCycle();
}

// Of one machine not even the snapshot is taken twice.
TEST_F(BadDestinationTest, TheSecondOfOneMachineIsRefused) {
  Write("a", "x");
  const std::string go = dir_.File("go");
  const std::string begun = dir_.File("begun");
  ASSERT_EQ(::mkfifo(go.c_str(), 0600), 0);
  const std::vector<std::string> arguments = {
      "--state-dir=" + dir_.File("state"),
      StrCat("--snapshot-command=echo begun >> ", begun, "; read word < ", go,
             "; echo ", snapshot_)};
  Process first = Start(arguments);
  ASSERT_TRUE(WaitUntil([&] { return ReadFile(begun).ok(); })) << first.Log();
  const Output second = RunToEnd(BackupArguments(arguments), kLimit);
  EXPECT_EQ(second.exit_code, 5) << second.err << second.out;
  EXPECT_THAT(second.out, HasSubstr("another backup"));
  EXPECT_EQ(ReadFile(begun).value_or(""), "begun\n");
  EXPECT_FALSE(
      std::filesystem::exists(StrCat(dir_.File("there/"), Day(), "/measure")));
  // Both ends: a writer alone would wait for who reads.
  const UniqueFd fd(::open(go.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(WriteAll(fd.get(), "go\n", go).ok());
  EXPECT_EQ(first.WaitExitCode(kLimit), 0) << first.Log();
  EXPECT_THAT(FilesIn(There()), ElementsAreArray(FilesIn(snapshot_)));
}

TEST_F(BadDestinationTest, AFullOneIsNamedAndLosesNothing) {
  if (!MountSmall("there")) {
    GTEST_SKIP() << "SKIPPED: no tmpfs: "
                 << ErrnoStatus(errno, "mount").message();
  }
  for (int i = 0; i < 20; ++i)
    Write(StrCat("g", i % 3, "/file-", i), std::string(10'000, 'a'));
  const Output earlier = Backup({"--time-style=hourly"});
  ASSERT_EQ(earlier.exit_code, 0) << earlier.err << earlier.out;
  const std::string hour = Day();
  ASSERT_EQ(hour.size(), 13U);
  const std::string day = hour.substr(0, 10);
  const auto hours = FilesIn(StrCat(dir_.File("there/"), hour, "/measure"));
  EXPECT_THAT(hours, ElementsAreArray(FilesIn(snapshot_)));
  // And one that is written over.
  ASSERT_EQ(Backup().exit_code, 0);
  const std::string there = StrCat(dir_.File("there/"), day, "/measure");
  std::filesystem::remove(snapshot_ + "/g0/file-0");
  for (int i = 0; i < 30; ++i)
    Write(StrCat("more/file-", i), std::string(200'000, 'b'));

  for (int round = 0; round < 2; ++round) {
    const Output full = Backup();
    EXPECT_EQ(full.exit_code, 1) << full.err << full.out;
    EXPECT_THAT(full.out, HasSubstr("No space left on device"));
    EXPECT_THAT(full.out, HasSubstr(dir_.File("there")));
    EXPECT_EQ(Parts(), 0);
    EXPECT_THAT(FilesIn(StrCat(dir_.File("there/"), hour, "/measure")),
                ElementsAreArray(hours));
    // The earlier one has all of its own; what came along is whole.
    auto all = FilesIn(there);
    for (const auto& [path, what] : hours) EXPECT_EQ(all[path], what) << path;
    const auto here = FilesIn(snapshot_);
    for (const auto& [path, what] : all) {
      if (path == "g0/file-0") continue;
      ASSERT_TRUE(here.contains(path)) << path;
      EXPECT_EQ(what, here.at(path)) << path;
    }
    EXPECT_EQ(Verify(hour).exit_code, 0);
  }
  ASSERT_TRUE(Enlarge()) << ErrnoStatus(errno, "mount").message();
  const Output good = Verify(hour);
  EXPECT_EQ(good.exit_code, 0) << good.err << good.out;
  const Output run = Backup();
  ASSERT_EQ(run.exit_code, 0) << run.err << run.out;
  EXPECT_THAT(FilesIn(there), ElementsAreArray(FilesIn(snapshot_)));
  EXPECT_EQ(Verify(day).exit_code, 0);
  ExpectRestores(day);
}

// Nor does a restore take away what is here before all is there.
TEST_F(BadDestinationTest, ARestoreToAFullDiskKeepsWhatIsThere) {
  if (!MountSmall("restored")) {
    GTEST_SKIP() << "SKIPPED: no tmpfs: "
                 << ErrnoStatus(errno, "mount").message();
  }
  for (int i = 0; i < 30; ++i)
    Write(StrCat("g", i % 3, "/file-", i), std::string(200'000, 'b'));
  ASSERT_EQ(Backup().exit_code, 0);
  Write("old/file", "is here", Restored());
  const Output full = Restore(Day());
  EXPECT_EQ(full.exit_code, 1) << full.err << full.out;
  EXPECT_THAT(full.err, HasSubstr("No space left on device"));
  const auto wanted = FilesIn(snapshot_);
  for (const auto& [path, what] : FilesIn(Restored())) {
    if (path == "old/file") continue;
    ASSERT_TRUE(wanted.contains(path)) << path;
    EXPECT_EQ(what, wanted.at(path)) << path;
  }
  EXPECT_TRUE(ReadFile(Restored() + "/old/file").ok());
  ASSERT_TRUE(Enlarge()) << ErrnoStatus(errno, "mount").message();
  ExpectRestores();
}

}  // namespace
}  // namespace fodc::test
