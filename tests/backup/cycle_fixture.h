// SPDX-License-Identifier: Apache-2.0
// A directory that is backed up, verified and restored by the real program.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/backup/run_fixture.h"

namespace fodc::test {

class BackupCycleTest : public BackupProgramTest {
 protected:
  void SetUp() override { ASSERT_TRUE(MakeDirectories(snapshot_).ok()); }

  void Write(const std::string& path, const std::string& text) const {
    Write(path, text, snapshot_);
  }
  // Not by another name first: names here have all the bytes that they may.
  static void Write(const std::string& path, const std::string& text,
                    const std::string& root) {
    const std::string file = StrCat(root, "/", path);
    ASSERT_TRUE(MakeDirectories(file.substr(0, file.rfind('/'))).ok());
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << text;
    ASSERT_TRUE(out.flush().good()) << file;
  }
  std::vector<std::string> BackupArguments(
      const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = as_;
    for (const std::string& word : std::initializer_list<std::string>{
             ProgramPath("fodc-backup"), "run", "--dest=" + Destination(),
             "--node-id=n", "--catalog-name=measure"})
      arguments.push_back(word);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Output Backup(std::vector<std::string> more = {"--log-level=warn"}) const {
    more.push_back("--snapshot-dir=" + snapshot_);
    return RunToEnd(BackupArguments(more), std::chrono::seconds(120));
  }
  Output Verify(const std::string& time_dir = "") const {
    return Run({"verify", "--dest=" + Destination(), "--read-data",
                "--time-dir=" + time_dir});
  }
  // The one time directory.
  std::string Day() const {
    const auto names = ListDirectory(dir_.File("there"));
    return names.ok() && names->size() == 1 ? names->front() : "none";
  }
  std::string There() const {
    return StrCat(dir_.File("there/"), Day(), "/measure");
  }
  std::string Restored() const { return dir_.File("restored/measure/data"); }

  Output AskForRestore(const std::string& time_dir) const {
    return Run({"restore", "timedir", "create", time_dir, "--catalog=measure",
                "--measure-root=" + dir_.File("restored")});
  }
  std::vector<std::string> RestoreArguments() const {
    std::vector<std::string> words = {"restore", "run",
                                      "--source=" + Destination(),
                                      "--grpc-addr=127.0.0.1:1"};
    for (const char* name :
         {"stream", "measure", "property", "trace", "schema"})
      words.push_back(StrCat("--", name, "-root-path=", dir_.File("restored")));
    return words;
  }
  Output Restore(const std::string& time_dir) const {
    Output asked = AskForRestore(time_dir);
    return asked.exit_code == 0 ? Run(RestoreArguments()) : asked;
  }
  void ExpectRestores() const { ExpectRestores(Day()); }
  void ExpectRestores(const std::string& time_dir) const {
    const Output restored = Restore(time_dir);
    ASSERT_EQ(restored.exit_code, 0) << restored.err << restored.out;
    EXPECT_THAT(FilesIn(Restored()),
                ::testing::ElementsAreArray(FilesIn(snapshot_)));
  }
  // What is here, there and brought back is the same.
  void ExpectWholeCycle() const {
    const Output run = Backup();
    ASSERT_EQ(run.exit_code, 0) << run.err << run.out;
    EXPECT_THAT(FilesIn(There()),
                ::testing::ElementsAreArray(FilesIn(snapshot_)));
    const Output good = Verify();
    EXPECT_EQ(good.exit_code, 0) << good.err << good.out;
    ExpectRestores();
  }

  const std::string snapshot_ = dir_.File("snapshot");
  std::vector<std::string> as_;  // before the program's own words
};

}  // namespace fodc::test
