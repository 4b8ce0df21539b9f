// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/raw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fodc/base/status_matchers.h"
#include "fodc/pprof/profile_testing.h"

namespace fodc::pprof {
namespace {

using ::testing::HasSubstr;

std::string Raw(const Profile& p) {
  std::string out;
  EXPECT_THAT(WriteRaw(p,
                       [&out](std::string_view piece) {
                         out += piece;
                         return OkStatus();
                       }),
              IsOk());
  return out;
}

TEST(WriteRawTest, WritesAllThatASampleRefersTo) {
  ProfileText text;
  text.samples = {
      {{"never"}, 0}, {{"b<a", "main"}, 12}, {{"@/bin/node", "main"}, -3}};
  EXPECT_EQ(Raw(MakeProfile(text)),
            "PeriodType:  \n"
            "Period: 0\n"
            "Samples:\n"
            "space/bytes\n"
            "         12: 1 2 \n"
            "         -3: 3 2 \n"
            "Locations\n"
            "     1: 0x1002 b :7 s=0()\n"
            "             a :7 s=0()\n"
            "     2: 0x1003 main :7 s=0()\n"
            "     3: 0x1004 M=1 \n"
            "Mappings\n"
            "1: 0x0/0x0/0x0 /bin/node  \n");
}

TEST(WriteRawTest, TakesWhatATerminalWouldObeyOutOfNames) {
  ProfileText text;
  text.samples = {{{"a\x1b[31m\nb"}, 1}};
  EXPECT_THAT(Raw(MakeProfile(text)), HasSubstr("a?[31m?b"));
  text.samples = {{{std::string(10000, 'x')}, 1}};
  EXPECT_LT(Raw(MakeProfile(text)).size(), 5000u);
}

TEST(WriteRawTest, StopsWithTheErrorOfTheSink) {
  const Profile p = MakeProfile({{{"f"}, 1}});
  EXPECT_EQ(WriteRaw(p, [](std::string_view) { return Unavailable("full"); }),
            Unavailable("full"));
}

}  // namespace
}  // namespace fodc::pprof
