// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/careful_open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::capture {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uid_t kMallory = 12345;
constexpr uid_t kAlice = 12346;

class CarefulOpenTest : public ::testing::Test {
 protected:
  Result<std::string> Read(const std::string& path) {
    struct stat found {};
    FODC_ASSIGN_OR_RETURN(const UniqueFd fd, OpenCarefully(path, &found));
    std::string text(100, '\0');
    const ssize_t n = ::read(fd.get(), text.data(), text.size());
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    EXPECT_EQ(found.st_size, static_cast<off_t>(text.size()));
    return text;
  }
  Result<std::string> ReadIn(const std::string& name) {
    return Read(tree_.File(name));
  }
  void Link(const std::string& to, const std::string& name, uid_t owner = 0) {
    ASSERT_EQ(::symlink(to.c_str(), tree_.File(name).c_str()), 0);
    if (::geteuid() != 0) return;
    ASSERT_EQ(::lchown(tree_.File(name).c_str(), owner, owner), 0);
  }
  void Own(const std::string& name, uid_t owner) {
    ASSERT_EQ(::chown(tree_.File(name).c_str(), owner, owner), 0);
  }

  TempDirectory tree_;
};

TEST_F(CarefulOpenTest, OpensRegularFilesAndNoOthers) {
  WriteTree(tree_.path(), {{"a/b.log", "text"}});
  EXPECT_THAT(ReadIn("a/b.log"), IsOkAndHolds("text"));
  EXPECT_THAT(ReadIn("a//../a/./b.log"), IsOkAndHolds("text"));
  EXPECT_THAT(ReadIn("a"), StatusIs(Code::kInvalidArgument, _));
  EXPECT_THAT(ReadIn("none"), StatusIs(Code::kNotFound, HasSubstr("none")));
  ASSERT_EQ(::mkfifo(tree_.File("fifo").c_str(), 0600), 0);
  EXPECT_THAT(ReadIn("fifo"), StatusIs(Code::kInvalidArgument, _));
}

TEST_F(CarefulOpenTest, FollowsLinks) {
  WriteTree(tree_.path(), {{"data/b.log", "text"}});
  Link("data", "relative");
  Link(tree_.File("relative"), "absolute");
  Link("absolute/../data/b.log", "b.log");
  EXPECT_THAT(ReadIn("absolute/b.log"), IsOkAndHolds("text"));
  EXPECT_THAT(ReadIn("b.log"), IsOkAndHolds("text"));
  Link("loop", "loop");
  EXPECT_THAT(ReadIn("loop").status().message(), HasSubstr("loop"));
  // As a target's files are reached in its own mount namespace.
  EXPECT_THAT(Read(StrCat("/proc/", ::getpid(), "/root", tree_.File("b.log"))),
              IsOkAndHolds("text"));
}

TEST_F(CarefulOpenTest, ALinkOpensItsOwnersFilesAlone) {
  if (::geteuid() != 0) {
    std::cout << "SKIPPED: only root makes links of other users\n";
    GTEST_SKIP();
  }
  WriteTree(tree_.path(), {{"secret", "root's"},
                           {"own", "mallory's"},
                           {"other", "alice's"},
                           {"dir/x.log", "root's"}});
  Own("own", kMallory);
  Own("other", kAlice);
  Link("secret", "a.log", kMallory);
  Link("other", "b.log", kMallory);
  Link("own", "c.log", kMallory);
  Link("dir", "d", kMallory);
  Link("a.log", "e.log");  // root's, to one of somebody else
  const auto refused = [](std::string_view from, std::string_view to) {
    return StatusIs(Code::kPermissionDenied,
                    AllOf(HasSubstr(from), HasSubstr(to)));
  };
  EXPECT_THAT(ReadIn("a.log"), refused("user 12345", "user 0"));
  EXPECT_THAT(ReadIn("b.log"), refused("user 12345", "user 12346"));
  EXPECT_THAT(ReadIn("c.log"), IsOkAndHolds("mallory's"));
  EXPECT_THAT(ReadIn("d/x.log"), refused("user 12345", "user 0"));
  EXPECT_THAT(ReadIn("e.log"), refused("user 12345", "user 0"));
}

}  // namespace
}  // namespace fodc::capture
