// SPDX-License-Identifier: Apache-2.0
#include "memory_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr std::uint64_t kMib = 1 << 20;

// Process 42 in /a of a cgroup2 tree of files, with a limit of 8 MiB.
class MemorySamplerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write({{"proc/meminfo", "MemTotal: 16384 kB\n"},
           {"proc/42/statm", "9999 300 100 1 0 200 0\n"},
           {"proc/42/cgroup", "0::/a\n"},
           {"proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup2 x rw\n"},
           {"m/a/memory.max", StrCat(8 * kMib)},
           {"m/a/memory.current", StrCat(7 * kMib)},
           {"m/a/memory.stat", "inactive_file 0\nactive_file 0\n"}});
  }
  void Write(const std::map<std::string, std::string>& files) {
    for (const auto& [path, text] : files) {
      ASSERT_THAT(MakeDirectories(tree_.File(path.substr(0, path.rfind('/')))),
                  IsOk());
      std::ofstream(tree_.File(path), std::ios::trunc) << text;
    }
  }
  Result<std::unique_ptr<MemorySampler>> Make(MemorySource source) {
    return MakeMemorySampler(
        source, clock_,
        {.proc_root = tree_.File("proc"), .sys_root = tree_.path(), .pid = 42});
  }
  FakeClock clock_;
  TempDirectory tree_;
};

TEST_F(MemorySamplerTest, AutoIsTheChargeUnderALimitElseResidentPages) {
  auto s = Make(MemorySource::kAuto);
  ASSERT_THAT(s, IsOk());
  EXPECT_EQ((*s)->source(), MemorySource::kCgroup);
  EXPECT_THAT((*s)->Read().bytes, Optional(7 * kMib));
  EXPECT_THAT((*s)->ReadKernel().rss_bytes, Optional(300 * PageBytes()));
  // A limit can go and come while the process runs.
  Write({{"m/a/memory.max", "max"}});
  (*s)->ReadLimits();
  EXPECT_EQ((*s)->source(), MemorySource::kRss);
  EXPECT_EQ((*s)->limit_bytes(), 16 * kMib);
  EXPECT_THAT((*s)->Read().bytes, Optional(300 * PageBytes()));
  Write({{"m/a/memory.max", StrCat(9 * kMib)}});
  (*s)->ReadLimits();
  EXPECT_EQ((*s)->source(), MemorySource::kCgroup);
}

TEST_F(MemorySamplerTest, ANamedSourceStaysWhatItIs) {
  auto s = Make(MemorySource::kRss);
  ASSERT_THAT(s, IsOk());
  EXPECT_THAT((*s)->Read().bytes, Optional(300 * PageBytes()));
  EXPECT_FALSE((*s)->FallBack());
  s = Make(MemorySource::kCgroup);
  ASSERT_THAT(s, IsOk());
  Write({{"m/a/memory.max", "max"}});
  (*s)->ReadLimits();
  EXPECT_EQ((*s)->source(), MemorySource::kCgroup);
  EXPECT_THAT((*s)->Read().bytes, Optional(7 * kMib));
}

TEST_F(MemorySamplerTest, AutoFallsBackToResidentPagesForGood) {
  auto s = Make(MemorySource::kAuto);
  ASSERT_THAT(s, IsOk());
  Write({{"m/a/memory.stat", "damaged"}});
  EXPECT_EQ((*s)->Read().bytes, std::nullopt);
  EXPECT_THAT((*s)->last_error(),
              StatusIs(Code::kDataLoss, HasSubstr("memory.stat")));
  EXPECT_TRUE((*s)->FallBack());
  EXPECT_EQ((*s)->source(), MemorySource::kRss);
  (*s)->ReadLimits();
  EXPECT_EQ((*s)->source(), MemorySource::kRss);
  EXPECT_FALSE((*s)->FallBack());
}

TEST_F(MemorySamplerTest, ASourceThatIsNotThereIsAnErrorAtStart) {
  Write({{"proc/42/cgroup", ""}});
  EXPECT_THAT(Make(MemorySource::kCgroup),
              StatusIs(Code::kNotFound, HasSubstr("cgroup")));
  EXPECT_THAT(Make(MemorySource::kHeapTcmalloc),
              StatusIs(Code::kNotFound, HasSubstr("heap-tcmalloc")));
}

}  // namespace
}  // namespace fodc::guard
