// SPDX-License-Identifier: Apache-2.0
#include "death_record.h"

#include <unistd.h>

#include <cerrno>

#include "artifact.h"
#include "breadcrumb_reader.h"
#include "signal_text.h"
#include "stack_walk.h"

namespace fodc::guard {
namespace {

using Stage = AskedThread::Stage;

constexpr int kMaxSameStamp = 100;

// By number, in the order of Step.
constexpr std::string_view kStepNames[] = {
    "directory",   "own stack", "outer stack", "threads' stacks",
    "metadata",    "identity",  "stacks",      "time",
    "breadcrumbs", "cause",     "threads"};

}  // namespace

void DeathRecord::Run(const Death& death) {
  if (is_in_step_) GiveUp(static_cast<Step>(step_ - 1));
  while (step_ < kDone) {
    const auto step = static_cast<Step>(step_++);
    mark_ = out_.size();
    is_in_step_ = true;
    RunStep(step, death);
    if (out_.is_full()) GiveUp(step);
    is_in_step_ = false;
  }
}

void DeathRecord::GiveUp(Step step) {
  out_.Truncate(mark_);
  failed_steps_ |= 1u << step;
  is_in_step_ = false;
  if (step == kStacks) {
    // The key is part of every record, and the addresses are known.
    out_.Key("goroutineStack");
    out_.BeginString();
    AppendFrames({frames_, frame_count_}, ModuleTable(), &out_);
    out_.EndString();
  }
  if (step == kWrite && has_directory_) {
    RemoveUnfinished(plan_.root.c_str(), {id_, id_bytes_});
  }
}

void DeathRecord::RunStep(Step step, const Death& death) {
  switch (step) {
    case kMakeDirectory:
      return MakeDirectory();
    case kWalkOwnStack:
      return WalkOwnStack(death);
    case kWalkOuterStack:
      if (death.context == nullptr) return;
      outer_count_ = WalkOuterStack({frames_, frame_count_}, outer_, &between_);
      return;
    case kAskThreads:
      (void)plan_.threads->List();
      return plan_.threads->Ask(plan_.thread_signal, plan_.thread_wait,
                                *plan_.clock);
    case kMetadata:
      out_.Append("{");
      mark_ = out_.size();
      out_.Key("processMetadata");
      out_.Append("{");
      AppendMetadata(plan_.metadata, &out_);
      return out_.Append("}");
    case kIdentity:
      out_.Key("component");
      out_.AppendString(plan_.component);
      out_.Key("panicValue");
      return AppendValue(death);
    case kStacks:
      return AppendStacks(death);
    case kTime:
      out_.Key("occurredAt");
      return out_.AppendTime(at_);
    case kBreadcrumbs:
      if (const BreadcrumbStore* chain = BreadcrumbReader::OfThisThread()) {
        BreadcrumbReader::Places places;
        AppendBreadcrumbs(BreadcrumbReader::Read(*chain, &places), &out_);
      }
      return;
    case kCause:
      return AppendCause(death);
    case kThreads:
      return AppendThreads();
    case kEnd:
      return AppendEnd();
    case kWrite:
      return Write();
    case kPrune:
      (void)PruneArtifacts(plan_.root.c_str(), plan_.max_artifacts,
                           {id_, id_bytes_});
      return;
    case kDone:
      return;
  }
}

void DeathRecord::MakeDirectory() {
  plan_.reserve.Release();
  plan_.memory_reserve.GiveBack();
  at_ = plan_.clock->Unix();
  // Another record of this process may have the same nanosecond.
  for (int tries = 0; tries < kMaxSameStamp; ++tries) {
    RecordBuffer id(id_, sizeof(id_));
    AppendArtifactId(at_, plan_.cleaned_component, ::getpid(), &id);
    id_bytes_ = id.size();
    const int error = MakeArtifact(plan_.root.c_str(), {id_, id_bytes_});
    has_directory_ = error == 0;
    if (error != EEXIST) return;
    at_ += std::chrono::nanoseconds(1);
  }
}

void DeathRecord::WalkOwnStack(const Death& death) {
  if (death.context == nullptr) {
    frame_count_ = WalkStack(frames_);
    return;
  }
  frames_[0] = InterruptedPc(death.context);
  frame_count_ = 1;  // if the rest cannot be walked
  frame_count_ =
      WalkInterruptedStack(death.context, plan_.modules.load(), frames_);
}

void DeathRecord::AppendValue(const Death& death) {
  if (death.signal == 0) return out_.AppendString(death.terminated);
  const siginfo_t& info = death.info;
  out_.BeginString();
  out_.Append(SignalName(death.signal));
  if (info.si_code <= 0 && info.si_pid == ::getpid()) {
    out_.Append(": raised by the process itself");
  } else if (const std::string_view cause =
                 SignalCause(death.signal, info.si_code);
             !cause.empty()) {
    out_.Append(": ");
    out_.Append(cause);
  }
  if (info.si_code <= 0 && info.si_pid != ::getpid()) {
    out_.Append(", by process ");
    out_.AppendUint(static_cast<std::uint64_t>(info.si_pid));
  }
  if (HasFaultAddress(death.signal, info.si_code)) {
    out_.Append(" at ");
    out_.AppendHex(reinterpret_cast<std::uintptr_t>(info.si_addr));
  }
  out_.EndString();
}

void DeathRecord::AppendThreadHead(const AskedThread& t) {
  out_.Append("thread ");
  out_.AppendUint(static_cast<std::uint64_t>(t.tid));
  out_.Append(" \"");
  out_.Append(t.status.Name());
  out_.Append("\" [");
  out_.Append({&t.status.run_state, 1});
  out_.Append("]");
}

void DeathRecord::AppendOwnStack() {
  const ModuleTable& modules = *plan_.modules.load();
  AppendFrames({frames_, frame_count_}, modules, &out_);
  if (between_ > 0) {
    out_.Append("  ... ");
    out_.AppendUint(between_);
    out_.Append(" calls are left out\n");
  }
  AppendFrames({outer_, outer_count_}, modules, &out_, frame_count_ + between_);
}

void DeathRecord::AppendStacks(const Death& death) {
  const ModuleTable& modules = *plan_.modules.load();
  out_.Key("goroutineStack");
  out_.BeginString();
  out_.Append("thread ");
  out_.AppendUint(static_cast<std::uint64_t>(::gettid()));
  out_.Append(" [");
  out_.Append(death.signal == 0 ? "terminated" : SignalName(death.signal));
  out_.Append("]:\n");
  AppendOwnStack();
  std::size_t beyond = plan_.threads->beyond();
  for (const AskedThread* t : plan_.threads->threads()) {
    if (out_.size() - mark_ > kMaxStackBytes) {
      ++beyond;
      continue;
    }
    AppendThreadHead(*t);
    switch (t->stage()) {
      case Stage::kAnswered:
        out_.Append(":\n");
        AppendFrames(t->Stack(), modules, &out_);
        break;
      case Stage::kSilent: {
        const std::uintptr_t at = ReadHeldAt(t->tid);
        out_.Append(" did not answer");
        out_.Append(at == 0 ? "\n" : "; the kernel holds it at:\n");
        AppendFrames({&at, at == 0 ? 0u : 1u}, modules, &out_);
        break;
      }
      case Stage::kFaulted:
        out_.Append(" has a stack that cannot be walked\n");
        break;
      default:
        out_.Append(" did not answer to the end\n");
    }
  }
  if (beyond > 0) {
    out_.Append("and ");
    out_.AppendUint(beyond);
    out_.Append(" more threads\n");
  }
  AppendModules(modules, &out_);
  out_.EndString();
}

void DeathRecord::AppendCause(const Death& death) {
  out_.Key("recovered");
  out_.Append("false");
  out_.Key("artifactId");
  out_.AppendString({id_, id_bytes_});
  out_.Key("uptimeMs");
  out_.AppendUint(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          plan_.clock->Monotonic() - plan_.armed_at)
          .count()));
  out_.Key("threadId");
  out_.AppendUint(static_cast<std::uint64_t>(::gettid()));
  if (death.signal == 0) return;
  const siginfo_t& info = death.info;
  out_.Key("signal");
  out_.Append("{");
  out_.Key("number");
  out_.AppendUint(static_cast<std::uint64_t>(death.signal));
  out_.Key("name");
  out_.AppendString(SignalName(death.signal));
  out_.Key("code");
  if (info.si_code < 0) out_.Append("-");
  out_.AppendUint(static_cast<std::uint64_t>(
      info.si_code < 0 ? -static_cast<std::int64_t>(info.si_code)
                       : info.si_code));
  out_.Key("cause");
  out_.AppendString(SignalCause(death.signal, info.si_code));
  if (HasFaultAddress(death.signal, info.si_code)) {
    out_.Key("faultAddress");
    out_.Append("\"");
    out_.AppendHex(reinterpret_cast<std::uintptr_t>(info.si_addr));
    out_.Append("\"");
  } else if (info.si_code <= 0) {
    out_.Key("senderPid");
    out_.AppendUint(static_cast<std::uint64_t>(info.si_pid));
  }
  out_.Append("}");
}

void DeathRecord::AppendThreads() {
  out_.Key("threads");
  out_.Append("[");
  for (const AskedThread* t : plan_.threads->threads()) {
    out_.Next();
    out_.Append("{");
    out_.Key("id");
    out_.AppendUint(static_cast<std::uint64_t>(t->tid));
    out_.Key("name");
    out_.AppendString(t->status.Name());
    out_.Key("state");
    out_.AppendString({&t->status.run_state, 1});
    out_.Key("answered");
    out_.Append(t->stage() == Stage::kAnswered ? "true" : "false");
    out_.Append("}");
  }
  out_.Append("]");
}

void DeathRecord::AppendEnd() {
  if (failed_steps_ != 0) {
    out_.Key("lostParts");
    out_.Append("[");
    for (std::size_t i = 0; i < std::size(kStepNames); ++i) {
      if ((failed_steps_ >> i & 1) == 0) continue;
      out_.Next();
      out_.AppendString(kStepNames[i]);
    }
    out_.Append("]");
  }
  out_.Append("}");
}

void DeathRecord::Write() {
  if (!has_directory_) return;
  const std::string_view id(id_, id_bytes_);
  if (WriteIntoArtifact(plan_.root.c_str(), id, kPanicFile, out_.text()) != 0) {
    RemoveUnfinished(plan_.root.c_str(), id);
  }
  // A limit of file sizes sends SIGXFSZ too, which is blocked here. To ignore
  // it takes back what is pending: the process dies of one thing.
  struct sigaction ignored {};
  struct sigaction before {};
  ignored.sa_handler = SIG_IGN;
  (void)::sigaction(SIGXFSZ, &ignored, &before);
  (void)::sigaction(SIGXFSZ, &before, nullptr);
}

}  // namespace fodc::guard
