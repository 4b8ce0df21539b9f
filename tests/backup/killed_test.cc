// SPDX-License-Identifier: Apache-2.0
// Killed at any moment, a backup leaves no object with wrong bytes, and the
// next run makes it whole.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "fodc/backup/manifest.h"
#include "tests/backup/cycle_fixture.h"

namespace fodc::test {
namespace {

using ::testing::ElementsAreArray;

constexpr int kRounds = 200;
constexpr int kRestores = 50;
constexpr int kFiles = 300;

class KilledBackupTest : public BackupCycleTest {
 protected:
  // Another content each time; of one in fifty files more than is small.
  void Change(int i) {
    const std::string path = StrCat("g", i % 7, "/file-", i);
    const std::size_t bytes =
        i % 50 == 0 ? (6u << 20) + random_() % 1000 : random_() % 20'000;
    const std::string text(bytes, static_cast<char>('a' + random_() % 26));
    Write(path, text);
    ever_[path].insert(StrCat(bytes, " ", object_store::Sha256TextOf(text)));
  }
  // Whatever has a name has all the bytes that a file of that name once had.
  void ExpectWholeObjects() const {
    for (const auto& days = ListDirectory(dir_.File("there"));
         const std::string& day : days.value_or({})) {
      for (const auto& [path, what] :
           FilesIn(StrCat(dir_.File("there/"), day, "/measure"))) {
        if (path.find("/.fodc-part-") != path.npos) continue;
        const auto it = ever_.find(path);
        ASSERT_NE(it, ever_.end()) << path;
        ASSERT_TRUE(it->second.contains(what)) << path << ": " << what;
      }
    }
  }
  // A killed one's lease is not ours to wait for.
  void RemoveLease() const {
    const auto days = ListDirectory(dir_.File("there"));
    for (const std::string& day : days.value_or({})) {
      (void)std::filesystem::remove(
          StrCat(dir_.File("there/"), day, "/.meta/lease"));
    }
  }

  // The same moments each time, as far as they can be.
  std::mt19937 random_{7};
  std::map<std::string, std::set<std::string>> ever_;
};

TEST_F(KilledBackupTest, TheNextRunMakesItWhole) {
  for (int i = 0; i < kFiles; ++i) Change(i);
  const std::vector<std::string> more = {"--state-dir=" + dir_.File("state"),
                                         "--max-delete-fraction=1"};
  std::vector<std::string> arguments = BackupArguments(more);
  arguments.push_back("--snapshot-dir=" + snapshot_);
  int killed = 0;
  for (int round = 0; round < kRounds; ++round) {
    Process run = Process::Start({.name = "fodc-backup",
                                  .argv = arguments,
                                  .env = {},
                                  .log_path = dir_.File("log"),
                                  .stdout_path = ""});
    std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 100));
    killed += run.Running();
    run.Kill();
    if (round % 10 == 9) ExpectWholeObjects();
    RemoveLease();
    // So that there is always something to do, and to leave out.
    for (int i = 0; i < 20; ++i) Change(static_cast<int>(random_() % kFiles));
    const std::string gone =
        StrCat(snapshot_, "/g0/file-", 7 * (random_() % (kFiles / 7)));
    (void)std::filesystem::remove(gone);
  }
  EXPECT_GT(killed, 0);
  ExpectWholeObjects();

  const Output last = Backup(more);
  ASSERT_EQ(last.exit_code, 0) << last.err << last.out;
  // What a killed one had begun of a file that is gone since is no object, and
  // stays as long as its directory.
  auto there = FilesIn(There());
  std::erase_if(there, [](const auto& file) {
    return file.first.find("/.fodc-part-") != file.first.npos;
  });
  EXPECT_THAT(there, ElementsAreArray(FilesIn(snapshot_)));
  auto manifest = backup::ManifestReader::Open(
      StrCat(dir_.File("there/"), Day(), "/.meta/measure.json"));
  ASSERT_TRUE(manifest.ok()) << manifest.status().message();
  EXPECT_EQ(manifest->header().state, backup::ManifestState::kComplete);
  const Output good = Verify();
  EXPECT_EQ(good.exit_code, 0) << good.err << good.out;
  ExpectRestores();
}

// Of bundles the backup before can be restored at any moment.
TEST_F(KilledBackupTest, ABackupInBundlesIsWholeAtAnyMoment) {
  constexpr int kSealedRounds = 60;
  for (int i = 0; i < kFiles; ++i) Change(i);
  const std::string key = dir_.File("key");
  ASSERT_TRUE(WriteFileAtomically(key, std::string(64, '7')).ok());
  const std::vector<std::string> more = {"--layout=2",
                                         "--compression=zstd",
                                         "--bundle-size=256KiB",
                                         "--bundle-file-max=64KiB",
                                         "--encryption-key-file=" + key,
                                         "--max-delete-fraction=1"};
  ASSERT_EQ(Backup(more).exit_code, 0);
  const auto whole = FilesIn(snapshot_);
  std::vector<std::string> arguments = BackupArguments(more);
  arguments.push_back("--snapshot-dir=" + snapshot_);
  const auto restore = [&](const std::string& target) {
    return Run({"restore", "run", "--source=" + Destination(),
                "--time-dir=" + Day(), "--catalog-name=measure",
                "--target-dir=" + target, "--encryption-key-file=" + key,
                "--force"});
  };
  int killed = 0;
  for (int round = 0; round < kSealedRounds; ++round) {
    for (int i = 0; i < 20; ++i) Change(static_cast<int>(random_() % kFiles));
    Process run = Process::Start({.name = "fodc-backup",
                                  .argv = arguments,
                                  .env = {},
                                  .log_path = dir_.File("log"),
                                  .stdout_path = ""});
    std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 80));
    killed += run.Running();
    run.Kill();
    RemoveLease();
    if (round % 6 != 5) continue;
    const std::string target = StrCat(dir_.File("at-"), round);
    const Output restored = restore(target);
    ASSERT_EQ(restored.exit_code, 0) << restored.err;
    // What one of the runs has backed up, each file of some time.
    for (const auto& [path, what] : FilesIn(target))
      ASSERT_TRUE(ever_.at(path).contains(what)) << path << ": " << what;
    ASSERT_EQ(FilesIn(target).size(), whole.size());
    std::filesystem::remove_all(target);
  }
  EXPECT_GT(killed, 0);
  const Output last = Backup(more);
  ASSERT_EQ(last.exit_code, 0) << last.err << last.out;
  const Output good = Run({"verify", "--dest=" + Destination(), "--read-data",
                           "--encryption-key-file=" + key});
  EXPECT_EQ(good.exit_code, 0) << good.err << good.out;
  EXPECT_THAT(good.out, ::testing::HasSubstr(" 0 unknown"));
  ASSERT_EQ(restore(dir_.File("last")).exit_code, 0);
  EXPECT_THAT(FilesIn(dir_.File("last")), ElementsAreArray(FilesIn(snapshot_)));
}

// Each file is as before or as it was backed up, and what is too much goes
// last.
TEST_F(KilledBackupTest, TheNextRestoreMakesItWhole) {
  for (int i = 0; i < kFiles; ++i) Change(i);
  ASSERT_EQ(Backup().exit_code, 0);
  const auto wanted = FilesIn(snapshot_);
  std::map<std::string, std::string> before;
  for (int i = 0; i < kFiles; i += 2)
    Write(StrCat("g", i % 7, "/file-", i), StrCat("old ", i), Restored());
  for (int i = 0; i < 20; ++i) Write(StrCat("h/", i), "too much", Restored());
  before = FilesIn(Restored());
  ASSERT_EQ(AskForRestore(Day()).exit_code, 0);
  std::vector<std::string> arguments = RestoreArguments();
  arguments.insert(arguments.begin(), ProgramPath("fodc-backup"));
  const std::string asked = dir_.File("restored/measure/time-dir");
  int killed = 0;
  for (int round = 0; round < kRestores && ReadFile(asked).ok(); ++round) {
    Process run = Process::Start({.name = "fodc-backup",
                                  .argv = arguments,
                                  .env = {},
                                  .log_path = dir_.File("log"),
                                  .stdout_path = ""});
    // Longer each time: one that gets to its end ends it all.
    std::this_thread::sleep_for(std::chrono::milliseconds(
        random_() % static_cast<unsigned>(round + 2)));
    killed += run.Running();
    run.Kill();
    const auto here = FilesIn(Restored());
    bool is_whole = true;
    for (const auto& [path, what] : wanted) {
      const auto it = here.find(path);
      const bool is_new = it != here.end() && it->second == what;
      const bool is_old =
          before.contains(path)
              ? it != here.end() && it->second == before.at(path)
              : it == here.end();
      ASSERT_TRUE(is_new || is_old) << path;
      is_whole = is_whole && is_new;
    }
    const bool has_all = std::ranges::all_of(before, [&here](const auto& file) {
      return here.contains(file.first);
    });
    ASSERT_TRUE(is_whole || has_all) << "deleted before all was there";
  }
  EXPECT_GT(killed, 0);
  ExpectRestores();
}

}  // namespace
}  // namespace fodc::test
