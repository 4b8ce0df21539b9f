// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/heap_table_writer.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/heap_profile.h"

namespace fodc::pprof {
namespace {

constexpr std::uint32_t kBusy = ~std::uint32_t{0};
// An address or a stack lies within so many places of where it hashes to.
constexpr std::size_t kMaxProbes = 64;
constexpr int kSpins = 1000;

void Pause(int tries) {
  if (tries % kSpins == kSpins - 1) {
    sched_yield();  // the holder is not running
  } else {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

std::uint64_t HashOf(std::span<const std::uint64_t> stack) {
  std::uint64_t hash = stack.size();
  for (const std::uint64_t address : stack) {
    hash = (std::rotl(hash, 27) ^ address) * 0x9e3779b97f4a7c15u;
  }
  return hash ^ hash >> 32;
}

template <typename T>
void Raise(std::atomic<T>* counter) {
  counter->fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

HeapTableWriter::~HeapTableWriter() {
  if (header_ != nullptr) munmap(header_, header_->total_bytes);
  if (private_memory_ != nullptr) munmap(private_memory_, private_bytes_);
}

Status HeapTableWriter::Open(const Options& options) {
  if (header_ != nullptr) return FailedPrecondition("the table is open");
  if (options.sample_interval_bytes == 0 || options.slots == 0 ||
      options.mappings == 0 || options.live_samples == 0) {
    return InvalidArgument("a table of heap samples with an option of 0");
  }
  if (options.slots > kMaxHeapTableSlots ||
      options.mappings > kMaxHeapTableMappings) {
    return InvalidArgument(StrCat("a table of heap samples of ", options.slots,
                                  " slots and ", options.mappings,
                                  " mappings; at most ", kMaxHeapTableSlots,
                                  " and ", kMaxHeapTableMappings));
  }
  const std::uint64_t total = HeapTableBytes(options.mappings, options.slots);
  UniqueFd fd(memfd_create(kHeapTableName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.ok()) return ErrnoStatus(errno, "memfd_create of the heap table");
  if (ftruncate(fd.get(), static_cast<off_t>(total)) != 0) {
    return ErrnoStatus(errno, "ftruncate of the heap table");
  }
  // A reader must not fault because the file has become shorter.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
      0) {
    return ErrnoStatus(errno, "seal the heap table");
  }
  void* shared =
      mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (shared == MAP_FAILED) return ErrnoStatus(errno, "map the heap table");

  live_sets_ =
      std::bit_ceil(std::max<std::size_t>(options.live_samples / kWays, 1));
  index_size_ = std::bit_ceil(std::size_t{options.slots} * 2);
  constexpr std::size_t kFilterBytes = std::size_t{1} << kFilterBits;
  const std::size_t live_bytes = live_sets_ * kWays * sizeof(Live);
  const std::size_t fresh_bytes = options.mappings * sizeof(Mapping);
  private_bytes_ =
      live_bytes + fresh_bytes + index_size_ * sizeof(*index_) + kFilterBytes;
  void* own = mmap(nullptr, private_bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (own == MAP_FAILED) {
    const int error = errno;
    munmap(shared, total);
    return ErrnoStatus(error, "map what goes with the heap table");
  }
  // Memory of zeros is what each of these begins with: making them would only
  // touch it all.
  private_memory_ = own;
  auto* at = static_cast<std::byte*>(own);
  live_ = reinterpret_cast<Live*>(at);
  fresh_ = reinterpret_cast<Mapping*>(at += live_bytes);
  index_ = reinterpret_cast<std::atomic<std::uint32_t>*>(at += fresh_bytes);
  at += index_size_ * sizeof(*index_);

  auto* header = new (shared) HeapTableHeader;
  header->header_bytes = sizeof(HeapTableHeader);
  header->total_bytes = total;
  header->mapping_bytes = sizeof(Mapping);
  header->mapping_capacity = options.mappings;
  header->slot_bytes = sizeof(HeapTableSlot);
  header->slot_capacity = options.slots;
  header->sample_interval_bytes = options.sample_interval_bytes;
  header->pid = static_cast<std::uint64_t>(getpid());
  const auto stat = ReadProcessStat(kProcRoot, getpid());
  header->start_ticks = stat.ok() ? stat->start_ticks : 0;
  mappings_ = reinterpret_cast<Mapping*>(header + 1);
  slots_ = reinterpret_cast<HeapTableSlot*>(mappings_ + options.mappings);
  slots_[kHeapTableRestSlot].is_published.store(1, std::memory_order_release);
  header->slots_taken.store(1, std::memory_order_release);
  header_ = header;
  fd_ = std::move(fd);
  RefreshMappings();
  filter_.store(reinterpret_cast<FilterCell*>(at), std::memory_order_release);
  return OkStatus();
}

HeapTableWriter::Live* HeapTableWriter::LiveSet(std::uintptr_t address) const {
  return live_ + (Mixed(address) >> 8 & (live_sets_ - 1)) * kWays;
}

void HeapTableWriter::RecordAllocation(std::uintptr_t address,
                                       std::size_t size_bytes,
                                       std::span<const std::uint64_t> stack) {
  FilterCell* filter = filter_.load(std::memory_order_acquire);
  if (filter == nullptr || address == 0) return;
  Live* const set = LiveSet(address);
  Live* const end = set + kWays;
  // 1 is no address of an allocation: it holds the place.
  constexpr std::uintptr_t kTaken = 1;
  Live* const live = std::find_if(set, end, [](Live& l) {
    std::uintptr_t none = 0;
    return l.address.load(std::memory_order_relaxed) == 0 &&
           l.address.compare_exchange_strong(none, kTaken,
                                             std::memory_order_acquire);
  });
  if (live == end) {
    Raise(&header_->counts.dropped_samples);
    return;
  }
  live->size_bytes = size_bytes;
  live->slot = FindSlot(stack.first(std::min(stack.size(), kHeapTableFrames)));
  Count(live->slot, size_bytes, false);
  Raise(&header_->counts.samples);
  FilterCell& cell = filter[FilterPlace(address)];
  std::uint8_t seen = cell.load(std::memory_order_relaxed);
  while (seen != 255 &&
         !cell.compare_exchange_weak(seen, static_cast<std::uint8_t>(seen + 1),
                                     std::memory_order_relaxed)) {
  }
  live->address.store(address, std::memory_order_release);
}

void HeapTableWriter::RecordFree(std::uintptr_t address) {
  FilterCell* filter = filter_.load(std::memory_order_acquire);
  if (filter == nullptr || address <= 1) return;
  Live* const set = LiveSet(address);
  Live* const end = set + kWays;
  Live* const live = std::find_if(set, end, [address](const Live& l) {
    return l.address.load(std::memory_order_acquire) == address;
  });
  if (live == end) return;
  HeapTableSlot* const slot = live->slot;
  const std::uint64_t size_bytes = live->size_bytes;
  live->address.store(0, std::memory_order_release);
  FilterCell& cell = filter[FilterPlace(address)];
  std::uint8_t seen = cell.load(std::memory_order_relaxed);
  while (seen != 255 &&
         !cell.compare_exchange_weak(seen, static_cast<std::uint8_t>(seen - 1),
                                     std::memory_order_relaxed)) {
  }
  Count(slot, size_bytes, true);
  Raise(&header_->counts.frees);
}

HeapTableSlot* HeapTableWriter::FindSlot(std::span<const std::uint64_t> stack) {
  const std::uint64_t hash = HashOf(stack);
  for (std::size_t i = 0; i < kMaxProbes; ++i) {
    std::atomic<std::uint32_t>& place = index_[(hash + i) & (index_size_ - 1)];
    std::uint32_t held = place.load(std::memory_order_acquire);
    if (held == 0 &&
        place.compare_exchange_strong(held, kBusy, std::memory_order_acquire)) {
      HeapTableSlot* const slot = TakeSlot(hash, stack);
      const auto number = static_cast<std::uint32_t>(slot - slots_) + 1;
      place.store(number, std::memory_order_release);
      return slot;
    }
    // Somebody fills it in, perhaps with this stack; who does not come round
    // to it in time is passed over, and the stack gets a second slot.
    for (int tries = 0; held == kBusy && tries < 2 * kSpins; ++tries) {
      Pause(tries);
      held = place.load(std::memory_order_acquire);
    }
    if (held == kBusy) continue;
    HeapTableSlot* const slot = slots_ + (held - 1);
    if (slot->hash == hash && slot->depth == stack.size() &&
        std::equal(stack.begin(), stack.end(), slot->frames.begin())) {
      return slot;
    }
  }
  Raise(&header_->counts.dropped_stacks);
  return slots_ + kHeapTableRestSlot;
}

HeapTableSlot* HeapTableWriter::TakeSlot(std::uint64_t hash,
                                         std::span<const std::uint64_t> stack) {
  std::uint32_t taken = header_->slots_taken.load(std::memory_order_relaxed);
  do {
    if (taken >= header_->slot_capacity) {
      Raise(&header_->counts.dropped_stacks);
      return slots_ + kHeapTableRestSlot;
    }
  } while (!header_->slots_taken.compare_exchange_weak(
      taken, taken + 1, std::memory_order_relaxed));
  HeapTableSlot* const slot = slots_ + taken;
  slot->hash = hash;
  slot->depth = static_cast<std::uint32_t>(stack.size());
  std::copy(stack.begin(), stack.end(), slot->frames.begin());
  // Pairs with the reader's acquire: the stack is there when this is 1.
  slot->is_published.store(1, std::memory_order_release);
  return slot;
}

void HeapTableWriter::Count(HeapTableSlot* slot, std::uint64_t size_bytes,
                            bool is_free) {
  const ObjectsAndBytes all =
      Unsample({1, size_bytes}, header_->sample_interval_bytes);
  for (int tries = 0; slot->lock.exchange(1, std::memory_order_acquire) != 0;
       ++tries) {
    Pause(tries);
  }
  const std::uint32_t sequence = slot->sequence.load(std::memory_order_relaxed);
  const HeapSlotNumbers& now = slot->numbers[sequence & 1];
  HeapSlotNumbers& next = slot->numbers[(sequence + 1) & 1];
  const auto set = [](std::atomic<std::uint64_t>* to,
                      const std::atomic<std::uint64_t>& from,
                      std::uint64_t more) {
    // Release: whoever sees it sees the sequence that made `next` free.
    to->store(from.load(std::memory_order_relaxed) + more,
              std::memory_order_release);
  };
  set(&next.alloc_objects, now.alloc_objects, is_free ? 0 : all.objects);
  set(&next.alloc_bytes, now.alloc_bytes, is_free ? 0 : all.bytes);
  set(&next.freed_objects, now.freed_objects, is_free ? all.objects : 0);
  set(&next.freed_bytes, now.freed_bytes, is_free ? all.bytes : 0);
  slot->sequence.store(sequence + 1, std::memory_order_release);
  slot->lock.store(0, std::memory_order_release);
}

bool HeapTableWriter::KnowsCode(std::uint64_t address) const {
  const std::uint32_t count =
      header_->mapping_count.load(std::memory_order_acquire);
  return std::any_of(mappings_, mappings_ + count, [address](const Mapping& m) {
    return m.Contains(address);
  });
}

void HeapTableWriter::RefreshMappings() {
  if (mapping_lock_.exchange(1, std::memory_order_acquire) != 0) return;
  const MappingCount found =
      ReadMappings("/proc/self/maps", {fresh_, header_->mapping_capacity});
  std::uint32_t count = header_->mapping_count.load(std::memory_order_relaxed);
  std::uint64_t left_out = found.left_out;
  for (const Mapping& m : std::span(fresh_, found.count)) {
    // Added, never changed: a reader may be at it. Of two that overlap the
    // later one holds.
    const bool is_known =
        std::any_of(mappings_, mappings_ + count, [&m](const Mapping& known) {
          return std::memcmp(&m, &known, sizeof(m)) == 0;
        });
    if (is_known) continue;
    if (count == header_->mapping_capacity) {
      ++left_out;
      continue;
    }
    mappings_[count++] = m;
    header_->mapping_count.store(count, std::memory_order_release);
  }
  header_->counts.dropped_mappings.store(left_out, std::memory_order_relaxed);
  mapping_lock_.store(0, std::memory_order_release);
}

}  // namespace fodc::pprof
