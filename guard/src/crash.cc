// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/crash.h"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "alternate_stack.h"
#include "artifact.h"
#include "death_record.h"
#include "edge.h"
#include "fatal_handlers.h"
#include "fodc/base/file.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "stack_walk.h"
#include "thread_asker.h"
#include "thread_cover.h"

namespace fodc::guard {
namespace {

using std::chrono::milliseconds;

// Constant-initialised, so that arming may come before other static objects.
constinit Mutex g_mutex;
constinit CrashPlan* g_plan FODC_GUARDED_BY(g_mutex) = nullptr;

constexpr milliseconds kMaxThreadWait{60000};
// As much of the record as most deaths fill.
constexpr std::size_t kTouchedRecordBytes = std::size_t{256} << 10;
// Threads that may have been started since they were counted last.
constexpr std::size_t kNewThreads = 64;

// Those of a process that dies.
constinit ThreadAsker g_threads(&TellStack);

struct PlanDelete {
  void operator()(CrashPlan* plan) const {
    if (plan->thread_signal != 0) GiveBackThreadSignal(plan->thread_signal);
    if (plan->memory != nullptr) (void)::munmap(plan->memory, kMaxRecordBytes);
    delete plan;
  }
};
using PlanPtr = std::unique_ptr<CrashPlan, PlanDelete>;

// At the limit of a cgroup a page that is touched first is one too many.
void TouchRows() {
  const auto tasks = ListDirectory("/proc/self/task");
  g_threads.Touch((tasks.ok() ? tasks->size() : 0) + kNewThreads);
}

void Warn(const CrashOptions& options, std::string_view what,
          const Status& status) {
  const EventField fields[] = {{"error", status.message()}};
  Tell(options.sink, {EventLevel::kWarn, what, fields});
}

Status Prepare(const CrashOptions& options, CrashPlan* plan) {
  if (options.thread_wait < milliseconds(0) ||
      options.thread_wait > kMaxThreadWait) {
    return InvalidArgument(StrCat("thread_wait of ",
                                  options.thread_wait.count(),
                                  " ms; it is 0 to ", kMaxThreadWait.count()));
  }
  Status root = PrepareRoot(options.directory, &plan->root);
  if (plan->root.empty()) return root;
  if (!root.ok()) Warn(options, "crash directory cannot be made", root);

  plan->tables[0] = ModuleTable::Read();
  plan->modules.store(&plan->tables[0]);
  plan->component = options.component;
  const Module* program = plan->tables[0].program();
  if (plan->component.empty() && program != nullptr) {
    plan->component = std::filesystem::path(program->path).filename().string();
  }
  plan->cleaned_component = CleanComponent(plan->component);
  plan->metadata = Merge(ProcessMetadata(plan->tables[0]), options.metadata);
  FODC_RETURN_IF_ERROR(CheckMetadata(plan->metadata));
  plan->max_artifacts = options.max_artifacts;
  plan->thread_wait = options.thread_wait;
  plan->clock = &SystemClock();
  plan->armed_at = plan->clock->Monotonic();
  void* memory = ::mmap(nullptr, kMaxRecordBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "memory for a record");
  plan->memory = static_cast<char*>(memory);
  TouchPages(plan->memory, kTouchedRecordBytes);
  const Status kept = plan->memory_reserve.Take(options.memory_reserve_bytes);
  if (!kept.ok()) Warn(options, "crash handler reserves no memory", kept);

  if (!root.ok()) return OkStatus();
  if (options.reserve_bytes > 0) {
    const Status held = plan->reserve.Hold(plan->root, options.reserve_bytes);
    if (!held.ok()) Warn(options, "crash handler reserves no disk", held);
  }
  const int error = PruneArtifacts(plan->root.c_str(), plan->max_artifacts);
  if (error != 0) {
    Warn(options, "crash artifacts cannot be pruned",
         ErrnoStatus(error, plan->root));
  }
  return OkStatus();
}

}  // namespace

Status ArmCrashHandler(const CrashOptions& options) noexcept {
  return AtEdge([&]() -> Status {
    const MutexLock lock(g_mutex);
    if (g_plan != nullptr) {
      return AlreadyExists("the crash handler is armed already");
    }
    PlanPtr plan(new CrashPlan);
    FODC_RETURN_IF_ERROR(Prepare(options, plan.get()));
    FODC_RETURN_IF_ERROR(g_threads.Prepare());
    TouchRows();
    plan->threads = &g_threads;
    FODC_ASSIGN_OR_RETURN(plan->thread_signal,
                          TakeThreadSignal(options.thread_signal));
    FODC_RETURN_IF_ERROR(CoverThisThread());
    // What the unwinder does once (find its tables, bind its symbols) is not
    // for a signal handler.
    std::uintptr_t frames[AskedThread::kMaxFrames];
    (void)WalkStack(frames);
    FODC_RETURN_IF_ERROR(
        InstallFatalHandlers(plan.get(), options.handle_sigtrap));
    g_plan = plan.release();
    return OkStatus();
  });
}

void DisarmCrashHandler() noexcept {
  const MutexLock lock(g_mutex);
  if (g_plan == nullptr) return;
  RemoveFatalHandlers();
  PlanPtr(std::exchange(g_plan, nullptr)).reset();
}

Status RefreshCrashHandler() noexcept {
  return AtEdge([]() -> Status {
    const MutexLock lock(g_mutex);
    if (g_plan == nullptr) {
      return Status(Code::kFailedPrecondition,
                    "the crash handler is not armed");
    }
    ModuleTable* other =
        &g_plan->tables[g_plan->modules.load() == &g_plan->tables[0] ? 1 : 0];
    *other = ModuleTable::Read();
    g_plan->modules.store(other);
    TouchRows();
    FODC_RETURN_IF_ERROR(CoverThisThread());
    return CoverOtherThreads(g_plan->thread_signal, g_plan->thread_wait,
                             *g_plan->clock);
  });
}

}  // namespace fodc::guard
