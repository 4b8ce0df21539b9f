// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/facts.h"

namespace fodc::detect {
namespace {

constexpr FactDesc kDescs[kFacts] = {
    {Fact::kReadBytes, false, "read_bytes_per_second", "ktm_read_bytes_total"},
    {Fact::kCacheAdds, true, "cache_adds_pages_per_second",
     "ktm_cache_added_pages_total"},
    {Fact::kCacheDeletes, false, "cache_deletes_pages_per_second",
     "ktm_cache_deleted_pages_total"},
    {Fact::kDontneedCalls, true, "dontneed_calls_per_second",
     "ktm_fadvise_dontneed_total"},
    {Fact::kDontneedBytes, true, "dontneed_bytes_per_second",
     "ktm_fadvise_dontneed_bytes_total"},
    {Fact::kReclaimEntries, true, "reclaim_entries_per_second",
     "ktm_memory_direct_reclaim_begin_total"},
    {Fact::kReclaimStall, true, "reclaim_stall_ratio",
     "ktm_direct_reclaim_stall_seconds_total"},
    {Fact::kReclaimScanned, true, "reclaim_scanned_pages_per_second",
     "ktm_memory_lru_pages_scanned_total"},
    {Fact::kKswapdScanned, false, "machine_kswapd_scanned_pages_per_second",
     "ktm_kswapd_pages_scanned_total"},
    {Fact::kMemoryPressure, true, "memory_pressure_ratio",
     "fodc_pressure_stalled_seconds_total"},
    {Fact::kIoPressure, true, "io_pressure_ratio",
     "fodc_pressure_stalled_seconds_total"},
    {Fact::kCpuPressure, false, "cpu_pressure_ratio",
     "fodc_pressure_stalled_seconds_total"},
    {Fact::kFileRefaults, true, "file_refault_pages_per_second",
     "fodc_container_memory_refault_pages_total"},
    {Fact::kAnonMemory, true, "anonymous_memory_bytes",
     "fodc_container_memory_bytes"},
    {Fact::kKernelMemory, true, "kernel_memory_bytes",
     "fodc_container_memory_bytes"},
    {Fact::kFileMemory, true, "file_memory_bytes",
     "fodc_container_memory_bytes"},
    {Fact::kMemoryUsage, false, "memory_usage_bytes",
     "fodc_container_memory_usage_bytes"},
    {Fact::kMemoryLimit, false, "memory_limit_bytes",
     "fodc_container_memory_limit_bytes"},
    {Fact::kMajorFaults, false, "major_faults_per_second",
     "ktm_page_faults_total"},
    {Fact::kStorageReads, true, "storage_read_bytes_per_second",
     "fodc_target_io_bytes_total"},
    {Fact::kStorageWrites, true, "storage_write_bytes_per_second",
     "fodc_target_io_bytes_total"},
    {Fact::kCpuThrottled, true, "cpu_throttled_ratio",
     "fodc_container_cpu_throttled_seconds_total"},
    {Fact::kBlockReadP95, true, "block_read_p95_seconds",
     "ktm_block_latency_seconds"},
    {Fact::kRunQueueP95, true, "run_queue_wait_p95_seconds",
     "ktm_run_queue_wait_seconds"},
    {Fact::kCompactionBytes, true, "compaction_bytes_per_second",
     "compaction_bytes"},
    {Fact::kCompactionThreads, true, "compaction_threads",
     "compaction_threads"},
    {Fact::kBlockCacheHits, true, "block_cache_hits_per_second",
     "block_cache_hits"},
    {Fact::kBlockCacheMisses, true, "block_cache_misses_per_second",
     "block_cache_misses"},
    {Fact::kBackgroundIoBytes, true, "background_io_bytes_per_second",
     "background_io_bytes"},
};

constexpr auto kRate = Reading::kRate;
constexpr auto kLevel = Reading::kLevel;
constexpr std::string_view kPsi = "fodc_pressure_stalled_seconds_total";
constexpr std::string_view kParts = "fodc_container_memory_bytes";

constexpr FactSeries kSeries[] = {
    {Fact::kReadBytes, 0, kRate, "ktm_read_bytes_total", "kind", "file"},
    {Fact::kCacheAdds, 0, kRate, "ktm_cache_added_pages_total"},
    {Fact::kCacheAdds, 1, kRate, "ktm_cache_fills_total"},
    {Fact::kCacheDeletes, 0, kRate, "ktm_cache_deleted_pages_total"},
    {Fact::kCacheDeletes, 1, kRate, "ktm_cache_deletes_total"},
    {Fact::kDontneedCalls, 0, kRate, "ktm_fadvise_dontneed_total"},
    {Fact::kDontneedBytes, 0, kRate, "ktm_fadvise_dontneed_bytes_total"},
    {Fact::kReclaimEntries, 0, kRate, "ktm_memory_direct_reclaim_begin_total"},
    {Fact::kReclaimEntries, 0, kRate, "ktm_memcg_reclaim_entries_total"},
    {Fact::kReclaimStall, 0, kRate, "ktm_direct_reclaim_stall_seconds_total"},
    {Fact::kReclaimStall, 0, kRate, "ktm_memcg_reclaim_stall_seconds_total"},
    // The group's own count sees who else reclaims from it.
    {Fact::kReclaimScanned, 0, kRate,
     "fodc_container_memory_reclaim_pages_total", "result", "scanned"},
    {Fact::kReclaimScanned, 1, kRate, "ktm_memory_lru_pages_scanned_total"},
    {Fact::kKswapdScanned, 0, kRate, "ktm_kswapd_pages_scanned_total"},
    {Fact::kMemoryPressure, 0, kRate, kPsi, "resource", "memory", "kind",
     "some"},
    {Fact::kIoPressure, 0, kRate, kPsi, "resource", "io", "kind", "some"},
    {Fact::kCpuPressure, 0, kRate, kPsi, "resource", "cpu", "kind", "some"},
    {Fact::kFileRefaults, 0, kRate, "fodc_container_memory_refault_pages_total",
     "kind", "file"},
    {Fact::kAnonMemory, 0, kLevel, kParts, "kind", "anon"},
    {Fact::kAnonMemory, 1, kLevel, "fodc_target_anonymous_memory_bytes"},
    {Fact::kKernelMemory, 0, kLevel, kParts, "kind", "kernel"},
    {Fact::kFileMemory, 0, kLevel, kParts, "kind", "file"},
    {Fact::kMemoryUsage, 0, kLevel, "fodc_container_memory_usage_bytes"},
    {Fact::kMemoryLimit, 0, kLevel, "fodc_container_memory_limit_bytes"},
    {Fact::kMajorFaults, 0, kRate, "ktm_page_faults_total", "type", "major"},
    {Fact::kMajorFaults, 1, kRate, "fodc_target_page_faults_total", "kind",
     "major"},
    {Fact::kStorageReads, 0, kRate, "fodc_target_io_bytes_total", "direction",
     "read"},
    {Fact::kStorageReads, 1, kRate, "ktm_block_bytes_total", "operation",
     "read"},
    {Fact::kStorageWrites, 0, kRate, "fodc_target_io_bytes_total", "direction",
     "write"},
    {Fact::kStorageWrites, 1, kRate, "ktm_block_bytes_total", "operation",
     "write"},
    {Fact::kCpuThrottled, 0, kRate,
     "fodc_container_cpu_throttled_seconds_total"},
};

constexpr FactHistogram kHistograms[] = {
    {Fact::kBlockReadP95, "ktm_block_latency_seconds_bucket", "operation",
     "read"},
    {Fact::kRunQueueP95, "ktm_run_queue_wait_seconds_bucket"},
};

}  // namespace

std::span<const FactDesc, kFacts> AllFacts() { return kDescs; }

const FactDesc& Describe(Fact f) { return kDescs[static_cast<std::size_t>(f)]; }

std::span<const FactSeries> AllFactSeries() { return kSeries; }

std::span<const FactHistogram> AllFactHistograms() { return kHistograms; }

}  // namespace fodc::detect
