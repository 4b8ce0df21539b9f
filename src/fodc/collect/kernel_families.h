// SPDX-License-Identifier: Apache-2.0
// For this room only: name, type and HELP of each family of kernel telemetry.
#pragma once

#include "fodc/collect/readings.h"

namespace fodc::collect::ktm {

inline constexpr auto kGauge = exposition::MetricType::kGauge;
inline constexpr auto kCounter = exposition::MetricType::kCounter;
inline constexpr auto kHistogram = exposition::MetricType::kHistogram;

// --- What state it is in.

inline constexpr ReadingDesc kStatus{
    "ktm_status", kGauge,
    "Kernel telemetry of the target: 0 off, 1 counts by process, 2 by cgroup."};
inline constexpr ReadingDesc kDegraded{
    "ktm_degraded", kGauge,
    "Whether kernel telemetry is on and not counting by cgroup."};
inline constexpr ReadingDesc kReason{"ktm_reason_info", kGauge,
                                     "Why ktm_status is below 2, while it is."};
inline constexpr ReadingDesc kProgramsOn{
    "ktm_programs_on", kGauge,
    "Whether the programs of a family of kernel telemetry are attached."};
inline constexpr ReadingDesc kProgramOff{
    "ktm_program_off_info", kGauge,
    "Why programs of a family of kernel telemetry are off, while any are."};
inline constexpr ReadingDesc kLost{
    "ktm_lost_total", kCounter,
    "Calls and events of the target that no other counter has: no room for "
    "what was in flight, an end that was not seen, no room for an event."};
inline constexpr ReadingDesc kSampleEvery{
    "ktm_sample_every", kGauge,
    "1 while every read and write call is timed, else one in so many, which "
    "stands for all of them."};

inline constexpr ReadingDesc kMissedRuns{
    "ktm_missed_runs_total", kCounter,
    "How often a program of kernel telemetry was not run because it was "
    "interrupted on the same processor, for a target or for any other process "
    "of the machine."};
inline constexpr ReadingDesc kKernelMemory{
    "ktm_kernel_memory_bytes", kGauge,
    "What the maps of kernel telemetry take of the kernel's memory."};

// --- Read path. io_uring, mmap, splice and sendfile are in none of these.

inline constexpr ReadingDesc kSysRead{
    "ktm_sys_read_latency_seconds", kHistogram,
    "Time in read calls that did not fail, on descriptors of any kind."};
inline constexpr ReadingDesc kSysReadBytes{"ktm_sys_read_bytes_total", kCounter,
                                           "Bytes that read calls gave."};
inline constexpr ReadingDesc kSysPread{
    "ktm_sys_pread_latency_seconds", kHistogram,
    "Time in pread64 calls that did not fail, on descriptors of any kind."};
inline constexpr ReadingDesc kSysPreadBytes{
    "ktm_sys_pread_bytes_total", kCounter, "Bytes that pread64 calls gave."};
inline constexpr ReadingDesc kRead{
    "ktm_read_latency_seconds", kHistogram,
    "Time in calls of read, pread64, readv, preadv and preadv2 that did not "
    "fail, by what the descriptor refers to. Not seen: io_uring, mmap."};
inline constexpr ReadingDesc kReadBytes{
    "ktm_read_bytes_total", kCounter,
    "Bytes that read, pread64, readv, preadv and preadv2 calls gave, from the "
    "page cache or not, by what the descriptor refers to."};
inline constexpr ReadingDesc kReadFailures{
    "ktm_read_failures_total", kCounter,
    "Calls of read, pread64, readv, preadv and preadv2 that failed."};

// --- Write path.

inline constexpr ReadingDesc kWrite{
    "ktm_write_latency_seconds", kHistogram,
    "Time in calls of write, pwrite64, writev, pwritev and pwritev2 that did "
    "not fail, by what the descriptor refers to. Not seen: io_uring, mmap."};
inline constexpr ReadingDesc kWriteBytes{
    "ktm_write_bytes_total", kCounter,
    "Bytes that write, pwrite64, writev, pwritev and pwritev2 calls took, to "
    "the page cache or further, by what the descriptor refers to."};
inline constexpr ReadingDesc kWriteFailures{
    "ktm_write_failures_total", kCounter,
    "Calls of write, pwrite64, writev, pwritev and pwritev2 that failed."};
inline constexpr ReadingDesc kSync{
    "ktm_sync_latency_seconds", kHistogram,
    "Time in fsync, fdatasync and sync_file_range calls that did not fail."};
inline constexpr ReadingDesc kSyncFailures{
    "ktm_sync_failures_total", kCounter,
    "Calls of fsync, fdatasync and sync_file_range that failed."};

// --- Page cache and policy.

inline constexpr ReadingDesc kCacheLookups{
    "ktm_cache_lookups_total", kCounter,
    "Calls that looked for pages in the page cache, not pages; Linux 6.14."};
inline constexpr ReadingDesc kCacheFills{
    "ktm_cache_fills_total", kCounter,
    "Folios (of one or more pages) that the target's own tasks added to the "
    "page cache."};
inline constexpr ReadingDesc kCacheDeletes{
    "ktm_cache_deletes_total", kCounter,
    "Folios that the target's own tasks took out of the page cache. Not in it: "
    "what kswapd and others took."};
inline constexpr ReadingDesc kCacheAddedPages{
    "ktm_cache_added_pages_total", kCounter,
    "Pages that the target's own tasks added to the page cache."};
inline constexpr ReadingDesc kCacheDeletedPages{
    "ktm_cache_deleted_pages_total", kCounter,
    "Pages that the target's own tasks took out of the page cache. Not in it: "
    "what kswapd and others took."};
inline constexpr ReadingDesc kFadviseCalls{
    "ktm_fadvise_calls_total", kCounter, "Calls of fadvise64 with any advice."};
inline constexpr ReadingDesc kFadviseDontneed{
    "ktm_fadvise_dontneed_total", kCounter,
    "Calls of fadvise64 with POSIX_FADV_DONTNEED."};
inline constexpr ReadingDesc kFadviseAdvice{
    "ktm_fadvise_advice_total", kCounter,
    "Calls of fadvise64 with each advice that POSIX knows."};
inline constexpr ReadingDesc kDontneedBytes{
    "ktm_fadvise_dontneed_bytes_total", kCounter,
    "Bytes that POSIX_FADV_DONTNEED was asked for, not what was dropped."};

// --- Memory.

inline constexpr ReadingDesc kScanned{
    "ktm_memory_lru_pages_scanned_total", kCounter,
    "Pages of the inactive lists that the target's own tasks looked at in "
    "reclaim. Not in it: kswapd."};
inline constexpr ReadingDesc kReclaimed{
    "ktm_memory_lru_pages_reclaimed_total", kCounter,
    "Pages of the inactive lists that the target's own tasks reclaimed. Not in "
    "it: kswapd."};
inline constexpr ReadingDesc kShrinks{
    "ktm_memory_lru_shrink_events_total", kCounter,
    "Times that the target's own tasks shrank an inactive list."};
inline constexpr ReadingDesc kDirectBegins{
    "ktm_memory_direct_reclaim_begin_total", kCounter,
    "Times that a task of the target had to reclaim because the machine was "
    "short of memory."};
inline constexpr ReadingDesc kDirectStall{
    "ktm_direct_reclaim_stall_seconds_total", kCounter,
    "Time that tasks of the target spent in reclaim because the machine was "
    "short of memory."};
inline constexpr ReadingDesc kMemcgEntries{
    "ktm_memcg_reclaim_entries_total", kCounter,
    "Times that a task of the target had to reclaim because a cgroup was at "
    "its limit."};
inline constexpr ReadingDesc kMemcgStall{
    "ktm_memcg_reclaim_stall_seconds_total", kCounter,
    "Time that tasks of the target spent in reclaim because a cgroup was at "
    "its limit."};
inline constexpr ReadingDesc kKswapdScanned{
    "ktm_kswapd_pages_scanned_total", kCounter,
    "Pages that kswapd looked at, of the whole machine, not of the target."};
inline constexpr ReadingDesc kKswapdReclaimed{
    "ktm_kswapd_pages_reclaimed_total", kCounter,
    "Pages that kswapd reclaimed, of the whole machine, not of the target."};
inline constexpr ReadingDesc kFaults{
    "ktm_page_faults_total", kCounter,
    "Page faults as the kernel counts them: of tasks that live, and of those "
    "that died while kernel telemetry was on."};

// --- Block, scheduler, death.

inline constexpr ReadingDesc kBlock{
    "ktm_block_latency_seconds", kHistogram,
    "Time of block requests that the target's own tasks made, from the "
    "driver's start to the end. Not in it: what is written back later, what "
    "merged into others' requests."};
inline constexpr ReadingDesc kBlockBytes{
    "ktm_block_bytes_total", kCounter,
    "Bytes of block requests that the target's own tasks made. Not in it: what "
    "is written back later, what merged into others' requests."};
inline constexpr ReadingDesc kRunQueue{
    "ktm_run_queue_wait_seconds", kHistogram,
    "Time that threads of the target waited for a processor, each time."};
inline constexpr ReadingDesc kOomKills{
    "ktm_oom_kills_total", kCounter,
    "Processes of the target that the kernel chose as OOM victims."};
inline constexpr ReadingDesc kExits{
    "ktm_exits_by_signal_total", kCounter,
    "Processes of the target that a signal ended."};
inline constexpr ReadingDesc kVictimBytes{
    "ktm_last_oom_victim_bytes", kGauge,
    "What the target's newest OOM victim held when it was chosen."};
inline constexpr ReadingDesc kExitSignal{
    "ktm_last_exit_signal", kGauge,
    "The signal that last ended a process of the target."};
inline constexpr ReadingDesc kExitAge{
    "ktm_last_exit_age_seconds", kGauge,
    "How long the process of the target had run that a signal ended last."};

}  // namespace fodc::collect::ktm
