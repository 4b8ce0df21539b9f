// SPDX-License-Identifier: Apache-2.0
// What a repair costs and what it checks, on logs of realistic sizes.
#include <fcntl.h>
#include <unistd.h>

#include <random>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/wal/format.h"
#include "fodc/wal/repair.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kSectorBytes = 512;

std::string Noise(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::string s(n, '\0');
  for (char& c : s) c = static_cast<char>(random() % 255 + 1);
  return s;
}

// What this process has read by read(2) and its kin so far.
std::uint64_t BytesRead() {
  const Result<std::string> io = ReadFile("/proc/self/io");
  if (!io.ok() || !io->starts_with("rchar: ")) return 0;
  return std::stoull(io->substr(7));
}

Options Silent() {
  Options options;
  options.on_repair = [](const RepairEvent&) {};
  return options;
}

class RepairTest : public ::testing::Test {
 protected:
  void Make(const std::vector<std::size_t>& sizes, std::uint64_t segment) {
    Options options;
    options.segment_bytes = segment;
    auto log = Log::Open(dir_.path(), options, clock_);
    ASSERT_THAT(log, IsOk());
    ASSERT_THAT((*log)->Read(nullptr), IsOk());
    unsigned seed = 1;
    for (const std::size_t n : sizes) {
      ASSERT_THAT((*log)->Append(1, Noise(n, seed++)), IsOk());
    }
    last_path_ = (*log)->segments().back().path;
    total_bytes_ = (*log)->size_bytes();
  }
  // In place: some file systems sync what is written after a truncation to 0.
  [[nodiscard]] bool WritePlain(std::string_view bytes) const {
    const UniqueFd fd(::open(last_path_.c_str(), O_WRONLY | O_CLOEXEC));
    return fd.ok() &&
           ::pwrite(fd.get(), bytes.data(), bytes.size(), 0) ==
               static_cast<ssize_t>(bytes.size()) &&
           ::ftruncate(fd.get(), static_cast<off_t>(bytes.size())) == 0;
  }
  void Cut(std::uint64_t bytes) {
    const std::string whole = *ReadFile(last_path_);
    ASSERT_EQ(::truncate(last_path_.c_str(),
                         static_cast<off_t>(whole.size() - bytes)),
              0);
  }

  FakeClock clock_;
  TempDirectory dir_;
  std::string last_path_;
  std::uint64_t total_bytes_ = 0;
};

TEST_F(RepairTest, ReadsGoodRecordsOnce) {
  const std::uint64_t before = BytesRead();
  if (before == 0) GTEST_SKIP() << "SKIPPED: /proc/self/io is not told here";
  // Sizes that cross the ends of what is read at once.
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 120; ++i) sizes.push_back(i % 4 == 0 ? 150'001 : 70'007);
  ASSERT_NO_FATAL_FAILURE(Make(sizes, 6u << 20));
  Cut(5);
  auto log = Log::Open(dir_.path(), Silent(), clock_);
  ASSERT_THAT(log, IsOk());
  const std::uint64_t begin = BytesRead();
  std::size_t records = 0;
  const auto summary = (*log)->Read([&records](const Record&) {
    ++records;
    return OkStatus();
  });
  const std::uint64_t read = BytesRead() - begin;
  ASSERT_THAT(summary, IsOk());
  EXPECT_TRUE(summary->repaired);
  EXPECT_EQ(records, sizes.size() - 1);
  EXPECT_GE(read, total_bytes_ - 150'100);
  // Beside the log: its end is looked at from behind (256 KiB), the cut bytes
  // are copied, the last record that is kept is read again.
  EXPECT_LE(read, total_bytes_ + (700u << 10));
}

TEST_F(RepairTest, AReadWithoutARepairReadsOnce) {
  const std::uint64_t before = BytesRead();
  if (before == 0) GTEST_SKIP() << "SKIPPED: /proc/self/io is not told here";
  ASSERT_NO_FATAL_FAILURE(
      Make(std::vector<std::size_t>(100, 100'003), 4u << 20));
  auto log = Log::Open(dir_.path(), {}, clock_);
  ASSERT_THAT(log, IsOk());
  const std::uint64_t begin = BytesRead();
  ASSERT_THAT((*log)->Read(nullptr), IsOk());
  EXPECT_LE(BytesRead() - begin, total_bytes_ + 4096);
}

TEST_F(RepairTest, WhatTheCutSpoiledIsFound) {
  ASSERT_NO_FATAL_FAILURE(Make({100, 200, 300}, 1u << 20));
  Cut(5);
  std::vector<SegmentInfo> segments = *ListSegments(dir_.path());
  Result<ScanResult> scan = Scan(&segments, nullptr, {}, false);
  ASSERT_THAT(scan, IsOk());
  ASSERT_EQ(scan->tail, Tail::kTorn);
  ASSERT_EQ(
      ::truncate(last_path_.c_str(), static_cast<off_t>(scan->good_bytes)), 0);
  ASSERT_THAT(CheckCut(segments, *scan), IsOk());
  const std::string good = *ReadFile(last_path_);
  for (std::size_t at = scan->last_record_offset; at < good.size() - 1; ++at) {
    std::string bad = good;
    bad[at] ^= 0x40;
    ASSERT_TRUE(WritePlain(bad));
    ASSERT_THAT(CheckCut(segments, *scan),
                StatusIs(Code::kDataLoss, HasSubstr(last_path_)))
        << at;
  }
  ASSERT_TRUE(WritePlain(good + "x"));
  EXPECT_THAT(CheckCut(segments, *scan),
              StatusIs(Code::kDataLoss, HasSubstr("bytes where")));
  ASSERT_TRUE(WritePlain(good.substr(0, good.size() - 1)));
  EXPECT_THAT(CheckCut(segments, *scan),
              StatusIs(Code::kDataLoss, HasSubstr("bytes where")));
}

TEST_F(RepairTest, AnOlderSegmentThatIsReplacedMeanwhileIsFound) {
  ASSERT_NO_FATAL_FAILURE(Make({2000, 2000, 2000, 2000}, 5000));
  Cut(5);
  const std::string first = dir_.File(SegmentName(1));
  Options options;
  options.on_repair = [&](const RepairEvent&) {
    const std::string bytes = *ReadFile(first);
    const std::string other = dir_.File("other");
    ASSERT_THAT(WriteFileAtomically(other, bytes), IsOk());
    ASSERT_EQ(::rename(other.c_str(), first.c_str()), 0);
  };
  auto log = Log::Open(dir_.path(), options, clock_);
  ASSERT_THAT(log, IsOk());
  EXPECT_THAT((*log)->Read(nullptr),
              StatusIs(Code::kDataLoss,
                       AllOf(HasSubstr("WAL unrepairable after repair"),
                             HasSubstr(first))));
}

TEST_F(RepairTest, RepairsOnlyWhereThereIsALog) {
  Options options;
  options.must_exist = true;
  EXPECT_THAT(Log::Open(dir_.path(), options, clock_),
              StatusIs(Code::kNotFound, HasSubstr("holds no segment")));
  const std::string none = dir_.File("none");
  EXPECT_THAT(Log::Open(none, options, clock_),
              StatusIs(Code::kNotFound, HasSubstr(none)));
  EXPECT_NE(::access(none.c_str(), F_OK), 0);
  ASSERT_NO_FATAL_FAILURE(Make({10}, 5000));
  EXPECT_THAT(Log::Open(dir_.path(), options, clock_), IsOk());
}

// A disk's unit: zeros at every position of a log whose records are larger and
// smaller than a sector, with and without reserved space behind it. What the
// rules say of it (docs/formats/wal.md), said once more and independently.
TEST_F(RepairTest, ZeroedSectorsAreTornOnlyAtTheVeryEnd) {
  const std::vector<std::size_t> sizes = {100, 1500, 10, 700, 3000, 40};
  ASSERT_NO_FATAL_FAILURE(Make(sizes, 1u << 20));
  const std::string good = *ReadFile(last_path_);
  std::vector<std::size_t> begins;
  std::size_t at = kSegmentHeaderBytes;
  for (const std::size_t n : sizes) {
    begins.push_back(at);
    at += n + kRecordOverheadBytes;
  }
  for (const std::size_t reserved : {std::size_t{0}, std::size_t{2000}}) {
    for (std::size_t from = 0; from < good.size(); ++from) {
      std::string bytes = good + std::string(reserved, '\0');
      const std::size_t to = std::min(from + kSectorBytes, bytes.size());
      bytes.replace(from, to - from, to - from, '\0');
      const bool reaches_end = to >= good.size();
      // The first record that is hit: all before it are good.
      std::size_t hit = 0;
      while (hit < begins.size() &&
             begins[hit] + sizes[hit] + kRecordOverheadBytes <= from) {
        ++hit;
      }
      const bool hits_header = from < kSegmentHeaderBytes;
      const std::size_t begin =
          hits_header ? 0 : (hit < begins.size() ? begins[hit] : good.size());
      ASSERT_TRUE(WritePlain(bytes));
      std::size_t records = 0;
      const auto summary = ReadOnly(dir_.path(), [&records](const Record&) {
        ++records;
        return OkStatus();
      });
      if (!reaches_end) {
        ASSERT_THAT(summary, StatusIs(Code::kDataLoss, HasSubstr("corrupt")))
            << from;
        continue;
      }
      ASSERT_THAT(summary, IsOk()) << from;
      ASSERT_EQ(records, hit) << from;
      // Where nothing of a record is left there is nothing to cut.
      ASSERT_EQ(summary->tail, from == begin ? Tail::kEnd : Tail::kTorn)
          << from;
    }
  }
}

}  // namespace
}  // namespace fodc::wal
