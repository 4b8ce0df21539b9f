// SPDX-License-Identifier: Apache-2.0
// Killed at any moment, a backup leaves no object with wrong bytes, and the
// next run makes it whole.
#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "fodc/backup/manifest.h"
#include "tests/backup/run_fixture.h"

namespace fodc::test {
namespace {

using ::testing::ElementsAreArray;

constexpr int kRounds = 40;
constexpr int kFiles = 300;

TEST_F(BackupProgramTest, KilledAtAnyMomentTheNextRunMakesItWhole) {
  std::mt19937 random(7);  // the same moments each time, as far as they can be
  const std::string snapshot = dir_.File("snapshot");
  const auto write = [&](int i) {
    const std::string path = StrCat(snapshot, "/g", i % 7, "/file-", i);
    ASSERT_TRUE(MakeDirectories(path.substr(0, path.rfind('/'))).ok());
    const std::size_t bytes =
        i % 50 == 0 ? (6u << 20) + random() % 1000 : random() % 20'000;
    std::string text(bytes, static_cast<char>('a' + random() % 26));
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  };
  for (int i = 0; i < kFiles; ++i) write(i);
  const std::vector<std::string> arguments = {
      ProgramPath("fodc-backup"),          "run",
      "--dest=" + Destination(),           "--snapshot-dir=" + snapshot,
      "--state-dir=" + dir_.File("state"), "--node-id=n",
      "--max-delete-fraction=1",           "--log-level=error"};
  for (int round = 0; round < kRounds; ++round) {
    Process run = Process::Start({.name = "fodc-backup",
                                  .argv = arguments,
                                  .env = {},
                                  .log_path = dir_.File("log"),
                                  .stdout_path = ""});
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    run.Kill();
    // Whatever has a name has all of its bytes.
    const auto here = FilesIn(snapshot);
    for (const auto& days = ListDirectory(dir_.File("there"));
         const std::string& day : days.value_or({})) {
      for (const auto& [path, what] :
           FilesIn(StrCat(dir_.File("there/"), day, "/data"))) {
        if (path.find(".fodc-part-") != path.npos) continue;
        const auto it = here.find(path);
        ASSERT_NE(it, here.end()) << path;
        ASSERT_EQ(what, it->second) << path;
      }
    }
    // The killed one's lease is not ours to wait for.
    for (const std::string& day :
         ListDirectory(dir_.File("there")).value_or({})) {
      (void)std::filesystem::remove(
          StrCat(dir_.File("there/"), day, "/.meta/lease"));
    }
  }
  const Output last = RunToEnd(arguments, std::chrono::seconds(120));
  ASSERT_EQ(last.exit_code, 0) << last.err << last.out;
  const auto days = ListDirectory(dir_.File("there")).value_or({});
  ASSERT_EQ(days.size(), 1U);
  const std::string there = StrCat(dir_.File("there/"), days[0]);
  EXPECT_THAT(FilesIn(there + "/data"), ElementsAreArray(FilesIn(snapshot)));
  auto manifest = backup::ManifestReader::Open(there + "/.meta/data.json");
  ASSERT_TRUE(manifest.ok()) << manifest.status().message();
  EXPECT_EQ(manifest->header().state, backup::ManifestState::kComplete);
}

}  // namespace
}  // namespace fodc::test
