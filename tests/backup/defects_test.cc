// SPDX-License-Identifier: Apache-2.0
// What is wrong with the Go original, as the program would show it: README.md
// has the whole list.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "fodc/base/unique_fd.h"
#include "tests/backup/cycle_fixture.h"

namespace fodc::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class DefectsTest : public BackupCycleTest {
 protected:
  // What is here before a restore.
  void WriteOld() const {
    Write("old", "is here", Restored());
    Write("a", "older", Restored());
  }
};

TEST_F(DefectsTest, ARestoreOfDamagedObjectsEndsWith4AndPutsNoneThere) {
  Write("a", std::string(1000, 'a'));
  Write("b", std::string(1000, 'b'));
  ASSERT_EQ(Backup().exit_code, 0);
  // One bit, and as large as before.
  std::string rotten(1000, 'a');
  rotten[500] ^= 1;
  Write("a", rotten, There());
  const Output bad = Verify();
  EXPECT_EQ(bad.exit_code, 4) << bad.err << bad.out;
  EXPECT_THAT(bad.out, HasSubstr("/measure/a"));
  WriteOld();
  const Output restored = Restore(Day());
  EXPECT_EQ(restored.exit_code, 4) << restored.err << restored.out;
  EXPECT_THAT(restored.err, HasSubstr("/measure/a"));
  EXPECT_EQ(ReadFile(Restored() + "/a").value_or(""), "older");
  EXPECT_EQ(ReadFile(Restored() + "/old").value_or(""), "is here");
  // The next one tries again.
  EXPECT_TRUE(ReadFile(dir_.File("restored/measure/time-dir")).ok());
}

TEST_F(DefectsTest, ARestoreOfAnotherDayTouchesNothing) {
  Write("a", "x");
  ASSERT_EQ(Backup().exit_code, 0);
  WriteOld();
  const auto before = FilesIn(Restored());
  const Output restored = Restore("1999-12-31");
  EXPECT_EQ(restored.exit_code, 1) << restored.err << restored.out;
  EXPECT_THAT(restored.err, HasSubstr("1999-12-31/measure/"));
  EXPECT_THAT(FilesIn(Restored()), ElementsAreArray(before));
}

// However the node's address is written, its files are its own while it runs.
TEST_F(DefectsTest, NothingIsRestoredUnderANodeHoweverItIsCalled) {
  Write("a", "x");
  ASSERT_EQ(Backup().exit_code, 0);
  ASSERT_EQ(AskForRestore(Day()).exit_code, 0);
  const UniqueFd node(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(node.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(node.get(), 16), 0);
  ASSERT_EQ(::getsockname(node.get(), reinterpret_cast<sockaddr*>(&at), &size),
            0);
  for (const char* host : {"127.0.0.1", "localhost", "127.1", ""}) {
    std::vector<std::string> words = RestoreArguments();
    words.push_back(StrCat("--grpc-addr=", host, ":", ntohs(at.sin_port)));
    std::erase(words, "--grpc-addr=127.0.0.1:1");
    const Output refused = Run(words);
    EXPECT_EQ(refused.exit_code, 5) << host << ": " << refused.err;
    EXPECT_FALSE(std::filesystem::exists(Restored() + "/a")) << host;
  }
}

TEST_F(DefectsTest, TheLogDoesNotGrowWithTheFiles) {
  for (int i = 0; i < 300; ++i) Write(StrCat("g", i % 5, "/f", i), "x");
  const Output run = Backup({"--log-level=info"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("backed up"));
  EXPECT_LT(Split(run.err, '\n').size(), 10U) << run.err;
}

}  // namespace
}  // namespace fodc::test
