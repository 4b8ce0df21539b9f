// SPDX-License-Identifier: Apache-2.0
// What kernel telemetry reads, as plain data. Every counter is monotonic while
// its target's container lives. What the kernel has no program for is absent,
// never 0.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/kernel/latency_histogram.h"

namespace fodc::kernel {

// One object of programs each (bpf/<name>.bpf.c).
enum class Family : std::uint8_t {
  kRead,
  kWrite,
  kCache,
  kPolicy,
  kMemory,
  kFaults,
  kBlock,
  kSched,
  kDeath,
};
inline constexpr std::size_t kFamilies = 9;
// "read", "write", ...: the value of the label `family`.
std::string_view FamilyName(Family family);
constexpr std::uint32_t FamilyBit(Family family) {
  return std::uint32_t{1} << static_cast<unsigned>(family);
}

// What a descriptor refers to. kOther: eventfd, timerfd, terminals, devices,
// directories, and what was no open descriptor.
enum class FileKind : std::uint8_t { kFile, kSocket, kPipe, kOther };
inline constexpr std::size_t kFileKinds = 4;
std::string_view FileKindName(FileKind kind);  // "file", ...

// Why a call failed. kAgain: EAGAIN. kInterrupted: EINTR and the kernel's own
// restarts. kIo: EIO, EREMOTEIO, ENOSPC, EDQUOT, EROFS and other failures of a
// device. kNoMemory: ENOMEM. kBadCall: EBADF, EINVAL, EFAULT, EISDIR, ESPIPE.
enum class ErrorClass : std::uint8_t {
  kAgain,
  kInterrupted,
  kIo,
  kNoMemory,
  kBadCall,
  kOther,
};
inline constexpr std::size_t kErrorClasses = 6;
std::string_view ErrorClassName(ErrorClass error);  // "again", ...

using Failures = std::array<std::uint64_t, kErrorClasses>;

// Calls that did not fail, by how long they took, and what they moved.
struct CallReading {
  LatencyHistogram latency;
  std::uint64_t bytes = 0;

  void Add(const CallReading& other);
};

enum class ReadCall : std::uint8_t {
  kRead,      // read
  kPread,     // pread64
  kVectored,  // readv, preadv, preadv2
};
inline constexpr std::size_t kReadCalls = 3;

struct ReadReading {
  std::array<std::array<CallReading, kFileKinds>, kReadCalls> calls;
  Failures failures{};

  // All kinds of one call; all calls of one kind.
  CallReading OfCall(ReadCall call) const;
  CallReading OfKind(FileKind kind) const;
};

enum class SyncCall : std::uint8_t { kFsync, kFdatasync, kSyncFileRange };
inline constexpr std::size_t kSyncCalls = 3;
std::string_view SyncCallName(SyncCall call);  // "fsync", ...

struct WriteReading {
  // write, pwrite64, writev, pwritev and pwritev2 together, by kind.
  std::array<CallReading, kFileKinds> kinds;
  Failures failures{};
  std::array<LatencyHistogram, kSyncCalls> syncs;
  Failures sync_failures{};
};

// A number that one program makes is absent where that program is refused.
using Counted = std::optional<std::uint64_t>;

// Done by the target's own tasks: what kswapd and others do is not in it. A
// folio is what the kernel adds at once, of one or more pages.
struct CacheReading {
  Counted added_folios;
  Counted added_pages;
  Counted deleted_folios;
  Counted deleted_pages;
  Counted lookups;  // calls, not pages; since Linux 6.14
};

// POSIX_FADV_*, in the kernel's order.
enum class Advice : std::uint8_t {
  kNormal,
  kRandom,
  kSequential,
  kWillNeed,
  kDontNeed,
  kNoReuse,
};
inline constexpr std::size_t kAdvices = 6;
std::string_view AdviceName(Advice advice);  // "normal", ...

struct PolicyReading {
  std::uint64_t calls = 0;  // with advice that the kernel does not know, too
  std::array<std::uint64_t, kAdvices> by_advice{};
  // As asked for; where the length said "to the end", up to the file's size.
  std::uint64_t dontneed_bytes = 0;
};

// Reclaim in the target's own tasks.
struct MemoryReading {
  Counted scanned_pages;    // of the inactive lists
  Counted reclaimed_pages;  // of those
  Counted shrink_events;
  Counted direct_entries;  // the machine was short of memory
  Counted direct_stall_ns;
  Counted memcg_entries;  // a cgroup was at its limit
  Counted memcg_stall_ns;
};

// The kernel's own counts of tasks: of those that live all that they ever had,
// of those that died while this was on likewise.
struct FaultReading {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
};

enum class BlockOperation : std::uint8_t { kRead, kWrite, kOther };
inline constexpr std::size_t kBlockOperations = 3;
std::string_view BlockOperationName(BlockOperation operation);

// Requests that the target's tasks made, from the driver's start to its end.
// Not in it: what is written back later by the kernel's own threads, what
// merged into another's request; all of a request if others' merged into it.
struct BlockReading {
  std::array<CallReading, kBlockOperations> operations;
};

struct SchedReading {
  // From being runnable to running, each time; on one CPU (a task that is
  // moved while it waits starts anew).
  LatencyHistogram run_queue_wait;
};

struct DeathReading {
  Counted oom_kills;
  Counted exits_by_signal;  // processes, not threads
};

// Why something that happened is in no counter.
enum class Loss : std::uint8_t {
  kMapFull,   // no room for what was in flight
  kNoExit,    // the end of a call was not seen
  kRingFull,  // an event found no room
};
inline constexpr std::size_t kLosses = 3;
std::string_view LossName(Loss loss);  // "map_full", "no_exit", "ring_full"

// The values of ktm_status.
enum class FilterState : std::uint8_t { kOff, kByThreadGroup, kByCgroup };

struct TargetReading {
  FilterState state = FilterState::kOff;
  // Why it is not kByCgroup: "no_target", "no_cgroup2", "root_cgroup",
  // "foreign_process", "several_cgroups", "too_many_processes" (of this row or
  // of those before it; the rest is not counted), "cgroup_path" (the forced one
  // is not there), "pid_namespace" (the kernel's numbers of its processes
  // cannot be had), "no_program"; empty if it is.
  std::string_view reason;
  std::uint64_t cgroup_id = 0;  // v2; 0 if it counts by thread group
  // Counts containers, from 1: counters begin at zero with each.
  std::uint64_t life = 0;
  std::optional<ReadReading> read;
  std::optional<WriteReading> write;
  std::optional<CacheReading> cache;
  std::optional<PolicyReading> policy;
  std::optional<MemoryReading> memory;
  std::optional<FaultReading> faults;
  std::optional<BlockReading> block;
  std::optional<SchedReading> sched;
  std::optional<DeathReading> death;
  std::array<std::uint64_t, kLosses> lost{};
  // 1 while every call is timed, else one in so many.
  std::uint32_t sample_every = 1;
};

struct KernelEvent {
  enum class Kind : std::uint8_t { kOomVictim, kExitBySignal };

  Kind kind = Kind::kExitBySignal;
  std::size_t target = 0;  // row of SetTargets
  MonotonicTime at = {};
  pid_t pid = 0;  // of the process, as the kernel's own namespace counts
  // When the process began, as /proc/<pid>/stat tells it: this is the same in
  // every process namespace.
  std::uint64_t start_ticks = 0;
  std::string comm;
  // Of kExitBySignal; the first is also 9 for the end of an OOM victim.
  int signal = 0;
  bool core_dumped = false;
  std::chrono::nanoseconds age = {};  // since the process started
  // Of kOomVictim: what it held then. Of kExitBySignal: absent.
  std::optional<std::uint64_t> anon_bytes;
  std::optional<std::uint64_t> file_bytes;
  std::optional<std::uint64_t> shmem_bytes;
};

struct FamilyState {
  bool on = false;
  // Why it is off, or which of its programs are (it may be on without some);
  // empty if all are on. A word of [a-z_]: "no_btf", "no_permission",
  // "no_tracepoint", "refused", "disabled", "no_target", "no_memory".
  std::string_view reason;
  std::string detail;  // the same for people, with the kernel's words
};

// Of the whole machine.
struct KswapdReading {
  std::uint64_t scanned_pages = 0;
  std::uint64_t reclaimed_pages = 0;
};

struct Overview {
  std::array<FamilyState, kFamilies> families;
  // Programs attached now.
  std::size_t programs = 0;
  // What all maps take in the kernel.
  std::uint64_t map_bytes = 0;
  // Whether what is in flight is kept in task storage, not in an array.
  bool uses_task_storage = false;
  // How often a program was not run because it was interrupted on the same CPU,
  // by a target or not: nothing tells what for.
  std::uint64_t missed_runs = 0;
  // Since the first target; absent while family memory is off.
  std::optional<KswapdReading> kswapd;
};

}  // namespace fodc::kernel
