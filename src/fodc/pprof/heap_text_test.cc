// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/heap_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::pprof {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Seen {
  std::vector<std::uint64_t> intervals;
  struct One {
    std::vector<std::uint64_t> stack;
    HeapCounts counts;
  };
  std::vector<One> samples;
  Status status;
};

Seen Read(std::string_view text) {
  Seen seen;
  HeapTextReader reader(
      [&seen](std::uint64_t interval) {
        seen.intervals.push_back(interval);
        return OkStatus();
      },
      [&seen](std::span<const std::uint64_t> stack, const HeapCounts& counts) {
        seen.samples.push_back({{stack.begin(), stack.end()}, counts});
        return OkStatus();
      });
  for (std::string_view line : Split(text, '\n')) {
    if (seen.status = reader.Line(line); !seen.status.ok()) return seen;
  }
  seen.status = reader.Finish();
  return seen;
}

constexpr std::string_view kJemalloc =
    "heap_v2/524288\n"
    "  t*: 4: 272629760 [0: 0]\n"
    "  t0: 4: 272629760 [0: 0]\n"
    "@ 0x55a2 0x55b1 0x7f00aa\n"
    "  t*: 3: 201326592 [0: 0]\n"
    "  t0: 2: 134217728 [0: 0]\n"
    "  t5: 1: 67108864 [0: 0]\n"
    "@ 0x55c4\n"
    "  t*: 1: 16 [7: 112]\n"
    "  t0: 1: 16 [7: 112]\n"
    "\n"
    "MAPPED_LIBRARIES:\n"
    "1000-2000 r-xp 00000000 08:01 5 /a\n"
    "@ 0x1\n";

TEST(HeapTextReaderTest, ReadsAJemallocDump) {
  const Seen seen = Read(kJemalloc);
  ASSERT_THAT(seen.status, IsOk());
  EXPECT_THAT(seen.intervals, ElementsAre(524288));
  ASSERT_EQ(seen.samples.size(), 2u);
  EXPECT_THAT(seen.samples[0].stack, ElementsAre(0x55a2, 0x55b1, 0x7f00aa));
  // All threads once, and what was never counted is what lives.
  EXPECT_EQ(seen.samples[0].counts.inuse_objects, 3u);
  EXPECT_EQ(seen.samples[0].counts.inuse_bytes, 201326592u);
  EXPECT_EQ(seen.samples[0].counts.alloc_objects, 3u);
  EXPECT_EQ(seen.samples[0].counts.alloc_bytes, 201326592u);
  // A small one stands for many.
  EXPECT_NEAR(static_cast<double>(seen.samples[1].counts.inuse_bytes), 524296,
              1);
  EXPECT_NEAR(static_cast<double>(seen.samples[1].counts.alloc_bytes),
              7.0 * 524296, 1);
}

TEST(HeapTextReaderTest, ReadsASampleOfGperftools) {
  const Seen seen = Read(
      "heap profile:      3: 67108880 [     3: 67108880] @ heap_v2/524288\n"
      "     1: 67108864 [     1: 67108864] @ 0x55a2 0x55b1\n"
      "     2:       16 [     2:       16] @ 0x55c4\n"
      "\nMAPPED_LIBRARIES:\n");
  ASSERT_THAT(seen.status, IsOk());
  EXPECT_THAT(seen.intervals, ElementsAre(524288));
  ASSERT_EQ(seen.samples.size(), 2u);
  EXPECT_THAT(seen.samples[0].stack, ElementsAre(0x55a2, 0x55b1));
  EXPECT_EQ(seen.samples[0].counts.inuse_bytes, 67108864u);
  EXPECT_NEAR(static_cast<double>(seen.samples[1].counts.inuse_objects),
              2 * 65536.5, 2);
}

TEST(HeapTextReaderTest, AcceptsAHeapOfNothing) {
  EXPECT_THAT(Read("heap_v2/524288\n  t*: 0: 0 [0: 0]\n").status, IsOk());
  EXPECT_THAT(Read("heap profile: 0: 0 [0: 0] @ heap_v2/1\n").status, IsOk());
}

TEST(HeapTextReaderTest, SaysWhatItDoesNotKnow) {
  EXPECT_THAT(Read("").status.message(), HasSubstr("no head"));
  EXPECT_THAT(Read("heap_v3/1").status.message(), HasSubstr("'heap_v3/1'"));
  EXPECT_THAT(Read("heap profile: @").status.message(), HasSubstr("no head"));
  EXPECT_THAT(Read("heap profile:").status.message(), HasSubstr("no head"));
  EXPECT_THAT(Read("heap profile: 0: 0 [0: 0] @ heapstats").status.message(),
              HasSubstr("'heapstats'"));
  EXPECT_THAT(Read("heap_v2/-1").status.message(), HasSubstr("no head"));
}

TEST(HeapTextReaderTest, NamesTheLineThatIsBad) {
  EXPECT_THAT(Read("heap_v2/1\n@ 0x1\n t*: 1: x [0: 0]").status.message(),
              HasSubstr("line 3: no counts"));
  EXPECT_THAT(Read("heap_v2/1\n@ 12").status.message(),
              HasSubstr("line 2: no address"));
  EXPECT_THAT(Read("heap_v2/1\n@ 0xffffffffffffffff0").status.message(),
              HasSubstr("line 2: no address"));
  EXPECT_THAT(Read("heap profile: 0: 0 [0: 0] @ heap_v2/1\n1: 2 [1: 2]\n")
                  .status.message(),
              HasSubstr("line 2: no stack"));
}

TEST(HeapTextReaderTest, BoundsTheFrames) {
  std::string text = "heap_v2/1\n@";
  for (std::size_t i = 0; i <= HeapTextReader::kMaxFrames; ++i) text += " 0x1";
  EXPECT_THAT(Read(text).status.message(), HasSubstr("1024 frames"));
}

TEST(HeapTextReaderTest, StopsWithTheErrorOfTheCallback) {
  HeapTextReader reader([](std::uint64_t) { return Unavailable("gone"); },
                        [](std::span<const std::uint64_t>, const HeapCounts&) {
                          return OkStatus();
                        });
  EXPECT_EQ(reader.Line("heap_v2/1").code(), Code::kUnavailable);
}

}  // namespace
}  // namespace fodc::pprof
