// SPDX-License-Identifier: Apache-2.0
#include "families.h"

#include <array>

namespace fodc::guard {
namespace {

using enum MetricType;

constexpr std::string_view kBare[] = {""};
constexpr std::string_view kLevels[] = {"level=soft", "level=hard"};
constexpr std::string_view kSourceFailures[] = {
    "source=cgroup,reason=read",        "source=rss,reason=read",
    "source=heap-jemalloc,reason=read", "source=heap-tcmalloc,reason=read",
    "source=heap-glibc,reason=read",    "source=heap-glibc,reason=slow",
};
constexpr std::string_view kKernelEvents[] = {"event=threshold", "event=stall"};
constexpr std::string_view kSteps[] = {"step=caches", "step=allocator"};
constexpr std::string_view kRepairs[] = {"result=repaired",
                                         "result=unrepairable",
                                         "result=unrepairable_after_repair"};

constexpr std::string_view kProfileResults[] = {
    "result=served", "result=busy", "result=refused", "result=failed"};
constexpr std::string_view kDropped[] = {"reason=queue", "reason=disk"};

constexpr std::array kFamilies = {
    StandardFamily{"fodc_guard_memory_bytes",
                   kGauge,
                   "Memory of this process, as each source measures it.",
                   {}},
    StandardFamily{"fodc_guard_memory_limit_bytes", kGauge,
                   "The smallest limit of all cgroups above this process, or "
                   "the machine's memory.",
                   kBare},
    StandardFamily{"fodc_guard_memory_threshold_bytes", kGauge,
                   "Where each level begins; 0 if it is off.", kLevels},
    StandardFamily{"fodc_guard_memory_level", kGauge,
                   "Level of memory: 0 normal, 1 soft, 2 hard.", kBare},
    StandardFamily{"fodc_guard_memory_seconds_to_limit",
                   kGauge,
                   "When the limit is reached if memory grows on as it does; "
                   "absent when it does not.",
                   {}},
    StandardFamily{"fodc_guard_memory_poll_interval_seconds", kGauge,
                   "The wait before the next sample.", kBare},
    StandardFamily{"fodc_guard_memory_source_failures_total", kCounter,
                   "Samples of memory that could not be taken.",
                   kSourceFailures},
    StandardFamily{"fodc_guard_memory_source_unknown", kGauge,
                   "1 while too many samples in a row have failed to know the "
                   "memory.",
                   kBare},
    StandardFamily{"fodc_guard_memory_threshold_below_baseline", kGauge,
                   "1 if the watchdog does not fire because the process was "
                   "over the threshold right after its last starts.",
                   kBare},
    StandardFamily{"fodc_guard_memory_reclaimed_bytes_total", kCounter,
                   "Memory given back because of the soft limit.", kSteps},
    StandardFamily{"fodc_guard_last_exit_info",
                   kGauge,
                   "1, labelled by how the life of this process before ended.",
                   {}},
    StandardFamily{"fodc_guard_wal_tail_repairs_total", kCounter,
                   "Torn tails of the log that were met at start.", kRepairs},
    StandardFamily{"fodc_guard_wal_tail_dropped_bytes_total", kCounter,
                   "Bytes of torn tails that were cut off.", kBare},
    StandardFamily{
        "fodc_guard_slots", kGauge, "Slots of heavy commands, by class.", {}},
    StandardFamily{"fodc_guard_slots_in_use",
                   kGauge,
                   "Slots of heavy commands in use, by class.",
                   {}},
    StandardFamily{"fodc_guard_admitted_total",
                   kCounter,
                   "Commands, bytes and connections admitted.",
                   {}},
    StandardFamily{"fodc_guard_rejected_total",
                   kCounter,
                   "Commands, bytes and connections refused, by reason.",
                   {}},
    StandardFamily{"fodc_guard_admission_wait_seconds",
                   kHistogram,
                   "Time that admission took.",
                   {}},
    StandardFamily{"fodc_guard_inflight_bytes",
                   kGauge,
                   "Bytes of requests held at this moment, by class.",
                   {}},
    StandardFamily{"fodc_guard_loop_lateness_seconds",
                   kHistogram,
                   "How late a loop of the host came to what was due.",
                   {}},
    StandardFamily{"fodc_guard_queue_full_total",
                   kCounter,
                   "What was dropped because a loop's queue was full.",
                   {}},
    StandardFamily{"fodc_guard_wal_flipped_end_marks_total", kCounter,
                   "Good records of the log whose last byte had changed.",
                   kBare},
    StandardFamily{"fodc_guard_memory_kernel_events_total", kCounter,
                   "Samples taken because the kernel had news: usage crossed "
                   "a threshold, or work stalled for memory.",
                   kKernelEvents},
    StandardFamily{"fodc_guard_profile_requests_total", kCounter,
                   "Requests of the profile endpoints, by how they ended.",
                   kProfileResults},
    StandardFamily{"fodc_guard_panics_total",
                   kCounter,
                   "Exceptions caught at the borders of tasks, by component.",
                   {}},
    StandardFamily{"fodc_guard_panic_artifacts_dropped_total", kCounter,
                   "Caught exceptions whose artifact was not written.",
                   kDropped},
};

}  // namespace

std::span<const StandardFamily> StandardFamilies() { return kFamilies; }

}  // namespace fodc::guard
