// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/log_tail.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/capture/open_files_testing.h"

namespace fodc::capture {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class LogTailTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name) { return dir_.File(name); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(File(name), std::ios::trunc) << text;
  }
  void Append(const std::string& name, const std::string& text) {
    std::ofstream(File(name), std::ios::app) << text;
  }
  LogTail Open(const std::string& name) {
    auto tail = LogTail::Open(File(name));
    EXPECT_TRUE(tail.ok()) << tail.status().message();
    return std::move(*tail);
  }
  void SetWritten(const std::string& name, long seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, File(name).c_str(), times, 0), 0);
  }

  TempDirectory dir_;
};

TEST_F(LogTailTest, LastLinesAreWholeLines) {
  Write("log", "first\nsecond\nthird\n");
  LogTail tail = Open("log");
  const auto all = tail.Last(1000);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->text, "first\nsecond\nthird\n");
  EXPECT_FALSE(all->is_cut);
  EXPECT_EQ(all->from, 0u);

  const auto cut = tail.Last(15);  // from within "first"
  EXPECT_EQ(cut->text, "second\nthird\n");
  EXPECT_TRUE(cut->is_cut);
  EXPECT_EQ(cut->from, 6u);
  EXPECT_EQ(tail.Last(13)->text, "second\nthird\n");  // just fits
  EXPECT_EQ(tail.Last(12)->text, "third\n");
}

TEST_F(LogTailTest, LineThatIsTooLongIsGivenWithoutItsBeginning) {
  Write("log", "short\n" + std::string(100, 'x') + "end\n");
  EXPECT_EQ(Open("log").Last(10)->text, "xxxxxxend\n");
  EXPECT_TRUE(Open("log").Last(10)->is_cut);
}

TEST_F(LogTailTest, EmptyAndUnfinishedLogs) {
  Write("log", "");
  LogTail tail = Open("log");
  EXPECT_EQ(tail.Last(10)->text, "");
  Append("log", "no end");
  EXPECT_EQ(tail.More(10)->text, "no end");
  EXPECT_EQ(tail.More(10)->text, "");
  EXPECT_EQ(tail.Last(0)->text, "");
}

TEST_F(LogTailTest, MoreIsWhatWasWrittenSince) {
  Write("log", "one\n");
  LogTail tail = Open("log");
  EXPECT_EQ(tail.Last(100)->text, "one\n");
  EXPECT_EQ(tail.More(100)->text, "");
  Append("log", "two\nthree\n");
  const auto more = tail.More(100);
  EXPECT_EQ(more->text, "two\nthree\n");
  EXPECT_EQ(more->from, 4u);
  EXPECT_FALSE(more->is_cut || more->was_rotated || more->was_truncated);
  Append("log", "four\nfive\nsix\n");
  const auto newest = tail.More(6);
  EXPECT_EQ(newest->text, "six\n");
  EXPECT_TRUE(newest->is_cut);
}

TEST_F(LogTailTest, RotationGoesOnInTheNewFile) {
  Write("log", "one\n");
  LogTail tail = Open("log");
  (void)tail.Last(100);
  Append("log", "two");
  ASSERT_EQ(std::rename(File("log").c_str(), File("log.1").c_str()), 0);
  Write("log", "three\n");
  const auto more = tail.More(100);
  EXPECT_EQ(more->text, "two\nthree\n");
  EXPECT_TRUE(more->was_rotated);
  Append("log", "four\n");
  EXPECT_EQ(tail.More(100)->text, "four\n");
}

TEST_F(LogTailTest, DeletedLogIsReadToItsEnd) {
  Write("log", "one\n");
  LogTail tail = Open("log");
  (void)tail.Last(100);
  Append("log", "two\n");
  ASSERT_EQ(std::remove(File("log").c_str()), 0);
  EXPECT_TRUE(IsOpen(File("log (deleted)")));
  EXPECT_EQ(tail.More(100)->text, "two\n");
  // Else its room on the disk would not be free.
  EXPECT_FALSE(IsOpen(File("log (deleted)")));
  EXPECT_EQ(tail.More(100)->text, "");
  Write("log", "new\n");
  const auto more = tail.More(100);
  EXPECT_EQ(more->text, "new\n");
  EXPECT_TRUE(more->was_rotated);
}

TEST_F(LogTailTest, TheRestOfAPrivateKeyGoes) {
  const std::string begin = "-----BEGIN PRIVATE KEY-----\n";
  const std::string secret = "c2VjcmV0c2VjcmV0c2VjcmV0\n";
  const std::string end = "-----END PRIVATE KEY-----\n";
  Write("log", StrCat("before\n", begin, secret, secret));
  LogTail tail = Open("log");
  for (const std::size_t max : {30u, 60u, 1000u}) {
    EXPECT_THAT(tail.Last(max)->text, Not(HasSubstr("c2Vj"))) << max;
  }
  Append("log", StrCat(secret, end, "after\n"));
  const std::string more = tail.More(1000)->text;
  EXPECT_THAT(more, Not(HasSubstr("c2Vj")));
  EXPECT_THAT(more, EndsWith("after\n"));
  // A key that ended in what was skipped takes nothing of what follows.
  Append("log", StrCat(begin, secret));
  (void)tail.More(1000);
  Append("log", StrCat(end, "one\ntwo\n"));
  EXPECT_EQ(tail.More(5)->text, "two\n");
}

// A node that writes through stdio ends each piece anywhere.
TEST_F(LogTailTest, ASecretInALineWithoutEndGoesWhereverItIsCut) {
  const std::string secrets[] = {
      "user=x password=hunter2secret end\n",
      "dial postgres://app:hunter2secret@db/x end\n",
      "-----BEGIN RSA PRIVATE KEY-----\nhunter2secret\n"
      "-----END RSA PRIVATE KEY-----\n end\n",
      "sent it with Bearer hunter2secret end\n",
      "key ghp_hunter2secrethunter2secret end\n"};
  for (const std::string& text : secrets) {
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      Write("log", "before\n" + text.substr(0, cut));
      LogTail tail = Open("log");
      const std::string last = tail.Last(1000)->text;
      Append("log", text.substr(cut));
      const std::string more = tail.More(1000)->text;
      for (std::size_t i = 0; i + 4 <= 13; ++i) {
        const std::string part = std::string("hunter2secret").substr(i, 4);
        ASSERT_THAT(last + more, Not(HasSubstr(part))) << text << cut;
      }
      EXPECT_THAT(more, EndsWith(" end\n")) << text << cut;
      EXPECT_EQ(tail.More(1000)->text, "");
    }
  }
}

TEST_F(LogTailTest, ALineWithoutEndIsGivenAgainWhole) {
  Write("log", "one\ntwo");
  LogTail tail = Open("log");
  EXPECT_EQ(tail.Last(100)->text, "one\ntwo");
  Append("log", " and more");
  EXPECT_EQ(tail.More(100)->text, "two and more");
  EXPECT_EQ(tail.More(100)->text, "");
  Append("log", "\nthree\n");
  EXPECT_EQ(tail.More(100)->text, "two and more\nthree\n");
}

TEST_F(LogTailTest, ALongLineIsCutWithoutItsSecrets) {
  Write("log", StrCat("first\n", std::string(50, 'x'),
                      " password=hunter2secret last words\n"));
  for (std::size_t max = 1; max < 60; ++max) {
    const std::string text = Open("log").Last(max)->text;
    EXPECT_THAT(text, Not(HasSubstr("2sec"))) << max;
    EXPECT_LE(text.size(), max);
  }
  EXPECT_EQ(Open("log").Last(12)->text, " last words\n");
  Write("one.yaml", "url: postgres://app:hunter2secret@db/x");
  for (std::size_t max = 1; max < 40; ++max) {
    EXPECT_THAT(ReadFirstLines(File("one.yaml"), max)->text,
                Not(HasSubstr("hunt")))
        << max;
  }
}

// The end of what the old one began may never be written.
TEST_F(LogTailTest, RotationEndsASecret) {
  Write("log", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n");
  LogTail tail = Open("log");
  (void)tail.Last(1000);
  ASSERT_EQ(std::rename(File("log").c_str(), File("log.1").c_str()), 0);
  Write("log", "panic: out of memory\n");
  EXPECT_EQ(tail.More(1000)->text, "panic: out of memory\n");
}

TEST_F(LogTailTest, TruncationBeginsAnew) {
  Write("log", "a long first line\n");
  LogTail tail = Open("log");
  (void)tail.Last(100);
  Write("log", "new\n");
  const auto more = tail.More(100);
  EXPECT_EQ(more->text, "new\n");
  EXPECT_TRUE(more->was_truncated);
  EXPECT_FALSE(more->was_rotated);
}

TEST_F(LogTailTest, SecretsGoAndBinaryIsWrittenOut) {
  Write("log",
        std::string("user=x password=abc d\r\n\x01\xff\0z\n\xc3\xa9\n", 31));
  EXPECT_EQ(Open("log").Last(100)->text,
            "user=x password=[redacted] d\n\\x01\\xff\\x00z\n\xc3\xa9\n");
}

TEST_F(LogTailTest, WhatIsNoFileIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(::mkfifo(File("fifo").c_str(), 0600), 0);
  for (const std::string& path :
       {File("fifo"), dir_.path(), std::string("/dev/null")}) {
    const auto tail = LogTail::Open(path);
    ASSERT_FALSE(tail.ok()) << path;
    EXPECT_EQ(tail.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(tail.status().message(), StartsWith(path));
  }
  EXPECT_EQ(LogTail::Open(File("none")).status().code(), Code::kNotFound);
  // One that becomes something else is read to its end all the same.
  Write("log", "one\n");
  LogTail tail = Open("log");
  ASSERT_EQ(std::remove(File("log").c_str()), 0);
  ASSERT_EQ(::mkfifo(File("log").c_str(), 0600), 0);
  EXPECT_EQ(tail.More(100)->text, "one\n");
}

TEST_F(LogTailTest, FindsTheNewestOnceEach) {
  Write("a.log", "a");
  Write("b.log", "b");
  Write("c.txt", "c");
  SetWritten("a.log", 100);
  SetWritten("b.log", 300);
  SetWritten("c.txt", 200);
  ASSERT_EQ(::mkfifo(File("f.log").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("b.log", File("z.log").c_str()), 0);
  const std::vector<std::string> patterns{File("*.log"), File("?.txt"),
                                          File("a.log"), File("no*")};
  std::size_t left_out = 9;
  EXPECT_THAT(FindLogFiles(patterns, 10, &left_out),
              ElementsAre(File("b.log"), File("c.txt"), File("a.log")));
  EXPECT_EQ(left_out, 0u);
  EXPECT_THAT(FindLogFiles(patterns, 2, &left_out),
              ElementsAre(File("b.log"), File("c.txt")));
  EXPECT_EQ(left_out, 1u);
  EXPECT_THAT(FindLogFiles({}, 10, &left_out), IsEmpty());
  EXPECT_EQ(left_out, 0u);
}

TEST_F(LogTailTest, FirstLinesAreWholeLinesWithoutSecrets) {
  Write("node.yaml", "password: hunter2\nsecond\nthird\n");
  const auto all = ReadFirstLines(File("node.yaml"), 1000);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->text, "password: [redacted]\nsecond\nthird\n");
  EXPECT_FALSE(all->is_cut);
  EXPECT_FALSE(ReadFirstLines(File("node.yaml"), 31)->is_cut);  // just fits
  const auto cut = ReadFirstLines(File("node.yaml"), 30);
  EXPECT_EQ(cut->text, "password: [redacted]\nsecond\n");
  EXPECT_TRUE(cut->is_cut);
  EXPECT_EQ(ReadFirstLines(File("node.yaml"), 4)->text, "pass");
  ASSERT_EQ(::mkfifo(File("fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadFirstLines(File("fifo"), 10).status().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace fodc::capture
