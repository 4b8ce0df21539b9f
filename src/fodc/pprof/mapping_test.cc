// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/mapping.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "fodc/base/file.h"

namespace fodc::pprof {
namespace {

TEST(ParseMapsLineTest, ReadsALineOfCode) {
  const auto line = ParseMapsLine(
      "7f1c2a000000-7f1c2a195000 r-xp 00026000 fd:01 131090        "
      "             /usr/lib/x86_64-linux-gnu/libc.so.6");
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->mapping.start, 0x7f1c2a000000u);
  EXPECT_EQ(line->mapping.limit, 0x7f1c2a195000u);
  EXPECT_EQ(line->mapping.file_offset, 0x26000u);
  EXPECT_EQ(line->mapping.path(), "/usr/lib/x86_64-linux-gnu/libc.so.6");
  EXPECT_EQ(line->inode, 131090u);
}

TEST(ParseMapsLineTest, ReadsCodeOfNoFile) {
  const auto line = ParseMapsLine("1000-2000 rwxp 00000000 00:00 0 ");
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->mapping.path(), "");
}

TEST(ParseMapsLineTest, CutsALongPath) {
  const std::string path = "/" + std::string(4000, 'x');
  const auto line = ParseMapsLine("1000-2000 r-xp 00000000 08:01 5 " + path);
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->mapping.path(), path.substr(0, kMaxMappingPathBytes));
}

TEST(ParseMapsLineTest, PassesOverDataAndNonsense) {
  for (const char* text :
       {"1000-2000 rw-p 00000000 00:00 0 [heap]", "", "-", "1000-", "1000-2000",
        "2000-1000 r-xp 00000000 00:00 0 ", "1000-2000 r-xp",
        "1000-2000 r-xp 00000000", "1000-2000 r-xp 00000000 00:00",
        "x-2000 r-xp 00000000 00:00 0 ", "1000-2000 r-xp 0 00:00 x",
        "1000-99999999999999999 r-xp 00000000 00:00 0 "}) {
    EXPECT_FALSE(ParseMapsLine(text).has_value()) << text;
  }
}

TEST(ReadMappingsTest, FindsThisCodeAndItsBuildId) {
  std::vector<Mapping> all(256);
  errno = 77;
  const MappingCount found = ReadMappings("/proc/self/maps", all);
  EXPECT_EQ(errno, 77);
  ASSERT_GT(found.count, 2u);
  EXPECT_EQ(found.left_out, 0u);
  all.resize(found.count);
  const auto here = reinterpret_cast<std::uint64_t>(&BuildIdText);
  const Mapping* m = FindMapping(all, here);
  ASSERT_NE(m, nullptr);
  std::array<char, 4096> self;
  const ssize_t n = readlink("/proc/self/exe", self.data(), self.size());
  ASSERT_GT(n, 0);
  const std::string_view program(self.data(), static_cast<std::size_t>(n));
  EXPECT_EQ(m->path(), program.substr(0, kMaxMappingPathBytes));
  // The same by the linker's own tool.
  const std::string command =
      "readelf -n " + std::string(program) + " | grep 'Build ID'";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::array<char, 256> line = {};
  ASSERT_NE(fgets(line.data(), line.size(), pipe), nullptr);
  pclose(pipe);
  EXPECT_THAT(std::string(line.data()),
              testing::HasSubstr("Build ID: " + BuildIdText(*m) + "\n"));
}

TEST(ReadMappingsTest, CountsThoseWithoutAPlace) {
  std::array<Mapping, 1> one;
  const MappingCount found = ReadMappings("/proc/self/maps", one);
  EXPECT_EQ(found.count, 1u);
  EXPECT_GT(found.left_out, 0u);
}

TEST(ReadMappingsTest, SurvivesLinesBeyondAnyBound) {
  const TempDirectory dir;
  const std::string path = dir.File("maps");
  const std::string good = "1000-2000 r-xp 00000000 08:01 5 /a\n";
  ASSERT_TRUE(
      WriteFileAtomically(path, good + std::string(20000, 'y') + "\n" + good)
          .ok());
  std::array<Mapping, 8> all;
  EXPECT_EQ(ReadMappings(path.c_str(), all).count, 2u);
  EXPECT_EQ(ReadMappings(dir.File("none").c_str(), all).count, 0u);
}

TEST(ReadBuildIdTest, LeavesOutAFileThatWasReplaced) {
  std::array<std::uint8_t, kMaxBuildIdBytes> id;
  EXPECT_EQ(ReadBuildId("/proc/self/exe", 1, id), 0u);
  EXPECT_EQ(ReadBuildId("/etc/passwd", 1, id), 0u);
  EXPECT_EQ(ReadBuildId("/nowhere", 1, id), 0u);
}

TEST(FindMappingTest, TakesTheOneThatHoldsTheAddress) {
  std::array<Mapping, 2> two;
  two[0].start = 0x1000;
  two[0].limit = 0x2000;
  two[1].start = 0x3000;
  two[1].limit = 0x4000;
  EXPECT_EQ(FindMapping(two, 0xfff), nullptr);
  EXPECT_EQ(FindMapping(two, 0x1000), two.data());
  EXPECT_EQ(FindMapping(two, 0x1fff), two.data());
  EXPECT_EQ(FindMapping(two, 0x2000), nullptr);
  EXPECT_EQ(FindMapping(two, 0x3fff), &two[1]);
  EXPECT_EQ(FindMapping(two, 0x4000), nullptr);
}

}  // namespace
}  // namespace fodc::pprof
