// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

#include "bpf/records.h"

namespace fodc::kernel {
namespace {

static_assert(sizeof(fodc_histogram) ==
              sizeof(std::uint64_t) * (LatencyHistogram::kSlots + 1));
static_assert(sizeof(fodc_call_stats) ==
              sizeof(fodc_histogram) + sizeof(std::uint64_t));
static_assert(sizeof(fodc_filter) == 8 * 16 + 8 * 4 + 4 * 4);
static_assert(sizeof(fodc_call) == 16 && sizeof(fodc_who) == 32);
static_assert(sizeof(fodc_event) == 72 && sizeof(fodc_number) == 8);
static_assert(sizeof(fodc_death) == 16 && sizeof(fodc_thread_group) == 16);
static_assert(kReadCalls == FODC_READS && kFileKinds == FODC_KINDS);
static_assert(kErrorClasses == FODC_ERRORS && kLosses == FODC_LOSSES);
static_assert(kSyncCalls == FODC_SYNCS && kAdvices == FODC_ADVICES);
static_assert(kBlockOperations == FODC_BLOCK_OPERATIONS);

// A record of 8-byte counters and nothing else, as all of them are.
template <typename Record>
Record As(std::span<const std::uint64_t> words) {
  Record record{};
  if (words.size_bytes() >= sizeof record) {
    std::memcpy(&record, words.data(), sizeof record);
  }
  return record;
}

LatencyHistogram ToHistogram(const fodc_histogram& from) {
  LatencyHistogram to;
  for (std::size_t i = 0; i < LatencyHistogram::kSlots; ++i) {
    to.counts[i] = from.slots[i];
  }
  to.sum_ns = from.sum_ns;
  return to;
}

CallReading ToCall(const fodc_call_stats& from) {
  return {.latency = ToHistogram(from.latency), .bytes = from.bytes};
}

template <std::size_t n>
void Copy(const __u64 (&from)[n], std::array<std::uint64_t, n>* to) {
  for (std::size_t i = 0; i < n; ++i) (*to)[i] = from[i];
}

}  // namespace

Result<Words> SumRecords(int map, std::uint32_t slot, std::size_t words) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return ErrnoStatus(-cpus, "count the CPUs");
  Words all(words * static_cast<std::size_t>(cpus));
  if (bpf_map_lookup_elem(map, &slot, all.data()) != 0) {
    return ErrnoStatus(errno, "read counters");
  }
  for (std::size_t i = words; i < all.size(); ++i) all[i % words] += all[i];
  all.resize(words);
  return all;
}

Result<Words> ReadRecord(int map, std::uint32_t slot, std::size_t words) {
  Words record(words);
  if (bpf_map_lookup_elem(map, &slot, record.data()) != 0) {
    return ErrnoStatus(errno, "read counters");
  }
  return record;
}

void ClearRecord(int map, std::uint32_t slot, std::size_t words) {
  const Words zero(words);
  (void)bpf_map_update_elem(map, &slot, zero.data(), BPF_ANY);
}

Words Accumulator::Since(const Words& raw) const {
  Words since = raw;
  for (std::size_t i = 0; i < since.size() && i < base_.size(); ++i) {
    since[i] -= base_[i];
  }
  return since;
}

ReadReading ToRead(std::span<const std::uint64_t> words) {
  const auto from = As<fodc_read_stats>(words);
  ReadReading to;
  for (std::size_t call = 0; call < kReadCalls; ++call) {
    for (std::size_t kind = 0; kind < kFileKinds; ++kind) {
      to.calls[call][kind] = ToCall(from.calls[call][kind]);
    }
  }
  Copy(from.failures, &to.failures);
  return to;
}

WriteReading ToWrite(std::span<const std::uint64_t> words) {
  const auto from = As<fodc_write_stats>(words);
  WriteReading to;
  for (std::size_t kind = 0; kind < kFileKinds; ++kind) {
    to.kinds[kind] = ToCall(from.kinds[kind]);
  }
  for (std::size_t call = 0; call < kSyncCalls; ++call) {
    to.syncs[call] = ToHistogram(from.syncs[call]);
  }
  Copy(from.failures, &to.failures);
  Copy(from.sync_failures, &to.sync_failures);
  return to;
}

CacheReading ToCache(std::span<const std::uint64_t> words,
                     const Serves& serves) {
  const auto from = As<fodc_cache_stats>(words);
  CacheReading to;
  if (serves("cache_add")) {
    to.added_folios = from.added_folios;
    to.added_pages = from.added_pages;
  }
  if (serves("cache_delete")) {
    to.deleted_folios = from.deleted_folios;
    to.deleted_pages = from.deleted_pages;
  }
  if (serves("cache_look")) to.lookups = from.lookups;
  return to;
}

PolicyReading ToPolicy(std::span<const std::uint64_t> words) {
  const auto from = As<fodc_policy_stats>(words);
  PolicyReading to;
  to.calls = from.calls;
  Copy(from.by_advice, &to.by_advice);
  to.dontneed_bytes = from.dontneed_bytes;
  return to;
}

MemoryReading ToMemory(std::span<const std::uint64_t> words,
                       const Serves& serves) {
  const auto from = As<fodc_memory_stats>(words);
  MemoryReading to;
  if (serves("memory_shrink")) {
    to.scanned_pages = from.scanned_pages;
    to.reclaimed_pages = from.reclaimed_pages;
    to.shrink_events = from.shrink_events;
  }
  if (serves("memory_direct_begin")) {
    to.direct_entries = from.direct_entries;
    to.direct_stall_ns = from.direct_stall_ns;
  }
  if (serves("memory_memcg_begin")) {
    to.memcg_entries = from.memcg_entries;
    to.memcg_stall_ns = from.memcg_stall_ns;
  }
  return to;
}

FaultReading ToFaults(std::span<const std::uint64_t> words) {
  const auto from = As<fodc_fault_stats>(words);
  return {.major = from.major, .minor = from.minor};
}

BlockReading ToBlock(std::span<const std::uint64_t> words) {
  const auto from = As<fodc_block_stats>(words);
  BlockReading to;
  for (std::size_t i = 0; i < kBlockOperations; ++i) {
    to.operations[i] = ToCall(from.operations[i]);
  }
  return to;
}

SchedReading ToSched(std::span<const std::uint64_t> words) {
  return {.run_queue_wait =
              ToHistogram(As<fodc_sched_stats>(words).run_queue_wait)};
}

DeathReading ToDeath(std::span<const std::uint64_t> words,
                     const Serves& serves) {
  const auto from = As<fodc_death_stats>(words);
  DeathReading to;
  if (serves("death_oom")) to.oom_kills = from.oom_kills;
  if (serves("death_exit")) to.exits_by_signal = from.exits_by_signal;
  return to;
}

}  // namespace fodc::kernel
