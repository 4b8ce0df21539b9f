// SPDX-License-Identifier: Apache-2.0
// The event store on real file systems that are full, read-only or another's.
// Each case is a process in a mount namespace of its own; what it mounts goes
// with it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/file.h"
#include "fodc/base/scan_text.h"
#include "fodc/evidence/capsule_reader.h"
#include "fodc/evidence/capsule_writer.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/event_store_testing.h"

namespace fodc::evidence {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const UnixTime kNow = FakeClock().Unix();

class DiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      std::cout << "SKIPPED: only root may mount\n";
      GTEST_SKIP();
    }
    ASSERT_THAT(MakeDirectories(disk_), IsOk());
  }

  // Runs `inside` with a file system of `bytes` at disk_.
  template <typename Inside>
  void OnDiskOf(std::size_t bytes, const Inside& inside) {
    std::cout.flush();
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string options = StrCat("mode=755,size=", bytes);
      if (::unshare(CLONE_NEWNS) != 0 ||
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, options.c_str()) != 0) {
        ADD_FAILURE() << "no file system of its own";
      } else {
        inside();
      }
      (void)std::fflush(nullptr);
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "what is above failed";
  }

  TempDirectory tree_;
  const std::string disk_ = tree_.File("disk");
  const std::string root_ = disk_ + "/events";
};

TEST_F(DiskTest, OneThatIsTooSmallIsKnownBeforehand) {
  OnDiskOf(1 << 20, [this] {
    const auto store = OpenStore(root_);
    EXPECT_LE(store->FreeBytes().value(), 1u << 20);
    EXPECT_THAT(store->Begin(kNow, {.min_bytes = 2 << 20}),
                StatusIs(Code::kResourceExhausted, HasSubstr("2097152")));
    EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
    const auto writer =
        store->Begin(kNow, {.max_bytes = 1 << 30, .min_bytes = 1 << 18});
    ASSERT_THAT(writer, IsOk());
    EXPECT_LE((*writer)->budget_left_bytes(), 1u << 20);
  });
}

TEST_F(DiskTest, OneThatFillsUpUnderWayCutsWhatIsWrittenAndHarmsNothingElse) {
  OnDiskOf(1 << 20, [this] {
    const auto store = OpenStore(root_);
    const std::string before = AddEvent(store.get(), kNow, {{"a", "x"}});
    auto writer =
        store->Begin(kNow, {.max_bytes = 1 << 20, .min_bytes = 1}).value();
    EventMeta meta;
    AddArtifact(writer.get(), "small", "whole", &meta);
    const std::uint64_t left = writer->budget_left_bytes();
    auto sink = writer->OpenArtifact("heap", 1 << 20).value();
    // Another's file takes what was free at the beginning.
    ASSERT_EQ(Shell(StrCat("head -c 700000 /dev/zero >", disk_, "/filler")), 0);
    const std::string piece(50000, 'h');
    Status status;
    while (status.ok()) status = sink->Append(piece);
    EXPECT_THAT(status, StatusIs(Code::kResourceExhausted,
                                 HasSubstr("write heap: No space left")));
    const auto digest = sink->Finish();
    ASSERT_THAT(digest, IsOk());
    EXPECT_GT(digest->bytes, 100000u);
    // What was taken in and not written is not charged.
    EXPECT_EQ(writer->budget_left_bytes(), left - digest->bytes);
    meta.steps.push_back({.file = "heap",
                          .bytes = digest->bytes,
                          .sha256 = digest->sha256,
                          .outcome = StepOutcome::kCut,
                          .reason = status.message()});
    // Not even meta.json has room: the event is not there, and not lost.
    EXPECT_THAT(writer->Commit(meta), StatusIs(Code::kResourceExhausted, _));
    EXPECT_THAT(store->List(), IsOkAndHolds(SizeIs(1)));
    EXPECT_THAT(store->Pin(before, {}), IsOk());
    ASSERT_EQ(::unlink((disk_ + "/filler").c_str()), 0);
    EXPECT_THAT(writer->Commit(meta), IsOk());
    EXPECT_THAT(store->List(), IsOkAndHolds(SizeIs(2)));
    const auto heap = store->OpenArtifact(writer->id(), "heap");
    ASSERT_THAT(heap, IsOk());
    EXPECT_EQ(ReadAll(*heap), std::string(digest->bytes, 'h'));
  });
}

TEST_F(DiskTest, OneThatIsFullGetsNoHalfOfACapsule) {
  const auto store = OpenStore(tree_.File("events"));
  const std::string id = AddEvent(
      store.get(), kNow, {{"a", "x"}, {"big", std::string(2 << 20, 'b')}});
  auto writer = CapsuleWriter::Make(*store, id);
  ASSERT_THAT(writer, IsOk());
  std::string capsule;
  std::string buffer(1 << 16, '\0');
  for (;;) {
    const auto n = (*writer)->Read(buffer);
    ASSERT_THAT(n, IsOk());
    if (*n == 0) break;
    capsule.append(buffer, 0, *n);
  }
  const std::string path = tree_.File("x.tar.zst");
  ASSERT_THAT(WriteFileAtomically(path, capsule), IsOk());
  OnDiskOf(1 << 20, [&] {
    EXPECT_THAT(ExtractCapsule(path, disk_),
                StatusIs(Code::kResourceExhausted, HasSubstr("big")));
    EXPECT_THAT(ListDirectory(disk_), IsOkAndHolds(IsEmpty()));
  });
}

TEST_F(DiskTest, OneThatIsReadOnlyStillGivesWhatItHas) {
  OnDiskOf(1 << 20, [this] {
    std::string id;
    {
      const auto store = OpenStore(root_);
      id = AddEvent(store.get(), kNow, {{"a", "x"}});
      AddEvent(store.get(), kNow, {{"a", "x"}});
      AddEvent(store.get(), kNow, {{"a", "x"}});
      WriteTree(root_, {{"20250101T000000.000000000Z/half", "x"}});
    }
    ASSERT_EQ(::mount(nullptr, disk_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY,
                      nullptr),
              0);
    const auto read_only =
        StatusIs(Code::kFailedPrecondition, HasSubstr("Read-only"));
    const auto store = OpenStore(root_);
    EXPECT_THAT(store->sweep().failures, ElementsAre(read_only));
    EXPECT_THAT(store->CheckWritable(), read_only);
    EXPECT_THAT(store->Begin(kNow, kPlenty), read_only);
    EXPECT_THAT(store->List(), IsOkAndHolds(SizeIs(3)));
    EXPECT_THAT(store->OpenArtifact(id, "a"), IsOk());
    EXPECT_THAT(store->Pin(id, {}), read_only);
    EXPECT_THAT(store->Delete(id), read_only);
    const auto report = store->Retain({.max_events = 1}, kNow);
    ASSERT_THAT(report, IsOk());
    EXPECT_THAT(report->deleted, IsEmpty());
    EXPECT_THAT(report->failures, ElementsAre(read_only, read_only));
    EXPECT_THAT(store->List(), IsOkAndHolds(SizeIs(3)));
    EXPECT_THAT(EventStore::Open({.root = disk_ + "/none"}), read_only);
  });
}

// What is mounted into the root is no event, though its name be one's.
TEST_F(DiskTest, AnotherFileSystemIsNotEntered) {
  OnDiskOf(1 << 20, [this] {
    const auto store = OpenStore(root_);
    const std::string id = AddEvent(store.get(), kNow, {{"a", "x"}});
    const std::string there = disk_ + "/there";
    WriteTree(there, {{"meta.json", "{}"}, {"theirs", "x"}});
    ASSERT_EQ(::mount(there.c_str(), (root_ + "/" + id).c_str(), nullptr,
                      MS_BIND, nullptr),
              0);
    EXPECT_THAT(store->List(), IsOkAndHolds(IsEmpty()));
    EXPECT_FALSE(store->Read(id).ok());
    EXPECT_FALSE(store->Delete(id).ok());
    EXPECT_THAT(ListDirectory(there),
                IsOkAndHolds(ElementsAre("meta.json", "theirs")));
  });
}

TEST_F(DiskTest, OneWhoMayNotWriteIsToldSo) {
  OnDiskOf(1 << 20, [this] {
    const std::string id = AddEvent(OpenStore(root_).get(), kNow, {{"a", "x"}});
    ASSERT_EQ(Shell(StrCat("chmod -R a+rX ", tree_.path())), 0);
    ASSERT_EQ(::setgid(65534), 0);
    ASSERT_EQ(::setuid(65534), 0);
    const auto denied = StatusIs(Code::kPermissionDenied, HasSubstr(root_));
    const auto store = OpenStore(root_);
    EXPECT_THAT(store->CheckWritable(), denied);
    EXPECT_THAT(store->Begin(kNow, kPlenty), denied);
    EXPECT_THAT(store->Delete(id), denied);
    EXPECT_THAT(store->List(), IsOkAndHolds(SizeIs(1)));
    EXPECT_THAT(EventStore::Open({.root = disk_ + "/none"}),
                StatusIs(Code::kPermissionDenied, HasSubstr("none")));
  });
}

// The kill of a capture in its midst, and the start after it.
TEST_F(DiskTest, AStartSweepsWhatAKilledCaptureLeft) {
  const std::string root = tree_.File("events");
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto store = OpenStore(root);
    AddEvent(store.get(), kNow, {{"a", "x"}});
    auto writer = store->Begin(kNow, kPlenty).value();
    EventMeta meta;
    AddArtifact(writer.get(), "heap.pprof", "x", &meta);
    auto sink = writer->OpenArtifact("goroutine.pprof", 1000).value();
    (void)sink->Append("y");
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_FALSE(OpenStore(root)->sweep().is_alone);  // it lives
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  (void)::close(ready[0]);
  (void)::close(ready[1]);
  const auto store = OpenStore(root);
  EXPECT_TRUE(store->sweep().is_alone);
  EXPECT_THAT(store->sweep().removed, SizeIs(1));
  EXPECT_THAT(ListDirectory(root),
              IsOkAndHolds(ElementsAre(MakeEventId(kNow))));
}

std::uint64_t ResidentBytes() {
  const std::string statm = ReadFile("/proc/self/statm").value();
  std::string_view text = statm;
  (void)NextField(&text);
  return *NextUint(&text) * static_cast<std::uint64_t>(::getpagesize());
}

TEST_F(DiskTest, MemoryDoesNotGrowWithAnArtifact) {
  constexpr std::uint64_t kBytes = 256 << 20;
  OnDiskOf(300 << 20, [this, kBytes] {
    const auto store = OpenStore(root_);
    std::string piece(64 << 10, 'x');
    for (std::size_t i = 0; i < piece.size(); ++i)
      piece[i] = static_cast<char>(i * i >> 7);
    EventMeta meta;
    auto writer =
        store->Begin(kNow, {.max_bytes = kBytes, .min_bytes = kBytes}).value();
    const std::uint64_t before = ResidentBytes();
    std::uint64_t most = before;
    {
      auto sink = writer->OpenArtifact("heap", kBytes).value();
      for (std::uint64_t n = 0; n < kBytes; n += piece.size()) {
        ASSERT_THAT(sink->Append(piece), IsOk());
        most = std::max(most, ResidentBytes());
      }
      const auto digest = sink->Finish();
      ASSERT_THAT(digest, IsOk());
      meta.steps.push_back({.file = "heap", .bytes = digest->bytes});
    }
    ASSERT_THAT(writer->Commit(meta), IsOk());
    EXPECT_LT(most - before, 2u << 20);
    auto capsule = CapsuleWriter::Make(*store, writer->id());
    ASSERT_THAT(capsule, IsOk());
    std::uint64_t most_writing = 0;
    // Straight from the writer into the reader.
    const auto content = ReadCapsule(
        [&](std::span<char> buffer) {
          most_writing = std::max(most_writing, ResidentBytes());
          return (*capsule)->Read(buffer);
        },
        nullptr);
    ASSERT_THAT(content, IsOk());
    EXPECT_EQ(content->files[0].bytes, kBytes);
    EXPECT_LT(most_writing - before, 8u << 20);
    std::cout << "grew by " << (most - before) << " bytes at capture, "
              << (most_writing - before) << " with writer and reader\n";
  });
}

}  // namespace
}  // namespace fodc::evidence
