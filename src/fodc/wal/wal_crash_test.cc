// SPDX-License-Identifier: Apache-2.0
// Full disks, and writers that are killed while they write.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A file system of 256 KiB in a mount namespace of its own.
class FullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, "size=256k") != 0) {
      GTEST_SKIP() << "SKIPPED: "
                   << ErrnoStatus(errno, "mount a tmpfs").message()
                   << "; needs CAP_SYS_ADMIN";
    }
    mounted_ = true;
  }
  void TearDown() override {
    if (!mounted_) return;
    EXPECT_EQ(::umount2(dir_.path().c_str(), MNT_DETACH), 0);
  }
  std::unique_ptr<Log> OpenAndRead() {
    auto log = Log::Open(dir_.File("log"), options_, clock_);
    EXPECT_THAT(log, IsOk());
    records_ = 0;
    const auto summary = (*log)->Read([this](const Record& r) {
      ++records_;
      return r.payload.empty() || r.payload.front() == r.payload.back()
                 ? OkStatus()
                 : Internal("not what was written");
    });
    EXPECT_THAT(summary, IsOk());
    repaired_ = summary.ok() && summary->repaired;
    return *std::move(log);
  }
  // Leaves about `free_bytes`.
  void Fill(std::size_t free_bytes) {
    const UniqueFd fd(::open(dir_.File("ballast").c_str(),
                             O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string page(4096, 'b');
    std::size_t filled = 0;
    while (::write(fd.get(), page.data(), page.size()) == 4096) filled += 4096;
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(filled - free_bytes)),
              0);
  }

  TempDirectory dir_;
  FakeClock clock_;
  Options options_;
  bool mounted_ = false;
  int records_ = 0;
  bool repaired_ = false;
};

TEST_F(FullDiskTest, AnAppendThatDoesNotFitLeavesAValidLog) {
  {
    const auto log = OpenAndRead();
    ASSERT_THAT(log->Append(1, std::string(1000, 'a')), IsOk());
    ASSERT_NO_FATAL_FAILURE(Fill(16384));
    const std::uint64_t size_bytes = log->size_bytes();
    // Written in part, then refused.
    const std::string large(50'000, 'L');
    const NewRecord batch[] = {{1, "bb"}, {1, large}};
    EXPECT_THAT(log->Append(batch),
                StatusIs(Code::kResourceExhausted, HasSubstr("write ")));
    EXPECT_EQ(log->counters().append_errors, 1u);
    EXPECT_EQ(log->next_sequence(), 2u);
    EXPECT_EQ(log->size_bytes(), size_bytes);
    EXPECT_EQ(ReadFile(log->segments()[0].path)->size(), size_bytes);
    // What fits is taken again.
    EXPECT_THAT(log->Append(1, "cc"), IsOk());
    EXPECT_THAT(log->Sync(), IsOk());
  }
  const auto log = OpenAndRead();
  EXPECT_EQ(records_, 2);
  EXPECT_FALSE(repaired_);
}

TEST_F(FullDiskTest, ASegmentThatCannotBeBegunLeavesNothing) {
  options_.segment_bytes = 20'000;
  options_.preallocate = true;
  const auto log = OpenAndRead();
  ASSERT_THAT(log->Append(1, std::string(18'000, 'a')), IsOk());
  ASSERT_NO_FATAL_FAILURE(Fill(4096));
  EXPECT_THAT(log->Append(1, std::string(10'000, 'b')),
              StatusIs(Code::kResourceExhausted, HasSubstr("reserve ")));
  EXPECT_THAT(*ListDirectory(dir_.File("log")), SizeIs(2));  // and LOCK
  ASSERT_EQ(::unlink(dir_.File("ballast").c_str()), 0);
  EXPECT_THAT(log->Append(1, std::string(10'000, 'b')), IsOk());
  EXPECT_THAT(log->Read(nullptr), IsOk());
}

TEST_F(FullDiskTest, WithoutRoomForTheCopyNothingIsCut) {
  std::string path;
  std::string torn;
  {
    const auto log = OpenAndRead();
    ASSERT_THAT(log->Append(1, "a"), IsOk());
    ASSERT_THAT(log->Append(1, std::string(40'000, 'b')), IsOk());
    path = log->segments()[0].path;
    ASSERT_EQ(::truncate(path.c_str(), 30'000), 0);
    torn = *ReadFile(path);
  }
  ASSERT_NO_FATAL_FAILURE(Fill(8192));
  auto log = Log::Open(dir_.File("log"), options_, clock_);
  ASSERT_THAT(log, IsOk());
  EXPECT_THAT((*log)->Read(nullptr),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("WAL unrepairable: "),
                                              HasSubstr("No space"))));
  EXPECT_EQ((*log)->counters().unrepairable, 1u);
  EXPECT_THAT(ReadFile(path), IsOkAndHolds(torn));
  EXPECT_THAT(*ListDirectory(dir_.File("log")), SizeIs(2));
  log->reset();
  ASSERT_EQ(::unlink(dir_.File("ballast").c_str()), 0);
  (void)OpenAndRead();
  EXPECT_TRUE(repaired_);
  EXPECT_EQ(records_, 1);
}

// A write that the kernel accepts only in part, then refuses (RLIMIT_FSIZE).
TEST(ShortWriteTest, IsFinishedOrTakenBack) {
  TempDirectory dir;
  FakeClock clock;
  const pid_t child = ::fork();
  if (child == 0) {
    (void)::signal(SIGXFSZ, SIG_IGN);
    auto log = Log::Open(dir.path(), {}, clock);
    const auto read = (*log)->Read(nullptr);
    bool good = read.ok() && (*log)->Append(1, "first").ok();
    const rlimit limit = {10'000, 10'000};
    good = good && ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
    const std::string large(20'000, 'x');
    good = good && !(*log)->Append(1, large).ok();
    good = good && (*log)->Append(1, "second").ok() && (*log)->Sync().ok();
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  auto log = Log::Open(dir.path(), {}, clock);
  std::vector<std::string> read;
  const auto summary = (*log)->Read([&](const Record& r) {
    read.emplace_back(r.payload);
    return OkStatus();
  });
  ASSERT_THAT(summary, IsOk());
  EXPECT_FALSE(summary->repaired);
  EXPECT_THAT(read, ::testing::ElementsAre("first", "second"));
}

// Up to 256 KiB that only this record has; cheap under the sanitizers too.
std::string PayloadOf(std::uint64_t sequence) {
  const std::uint64_t hash = sequence * 0x9e3779b97f4a7c15u;
  std::string p(static_cast<std::size_t>(hash >> 46),
                static_cast<char>(hash >> 8));
  for (std::size_t i = 0; i + 8 <= p.size(); i += 4096) {
    std::memcpy(p.data() + i, &hash, 8);
  }
  return p;
}

// Appends for ever and tells each sequence number once it is synced.
[[noreturn]] void WriteUntilKilled(const std::string& dir, int tell) {
  FakeClock clock;
  Options options;
  options.segment_bytes = 4 << 20;
  options.on_repair = [](const RepairEvent&) {};
  auto log = Log::Open(dir, options, clock);
  if (!log.ok() || !(*log)->Read(nullptr).ok()) ::_exit(1);
  for (;;) {
    const std::uint64_t sequence = (*log)->next_sequence();
    if (!(*log)->Append(1, PayloadOf(sequence)).ok()) ::_exit(2);
    if (sequence % 4 == 0) {
      if (!(*log)->Sync().ok()) ::_exit(3);
      if (::write(tell, &sequence, sizeof sequence) != sizeof sequence) {
        ::_exit(4);
      }
    }
    if ((*log)->segments().size() > 3 && !(*log)->DropOldest().ok()) ::_exit(5);
  }
}

TEST(KilledWriterTest, LosesNothingThatWasSynced) {
  TempDirectory dir;
  FakeClock clock;
  std::uint64_t before = 0;
  for (int round = 0; round < 12; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd hear(ends[0]);
    UniqueFd tell(ends[1]);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) WriteUntilKilled(dir.path(), tell.get());
    tell.reset();
    // Let it work, then kill it wherever it is.
    std::uint64_t synced = 0;
    for (int i = 0; i < 3 + round % 4; ++i) {
      ASSERT_EQ(::read(hear.get(), &synced, sizeof synced), 8);
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    std::uint64_t more = 0;
    while (::read(hear.get(), &more, sizeof more) == 8) synced = more;

    Options options;
    options.on_repair = [](const RepairEvent&) {};
    auto log = Log::Open(dir.path(), options, clock);
    ASSERT_THAT(log, IsOk());
    const auto summary = (*log)->Read([](const Record& r) {
      return r.payload == PayloadOf(r.sequence) ? OkStatus()
                                                : Internal("wrong payload");
    });
    ASSERT_THAT(summary, IsOk());
    EXPECT_GE(summary->last_sequence, synced);
    EXPECT_GT(synced, before);
    before = summary->last_sequence;
  }
}

// A look without the lock while a writer is at work finds good records and at
// most a torn tail, never corruption.
TEST(ReadOnlyTest, MayWatchAWriter) {
  TempDirectory dir;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd hear(ends[0]);
  UniqueFd tell(ends[1]);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) WriteUntilKilled(dir.path(), tell.get());
  tell.reset();
  std::uint64_t synced = 0;
  ASSERT_EQ(::read(hear.get(), &synced, sizeof synced), 8);
  for (int i = 0; i < 10; ++i) {
    const auto summary = ReadOnly(dir.path(), [](const Record& r) {
      return r.payload == PayloadOf(r.sequence) ? OkStatus()
                                                : Internal("wrong payload");
    });
    EXPECT_THAT(summary, IsOk());
    if (!summary.ok()) break;
    EXPECT_GE(summary->last_sequence, synced);
  }
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
}

}  // namespace
}  // namespace fodc::wal
