// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/tree_walk.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TreeWalkTest : public ::testing::Test {
 protected:
  void Put(const std::string& key) {
    const std::string path = dir_.File(key);
    ASSERT_THAT(MakeDirectories(std::filesystem::path(path).parent_path()),
                IsOk());
    ASSERT_THAT(WriteFileAtomically(path, key), IsOk());
  }
  TreeWalk Walk() const { return TreeWalk(*Directory::Open(dir_.path())); }
  static std::vector<std::string> Rest(TreeWalk* walk) {
    std::vector<std::string> keys;
    for (;;) {
      const auto next = walk->Next();
      EXPECT_THAT(next, IsOk());
      if (!next.ok() || !*next) return keys;
      keys.push_back((*next)->key);
    }
  }
  const TempDirectory dir_;
};

TEST_F(TreeWalkTest, AscendsByWholeKeys) {
  for (const char* key :
       {"a/x", "a.b", "a", "ab/y", "a-/z", "b/c/d", "b/c.e"}) {
    if (std::string_view(key) == "a") continue;  // it is a directory
    Put(key);
  }
  TreeWalk walk = Walk();
  EXPECT_THAT(Rest(&walk),
              ElementsAre("a-/z", "a.b", "a/x", "ab/y", "b/c.e", "b/c/d"));
  EXPECT_THAT(Rest(&walk), IsEmpty());
}

TEST_F(TreeWalkTest, AnEmptyTreeHasNothing) {
  ASSERT_THAT(MakeDirectories(dir_.File("a/b")), IsOk());
  TreeWalk walk = Walk();
  EXPECT_THAT(Rest(&walk), IsEmpty());
  EXPECT_THAT(walk.Seek("a/b/c"), IsOk());
  EXPECT_THAT(Rest(&walk), IsEmpty());
}

TEST_F(TreeWalkTest, GoesOnAnywhere) {
  std::mt19937 random(7);
  const std::string_view letters = "ab.-0";
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) {
    std::string key;
    const std::size_t depth = random() % 4;
    for (std::size_t d = 0; d <= depth; ++d) {
      if (d > 0) key.push_back('/');
      // Directories and files never share a name.
      key += d < depth ? "d" : "f";
      for (std::size_t n = random() % 3; n > 0; --n)
        key.push_back(letters[random() % letters.size()]);
    }
    Put(key);
    keys.push_back(key);
  }
  std::ranges::sort(keys);
  // clang 14 does not take the subrange of std::ranges::unique.
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  TreeWalk walk = Walk();
  EXPECT_EQ(Rest(&walk), keys);
  for (const std::string& key : keys) {
    for (const std::string& from : {key, key + "/", key + '\0', key + "x",
                                    key.substr(0, key.size() - 1)}) {
      ASSERT_THAT(walk.Seek(from), IsOk());
      EXPECT_EQ(Rest(&walk),
                std::vector<std::string>(std::ranges::lower_bound(keys, from),
                                         keys.end()))
          << from;
    }
  }
}

TEST_F(TreeWalkTest, GoesAsDeepAsItGets) {
  int at = ::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::string prefix;
  std::vector<std::string> keys;
  constexpr int kDepth = 1000;
  for (int i = 0; i < kDepth; ++i) {
    for (const char* name : {"b", "z"}) {  // before and behind what is below
      ASSERT_GE(::close(::openat(at, name, O_WRONLY | O_CREAT, 0600)), 0);
      keys.push_back(prefix + name);
    }
    ASSERT_EQ(::mkdirat(at, "d", 0700), 0);
    const int next = ::openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(at);
    at = next;
    prefix += "d/";
  }
  ::close(at);
  std::ranges::sort(keys);
  const auto open_before = ListDirectory("/proc/self/fd")->size();
  TreeWalk walk = Walk();
  std::size_t most_open = 0;
  std::vector<std::string> found;
  for (;;) {
    const auto next = walk.Next();
    ASSERT_THAT(next, IsOk());
    if (!*next) break;
    // It is there to be opened.
    EXPECT_THAT(walk.directory().OpenFile((*next)->name), IsOk());
    found.push_back((*next)->key);
    if (found.size() % 100 == 0) {
      most_open = std::max(most_open, ListDirectory("/proc/self/fd")->size());
    }
  }
  EXPECT_EQ(found, keys);
  EXPECT_LE(most_open, open_before + TreeWalk::kMaxOpen + 4);
}

TEST_F(TreeWalkTest, LinksAndOthersAreToldAndNotFollowed) {
  Put("real/file");
  ASSERT_EQ(::symlink("real", dir_.File("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(dir_.File("pipe").c_str(), 0600), 0);
  TreeWalk walk = Walk();
  std::vector<std::string> kinds;
  for (;;) {
    const auto next = walk.Next();
    ASSERT_THAT(next, IsOk());
    if (!*next) break;
    kinds.push_back(StrCat((*next)->key, (*next)->is_file() ? " file" : ""));
  }
  EXPECT_THAT(kinds, ElementsAre("link", "pipe", "real/file file"));
}

TEST_F(TreeWalkTest, WhatGoesAwayIsSaidAndTheRestGoesOn) {
  Put("a");
  Put("b/x");
  Put("c");
  Put("d");
  TreeWalk walk = Walk();
  ASSERT_THAT(walk.Next(), IsOk());
  std::filesystem::remove_all(dir_.File("b"));
  std::filesystem::remove(dir_.File("c"));
  EXPECT_THAT(walk.Next(), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(walk.Next(), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(Rest(&walk), ElementsAre("d"));
}

}  // namespace
}  // namespace fodc::object_store
