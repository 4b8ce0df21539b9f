// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/text_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fodc/base/status_matchers.h"
#include "fodc/pprof/profile.h"

namespace fodc::pprof {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::int64_t> Values(const Profile& p, std::size_t sample) {
  SampleReader samples(p);
  const auto values = samples.Read(sample).values;
  return {values.begin(), values.end()};
}

std::vector<std::uint64_t> Addresses(const Profile& p, std::size_t sample) {
  SampleReader samples(p);
  std::vector<std::uint64_t> out;
  for (const std::uint32_t at : samples.Read(sample).locations) {
    out.push_back(p.locations()[at].address);
  }
  return out;
}

TEST(TextProfileTest, ReadsAJemallocHeapWithItsMappings) {
  const auto p = ReadProfile(
      "heap_v2/524288\n"
      "  t*: 4: 272629760 [0: 0]\n"
      "@ 0x401001 0x7f0000000011\n"
      "  t*: 3: 201326592 [0: 0]\n"
      "  t0: 3: 201326592 [0: 0]\n"
      "\nMAPPED_LIBRARIES:\n"
      "7f0000000000-7f0000001000 r-xp 00002000 08:01 6 /lib/c.so\n"
      "00400000-00402000 r-xp 00000000 08:01 5 /bin/node\n"
      "00402000-00403000 rw-p 00002000 08:01 5 /bin/node\n");
  ASSERT_THAT(p, IsOk());
  EXPECT_EQ(p->default_sample_type(), "inuse_space");
  EXPECT_EQ(p->period(), 524288);
  ASSERT_EQ(p->sample_count(), 1u);
  EXPECT_THAT(Values(*p, 0), ElementsAre(3, 201326592, 3, 201326592));
  EXPECT_THAT(Addresses(*p, 0), ElementsAre(0x401000, 0x7f0000000010));
  // Only what is code, in order of address.
  ASSERT_EQ(p->mappings().size(), 2u);
  EXPECT_EQ(p->Text(p->mappings()[0].path), "/bin/node");
  EXPECT_EQ(p->mappings()[1].file_offset, 0x2000u);
  EXPECT_EQ(p->locations()[0].mapping, 0u);
  EXPECT_EQ(p->locations()[1].mapping, 1u);
}

TEST(TextProfileTest, KnowsWhichHeadsAreSampled) {
  const auto in_use = [](const std::string& version) {
    const auto p = ReadProfile("heap profile: 1: 16 [1: 16] @ " + version +
                               "\n 1: 16 [1: 16] @ 0x55\n");
    EXPECT_THAT(p, IsOk()) << version;
    return p.ok() ? Values(*p, 0)[3] : 0;
  };
  EXPECT_EQ(in_use("heapprofile"), 16);
  EXPECT_EQ(in_use("growthz"), 16);
  EXPECT_EQ(in_use("heap_v2/524288"), 524296);
  EXPECT_EQ(in_use("heapz_v2/524288"), 524296);
  EXPECT_EQ(in_use("heap/1048576"), 524296);  // Go says twice its rate
  EXPECT_THAT(ReadProfile("heap profile: 1: 1 [1: 1] @ heap_v3/1\n").status(),
              StatusIs(Code::kDataLoss, HasSubstr("heap_v3/1")));
}

constexpr char kGoHeap[] =
    "heap profile: 1: 1048576 [2: 2097152] @ heap/2097152\n"
    "1: 1048576 [2: 2097152] @ 0x46f5d8 0x43a112\n"
    "#\t0x46f5d7\tmain.grow+0x37\t\t/src/main.go:12\n"
    "#\t0x43a111\tmain.main+0x211\t/src/main.go:30\n"
    "\n0: 0 [1: 64] @ 0x46f5d8\n"
    "#\t0x46f5d7\tmain.grow+0x37\t/src/main.go:12\n"
    "\n\n# runtime.MemStats\n# Alloc = 6434128\n";

TEST(TextProfileTest, TakesTheNamesThatGoWrites) {
  const auto p = ReadProfile(kGoHeap);
  ASSERT_THAT(p, IsOk());
  ASSERT_EQ(p->sample_count(), 2u);
  ASSERT_EQ(p->locations().size(), 2u);
  const auto lines = p->Lines(p->locations()[0]);
  ASSERT_EQ(lines.size(), 1u);  // once, though two samples show it
  EXPECT_EQ(lines[0].line, 12);
  const Profile::Function& f = p->functions()[lines[0].function];
  EXPECT_EQ(p->Text(f.name), "main.grow");
  EXPECT_EQ(p->Text(f.path), "/src/main.go");
}

TEST(TextProfileTest, ReadsCountedStacks) {
  const auto p = ReadProfile(
      "goroutine profile: total 5\n"
      "4 @ 0x4391b6 0x46f5d8\n"
      "#\t0x4391b5\tnet/http.(*conn).serve+0x605\t/src/server.go:1991\n"
      "\n1 @ 0x46f5d8\n\n");
  ASSERT_THAT(p, IsOk());
  ASSERT_EQ(p->sample_types().size(), 1u);
  EXPECT_EQ(p->Text(p->sample_types()[0].type), "goroutine");
  EXPECT_THAT(Values(*p, 0), ElementsAre(4));
  EXPECT_THAT(Addresses(*p, 0), ElementsAre(0x4391b5, 0x46f5d7));
  EXPECT_EQ(p->Text(p->functions()[0].name), "net/http.(*conn).serve");
}

TEST(TextProfileTest, NamesTheLineThatIsBad) {
  EXPECT_THAT(ReadProfile("goroutine profile: total 5\n4 0x1\n").status(),
              StatusIs(Code::kDataLoss, HasSubstr("line 2")));
  EXPECT_THAT(ReadProfile("goroutine profile: total 5\n4 @ 0x1 y\n").status(),
              StatusIs(Code::kDataLoss, HasSubstr("line 2")));
  std::string deep = "goroutine profile: total 5\n4 @";
  for (int i = 0; i < 1025; ++i) deep += " 0x1";
  EXPECT_THAT(ReadProfile(deep).status(),
              StatusIs(Code::kDataLoss, HasSubstr("at most 1024 frames")));
  EXPECT_THAT(ReadProfile("heap profile: x").status(),
              StatusIs(Code::kDataLoss, HasSubstr("heap profile")));
  EXPECT_THAT(ReadProfile("<html>404 page not found</html>").status(),
              StatusIs(Code::kDataLoss, HasSubstr("no protocol buffer")));
}

TEST(TextProfileTest, SurvivesCommentsOfAnyForm) {
  for (const char* comment :
       {"#", "#\t", "# 0x", "#\t0x54", "#\t0x54\t", "#\t0x54\tf", "#\t0x54\tf+",
        "#\t0x54\tf+0x1\t", "#\t0x54\tf+0x1\t:", "#\t0x54\t+\tx:y"}) {
    EXPECT_THAT(ReadProfile(std::string("heap profile: 1: 1 [1: 1] @ heap/2\n"
                                        "1: 1 [1: 1] @ 0x55\n") +
                            comment + "\n"),
                IsOk())
        << comment;
  }
}

}  // namespace
}  // namespace fodc::pprof
