// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/capture_run.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/capture/fetch.h"
#include "fodc/capture/held_process.h"
#include "fodc/capture/process_text.h"

namespace fodc::capture {
namespace {

using evidence::EventMeta;
using evidence::EventStep;
using evidence::StepOutcome;

// A quarter of the event's bytes is for what comes behind the profiles, and
// half of that for what comes behind the pages: the window, logs and
// configuration.
constexpr std::uint64_t kReserve = 4;

bool HasFile(const EventStep& step) {
  return step.outcome == StepOutcome::kComplete ||
         step.outcome == StepOutcome::kCut;
}

// Whether the step's artifact tells of the target itself, and not of what was
// known anyway.
bool IsEvidence(StepKind kind, bool is_dead) {
  switch (kind) {
    case StepKind::kCounters:
    case StepKind::kCommit:
    case StepKind::kArguments:
    case StepKind::kEnvironment:
    case StepKind::kConfigFile:
      return false;
    case StepKind::kWindow:
      return is_dead;
    default:
      return true;
  }
}

class Run {
 public:
  Run(const CaptureRequest& request, const CaptureTools& tools,
      CaptureTally* tally, LogTails* tails)
      : request_(request), tools_(tools), tally_(tally), tails_(tails) {
    if (request.row < tools.options.targets.size())
      target_ = &tools.options.targets[request.row];
  }

  CaptureResult Execute();

 private:
  std::vector<CaptureStep> MakePlan() const;
  void HoldProcesses();
  void RunStep(const CaptureStep& planned);
  std::optional<std::string> WhyNot(const CaptureStep& step,
                                    std::chrono::nanoseconds left) const;
  PatientThread::Work WorkOf(const CaptureStep& step) const;
  EventStep FetchStep(const CaptureStep& step, std::vector<std::string> urls,
                      Fetch::Content content, std::chrono::nanoseconds left);
  EventStep HeapTableStep(const StepOrder& order);
  void Add(const CaptureStep& step, EventStep receipt);
  Status Commit();
  Status KeepEarlier(const std::string& id, const Status& why);
  std::uint64_t MaxBytes(const CaptureStep& step) const;
  EventMeta Meta() const;
  bool is_dead() const {
    return request_.processes.empty() && !request_.is_unseen;
  }
  Status NodeStatus() const;
  std::string WhyStopped() const;

  const CaptureRequest& request_;
  const CaptureTools& tools_;
  CaptureTally* const tally_;
  LogTails* const tails_;
  const CaptureTarget* target_ = nullptr;

  HeldProcesses processes_;
  Status gone_;  // why there is no process, where there was to be one
  MonotonicTime begun_{};
  std::uint64_t reserve_bytes_ = 0;
  std::unique_ptr<evidence::EventWriter> writer_;
  std::optional<EventSteps> steps_;
  std::vector<EventStep> receipts_;
  std::vector<evidence::EventProfile> profiles_;
  bool profiles_may_come_ = false;  // of those that did not
  CaptureResult result_;
};

void Run::HoldProcesses() {
  for (const CaptureProcess& process : request_.processes) {
    auto held = HeldProcess::Open(tools_.options.proc_root, process);
    if (held.ok()) {
      processes_.push_back(
          std::make_shared<const HeldProcess>(*std::move(held)));
      continue;
    }
    // Without the node its helpers tell little, and its endpoints are
    // another's.
    if (&process == &request_.processes.front()) {
      gone_ = std::move(held).status();
      return;
    }
  }
}

Status Run::NodeStatus() const {
  if (!gone_.ok()) return gone_;
  if (processes_.empty()) return NotFound("the target is dead");
  if (!processes_.front()->IsAlive())
    return NotFound("the target died in mid-capture");
  return OkStatus();
}

std::string Run::WhyStopped() const {
  return tools_.end.stop_requested()
             ? "the agent ends"
             : "a capture for memory pressure goes first";
}

std::vector<CaptureStep> Run::MakePlan() const {
  CapturePlanOptions plan = tools_.options.plan;
  plan.profiles = tools_.options.profiles;
  plan.has_profiles = target_ != nullptr && !target_->profiles.is_none();
  plan.has_window = tools_.options.window != nullptr;
  if (target_ != nullptr) {
    plan.config_files = target_->config_files;
    plan.has_log_files = !target_->log_files.empty();
  }
  if (tools_.options.endpoints)
    plan.endpoints = tools_.options.endpoints(request_.row);
  return PlanCapture(request_, plan);
}

std::optional<std::string> Run::WhyNot(const CaptureStep& step,
                                       std::chrono::nanoseconds left) const {
  if (!step.skip_reason.empty()) return step.skip_reason;
  if (tools_.stop.stop_requested()) return WhyStopped();
  if (step.needs != StepNeeds::kNothing && !request_.is_unseen) {
    if (Status s = NodeStatus(); !s.ok()) return s.message();
  }
  if (left <= std::chrono::nanoseconds(0)) return "no time was left";
  if (step.max_bytes == 0) return "the event's bytes are used up";
  return {};
}

PatientThread::Work Run::WorkOf(const CaptureStep& step) const {
  const auto files = [this, &step](std::string name) -> PatientThread::Work {
    return
        [processes = processes_, name = std::move(name), max = step.max_bytes] {
          return ProcessFilesText(processes, name, max);
        };
  };
  const auto text =
      [this, &step](Result<StepText> (*read)(
          const HeldProcesses&, std::size_t)) -> PatientThread::Work {
    return [processes = processes_, read, max = step.max_bytes] {
      return read(processes, max);
    };
  };
  switch (step.kind) {
    case StepKind::kStatus:
      return files("status");
    case StepKind::kSmapsRollup:
      return files("smaps_rollup");
    case StepKind::kLimits:
      return files("limits");
    case StepKind::kMounts:
      return files("mountinfo");
    case StepKind::kCgroup:
      return text(CgroupText);
    case StepKind::kSockets:
      return text(SocketsText);
    case StepKind::kThreads:
      return text(ThreadsText);
    case StepKind::kArguments:
      return text(ArgumentsText);
    case StepKind::kEnvironment:
      return text(EnvironmentText);
    case StepKind::kConfigFile:
      return [path = step.source, max = step.max_bytes]() -> Result<StepText> {
        FODC_ASSIGN_OR_RETURN(LogPiece piece, ReadFirstLines(path, max));
        StepText out = {.text = std::move(piece.text)};
        if (piece.is_cut) {
          out.cut_reason =
              StrCat("the file has more than ", max, " bytes: its end is cut");
        }
        return out;
      };
    default:
      return {};
  }
}

EventStep Run::FetchStep(const CaptureStep& step, std::vector<std::string> urls,
                         Fetch::Content content,
                         std::chrono::nanoseconds left) {
  Fetch fetch = {.step = step.name,
                 .file = step.file,
                 .urls = std::move(urls),
                 .unix_socket = step.kind == StepKind::kProfile
                                    ? target_->profiles.unix_socket()
                                    : "",
                 .content = content,
                 .max_bytes = step.max_bytes,
                 .deadline = left};
  if (!processes_.empty())
    fetch.check_peer = [node = processes_.front()]() -> Status {
      if (node->IsAlive()) return OkStatus();
      return NotFound("the target died before it answered");
    };
  Fetched fetched =
      RunFetch(fetch, tools_.client, *writer_, tools_.stop, tools_.clock);
  if (step.kind == StepKind::kProfile && fetched.may_come_later)
    profiles_may_come_ = true;
  EventStep receipt = std::move(fetched.receipt);
  receipt.source = ReceiptText(receipt.source);
  receipt.reason = ReceiptText(receipt.reason);
  return receipt;
}

EventStep Run::HeapTableStep(const StepOrder& order) {
  const CaptureProcess owner =
      request_.processes.empty() ? *request_.dead : request_.processes.front();
  HeldTables::Table table = tools_.tables.Find(request_.row, owner);
  if (table == nullptr) {
    Status held = NodeStatus();
    if (held.ok()) {
      held = tools_.tables.Hold(request_.row, owner, tools_.options.proc_root);
    }
    if (!held.ok()) return steps_->Skipped(order.name, held.message());
    table = tools_.tables.Find(request_.row, owner);
  }
  if (table == nullptr)
    return steps_->Skipped(order.name, "another process's came since");
  return steps_->HeapTable(order, *table);
}

void Run::Add(const CaptureStep& step, EventStep receipt) {
  if (HasFile(receipt)) {
    ++result_.artifacts;
    result_.bytes += receipt.bytes;
    if (result_.first_byte_at == MonotonicTime{})
      result_.first_byte_at = tools_.clock.Monotonic();
    if (IsEvidence(step.kind, is_dead())) result_.has_evidence = true;
  }
  if (receipt.outcome == StepOutcome::kCut) ++tally_->cut;
  const bool is_profile =
      step.kind == StepKind::kProfile || step.kind == StepKind::kHeapTable;
  if (is_profile && receipt.outcome == StepOutcome::kFailed)
    ++tally_->profile_failures;
  // A profile that was cut opens nowhere; its receipt tells of it.
  if (is_profile && receipt.outcome == StepOutcome::kComplete) {
    profiles_.push_back(
        {.type = receipt.step,
         .filename = receipt.file,
         .format = std::string(step.profile ? step.profile->format : "pprof"),
         .size_bytes = receipt.bytes});
  }
  receipts_.push_back(std::move(receipt));
}

// Large bodies are not to take what the steps behind them need.
std::uint64_t Run::MaxBytes(const CaptureStep& step) const {
  std::uint64_t reserve = 0;
  switch (step.kind) {
    case StepKind::kProfile:
    case StepKind::kHeapTable:
      reserve = reserve_bytes_;
      break;
    case StepKind::kPage:
      reserve = reserve_bytes_ / 2;
      break;
    default:
      return step.max_bytes;
  }
  const std::uint64_t left = writer_->budget_left_bytes();
  return std::min(step.max_bytes, left - std::min(left, reserve));
}

void Run::RunStep(const CaptureStep& planned) {
  CaptureStep step = planned;
  step.max_bytes = step.kind == StepKind::kCommit ? 0 : MaxBytes(planned);
  const auto left = std::min(step.max_duration,
                             begun_ + step.latest - tools_.clock.Monotonic());
  if (step.kind == StepKind::kCommit) {
    // Whatever comes, this much is kept. If it fails the last one may not.
    if (result_.has_evidence) Commit().IgnoreError();  // it is counted
    return;
  }
  if (const auto why = WhyNot(step, left))
    return Add(step, steps_->Skipped(step.name, *why));
  const StepOrder order = {.name = step.name,
                           .file = step.file,
                           .source = step.source,
                           .max_bytes = step.max_bytes,
                           .deadline = left};
  switch (step.kind) {
    case StepKind::kCounters:
      // The first bytes: nothing is waited for.
      return Add(step,
                 steps_->Text(order, CountersText(request_, processes_,
                                                  tools_.options.proc_root,
                                                  step.max_bytes)));
    case StepKind::kProfile:
      return Add(
          step,
          FetchStep(step,
                    target_->profiles.Urls(*step.profile,
                                           tools_.options.plan.cpu_profile),
                    step.profile->format == "text" ? Fetch::Content::kText
                                                   : Fetch::Content::kProfile,
                    left));
    case StepKind::kPage:
      return Add(step, FetchStep(step, {step.source}, Fetch::Content::kAnything,
                                 left));
    case StepKind::kHeapTable:
      return Add(step, HeapTableStep(order));
    case StepKind::kLogs:
      for (EventStep& receipt :
           steps_->LastLines(order, target_->log_files, tails_)) {
        Add(step, std::move(receipt));
      }
      return;
    case StepKind::kWindow:
      return Add(step, steps_->Stream(order, [this](const WindowSink& sink) {
        return tools_.options.window(request_.at - tools_.options.window_before,
                                     tools_.clock.Unix(), sink);
      }));
    default:
      return Add(step, steps_->Text(order,
                                    step.needs == StepNeeds::kProcesses
                                        ? tools_.processes
                                        : tools_.files,
                                    WorkOf(step)));
  }
}

EventMeta Run::Meta() const {
  EventMeta meta;
  meta.pod_name = tools_.options.pod_name;
  meta.role = request_.role;
  if (target_ != nullptr) meta.source_endpoint = target_->profiles.Name();
  meta.profiles = profiles_;
  meta.rss_bytes = request_.bytes;
  meta.cgroup_limit_bytes = request_.limit_bytes;
  meta.threshold_bytes = request_.threshold_bytes;
  meta.trigger_percent = request_.trigger_percent;
  meta.incident_id = request_.incident_id;
  meta.target = request_.target;
  meta.ramp_up = request_.ramp_up;
  meta.trigger = request_.trigger;
  meta.steps = receipts_;
  meta.death = request_.death;
  meta.lacks_profiles = result_.lacks_profiles;
  return meta;
}

Status Run::Commit() {
  if (Status s = writer_->Commit(Meta()); !s.ok()) {
    ++tally_->commit_failures;
    return s;
  }
  tools_.on_committed(writer_->id(), writer_->meta().revision);
  return OkStatus();
}

// The last commit failed, and an earlier one did not, or it failed when the
// event had its name: `writer_` is gone, and with it what would not fit. What
// is there is told to lack the rest, if only the disk takes that.
Status Run::KeepEarlier(const std::string& id, const Status& why) {
  const auto tell = [&]() -> Status {
    FODC_ASSIGN_OR_RETURN(
        const auto writer,
        tools_.store.Reopen(id, {.max_bytes = 0, .min_bytes = 0}));
    EventMeta meta = writer->meta();
    meta.steps.push_back({.step = "commit",
                          .started = tools_.clock.Unix(),
                          .outcome = StepOutcome::kFailed,
                          .reason = ReceiptText(why.message())});
    FODC_RETURN_IF_ERROR(writer->Commit(std::move(meta)));
    tools_.on_committed(id, writer->meta().revision);
    return OkStatus();
  };
  const bool is_told = tell().ok();  // `why` is told in any case
  FODC_ASSIGN_OR_RETURN(const evidence::EventInfo kept, tools_.store.Read(id));
  if (!is_told) tools_.on_committed(id, kept.meta.revision);
  result_.rest = why;
  result_.artifacts = evidence::EventFiles(kept.meta).size();
  result_.bytes = kept.bytes;
  return OkStatus();
}

CaptureResult Run::Execute() {
  result_ = {.row = request_.row,
             .target = request_.target,
             .incident_id = request_.incident_id,
             .trigger = request_.trigger.kind};
  begun_ = tools_.clock.Monotonic();
  const auto end = [this](Status status) {
    result_.status = std::move(status);
    result_.finished_at = tools_.clock.Monotonic();
    return std::move(result_);
  };
  if (tools_.stop.stop_requested()) return end(Cancelled(WhyStopped()));
  HoldProcesses();
  auto writer = tools_.store.Begin(request_.at, tools_.options.budget);
  if (!writer.ok()) {
    ++tally_->mkdir_failures;
    return end(std::move(writer).status());
  }
  writer_ = *std::move(writer);
  reserve_bytes_ = writer_->budget_left_bytes() / kReserve;
  tools_.on_begun(writer_->id());
  steps_.emplace(*writer_, tools_.files, tools_.clock, tools_.stop);
  for (const CaptureStep& step : MakePlan()) {
    RunStep(step);
    // One that is stopped before its profiles, or in them, lacks them as well.
    if (step.kind == StepKind::kProfile && tools_.stop.stop_requested())
      profiles_may_come_ = true;
  }

  result_.lacks_profiles = profiles_may_come_ && profiles_.empty() &&
                           (request_.is_unseen || NodeStatus().ok());
  Status status = result_.has_evidence
                      ? Commit()
                      : NotFound("no evidence of the target was to be had");
  if (!status.ok() && !result_.has_evidence) {
    ++tally_->empty;
    for (const EventStep& receipt : receipts_) {
      if (receipt.reason.empty()) continue;
      status = status.WithContext(StrCat(receipt.step, ": ", receipt.reason));
      break;
    }
  }
  const std::string id = writer_->id();
  writer_.reset();
  if (!status.ok() && result_.has_evidence && KeepEarlier(id, status).ok())
    status = OkStatus();
  if (status.ok()) {
    result_.event_id = id;
  } else {
    result_.has_evidence = false;
    result_.artifacts = 0;
    result_.bytes = 0;
    tails_->clear();
  }
  return end(std::move(status));
}

}  // namespace

CaptureResult RunCapture(const CaptureRequest& request,
                         const CaptureTools& tools, CaptureTally* tally,
                         LogTails* tails) {
  return Run(request, tools, tally, tails).Execute();
}

}  // namespace fodc::capture
