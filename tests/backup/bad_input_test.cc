// SPDX-License-Identifier: Apache-2.0
// Snapshots as file systems may have them, and not as anybody wants them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "fodc/base/directory.h"
#include "fodc/base/unique_fd.h"
#include "tests/backup/cycle_fixture.h"

namespace fodc::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::Not;

using BadInputTest = BackupCycleTest;

// Each byte alone, at a name's begin, in the middle, at its end, and of a
// directory; all of them together.
TEST_F(BadInputTest, NamesMayHaveAnyByteThatNamesMayHave) {
  std::string all;
  std::size_t files = 0;
  for (int byte = 1; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    if (c == '/') continue;
    all.push_back(c);
    std::vector<std::string> paths = {
        std::string("a") + c + "z", std::string("ends-") + c,
        std::string() + c + c, std::string("dir") + c + "/" + c + "f"};
    // "..", as two of one byte, is no name.
    if (c == '.') paths[2] = "...";
    for (const std::string& path : paths) {
      Write(path, StrCat("byte ", byte));
      ++files;
    }
  }
  Write(all, "all");
  Write(std::string(255, '\xff'), "the longest");
  files += 2;
  // A name that is the end of another's directory, and what sorts around '/'.
  for (const char* path : {"x/y", "x.y", "x0y", "x-y/z"}) {
    Write(path, path);
    ++files;
  }
  ASSERT_EQ(FilesIn(snapshot_).size(), files);
  ExpectWholeCycle();
  const Output again = Backup();
  ASSERT_EQ(again.exit_code, 0) << again.err << again.out;
  EXPECT_THAT(again.out,
              HasSubstr(StrCat("\"unchanged\":", files, ",\"uploaded\":0")));
}

TEST_F(BadInputTest, LinksAndPipesAreNamedAndNothingIsDeleted) {
  Write("gone", "was there");
  Write("stays", "is there");
  ASSERT_EQ(Backup().exit_code, 0);
  const std::string outside = dir_.File("outside");
  ASSERT_TRUE(WriteFileAtomically(outside, "not part of it").ok());
  std::filesystem::remove(snapshot_ + "/gone");
  std::filesystem::create_symlink(outside, snapshot_ + "/a-link");
  std::filesystem::create_symlink("nowhere", snapshot_ + "/dangling");
  std::filesystem::create_directory_symlink("/", snapshot_ + "/to-the-root");
  ASSERT_EQ(::mkfifo((snapshot_ + "/pipe").c_str(), 0600), 0);
  Write("new/file", "comes along");

  const Output partly = Backup();
  EXPECT_EQ(partly.exit_code, 3) << partly.err << partly.out;
  for (const char* name : {"a-link", "dangling", "to-the-root", "pipe"}) {
    EXPECT_THAT(partly.out, HasSubstr(StrCat("\"", name, ": it is no ")));
    EXPECT_THAT(partly.err, HasSubstr(name));
  }
  auto here = FilesIn(There());
  EXPECT_EQ(here.size(), 3U);
  EXPECT_TRUE(here.contains("gone"));
  EXPECT_TRUE(here.contains("new/file"));
  // What lacks something is not said to be whole.
  EXPECT_EQ(Run({"verify", "--dest=" + Destination()}).exit_code, 1);

  for (const char* name : {"a-link", "dangling", "to-the-root", "pipe"})
    std::filesystem::remove(StrCat(snapshot_, "/", name));
  ExpectWholeCycle();
  EXPECT_FALSE(FilesIn(There()).contains("gone"));
}

TEST_F(BadInputTest, EachHardLinkIsAFile) {
  Write("one", std::string(10'000, 'x'));
  std::filesystem::create_directory(snapshot_ + "/below");
  std::filesystem::create_hard_link(snapshot_ + "/one", snapshot_ + "/two");
  std::filesystem::create_hard_link(snapshot_ + "/one",
                                    snapshot_ + "/below/three");
  ExpectWholeCycle();
  EXPECT_EQ(FilesIn(There()).size(), 3U);
  for (const char* name : {"one", "two", "below/three"}) {
    EXPECT_EQ(std::filesystem::hard_link_count(StrCat(There(), "/", name)), 1U);
    EXPECT_EQ(std::filesystem::hard_link_count(StrCat(Restored(), "/", name)),
              1U);
  }
}

// Object stores know none.
TEST_F(BadInputTest, EmptyDirectoriesAreNotThere) {
  Write("full/file", "x");
  Write("full/no-bytes", "");
  ASSERT_TRUE(MakeDirectories(snapshot_ + "/empty/and/deeper").ok());
  ASSERT_TRUE(MakeDirectories(snapshot_ + "/full/empty").ok());
  ExpectWholeCycle();
  for (const std::string& root : {There(), Restored()}) {
    EXPECT_TRUE(std::filesystem::exists(root + "/full/no-bytes"));
    EXPECT_FALSE(std::filesystem::exists(root + "/empty"));
    EXPECT_FALSE(std::filesystem::exists(root + "/full/empty"));
  }
}

// As of a day on which nothing was written any more.
TEST_F(BadInputTest, ASnapshotWithoutFilesIsABackupAndNotAnEarlierOne) {
  Write("a", "x");
  Write("b/c", "y");
  ASSERT_EQ(Backup().exit_code, 0);
  std::filesystem::remove_all(snapshot_);
  ASSERT_TRUE(MakeDirectories(snapshot_ + "/empty").ok());
  const Output none = Backup();
  ASSERT_EQ(none.exit_code, 0) << none.err << none.out;
  EXPECT_THAT(FilesIn(There()), ::testing::IsEmpty());
  const Output good = Verify();
  EXPECT_EQ(good.exit_code, 0) << good.err << good.out;
  EXPECT_THAT(good.out, HasSubstr(": 0 files"));
}

TEST_F(BadInputTest, ATreeMayBeAThousandDeep) {
  std::string path;
  for (int depth = 0; depth < 1000; ++depth) {
    path += "d/";
    if (depth % 100 == 0) Write(path + "at", StrCat("at ", depth));
  }
  Write(path + "bottom", "the last");
  ExpectWholeCycle();
  EXPECT_EQ(FilesIn(There()).size(), 11U);
}

// By names that are given from the root there is none as long; by those that
// are given from a directory there is. What could not be restored is no backup.
TEST_F(BadInputTest, APathThatIsTooLongIsRefused) {
  Write("gone", "was there");
  ASSERT_EQ(Backup().exit_code, 0);
  std::filesystem::remove(snapshot_ + "/gone");
  auto at = Directory::Open(snapshot_);
  const std::string name(250, 'n');
  for (int depth = 0; depth < 17; ++depth) {
    ASSERT_TRUE(at.ok()) << at.status().message();
    ASSERT_TRUE(at->MakeDirectory(name).ok());
    at = at->OpenDirectory(name);
  }
  ASSERT_TRUE(at->CreateFile("file", 0600).ok());
  const Output refused = Backup();
  EXPECT_NE(refused.exit_code, 0) << refused.err << refused.out;
  EXPECT_THAT(refused.out, HasSubstr("a path has 4271 bytes"));
  EXPECT_TRUE(FilesIn(There()).contains("gone"));
}

// Object stores hold both; a directory does not, and what is there is not
// deleted for what is not there yet. The next time directory has no such past.
TEST_F(BadInputTest, AFileThatBecomesADirectoryWaitsForTheNextTimeDirectory) {
  Write("a", "a file");
  Write("b/c", "in a directory");
  ASSERT_EQ(Backup().exit_code, 0);
  const auto before = FilesIn(There());
  const std::string day = Day();
  std::filesystem::remove(snapshot_ + "/a");
  Write("a/n", "in a directory");
  const Output refused = Backup();
  EXPECT_EQ(refused.exit_code, 1) << refused.err << refused.out;
  EXPECT_THAT(refused.out, HasSubstr("open a: Not a directory"));
  EXPECT_THAT(FilesIn(There()), ElementsAreArray(before));
  std::filesystem::remove_all(snapshot_ + "/a");
  Write("a", "a file");
  std::filesystem::remove_all(snapshot_ + "/b");
  Write("b", "a file");
  EXPECT_EQ(Backup().exit_code, 1);
  EXPECT_THAT(FilesIn(There()), ElementsAreArray(before));
  const Output next = Backup({"--time-style=hourly"});
  ASSERT_EQ(next.exit_code, 0) << next.err << next.out;
  std::filesystem::remove_all(dir_.File("there/" + day));
  EXPECT_THAT(FilesIn(There()), ElementsAreArray(FilesIn(snapshot_)));
}

TEST_F(BadInputTest, AFileThatCannotBeReadEndsItAndNothingIsDeleted) {
  const std::string setpriv = FindProgram("setpriv");
  if (::geteuid() == 0) {
    if (setpriv.empty()) GTEST_SKIP() << "SKIPPED: there is no setpriv";
    // Root, but with no more than its files.
    as_ = {setpriv, "--inh-caps=-dac_override,-dac_read_search",
           "--bounding-set=-dac_override,-dac_read_search", "--"};
    std::vector<std::string> probe = as_;
    probe.push_back("/bin/true");
    if (RunToEnd(probe).exit_code != 0)
      GTEST_SKIP() << "SKIPPED: capabilities cannot be dropped here";
  }
  Write("gone", "was there");
  Write("m/readable", "x");
  ASSERT_EQ(Backup().exit_code, 0);
  const auto before = FilesIn(There());
  std::filesystem::remove(snapshot_ + "/gone");
  Write("m/secret", "not for everybody");
  const std::string secret = snapshot_ + "/m/secret";
  ASSERT_EQ(::chmod(secret.c_str(), 0), 0);
  const Output failed = Backup();
  EXPECT_EQ(failed.exit_code, 1) << failed.err << failed.out;
  EXPECT_THAT(failed.out, HasSubstr("secret"));
  EXPECT_THAT(failed.out, HasSubstr("Permission denied"));
  EXPECT_THAT(FilesIn(There()), ElementsAreArray(before));
  ASSERT_EQ(::chmod(secret.c_str(), 0600), 0);

  // Nor is a directory without its names an empty one.
  const std::string closed = snapshot_ + "/m";
  ASSERT_EQ(::chmod(closed.c_str(), 0), 0);
  const Output unlisted = Backup();
  EXPECT_EQ(unlisted.exit_code, 1) << unlisted.err << unlisted.out;
  EXPECT_THAT(unlisted.out, HasSubstr("Permission denied"));
  EXPECT_THAT(FilesIn(There()), ElementsAreArray(before));
  ASSERT_EQ(::chmod(closed.c_str(), 0750), 0);
  ExpectWholeCycle();
}

// Sizes say nothing, and neither do times.
TEST_F(BadInputTest, WrongFilesOfTheSameSizeAreReplaced) {
  Write("a", std::string(5000, 'a'));
  Write("b/c", "right");
  Write("b/same", "untouched");
  ASSERT_EQ(Backup().exit_code, 0);
  Write("a", std::string(5000, 'z'), Restored());
  Write("b/c", "wrong", Restored());
  Write("b/same", "untouched", Restored());
  Write("too/much", "goes", Restored());
  std::filesystem::last_write_time(
      Restored() + "/b/c",
      std::filesystem::last_write_time(snapshot_ + "/b/c"));
  const auto inode = [this] {
    struct stat s {};
    return ::stat((Restored() + "/b/same").c_str(), &s) == 0 ? s.st_ino : 0;
  };
  const ino_t before = inode();
  ExpectRestores();
  EXPECT_FALSE(std::filesystem::exists(Restored() + "/too"));
  EXPECT_EQ(inode(), before);  // what is right is not fetched
}

// The destination's own unfinished files have a name that nobody else's may
// have: it is refused by name, and does not vanish.
TEST_F(BadInputTest, ANameOfTheDestinationsOwnIsRefused) {
  Write("gone", "was there");
  ASSERT_EQ(Backup().exit_code, 0);
  std::filesystem::remove(snapshot_ + "/gone");
  Write(".fodc-part-x", "a snapshot of a destination");
  const Output refused = Backup();
  EXPECT_NE(refused.exit_code, 0) << refused.err << refused.out;
  EXPECT_THAT(refused.out, HasSubstr(".fodc-part-x"));
  EXPECT_TRUE(FilesIn(There()).contains("gone"));
}

// A database that works there holds its lock, whether or not it answers.
TEST_F(BadInputTest, ADirectoryInUseIsNotRestoredInto) {
  Write("group/f", "new");
  ASSERT_EQ(Backup().exit_code, 0);
  Write("group/f", "in use", Restored());
  Write("group/lock", "", Restored());
  const UniqueFd lock(
      ::open((Restored() + "/group/lock").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  const auto before = FilesIn(Restored());
  const Output refused = Restore(Day());
  EXPECT_EQ(refused.exit_code, 5) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("group/lock is locked"));
  EXPECT_EQ(FilesIn(Restored()), before);
  ASSERT_EQ(::flock(lock.get(), LOCK_UN), 0);
  ExpectRestores();
}

}  // namespace
}  // namespace fodc::test
