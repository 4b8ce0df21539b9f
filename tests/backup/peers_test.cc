// SPDX-License-Identifier: Apache-2.0
// What holds at each store, at each of those that other people wrote.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "tests/backup/peer_fixture.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class BackupPeersTest : public PeerFixture,
                        public ::testing::WithParamInterface<ObjectPeer::Kind> {
 protected:
  void SetUp() override {
    StartPeer(GetParam());
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_TRUE(MakeDirectories(tree_).ok());
  }
  // The tree of a real node.
  void Unpack() const {
    const Output tar = RunToEnd(
        {FindProgram("tar"), "-I", "zstd", "-xf",
         SourcePath("tests/data/backup/snapshot-tree.tar.zst"), "-C", tree_});
    ASSERT_EQ(tar.exit_code, 0) << tar.err;
  }
  static std::string KeyOf(const Told& backup, std::string_view path) {
    return StrCat(PrefixOf(backup), "/measure/", path);
  }
};

TEST_P(BackupPeersTest, ARecordedTreeGoesAndComesBack) {
  Unpack();
  const auto files = FilesIn(tree_);
  ASSERT_EQ(files.size(), 282U);
  const Told first = Backup();
  EXPECT_EQ(first.uploaded, std::ssize(files)) << first.line;
  // The peer says so itself.
  auto objects = peer_->Objects();
  for (const auto& [path, what] : files) {
    const auto it = objects.find(KeyOf(first, path));
    ASSERT_NE(it, objects.end()) << path;
    EXPECT_EQ(StrCat(it->second), what.substr(0, what.find(' '))) << path;
  }

  ASSERT_TRUE(peer_->ShowDirectory(PrefixOf(first)));
  const Output list = Run({"list", "--dest=" + Destination()});
  EXPECT_EQ(list.exit_code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("complete"));
  EXPECT_THAT(list.out, HasSubstr(" 282 "));
  ExpectComesBack(first);

  const Told second = Backup();
  EXPECT_EQ(second.uploaded, 0) << second.line;
  EXPECT_EQ(second.unchanged, std::ssize(files)) << second.line;
  EXPECT_EQ(second.deleted, 0) << second.line;
}

TEST_P(BackupPeersTest, OnlyWhatChangedGoesAgain) {
  Write("same", "as it was");
  Write("longer", "a");
  Write("other", "aaaa");
  Write("seg/removed", "b");
  const Told first = Backup();
  EXPECT_EQ(first.uploaded, 4) << first.line;
  Write("longer", "aa");
  Write("other", "aaab");  // of the same size
  ASSERT_TRUE(std::filesystem::remove(tree_ + "/seg/removed"));
  const Told second = Backup();
  EXPECT_EQ(second.uploaded, 2) << second.line;
  EXPECT_EQ(second.unchanged, 1) << second.line;
  EXPECT_EQ(second.deleted, 1) << second.line;
  const auto objects = peer_->Objects();
  EXPECT_EQ(objects.count(KeyOf(second, "seg/removed")), 0U);
  EXPECT_EQ(objects.at(KeyOf(second, "longer")), 2U);
  ExpectComesBack(second);
}

TEST_P(BackupPeersTest, BundlesGoAndComeBack) {
  for (int i = 100; i < 400; ++i)
    Write(StrCat("seg-", i % 5, "/", i), std::string(3000, 'b') + StrCat(i));
  Write("large", Bytes(3u << 20));
  const std::string key = dir_.File("key");
  ASSERT_TRUE(WriteFileAtomically(key, std::string(64, 'a')).ok());
  const std::string sealed = "--encryption-key-file=" + key;
  const std::vector<std::string> bundled = {"--layout=2", "--compression=zstd",
                                            "--bundle-size=256KiB", sealed};
  const Told first = Backup(bundled);
  EXPECT_EQ(first.uploaded, 301) << first.line;
  EXPECT_LT(std::ssize(peer_->Objects()), 12);
  Write("seg-0/100", "another");
  const Told second = Backup(bundled);
  EXPECT_EQ(second.uploaded, 1) << second.line;
  EXPECT_EQ(second.unchanged, 300) << second.line;
  ASSERT_TRUE(peer_->ShowDirectory(PrefixOf(second)));
  const Output verified =
      Run({"verify", "--dest=" + Destination(), "--read-data", sealed});
  EXPECT_EQ(verified.exit_code, 0) << verified.err << verified.out;
  const Output restored = Run({"restore", "run", "--source=" + Destination(),
                               "--catalog-name=measure",
                               "--target-dir=" + dir_.File("bundled"), sealed});
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_EQ(FilesIn(dir_.File("bundled")), FilesIn(tree_));
}

TEST_P(BackupPeersTest, ALargeFileGoesInParts) {
  Write("large", Bytes(20u << 20));
  Write("below", Bytes(8u << 20));
  const std::vector<std::string> sizes = {"--single-put-max=8MiB",
                                          "--part-size=5MiB"};
  const Told first = Backup(sizes);
  EXPECT_EQ(first.uploaded, 2) << first.line;
  EXPECT_EQ(peer_->Parts(KeyOf(first, "large")), 4U);
  EXPECT_EQ(peer_->Parts(KeyOf(first, "below")), 0U);
  ExpectComesBack(first);
  const Told second = Backup(sizes);
  EXPECT_EQ(second.uploaded, 0) << second.line;
  EXPECT_EQ(second.unchanged, 2) << second.line;
}

// None is the beginning of another: s3rver lists in the order of its own files,
// which have an ending, and not in that of keys.
TEST_P(BackupPeersTest, NamesAndSizesOfEveryKind) {
  for (const char* name :
       {"with space", "plus+plus", "percent%41%", "%2F", "colon:colon",
        "hash#hash", "question?mark", "a&b=c", "quote'single", "quote\"double",
        "less<than>", "dir ect+ory/%/#?&=", "Grüße/日本語/😀", "~tilde;comma,",
        "(star*)!@$", "dot.", ".hidden"}) {
    Write(name, name);
  }
  std::string path;
  while (path.size() + 200 < 900) path += std::string(199, 'p') + "/";
  path += std::string(900 - path.size(), 'n');
  Write(path, "far down");
  Write("0 bytes", "");
  Write("1 byte", "1");
  Write("5 MiB", Bytes(5u << 20));
  Write("almost 5 MiB", Bytes((5u << 20) - 1));
  const Told first = Backup();
  const auto files = FilesIn(tree_);
  EXPECT_EQ(first.uploaded, std::ssize(files)) << first.line;
  const auto objects = peer_->Objects();
  for (const auto& [name, what] : files)
    EXPECT_EQ(objects.count(KeyOf(first, name)), 1U) << name;
  ExpectComesBack(first);
  const Told second = Backup();
  EXPECT_EQ(second.uploaded, 0) << second.line;
  EXPECT_EQ(second.deleted, 0) << second.line;
  // Within the store, under another time directory.
  const Told copied =
      Backup({"--time-style=hourly", "--link-from=" + first.time_dir});
  EXPECT_EQ(copied.uploaded, std::ssize(files)) << copied.line;
  // s3rver leaves "%3A" and the like as they are in the source of a copy, and
  // does not find it: such a file goes up again.
  if (GetParam() == ObjectPeer::Kind::kAzurite) {
    EXPECT_EQ(copied.copied, std::ssize(files)) << copied.line;
  } else {
    EXPECT_GE(copied.copied, 14) << copied.line;
  }
  ExpectComesBack(copied);
}

TEST_P(BackupPeersTest, MoreThanAPageHolds) {
  for (int i = 1000; i < 2100; ++i) Write(StrCat("seg/", i), StrCat(i));
  const Told first = Backup({"--upload-concurrency=32"});
  EXPECT_EQ(first.uploaded, 1100) << first.line;
  ASSERT_TRUE(std::filesystem::remove(tree_ + "/seg/1001"));
  ASSERT_TRUE(std::filesystem::remove(tree_ + "/seg/2098"));
  const Told second = Backup();
  EXPECT_EQ(second.unchanged, 1098) << second.line;
  EXPECT_EQ(second.deleted, 2) << second.line;
  ExpectComesBack(second);
  // More than one request of S3 may name.
  ASSERT_GT(std::filesystem::remove_all(tree_ + "/seg"), 1000U);
  Write("last", "1");
  const Told third = Backup({"--max-delete-fraction=1"});
  EXPECT_EQ(third.deleted, 1098) << third.line;
  ExpectComesBack(third);
}

// While it uploads no other does, where the store has conditional writes; and
// what it sent is not sent again.
TEST_P(BackupPeersTest, AStoppedUploadGoesOn) {
  Write("large", Bytes(30u << 20));
  const std::string sessions = dir_.File("state/sessions");
  const std::vector<std::string> resumed = {
      "--single-put-max=8MiB", "--part-size=5MiB",
      "--state-dir=" + dir_.File("state")};
  std::vector<std::string> slow = BackupArguments(resumed);
  slow.insert(slow.begin(), ProgramPath("fodc-backup"));
  slow.emplace_back("--bwlimit=3MiB");
  for (std::string& flag : peer_->Flags()) slow.push_back(std::move(flag));
  Process run = Process::Start({.name = "fodc-backup",
                                .argv = std::move(slow),
                                .env = peer_->Environment(),
                                .log_path = dir_.File("slow.log"),
                                .stdout_path = ""});
  const auto sent = [&] {
    std::size_t parts = 0;
    for (const std::string& file : ListDirectory(sessions).value_or({})) {
      const std::string text =
          ReadFile(StrCat(sessions, "/", file)).value_or("");
      for (std::size_t at = text.find("etag"); at != text.npos;
           at = text.find("etag", at + 1)) {
        ++parts;
      }
    }
    return parts;
  };
  ASSERT_TRUE(WaitUntil([&] { return sent() >= 2 || !run.Running(); }));
  ASSERT_TRUE(run.Running()) << run.Log();
  if (GetParam() == ObjectPeer::Kind::kAzurite) {
    const Output other = Run(BackupArguments({"--on-overlap=fail"}));
    EXPECT_EQ(other.exit_code, 5) << other.out;
    EXPECT_THAT(other.err, HasSubstr("writes there"));
  }
  EXPECT_EQ(run.Stop(), 128 + SIGTERM) << run.Log();
  for (const auto& [key, bytes] : peer_->Objects()) {
    EXPECT_THAT(key, Not(EndsWith("/lease")));
    EXPECT_THAT(key, Not(EndsWith("/large")));
  }
  EXPECT_GE(sent(), 2U);

  const Told next = Backup(resumed);
  EXPECT_EQ(next.uploaded, 1) << next.line;
  EXPECT_EQ(sent(), 0U);
  // All were six: one may have been on its way when it was stopped.
  const std::size_t parts = peer_->Parts(KeyOf(next, "large"));
  EXPECT_GE(parts, 6U);
  EXPECT_LE(parts, 7U);
  ExpectComesBack(next);
}

INSTANTIATE_TEST_SUITE_P(Real, BackupPeersTest,
                         ::testing::Values(ObjectPeer::Kind::kAzurite,
                                           ObjectPeer::Kind::kS3rver),
                         [](const auto& peer) {
                           return peer.param == ObjectPeer::Kind::kAzurite
                                      ? "Azurite"
                                      : "S3rver";
                         });

}  // namespace
}  // namespace fodc::test
