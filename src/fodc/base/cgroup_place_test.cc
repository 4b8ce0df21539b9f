// SPDX-License-Identifier: Apache-2.0
// Where a process belongs, in this cgroup namespace and out of it.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A tree of files under a temporary directory: <tree>/proc and <tree>/sys/...
class CgroupPlaceTest : public ::testing::Test {
 protected:
  void Write(const std::map<std::string, std::string>& files) {
    WriteTree(tree_.path(), files);
  }
  // Process 42, as seen from a cgroup namespace of our own.
  void InNamespace(const std::string& group, const std::string& mounts) {
    Write({{"proc/42/cgroup", StrCat("0::", group, "\n")},
           {"proc/self/mountinfo", mounts}});
  }
  Result<CgroupPlace> Find() {
    return FindCgroup(tree_.File("proc"), 42, tree_.path());
  }
  TempDirectory tree_;
};

constexpr char kOwnMount[] =
    "31 22 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
constexpr char kHostsMount[] =
    "32 22 0:28 /../../.. /host ro - cgroup2 cgroup2 rw\n";

TEST_F(CgroupPlaceTest, AGroupOutsideOfWhatIsMountedIsRefused) {
  InNamespace("/../other", kOwnMount);
  EXPECT_THAT(Find(), StatusIs(Code::kNotFound, HasSubstr("mounted")));
  Write({{"proc/42/cgroup", "4:memory:/docker/abcd\n"},
         {"proc/self/mountinfo",
          "35 31 0:32 /docker/abc /m rw - cgroup cgroup rw,memory\n"}});
  EXPECT_THAT(Find(), StatusIs(Code::kNotFound, HasSubstr("mounted")));
}

// The names of the groups above ours are not told: the process tells the one.
TEST_F(CgroupPlaceTest, AHostsMountShowsTheGroupBesideOurs) {
  InNamespace("/../db", StrCat(kOwnMount, kHostsMount));
  Write({{"host/pods/p1/db/cgroup.procs", "7\n0\n"},
         {"host/pods/p1/agent/cgroup.procs", "42\n"},
         {"host/system/x/db/cgroup.procs", "9\n"}});
  EXPECT_THAT(Find(), StatusIs(Code::kNotFound, HasSubstr("mounted")));
  Write({{"host/pods/p2/db/cgroup.procs", "41\n0\n42\n"}});
  const auto place = Find();
  ASSERT_THAT(place, IsOk());
  ASSERT_TRUE(place->unified);
  EXPECT_EQ(place->unified->path, tree_.File("host/pods/p2/db"));
  EXPECT_EQ(place->unified->mount, tree_.File("host"));
  EXPECT_FALSE(place->unified->is_root);
  // One above: its group is as many levels below the mount's top.
  InNamespace("/../../other/db", StrCat(kOwnMount, kHostsMount));
  Write({{"host/pods/other/db/cgroup.procs", "42\n"}});
  EXPECT_EQ(Find()->unified->path, tree_.File("host/pods/other/db"));
  // As far above as the mount's top: told by the names alone.
  InNamespace("/../../../db", StrCat(kOwnMount, kHostsMount));
  EXPECT_EQ(Find()->unified->path, tree_.File("host/db"));
}

TEST_F(CgroupPlaceTest, OurOwnGroupIsFoundUnderAHostsMountAlone) {
  InNamespace("/", kHostsMount);
  Write({{"host/pods/p1/agent/cgroup.procs", "42\n"}});
  EXPECT_EQ(Find()->unified->path, tree_.File("host/pods/p1/agent"));
}

TEST_F(CgroupPlaceTest, TheProcesssOwnMountsShowItsGroup) {
  InNamespace("/../db", kOwnMount);
  Write({{"proc/42/mountinfo",
          "51 50 0:28 /../db /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"}});
  const auto place = Find();
  ASSERT_THAT(place, IsOk());
  EXPECT_EQ(place->unified->path, tree_.File("proc/42/root/sys/fs/cgroup"));
  EXPECT_FALSE(place->unified->is_root);
}

TEST_F(CgroupPlaceTest, KnowsTheRootFromTheTopOfANamespace) {
  InNamespace("/", kOwnMount);
  EXPECT_TRUE(Find()->unified->is_root);  // the namespace is not told
  const std::string link = tree_.File("proc/self/ns");
  ASSERT_THAT(MakeDirectories(link), IsOk());
  ASSERT_EQ(::symlink("cgroup:[4026531835]", (link + "/cgroup").c_str()), 0);
  EXPECT_TRUE(Find()->unified->is_root);
  ASSERT_EQ(::unlink((link + "/cgroup").c_str()), 0);
  ASSERT_EQ(::symlink("cgroup:[4026532178]", (link + "/cgroup").c_str()), 0);
  EXPECT_FALSE(Find()->unified->is_root);
}

TEST(ResolveCgroupPathTest, NeverLeavesTheMount) {
  const CgroupMount mount{
      .is_v2 = true, .controllers = {}, .root = "/a", .mount = "/m"};
  EXPECT_EQ(ResolveCgroupPath(mount, "/a"), "/m");
  EXPECT_EQ(ResolveCgroupPath(mount, "/a/b/"), "/m/b");
  EXPECT_EQ(ResolveCgroupPath(mount, "/ab"), std::nullopt);
  EXPECT_EQ(ResolveCgroupPath(mount, "/a/../../etc"), std::nullopt);
  EXPECT_EQ(ResolveCgroupPath(mount, "a"), std::nullopt);
  EXPECT_EQ(ResolveCgroupPath(mount, "/a/..b"), "/m/..b");
}

TEST(ResolveCgroupPathTest, ComparesWhatClimbsEqually) {
  CgroupMount mount{
      .is_v2 = true, .controllers = {}, .root = "/../db", .mount = "/m"};
  EXPECT_EQ(ResolveCgroupPath(mount, "/../db"), "/m");
  EXPECT_EQ(ResolveCgroupPath(mount, "/../db/w"), "/m/w");
  EXPECT_EQ(ResolveCgroupPath(mount, "/../db2"), std::nullopt);
  EXPECT_EQ(ResolveCgroupPath(mount, "/db"), std::nullopt);
  mount.root = "/..";
  EXPECT_EQ(ResolveCgroupPath(mount, "/../db"), "/m/db");
  EXPECT_EQ(ResolveCgroupPath(mount, "/../../db"), std::nullopt);
  EXPECT_EQ(ResolveCgroupPath(mount, "/"), std::nullopt);
}

TEST(ParseCgroupMembershipsTest, KeepsColonsAndDropsTheMarkOfTheDeleted) {
  const auto all = ParseCgroupMemberships(
      "12:cpu,cpuacct:/a:b\n0::/gone (deleted)\nnot a line\n3:x\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].controllers, ElementsAre("cpu", "cpuacct"));
  EXPECT_EQ(all[0].path, "/a:b");
  EXPECT_TRUE(all[1].is_v2);
  EXPECT_EQ(all[1].path, "/gone");
}

TEST(ParseCgroupMountsTest, WhatIsMountedOverIsNotThere) {
  const auto all = ParseCgroupMounts(
      "31 22 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
      "32 22 0:28 /../.. /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
      "33 22 0:28 / /other ro - cgroup2 cgroup2 rw\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].root, "/../..");
  EXPECT_EQ(all[1].mount, "/other");
  EXPECT_THAT(ParseCgroupMounts("31 22 0:28 / /c ro - cgroup2 cgroup2 rw\n"
                                "40 22 0:40 / /c ro - tmpfs tmpfs rw\n"),
              IsEmpty());
}

TEST(ReadCgroupProcessesTest, KeepsThoseWithoutANumberHere) {
  const TempDirectory dir;
  ASSERT_THAT(WriteFileAtomically(dir.File("cgroup.procs"), "0\n7\n"), IsOk());
  EXPECT_THAT(ReadCgroupProcesses(dir.path()), IsOkAndHolds(ElementsAre(0, 7)));
  ASSERT_THAT(WriteFileAtomically(dir.File("cgroup.procs"), "x\n"), IsOk());
  EXPECT_THAT(ReadCgroupProcesses(dir.path()),
              StatusIs(Code::kDataLoss, HasSubstr("no process id")));
  EXPECT_FALSE(ReadCgroupProcesses(dir.File("none")).ok());
}

// As in a pod: two groups beside each other below one that nobody names, and a
// child whose cgroup namespace begins at the first.
class RealCgroupNamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto text = ReadFile("/proc/self/mountinfo");
    ASSERT_THAT(text, IsOk());
    for (const CgroupMount& mount : ParseCgroupMounts(*text)) {
      if (mount.is_v2 && mount.root == "/") root_ = mount.mount;
    }
    if (root_.empty()) Skip("no whole cgroup2 mount");
    top_ = StrCat(root_, "/fodc-place-", ::getpid());
    for (const std::string& path :
         {top_, top_ + "/pod", top_ + "/pod/agent", top_ + "/pod/db"}) {
      if (!IsSkipped() && ::mkdir(path.c_str(), 0755) != 0)
        Skip(ErrnoStatus(errno, "mkdir " + path).message());
    }
  }
  void TearDown() override {
    if (target_ > 0) {
      (void)::kill(target_, SIGKILL);
      (void)::waitpid(target_, nullptr, 0);
    }
    // A group can be removed once the kernel has let go of the dead.
    for (const char* below : {"/pod/db", "/pod/agent", "/pod", ""}) {
      for (int i = 0; i < 500; ++i) {
        const std::string path = top_ + below;
        if (::rmdir(path.c_str()) == 0 || errno != EBUSY) break;
        ::usleep(1000);
      }
    }
  }
  static void Skip(const std::string& why) {
    std::printf("SKIPPED: %s\n", why.c_str());
    GTEST_SKIP();
  }
  static bool Enter(const std::string& group) {
    const UniqueFd fd(
        ::open((group + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    return fd.ok() && ::write(fd.get(), "0", 1) == 1;
  }
  // In group `db`, until the test ends.
  void StartTarget() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd hear(ends[0]);
    UniqueFd tell(ends[1]);
    target_ = ::fork();
    ASSERT_GE(target_, 0);
    if (target_ == 0) {
      if (!Enter(top_ + "/pod/db") || ::write(tell.get(), "x", 1) != 1)
        ::_exit(1);
      ::pause();
      ::_exit(0);
    }
    tell.reset();
    char c = 0;
    ASSERT_EQ(::read(hear.get(), &c, 1), 1) << "no entry to the group";
  }
  // What `look` writes when it runs in group `agent` and a cgroup namespace
  // that begins there.
  template <typename Look>
  std::string InNamespace(const Look& look) {
    int ends[2];
    FODC_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    const UniqueFd hear(ends[0]);
    UniqueFd tell(ends[1]);
    const pid_t child = ::fork();
    FODC_CHECK(child >= 0);
    if (child == 0) {
      std::string text = "no namespace";
      if (Enter(top_ + "/pod/agent") && ::unshare(CLONE_NEWCGROUP) == 0)
        text = look();
      (void)WriteAll(tell.get(), text, "pipe").ok();
      ::_exit(0);
    }
    tell.reset();
    std::string text;
    char piece[512];
    for (ssize_t n = 0; (n = ::read(hear.get(), piece, sizeof piece)) > 0;)
      text.append(piece, static_cast<std::size_t>(n));
    (void)::waitpid(child, nullptr, 0);
    return text;
  }

  std::string root_;
  std::string top_;
  pid_t target_ = -1;
};

TEST_F(RealCgroupNamespaceTest, TheGroupBesideOursIsFound) {
  StartTarget();
  if (HasFatalFailure()) return;
  const std::string found = InNamespace([this] {
    const auto place = FindCgroup(kProcRoot, target_);
    if (!place.ok() || !place->unified) return place.status().message();
    return place->unified->path;
  });
  EXPECT_EQ(found, top_ + "/pod/db");
}

TEST_F(RealCgroupNamespaceTest, TheRootIsNotTheTopOfTheNamespace) {
  const std::string found = InNamespace([] {
    std::string text;
    for (const pid_t pid : {::getpid(), pid_t{1}}) {
      const auto place = FindCgroup(kProcRoot, pid);
      if (!place.ok() || !place->unified) return place.status().message();
      text +=
          StrCat(place->unified->path, " ", int{place->unified->is_root}, "\n");
    }
    return text;
  });
  const auto first = FindCgroup(kProcRoot, 1);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(found, StrCat(top_, "/pod/agent 0\n", first->unified->path, " ",
                          int{first->unified->is_root}, "\n"));
}

}  // namespace
}  // namespace fodc
