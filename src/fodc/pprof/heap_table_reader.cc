// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/heap_table_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/heap_table.h"

namespace fodc::pprof {
namespace {

constexpr int kTriesOfSlot = 1000;

// Once: what is checked is what is used, whatever the owner does meanwhile.
std::uint32_t LoadOnce(const std::uint32_t& value) {
  return *static_cast<const volatile std::uint32_t*>(&value);
}

// The numbers of a slot, all of one moment.
std::optional<HeapCounts> ReadNumbers(const HeapTableSlot& slot) {
  for (int tries = 0; tries < kTriesOfSlot; ++tries) {
    const std::uint32_t sequence =
        slot.sequence.load(std::memory_order_acquire);
    const HeapSlotNumbers& now = slot.numbers[sequence & 1];
    // Acquire: a number of a later writer brings that writer's sequence with
    // it.
    const std::uint64_t objects =
        now.alloc_objects.load(std::memory_order_acquire);
    const std::uint64_t bytes = now.alloc_bytes.load(std::memory_order_acquire);
    const std::uint64_t freed_objects =
        now.freed_objects.load(std::memory_order_acquire);
    const std::uint64_t freed_bytes =
        now.freed_bytes.load(std::memory_order_acquire);
    if (slot.sequence.load(std::memory_order_relaxed) != sequence) continue;
    HeapCounts c;
    c.alloc_objects = objects;
    c.alloc_bytes = bytes;
    c.inuse_objects = objects - std::min(objects, freed_objects);
    c.inuse_bytes = bytes - std::min(bytes, freed_bytes);
    return c;
  }
  return {};
}

// In order of address; of two that overlap the one that came later.
std::vector<Mapping> InOrder(std::span<const Mapping> as_added) {
  std::vector<Mapping> kept;
  for (const Mapping& raw : as_added) {
    Mapping m = raw;
    m.path_bytes = std::min<std::uint16_t>(m.path_bytes, kMaxMappingPathBytes);
    m.build_id_bytes =
        std::min<std::uint8_t>(m.build_id_bytes, kMaxBuildIdBytes);
    if (m.limit <= m.start) continue;
    std::erase_if(kept, [&m](const Mapping& before) {
      return before.start < m.limit && m.start < before.limit;
    });
    kept.push_back(m);
  }
  std::sort(kept.begin(), kept.end(), [](const Mapping& a, const Mapping& b) {
    return a.start < b.start;
  });
  return kept;
}

}  // namespace

Result<HeapTableSnapshot> ReadHeapTable(std::span<const std::byte> memory) {
  if (memory.size() < sizeof(HeapTableHeader)) {
    return DataLoss(StrCat("a heap table of ", memory.size(), " bytes"));
  }
  const auto& header = *reinterpret_cast<const HeapTableHeader*>(memory.data());
  if (header.magic != kHeapTableMagic) return DataLoss("no heap table");
  if (header.version != kHeapTableVersion) {
    return DataLoss(StrCat("a heap table of version ", header.version,
                           "; known is ", kHeapTableVersion));
  }
  const std::uint32_t mapping_capacity = LoadOnce(header.mapping_capacity);
  const std::uint32_t slot_capacity = LoadOnce(header.slot_capacity);
  if (header.header_bytes != sizeof(HeapTableHeader) ||
      header.mapping_bytes != sizeof(Mapping) ||
      header.slot_bytes != sizeof(HeapTableSlot) ||
      mapping_capacity > kMaxHeapTableMappings ||
      slot_capacity > kMaxHeapTableSlots ||
      HeapTableBytes(mapping_capacity, slot_capacity) > memory.size()) {
    return DataLoss(
        StrCat("a heap table that does not fit its ", memory.size(), " bytes"));
  }
  HeapTableSnapshot out;
  out.pid = header.pid;
  out.start_ticks = header.start_ticks;
  out.sample_interval_bytes = header.sample_interval_bytes;
  out.sampled = header.counts.samples.load(std::memory_order_relaxed);
  out.freed = header.counts.frees.load(std::memory_order_relaxed);
  out.dropped_samples =
      header.counts.dropped_samples.load(std::memory_order_relaxed);
  out.dropped_stacks =
      header.counts.dropped_stacks.load(std::memory_order_relaxed);
  out.dropped_mappings =
      header.counts.dropped_mappings.load(std::memory_order_relaxed);

  const auto* mappings = reinterpret_cast<const Mapping*>(&header + 1);
  const auto* slots =
      reinterpret_cast<const HeapTableSlot*>(mappings + mapping_capacity);
  const std::uint32_t taken = std::min(
      header.slots_taken.load(std::memory_order_acquire), slot_capacity);
  for (std::uint32_t i = 0; i < taken; ++i) {
    const HeapTableSlot& slot = slots[i];
    if (slot.is_published.load(std::memory_order_acquire) == 0) continue;
    const std::optional<HeapCounts> counts = ReadNumbers(slot);
    if (!counts) ++out.unread_slots;
    if (!counts || counts->alloc_objects == 0) continue;
    const std::size_t depth =
        std::min<std::size_t>(LoadOnce(slot.depth), kHeapTableFrames);
    out.samples.push_back(
        {{slot.frames.begin(), slot.frames.begin() + depth}, *counts});
  }
  // After the samples: code that they name is there by now.
  out.mappings = InOrder(
      {mappings, std::min(header.mapping_count.load(std::memory_order_acquire),
                          mapping_capacity)});
  return out;
}

Result<HeapTableView> HeapTableView::Map(int fd, bool touches) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return DataLoss("a heap table that is not sealed against being cut");
  }
  struct stat st = {};
  if (fstat(fd, &st) != 0) return ErrnoStatus(errno, "stat the heap table");
  const auto size = static_cast<std::size_t>(st.st_size);
  if (size == 0 ||
      size > HeapTableBytes(kMaxHeapTableMappings, kMaxHeapTableSlots)) {
    return DataLoss(StrCat("a heap table of ", size, " bytes"));
  }
  const int flags = MAP_SHARED | (touches ? MAP_POPULATE : 0);
  void* memory = mmap(nullptr, size, PROT_READ, flags, fd, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "map the heap table");
  return HeapTableView({static_cast<const std::byte*>(memory), size});
}

HeapTableView::HeapTableView(HeapTableView&& other) noexcept
    : memory_(std::exchange(other.memory_, {})) {}

HeapTableView& HeapTableView::operator=(HeapTableView&& other) noexcept {
  std::swap(memory_, other.memory_);
  return *this;
}

HeapTableView::~HeapTableView() {
  if (memory_.empty()) return;
  munmap(const_cast<std::byte*>(memory_.data()), memory_.size());
}

void HeapTableView::LetGoOfPages() const {
  // Of shared memory: nothing in it is lost.
  (void)madvise(const_cast<std::byte*>(memory_.data()), memory_.size(),
                MADV_DONTNEED);
}

Result<UniqueFd> FindHeapTable(std::string_view proc_root, pid_t pid) {
  const std::string directory = StrCat(proc_root, "/", pid, "/fd");
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListDirectory(directory));
  for (const std::string& name : names) {
    const std::string path = StrCat(directory, "/", name);
    std::array<char, 64> target;
    const ssize_t n = readlink(path.c_str(), target.data(), target.size());
    if (n <= 0) continue;
    std::string_view link(target.data(), static_cast<std::size_t>(n));
    if (!ConsumePrefix(&link, "/memfd:") ||
        !ConsumePrefix(&link, kHeapTableName)) {
      continue;
    }
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.ok()) return ErrnoStatus(errno, StrCat("open ", path));
    return fd;
  }
  return NotFound(StrCat("process ", pid, " has no heap table"));
}

Status WriteHeapProfile(const HeapTableSnapshot& table, UnixTime time,
                        Sink sink) {
  std::vector<std::string> losses;
  const auto tell = [&losses](std::uint64_t count, std::string_view of) {
    if (count > 0) losses.push_back(StrCat(count, of));
  };
  tell(table.dropped_samples, " samples are missing: the table was full");
  tell(table.dropped_stacks, " samples have no stack: the table was full");
  tell(table.dropped_mappings, " mappings are missing: the table was full");
  tell(table.unread_slots, " stacks are missing: they changed while read");
  const std::vector<std::string_view> comments(losses.begin(), losses.end());
  HeapProfileHead head;
  head.sample_interval_bytes = table.sample_interval_bytes;
  head.time = time;
  head.mappings = table.mappings;
  head.comments = comments;
  FODC_ASSIGN_OR_RETURN(const std::unique_ptr<HeapProfileWriter> writer,
                        HeapProfileWriter::Create(head, std::move(sink)));
  for (const HeapTableSample& sample : table.samples) {
    FODC_RETURN_IF_ERROR(writer->Add(sample.stack, sample.counts));
  }
  return writer->Finish();
}

}  // namespace fodc::pprof
