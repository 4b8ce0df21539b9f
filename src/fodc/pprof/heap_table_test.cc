// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/pprof/heap_table_reader.h"
#include "fodc/pprof/heap_table_writer.h"
#include "fodc/pprof/profile.h"

namespace fodc::pprof {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Stack = std::vector<std::uint64_t>;

constexpr std::uint64_t kInterval = 524288;
constexpr std::size_t kLarge = 64 << 20;  // always seen, stands for itself

HeapTableWriter::Options Options() { return {}; }

HeapTableSnapshot Read(const HeapTableWriter& writer) {
  const auto view = HeapTableView::Map(writer.fd());
  EXPECT_THAT(view, IsOk());
  auto snapshot = view->Read();
  EXPECT_THAT(snapshot, IsOk());
  return *std::move(snapshot);
}

TEST(HeapTableTest, CountsByStack) {
  HeapTableWriter writer;
  ASSERT_THAT(writer.Open(Options()), IsOk());
  const Stack a = {0x10, 0x20};
  const Stack b = {0x10};
  writer.RecordAllocation(0x1000, kLarge, a);
  writer.RecordAllocation(0x2000, kLarge, a);
  writer.RecordAllocation(0x3000, 2 * kLarge, b);
  writer.RecordFree(0x2000);
  const HeapTableSnapshot t = Read(writer);
  ASSERT_EQ(t.samples.size(), 2u);
  EXPECT_EQ(t.samples[0].stack, a);
  EXPECT_EQ(t.samples[0].counts.alloc_objects, 2u);
  EXPECT_EQ(t.samples[0].counts.alloc_bytes, 2 * kLarge);
  EXPECT_EQ(t.samples[0].counts.inuse_objects, 1u);
  EXPECT_EQ(t.samples[0].counts.inuse_bytes, kLarge);
  EXPECT_EQ(t.samples[1].stack, b);
  EXPECT_EQ(t.samples[1].counts.inuse_bytes, 2 * kLarge);
  EXPECT_EQ(t.sampled, 3u);
  EXPECT_EQ(t.freed, 1u);
  EXPECT_EQ(t.pid, static_cast<std::uint64_t>(getpid()));
  EXPECT_GT(t.start_ticks, 0u);
  EXPECT_EQ(t.sample_interval_bytes, kInterval);
}

TEST(HeapTableTest, ASmallAllocationStandsForManyAndIsFreedWhole) {
  HeapTableWriter writer;
  ASSERT_THAT(writer.Open(Options()), IsOk());
  const Stack a = {0x10};
  writer.RecordAllocation(0x1000, 16, a);
  EXPECT_NEAR(static_cast<double>(Read(writer).samples[0].counts.inuse_bytes),
              kInterval, 10);
  writer.RecordFree(0x1000);
  EXPECT_EQ(Read(writer).samples[0].counts.inuse_bytes, 0u);
  EXPECT_EQ(Read(writer).samples[0].counts.inuse_objects, 0u);
}

TEST(HeapTableTest, IgnoresTheFreeOfWhatWasNotSampled) {
  HeapTableWriter writer;
  writer.RecordFree(0x1000);  // before it is open
  ASSERT_THAT(writer.Open(Options()), IsOk());
  EXPECT_FALSE(writer.MayBeSampled(0x1000));
  writer.RecordAllocation(0x1000, kLarge, Stack{1});
  EXPECT_TRUE(writer.MayBeSampled(0x1000));
  writer.RecordFree(0x9000);
  writer.RecordFree(0x1000);
  writer.RecordFree(0x1000);
  EXPECT_FALSE(writer.MayBeSampled(0x1000));
  EXPECT_EQ(Read(writer).freed, 1u);
}

TEST(HeapTableTest, WhatFindsNoSlotKeepsItsBytes) {
  HeapTableWriter writer;
  HeapTableWriter::Options options;
  options.slots = 3;  // two, beside that of the rest
  ASSERT_THAT(writer.Open(options), IsOk());
  for (std::uint64_t i = 1; i <= 5; ++i) {
    writer.RecordAllocation(i << 12, kLarge, Stack{i});
  }
  const HeapTableSnapshot t = Read(writer);
  ASSERT_EQ(t.samples.size(), 3u);
  EXPECT_TRUE(t.samples[0].stack.empty());
  EXPECT_EQ(t.samples[0].counts.inuse_bytes, 3 * kLarge);
  EXPECT_EQ(t.dropped_stacks, 3u);
  for (std::uint64_t i = 1; i <= 5; ++i) writer.RecordFree(i << 12);
  EXPECT_EQ(Read(writer).samples[0].counts.inuse_bytes, 0u);
}

TEST(HeapTableTest, CountsWhatItCannotFollow) {
  HeapTableWriter writer;
  HeapTableWriter::Options options;
  options.live_samples = 8;
  ASSERT_THAT(writer.Open(options), IsOk());
  for (std::uint64_t i = 1; i <= 20; ++i) {
    writer.RecordAllocation(i << 12, kLarge, Stack{7});
  }
  const HeapTableSnapshot t = Read(writer);
  EXPECT_EQ(t.sampled, 8u);
  EXPECT_EQ(t.dropped_samples, 12u);
  EXPECT_EQ(t.samples[0].counts.inuse_bytes, 8 * kLarge);
}

TEST(HeapTableTest, CutsADeepStack) {
  HeapTableWriter writer;
  ASSERT_THAT(writer.Open(Options()), IsOk());
  Stack deep(200, 0x77);
  writer.RecordAllocation(0x1000, kLarge, deep);
  EXPECT_EQ(Read(writer).samples[0].stack.size(), kHeapTableFrames);
}

TEST(HeapTableTest, HoldsItsOwnersCode) {
  HeapTableWriter writer;
  ASSERT_THAT(writer.Open(Options()), IsOk());
  const auto here = reinterpret_cast<std::uint64_t>(&Read);
  EXPECT_TRUE(writer.KnowsCode(here));
  EXPECT_FALSE(writer.KnowsCode(0x10));
  void* code = mmap(nullptr, 4096, PROT_READ | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(code, MAP_FAILED);
  const auto address = reinterpret_cast<std::uint64_t>(code);
  EXPECT_FALSE(writer.KnowsCode(address));
  writer.RefreshMappings();
  EXPECT_TRUE(writer.KnowsCode(address));
  munmap(code, 4096);
  const HeapTableSnapshot t = Read(writer);
  const Mapping* m = FindMapping(t.mappings, here);
  ASSERT_NE(m, nullptr);
  EXPECT_GT(m->build_id_bytes, 0);
  EXPECT_EQ(t.dropped_mappings, 0u);
}

TEST(HeapTableTest, RefusesOptionsOfNothingOrTooMuch) {
  HeapTableWriter::Options options;
  options.slots = 0;
  HeapTableWriter writer;
  EXPECT_EQ(writer.Open(options).code(), Code::kInvalidArgument);
  options.slots = kMaxHeapTableSlots + 1;
  EXPECT_EQ(writer.Open(options).code(), Code::kInvalidArgument);
  ASSERT_THAT(writer.Open(Options()), IsOk());
  EXPECT_EQ(writer.Open(Options()).code(), Code::kFailedPrecondition);
}

// Threads allocate and free one size; a reader must never see a slot whose
// numbers are not of one moment.
TEST(HeapTableTest, ASlotIsWholeWhileItIsWritten) {
  HeapTableWriter writer;
  ASSERT_THAT(writer.Open(Options()), IsOk());
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 1; t <= 3; ++t) {
    threads.emplace_back([&writer, &stop, t] {
      for (std::uint64_t i = 0; !stop.load(); ++i) {
        const std::uintptr_t address = t << 32 | (i % 64 + 1) << 12;
        writer.RecordAllocation(address, kLarge, Stack{i % 2 + 1});
        writer.RecordFree(address);
      }
    });
  }
  const auto view = HeapTableView::Map(writer.fd());
  ASSERT_THAT(view, IsOk());
  std::uint64_t seen = 0;
  while (seen < 5000 && !HasFailure()) {
    const auto t = view->Read();
    ASSERT_THAT(t, IsOk());
    for (const HeapTableSample& s : t->samples) {
      ++seen;
      ASSERT_EQ(s.counts.alloc_bytes, s.counts.alloc_objects * kLarge);
      ASSERT_EQ(s.counts.inuse_bytes, s.counts.inuse_objects * kLarge);
      ASSERT_LE(s.counts.inuse_objects, 3u);
    }
  }
  stop = true;
  for (std::thread& t : threads) t.join();
  const HeapTableSnapshot end = Read(writer);
  for (const HeapTableSample& s : end.samples) {
    EXPECT_EQ(s.counts.inuse_bytes, 0u);
  }
  EXPECT_EQ(end.sampled, end.freed);
  EXPECT_EQ(end.dropped_samples, 0u);
}

// The owner is killed while it writes; what is left in memory is read.
TEST(HeapTableTest, IsReadAfterItsOwnerWasKilled) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    HeapTableWriter writer;
    if (!writer.Open(HeapTableWriter::Options()).ok()) _exit(1);
    const std::uint64_t kept[] = {0xabc};
    const std::uint64_t churned[] = {0xdef};
    writer.RecordAllocation(0x1000, kLarge, kept);
    for (std::uintptr_t i = 1;; i = i % 1000 + 1) {
      writer.RecordAllocation(i << 20, kLarge, churned);
      if (i == 500 && write(ready[1], "x", 1) < 0) _exit(1);
      writer.RecordFree(i << 20);
    }
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[1]);
  const auto fd = FindHeapTable("/proc", child);
  ASSERT_THAT(fd, IsOk());
  const auto view = HeapTableView::Map(fd->get());
  ASSERT_THAT(view, IsOk());
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  close(ready[0]);
  const auto t = view->Read();
  ASSERT_THAT(t, IsOk());
  EXPECT_EQ(t->pid, static_cast<std::uint64_t>(child));
  EXPECT_EQ(t->unread_slots, 0u);
  ASSERT_EQ(t->samples.size(), 2u);
  EXPECT_THAT(t->samples[0].stack, ElementsAre(0xabc));
  EXPECT_EQ(t->samples[0].counts.inuse_bytes, kLarge);
  EXPECT_LE(t->samples[1].counts.inuse_objects, 1u);

  std::string profile;
  ASSERT_THAT(WriteHeapProfile(*t, FromUnixMillis(5),
                               [&profile](std::string_view piece) {
                                 profile += piece;
                                 return OkStatus();
                               }),
              IsOk());
  const auto p = ReadProfile(profile);
  ASSERT_THAT(p, IsOk());
  EXPECT_EQ(p->sample_count(), 2u);
  EXPECT_TRUE(p->comments().empty());
}

TEST(FindHeapTableTest, SaysThatThereIsNone) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    pause();
    _exit(0);
  }
  EXPECT_EQ(FindHeapTable("/proc", child).status().code(), Code::kNotFound);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(FindHeapTable("/proc", child).ok());
}

TEST(HeapTableViewTest, RefusesMemoryThatMayBeCut) {
  const UniqueFd fd(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(fd.get(), 4096), 0);
  EXPECT_THAT(HeapTableView::Map(fd.get()).status().message(),
              HasSubstr("not sealed"));
}

TEST(WriteHeapProfileTest, TellsOfLosses) {
  HeapTableSnapshot t;
  t.dropped_samples = 3;
  t.dropped_stacks = 4;
  t.unread_slots = 5;
  std::string profile;
  ASSERT_THAT(WriteHeapProfile(t, {},
                               [&profile](std::string_view piece) {
                                 profile += piece;
                                 return OkStatus();
                               }),
              IsOk());
  const auto p = ReadProfile(profile);
  ASSERT_THAT(p, IsOk());
  ASSERT_EQ(p->comments().size(), 3u);
  EXPECT_THAT(p->Text(p->comments()[0]), HasSubstr("3 samples are missing"));
  EXPECT_THAT(p->Text(p->comments()[1]), HasSubstr("4 samples have no stack"));
  EXPECT_THAT(p->Text(p->comments()[2]), HasSubstr("5 stacks are missing"));
}

// Bytes of a small table, for tests that damage them.
std::vector<std::uint64_t> TableBytes(std::size_t* size) {
  HeapTableWriter writer;
  HeapTableWriter::Options options;
  options.slots = 4;
  options.mappings = 2;
  EXPECT_THAT(writer.Open(options), IsOk());
  writer.RecordAllocation(0x1000, kLarge, Stack{0x10, 0x20});
  *size = HeapTableBytes(2, 4);
  std::vector<std::uint64_t> bytes(*size / 8 + 8);
  EXPECT_EQ(pread(writer.fd(), bytes.data(), *size, 0),
            static_cast<ssize_t>(*size));
  return bytes;
}

TEST(ReadHeapTableTest, RefusesAnotherLayout) {
  std::size_t size = 0;
  auto bytes = TableBytes(&size);
  const auto read = [&](std::size_t n) {
    alignas(64) static std::byte aligned[16384];
    std::memcpy(aligned, bytes.data(), n);
    return ReadHeapTable({aligned, n});
  };
  ASSERT_THAT(read(size), IsOk());
  EXPECT_EQ(read(size)->dropped_mappings > 0, true);
  for (std::size_t n = 0; n < size; n += 13) {
    EXPECT_EQ(read(n).status().code(), Code::kDataLoss) << n;
  }
  const auto good = bytes;
  // magic, version and header size, sizes and capacities: each changed alone.
  for (const std::size_t word : {0u, 1u, 3u, 4u}) {
    bytes = good;
    bytes[word] ^= std::uint64_t{1} << 33 | 1;
    EXPECT_EQ(read(size).status().code(), Code::kDataLoss) << word;
    bytes[word] = ~std::uint64_t{0};
    EXPECT_EQ(read(size).status().code(), Code::kDataLoss) << word;
  }
}

// It is written by whoever is looked at: a reader that goes through what that
// claims would be at it for minutes.
TEST(ReadHeapTableTest, RefusesMoreThanAnOwnerHas) {
  const auto read = [](std::uint32_t mappings, std::uint32_t slots) {
    // Of zeros, which take no memory until they are read.
    const std::size_t size = HeapTableBytes(mappings, slots);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    auto* header = new (memory) HeapTableHeader;
    header->header_bytes = sizeof(HeapTableHeader);
    header->total_bytes = size;
    header->mapping_bytes = sizeof(Mapping);
    header->mapping_capacity = mappings;
    header->slot_bytes = sizeof(HeapTableSlot);
    header->slot_capacity = slots;
    const Status status =
        ReadHeapTable({static_cast<const std::byte*>(memory), size}).status();
    munmap(memory, size);
    return status.code();
  };
  EXPECT_EQ(read(kMaxHeapTableMappings, kMaxHeapTableSlots), Code::kOk);
  EXPECT_EQ(read(kMaxHeapTableMappings + 1, 1), Code::kDataLoss);
  EXPECT_EQ(read(1, kMaxHeapTableSlots + 1), Code::kDataLoss);
}

}  // namespace
}  // namespace fodc::pprof
