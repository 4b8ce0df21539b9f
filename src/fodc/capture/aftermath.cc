// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/capture/capture_run.h"
#include "fodc/capture/event_steps.h"

namespace fodc::capture {
namespace {

using evidence::EventMeta;
using evidence::EventStep;

constexpr std::string_view kWindowAfter = "window-after";
constexpr std::string_view kLogAfter = "log-after";
constexpr std::string_view kTableAfter = "heap-table-after";
// A target that dies again and again is not to fill its first event. Of the
// others the newest alone stays: a window reaches back to the moment.
constexpr std::size_t kMostLogs = 4;  // additions with log lines
constexpr std::chrono::nanoseconds kStepTime = std::chrono::seconds(4);

const std::vector<std::string>* LogFilesOf(const CaptureRunnerOptions& options,
                                           const CaptureAftermath& aftermath) {
  if (aftermath.row >= options.targets.size()) return nullptr;
  return &options.targets[aftermath.row].log_files;
}

bool IsComplete(const EventStep& step) {
  return step.outcome == evidence::StepOutcome::kComplete;
}

// `step` in the place of those of its name, but one that is better stays.
void Replace(EventStep step, EventMeta* meta) {
  std::erase_if(meta->steps, [&](const EventStep& old) {
    return old.step == step.step && (IsComplete(step) || !IsComplete(old));
  });
  meta->steps.push_back(std::move(step));
}

bool BeginsLogs(const EventStep& step) {
  return step.step == kLogAfter || step.step == StrCat(kLogAfter, "-0");
}

// The lines of the newest kMostLogs additions stay.
void DropOldLogs(EventMeta* meta) {
  auto additions = static_cast<std::size_t>(
      std::count_if(meta->steps.begin(), meta->steps.end(), BeginsLogs));
  bool goes = false;
  std::erase_if(meta->steps, [&](const EventStep& step) {
    if (BeginsLogs(step)) goes = additions-- > kMostLogs;
    return goes && step.step.starts_with(kLogAfter);
  });
}

bool IsAddition(const EventStep& step) {
  return step.step == kWindowAfter || step.step == kTableAfter ||
         step.step.starts_with(kLogAfter);
}

// What the target had in use when it died.
void AddHeapTable(const CaptureAftermath& aftermath, const CaptureTools& tools,
                  const std::string& number, EventSteps& steps,
                  EventMeta* meta) {
  if (!aftermath.dead) return;
  const HeldTables::Table table =
      tools.tables.Find(aftermath.row, *aftermath.dead);
  if (table == nullptr) return;
  EventStep step =
      steps.HeapTable({.name = std::string(kTableAfter),
                       .file = StrCat(kTableAfter, number, ".pprof"),
                       .max_bytes = tools.options.plan.max_profile_bytes,
                       .deadline = kStepTime},
                      *table);
  if (IsComplete(step)) {
    std::erase_if(meta->profiles, [](const evidence::EventProfile& p) {
      return p.type == kTableAfter;
    });
    meta->profiles.push_back({.type = std::string(kTableAfter),
                              .filename = step.file,
                              .size_bytes = step.bytes});
  }
  Replace(std::move(step), meta);
}

// What was recorded and logged since.
void AddRecords(const CaptureAftermath& aftermath, const CaptureTools& tools,
                const std::string& number, UnixTime since, EventSteps& steps,
                EventMeta* meta, LogTails* tails) {
  if (tools.options.window) {
    Replace(steps.Stream({.name = std::string(kWindowAfter),
                          .file = StrCat(kWindowAfter, number, ".fdr"),
                          .max_bytes = tools.options.plan.max_window_bytes,
                          .deadline = kStepTime},
                         [&](const WindowSink& sink) {
                           return tools.options.window(
                               since, tools.clock.Unix(), sink);
                         }),
            meta);
  }
  const StepOrder logs = {.name = std::string(kLogAfter),
                          .file = StrCat(kLogAfter, number),
                          .max_bytes = tools.options.plan.max_log_bytes,
                          .deadline = kStepTime};
  std::vector<EventStep> lines;
  if (!tails->empty()) {
    lines = steps.LinesSince(logs, tails);
  } else if (const auto* patterns = LogFilesOf(tools.options, aftermath);
             patterns != nullptr && !patterns->empty()) {
    // The agent has been started anew since.
    lines = steps.LastLines(logs, *patterns, tails);
  }
  std::move(lines.begin(), lines.end(), std::back_inserter(meta->steps));
  DropOldLogs(meta);
}

}  // namespace

Status RunAftermath(const CaptureAftermath& aftermath,
                    const CaptureTools& tools, LogTails* tails) {
  FODC_ASSIGN_OR_RETURN(
      const auto writer,
      tools.store.Reopen(aftermath.event_id, tools.options.budget));
  EventMeta meta = writer->meta();
  EventSteps steps(*writer, tools.files, tools.clock, tools.stop);
  // There may have been some before: names are the revision's.
  const bool is_first =
      std::none_of(meta.steps.begin(), meta.steps.end(), IsAddition);
  const std::string number = is_first ? "" : StrCat(".", meta.revision + 1);
  AddHeapTable(aftermath, tools, number, steps, &meta);
  AddRecords(aftermath, tools, number, writer->at(), steps, &meta, tails);
  if (aftermath.death) meta.death = aftermath.death;
  FODC_RETURN_IF_ERROR(writer->Commit(std::move(meta)));
  tools.on_committed(writer->id(), writer->meta().revision);
  return OkStatus();
}

}  // namespace fodc::capture
