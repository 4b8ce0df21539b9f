// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/panic.h"

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <system_error>
#include <utility>

#include "artifact.h"
#include "artifact_queue.h"
#include "breadcrumb_reader.h"
#include "edge.h"
#include "exception_text.h"
#include "fodc/base/strings.h"
#include "fodc/guard/crash.h"
#include "modules.h"
#include "panic_artifact.h"
#include "record.h"
#include "stack_walk.h"
#include "throw_site.h"

namespace fodc::guard {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxValueBytes = 4096;
constexpr std::size_t kMaxComponentBytes = 256;
constexpr std::size_t kMaxDumpBytes = std::size_t{256} << 20;
constexpr milliseconds kMaxDrain{3'600'000};

std::string CurrentExceptionText() {
  char memory[kMaxValueBytes];
  RecordBuffer text(memory, sizeof(memory));
  AppendCurrentException(&text);
  return std::string(text.text());
}

std::string StackText(std::span<const std::uintptr_t> frames) {
  const ModuleTable modules = ModuleTable::Read();
  // A frame has a path; the modules come with theirs.
  std::size_t bytes = 4096;
  std::size_t longest = 0;
  for (const Module& m : modules.modules()) {
    bytes += m.path.size() + m.build_id.size() + 32;
    longest = std::max(longest, m.path.size());
  }
  bytes += frames.size() * (longest + 64);
  std::string memory(bytes, 0);
  RecordBuffer text(memory.data(), memory.size());
  text.Append("thread ");
  text.AppendUint(static_cast<std::uint64_t>(::gettid()));
  text.Append(" [exception]:\n");
  AppendFrames(frames, modules, &text);
  AppendModules(modules, &text);
  memory.resize(text.size());
  return memory;
}

// Two records of this process never have the same, so that no two have the
// same id. A clock that was stepped back is believed all the same.
UnixTime NextStamp(const Clock& clock) {
  static constinit std::atomic<std::int64_t> last_ns{0};
  const std::int64_t now = clock.Unix().time_since_epoch().count();
  std::int64_t last = last_ns.load();
  std::int64_t mine = 0;
  do {
    const bool is_taken = last >= now && last - now < 1'000'000'000;
    mine = is_taken ? last + 1 : now;
  } while (!last_ns.compare_exchange_weak(last, mine));
  return UnixTime(std::chrono::nanoseconds(mine));
}

}  // namespace

struct ArtifactHandle::Shared {
  Mutex mutex;
  CondVar changed;
  ArtifactState state FODC_GUARDED_BY(mutex) = ArtifactState::kPending;

  void Set(ArtifactState s) {
    const MutexLock lock(mutex);
    state = s;
    changed.NotifyAll();
  }
};

ArtifactState ArtifactHandle::state() const noexcept {
  return Wait(milliseconds(0));
}

ArtifactState ArtifactHandle::Wait(milliseconds limit) const noexcept {
  if (shared_ == nullptr) return ArtifactState::kSkipped;
  const MonotonicTime end = SystemClock().Monotonic() + limit;
  const MutexLock lock(shared_->mutex);
  while (shared_->state == ArtifactState::kPending) {
    const auto left = end - SystemClock().Monotonic();
    if (left <= left.zero()) break;
    (void)shared_->changed.WaitFor(shared_->mutex, left);
  }
  return shared_->state;
}

struct PanicRecorder::Impl {
  PanicOptions options;
  std::string root;  // empty: nothing on disk
  Metadata metadata;
  const Clock* clock = nullptr;
  Counter* dropped_full = nullptr;
  Counter* dropped_disk = nullptr;
  std::unique_ptr<ArtifactQueue> queue;
  Mutex mutex;
  std::map<std::string, Counter*, std::less<>> counters FODC_GUARDED_BY(mutex);

  void Say(EventLevel level, std::string_view message,
           std::initializer_list<EventField> fields) const {
    Tell(options.sink, {level, message, {fields.begin(), fields.size()}});
  }

  // Runs a hook of the host's; what it throws goes no further.
  template <typename Hook>
  std::string Isolated(std::string_view name, const Hook& hook) const {
    try {
      hook();
      return {};
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      std::string error = CurrentExceptionText();
      Say(EventLevel::kError, "panic hook failed",
          {{"hook", name}, {"error", error}});
      return error;
    }
  }

  void Count(std::string_view component) {
    if (options.metrics == nullptr) return;
    const MutexLock lock(mutex);
    auto it = counters.find(component);
    if (it == counters.end()) {
      const bool is_full = counters.size() >= kMaxComponents;
      if (is_full) component = "other";
      Result<Counter*> found = options.metrics->FindCounter(
          "fodc_guard_panics_total", {{"component", component}});
      if (!found.ok()) return;
      it = counters.emplace(std::string(component), *found).first;
    }
    it->second->Add();
  }

  std::string DumpState(const StateDumper& dumper, PanicRecord* record) const {
    StateDump dump(options.max_state_dump_bytes);
    record->state_dump.error = Isolated("state_dumper", [&] { dumper(&dump); });
    std::string text = dump.Finish();
    if (dump.is_over_limit()) {
      record->state_dump.truncated = true;
      record->state_dump.error = StrCat("the state dump exceeds the limit of ",
                                        options.max_state_dump_bytes, " bytes");
      return {};
    }
    if (!record->state_dump.error.empty()) return {};
    return text;
  }

  PanicRecord MakeRecord(std::string_view component,
                         std::span<const std::uintptr_t> frames) const {
    PanicRecord r;
    r.component = component.substr(0, kMaxComponentBytes);
    r.value = CurrentExceptionText();
    r.stack = StackText(frames);
    r.occurred_at = NextStamp(*clock);
    if (const BreadcrumbStore* chain = BreadcrumbReader::OfThisThread()) {
      r.breadcrumbs = chain->List();
    }
    r.metadata = metadata;
    char memory[256];
    RecordBuffer id(memory, sizeof(memory));
    AppendArtifactId(r.occurred_at, CleanComponent(r.component), ::getpid(),
                     &id);
    r.artifact_id = id.text();
    return r;
  }

  void TellOf(const PanicRecord& r) const {
    std::string stages;
    for (const Breadcrumb& b : r.breadcrumbs) {
      if (!stages.empty()) stages += " > ";
      stages += b.stage;
    }
    Say(EventLevel::kError, "panic",
        {{"component", r.component},
         {"value", r.value},
         {"breadcrumbs", stages},
         {"stack", r.stack},
         {"artifact", r.artifact_directory}});
  }

  void Write(const PanicRecord& record, const std::string& dump,
             ArtifactHandle::Shared* handle) const {
    const Status written = AtEdge([&]() -> Status {
      return WritePanicArtifact(root, options.max_artifacts, record, dump);
    });
    if (!written.ok()) {
      if (dropped_disk != nullptr) dropped_disk->Add();
      Say(EventLevel::kError, "panic artifact not written",
          {{"artifact", record.artifact_directory},
           {"error", written.message()}});
    }
    handle->Set(written.ok() ? ArtifactState::kWritten
                             : ArtifactState::kFailed);
  }

  void Drop(const PanicRecord& record, ArtifactHandle::Shared* handle) const {
    if (dropped_full != nullptr) dropped_full->Add();
    Say(EventLevel::kWarn, "panic artifact dropped",
        {{"artifact", record.artifact_directory}});
    handle->Set(ArtifactState::kSkipped);
  }

  // In its handler: the exception is the current one.
  void Handle(std::string_view component,
              std::span<const std::uintptr_t> frames,
              const GuardedOptions& call, GuardedResult* result) {
    auto record = std::make_shared<PanicRecord>(MakeRecord(component, frames));
    result->record = record;
    Count(record->component);
    std::string dump;
    if (call.state_dumper && !root.empty()) {
      dump = DumpState(call.state_dumper, record.get());
    }
    if (!root.empty()) {
      record->artifact_directory = StrCat(root, "/", record->artifact_id);
      if (!dump.empty()) {
        record->state_dump.path =
            StrCat(record->artifact_directory, "/", kStateDumpFile);
      }
    }
    TellOf(*record);
    if (options.reporter) {
      (void)Isolated("reporter", [&] { options.reporter(*record); });
    }
    if (call.reporter) {
      (void)Isolated("call's reporter", [&] { call.reporter(*record); });
    }
    if (options.on_abort) (void)Isolated("on_abort", options.on_abort);
    if (root.empty()) return;
    auto shared = std::make_shared<ArtifactHandle::Shared>();
    result->artifact.shared_ = shared;
    if (queue == nullptr) return Write(*record, dump, shared.get());
    // The record never changes from here on, so that the queue shares it.
    const std::shared_ptr<const PanicRecord> shown = record;
    const bool is_taken = queue->Submit(
        {.run = [this, shown, dump,
                 shared] { Write(*shown, dump, shared.get()); },
         .drop = [this, shown, shared] { Drop(*shown, shared.get()); }});
    if (!is_taken) Drop(*record, shared.get());
  }
};

PanicRecorder::PanicRecorder(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

PanicRecorder::~PanicRecorder() { (void)Close(impl_->options.drain_limit); }

Result<std::unique_ptr<PanicRecorder>> PanicRecorder::Create(
    PanicOptions options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<PanicRecorder>> {
    if (options.max_state_dump_bytes > kMaxDumpBytes) {
      return InvalidArgument(StrCat("max_state_dump_bytes of ",
                                    options.max_state_dump_bytes,
                                    "; the limit is ", kMaxDumpBytes));
    }
    if (options.drain_limit < milliseconds(0) ||
        options.drain_limit > kMaxDrain) {
      return InvalidArgument(StrCat("drain_limit of ",
                                    options.drain_limit.count(),
                                    " ms; it is 0 to ", kMaxDrain.count()));
    }
    auto impl = std::make_unique<Impl>();
    impl->clock = options.clock != nullptr ? options.clock : &SystemClock();
    impl->metadata =
        Merge(ProcessMetadata(ModuleTable::Read()), options.metadata);
    FODC_RETURN_IF_ERROR(CheckMetadata(impl->metadata));
    impl->options = std::move(options);
    const PanicOptions& o = impl->options;
    if (!o.directory.empty()) {
      Status root = PrepareRoot(o.directory, &impl->root);
      if (impl->root.empty()) return root;
      if (!root.ok()) {
        impl->Say(EventLevel::kWarn, "panic directory cannot be made",
                  {{"error", root.message()}});
      }
    }
    if (o.metrics != nullptr) {
      constexpr std::string_view kDropped =
          "fodc_guard_panic_artifacts_dropped_total";
      FODC_ASSIGN_OR_RETURN(
          impl->dropped_full,
          o.metrics->FindCounter(kDropped, {{"reason", "queue"}}));
      FODC_ASSIGN_OR_RETURN(
          impl->dropped_disk,
          o.metrics->FindCounter(kDropped, {{"reason", "disk"}}));
    }
    if (o.write_in_background && !impl->root.empty()) {
      FODC_ASSIGN_OR_RETURN(impl->queue, ArtifactQueue::Create(kMaxQueued));
    }
    return std::unique_ptr<PanicRecorder>(new PanicRecorder(std::move(impl)));
  });
}

GuardedResult PanicRecorder::Run(std::string_view component,
                                 const std::function<void()>& task,
                                 const GuardedOptions& options) {
  // A thread of many tasks must not tell of one what others did.
  const ScopedBreadcrumbs chain(ForkBreadcrumbs());
  GuardedResult result;
  const ThrowSite site;
  try {
    task();
  } catch (const ThrowProbe&) {
    // Never: it is asked only.
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    result.panicked = true;
    result.exception = std::current_exception();
    try {
      impl_->Handle(component, site.frames(), options, &result);
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      impl_->Say(EventLevel::kError, "panic not recorded", {});
    }
  }
  return result;
}

Result<std::thread> PanicRecorder::RunInThread(
    std::string component, std::function<void()> task, GuardedOptions options,
    std::function<void(const GuardedResult&)> done) noexcept {
  return AtEdge([&]() -> Result<std::thread> {
    try {
      return std::thread([this, component = std::move(component),
                          task = std::move(task), options = std::move(options),
                          done = std::move(done), chain = ForkBreadcrumbs()] {
        // Without such a stack all but its own overflow is told.
        CoverThisThread().IgnoreError();
        const ScopedBreadcrumbs scope(chain);
        const GuardedResult result = Run(component, task, options);
        if (done) (void)impl_->Isolated("done", [&] { done(result); });
      });
    } catch (const std::system_error& e) {
      return ResourceExhausted(e.what());
    }
  });
}

GuardedResult PanicRecorder::Record(std::string_view component,
                                    const std::exception_ptr& caught,
                                    const GuardedOptions& options) noexcept {
  GuardedResult result;
  if (caught == nullptr) return result;
  result.panicked = true;
  result.exception = caught;
  try {
    std::rethrow_exception(caught);
  } catch (...) {
    try {
      std::uintptr_t frames[ThrowSite::kMaxFrames];
      const std::size_t size = WalkStack(frames);
      impl_->Handle(component, {frames, size}, options, &result);
    } catch (...) {
      impl_->Say(EventLevel::kError, "panic not recorded", {});
    }
  }
  return result;
}

bool PanicRecorder::Close(milliseconds limit) noexcept {
  return impl_->queue == nullptr || impl_->queue->Close(limit);
}

}  // namespace fodc::guard
