// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/event_steps.h"

#include <utility>

#include "fodc/base/strings.h"
#include "fodc/capture/capture_plan.h"

namespace fodc::capture {

using evidence::EventStep;
using evidence::StepOutcome;

namespace {

constexpr std::size_t kMaxReceiptTextBytes = 512;
constexpr std::size_t kMaxLogFiles = 8;

Result<StepText> TextOf(Result<LogPiece> piece) {
  if (!piece.ok()) return std::move(piece).status();
  StepText text = {.text = std::move(piece->text)};
  if (piece->is_cut)
    text.cut_reason = StrCat("it begins at byte ", piece->from, " of the file");
  if (piece->was_truncated) text.cut_reason = "the file was made shorter";
  return text;
}

}  // namespace

std::string ReceiptText(std::string_view text) {
  std::string out = ToValidUtf8(text.substr(0, kMaxReceiptTextBytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return out;
}

EventStep EventSteps::Begin(const StepOrder& order) const {
  return {.step = order.name,
          .source = ReceiptText(order.source),
          .started = clock_.Unix()};
}

void EventSteps::Write(const Result<StepText>& text, const StepOrder& order,
                       EventStep* step) {
  const auto fail = [&](const Status& status) {
    step->outcome = StepOutcome::kFailed;
    step->reason = ReceiptText(status.message());
  };
  if (!text.ok()) return fail(text.status());
  auto sink = writer_.OpenArtifact(order.file, order.max_bytes);
  if (!sink.ok()) return fail(sink.status());
  const Status appended = (*sink)->Append(text->text);
  if (!appended.ok() && (*sink)->bytes() == 0) return fail(appended);
  auto digest = (*sink)->Finish();
  if (!digest.ok()) return fail(digest.status());
  step->file = order.file;
  step->bytes = digest->bytes;
  step->sha256 = std::move(digest->sha256);
  if (!appended.ok()) {
    step->outcome = StepOutcome::kCut;
    step->reason = ReceiptText(appended.message());
  } else if (!text->cut_reason.empty()) {
    step->outcome = StepOutcome::kCut;
    step->reason = ReceiptText(text->cut_reason);
  }
}

EventStep EventSteps::Text(const StepOrder& order, PatientThread& reader,
                           PatientThread::Work work) {
  const MonotonicTime begun = clock_.Monotonic();
  EventStep step = Begin(order);
  Write(reader.Run(std::move(work), order.deadline, stop_), order, &step);
  step.duration = clock_.Monotonic() - begun;
  return step;
}

EventStep EventSteps::Text(const StepOrder& order, const StepText& text) {
  const MonotonicTime begun = clock_.Monotonic();
  EventStep step = Begin(order);
  Write(text, order, &step);
  step.duration = clock_.Monotonic() - begun;
  return step;
}

EventStep EventSteps::Stream(
    const StepOrder& order,
    const std::function<Status(const WindowSink&)>& write) {
  const MonotonicTime begun = clock_.Monotonic();
  EventStep step = Begin(order);
  const auto run = [&]() -> Status {
    FODC_ASSIGN_OR_RETURN(const auto sink,
                          writer_.OpenArtifact(order.file, order.max_bytes));
    const Status written = write([&](std::string_view bytes) -> Status {
      if (stop_.stop_requested()) return Cancelled("the capture was ended");
      if (clock_.Monotonic() - begun > order.deadline) {
        return DeadlineExceeded(
            StrCat("not written within ", FormatGoDuration(order.deadline)));
      }
      return sink->Append(bytes);
    });
    if (sink->bytes() == 0) {
      return written.ok() ? NotFound("there is nothing to write") : written;
    }
    FODC_ASSIGN_OR_RETURN(auto digest, sink->Finish());
    step.file = order.file;
    step.bytes = digest.bytes;
    step.sha256 = std::move(digest.sha256);
    if (!written.ok()) {
      step.outcome = StepOutcome::kCut;
      step.reason = ReceiptText(written.message());
    }
    return OkStatus();
  };
  if (Status s = run(); !s.ok()) {
    step.outcome = StepOutcome::kFailed;
    step.reason = ReceiptText(s.message());
  }
  step.duration = clock_.Monotonic() - begun;
  return step;
}

EventStep EventSteps::HeapTable(const StepOrder& order,
                                const pprof::HeapTableView& table) {
  EventStep step = Stream(order, [&](const WindowSink& sink) -> Status {
    FODC_ASSIGN_OR_RETURN(const auto snapshot, table.Read());
    return pprof::WriteHeapProfile(snapshot, clock_.Unix(), sink);
  });
  table.LetGoOfPages();
  return step;
}

EventStep EventSteps::Skipped(std::string_view name, std::string_view reason) {
  return {.step = std::string(name),
          .started = clock_.Unix(),
          .outcome = StepOutcome::kSkipped,
          .reason = ReceiptText(reason)};
}

std::vector<EventStep> EventSteps::LastLines(
    const StepOrder& order, const std::vector<std::string>& patterns,
    LogTails* tails) {
  const MonotonicTime begun = clock_.Monotonic();
  // Shared with work that may go on when it is no longer waited for.
  struct Found {
    std::vector<std::string> paths;
    std::size_t left_out = 0;
    std::shared_ptr<LogTail> tail;
  };
  auto found = std::make_shared<Found>();
  const auto listed = files_.Run(
      [found, patterns]() -> Result<StepText> {
        found->paths = FindLogFiles(patterns, kMaxLogFiles, &found->left_out);
        return StepText();
      },
      order.deadline, stop_);
  std::vector<EventStep> steps;
  if (!listed.ok() || found->paths.empty()) {
    EventStep step = Begin(order);
    step.outcome = StepOutcome::kFailed;
    step.reason = listed.ok() ? "no file matches"
                              : ReceiptText(listed.status().message());
    steps.push_back(std::move(step));
    return steps;
  }
  const std::vector<std::string> paths = found->paths;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    StepOrder one = order;
    one.name = StrCat(order.name, "-", i);
    one.file = ArtifactNameOf(StrCat(order.file, ".", i), paths[i]);
    one.source = paths[i];
    one.deadline = begun + order.deadline - clock_.Monotonic();
    auto opened = std::make_shared<Found>();
    steps.push_back(Text(
        one, files_,
        [opened, path = paths[i], max = order.max_bytes]() -> Result<StepText> {
          FODC_ASSIGN_OR_RETURN(LogTail tail, LogTail::Open(path));
          auto shared = std::make_shared<LogTail>(std::move(tail));
          auto text = TextOf(shared->Last(max));
          opened->tail = std::move(shared);
          return text;
        }));
    if (steps.back().outcome != StepOutcome::kFailed && opened->tail)
      tails->push_back(opened->tail);
  }
  if (found->left_out != 0) {
    steps.push_back(
        Skipped(StrCat(order.name, "-others"),
                StrCat(found->left_out, " more files match; of all the ",
                       kMaxLogFiles, " that were written last are taken")));
  }
  return steps;
}

std::vector<EventStep> EventSteps::LinesSince(const StepOrder& order,
                                              LogTails* tails) {
  const MonotonicTime begun = clock_.Monotonic();
  std::vector<EventStep> steps;
  LogTails kept;
  for (std::size_t i = 0; i < tails->size(); ++i) {
    const std::shared_ptr<LogTail>& tail = (*tails)[i];
    StepOrder one = order;
    one.name = StrCat(order.name, "-", i);
    one.file = ArtifactNameOf(StrCat(order.file, ".", i), tail->path());
    one.source = tail->path();
    one.deadline = begun + order.deadline - clock_.Monotonic();
    steps.push_back(Text(one, files_, [tail, max = order.max_bytes] {
      return TextOf(tail->More(max));
    }));
    if (steps.back().outcome != StepOutcome::kFailed) kept.push_back(tail);
  }
  *tails = std::move(kept);
  return steps;
}

}  // namespace fodc::capture
