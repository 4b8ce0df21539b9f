// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/target_watch.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/detect/quantity_text.h"

namespace fodc::detect {
namespace {

// Appends, and lets the oldest go beyond `most`.
void Keep(const Window& window, double most, std::vector<Window>* windows) {
  if (static_cast<double>(windows->size()) >= most)
    windows->erase(windows->begin());
  windows->push_back(window);
}

// Whether another finding may take the place of the one that an open incident
// has. What was lost is read back while a target recovers, and that looks like
// rows further down (cold data, a scan, a saturated disk), so these are no news
// of a cause that was found already; nor is it that nothing tells why any more.
// Background work is none of the recovery.
bool MayReplace(const Finding& held, const Finding& found) {
  if (held.verdict == Verdict::kContention) return found.cause != kUnknownCause;
  return found.row < held.row || found.is_background_work;
}

std::int64_t Milliseconds(double seconds) {
  return std::llround(seconds * 1e3);
}

}  // namespace

std::string_view PhaseName(Phase phase) {
  static constexpr std::array<std::string_view, kPhases> kNames = {
      "no_readings", "learning", "few_reads", "calm", "degraded", "incident"};
  return kNames[static_cast<std::size_t>(phase)];
}

TargetWatch::TargetWatch(std::string name, const Options& options,
                         const SignalMap& signals)
    : name_(std::move(name)),
      options_(options),
      reader_(options, signals),
      baseline_(options),
      gate_(options) {}

void TargetWatch::OnOwnFrame(OwnSource source,
                             const recorder::SourceFrame& frame,
                             Incidents* out) {
  if (container_name_.empty()) container_name_ = frame.container_name;
  const FactReader::Outcome outcome = reader_.OnOwnFrame(source, frame);
  const std::int64_t now = frame.time.monotonic_ms;
  if (source == OwnSource::kKernel) deaths_.OnFrame(frame);
  if (outcome.restarted || (open_ && outcome.ended)) {
    if (!ending_) ending_ = {.at_ms = now};
    ending_->restarted |= outcome.restarted;
  }
  const bool is_told = source == OwnSource::kKernel || !deaths_.is_told();
  if (ending_ && (is_told || !open_)) EndOfProcess(now, out);
  if (outcome.window) OnWindow(*outcome.window, frame.name, out);
}

void TargetWatch::OnPageFrame(const recorder::SourceFrame& frame) {
  reader_.OnPageFrame(frame);
}

void TargetWatch::OnTime(const recorder::FrameTime& time, Incidents* out) {
  now_ms_ = time.monotonic_ms;
  if (!IsSilent()) return;
  if (ending_) EndOfProcess(now_ms_, out);
  if (open_) End(now_ms_, "there are no readings of file reads any more", out);
  // What comes after is not consecutive.
  gate_.Close();
  degraded_.clear();
  calm_.clear();
  finding_ = {};
}

bool TargetWatch::IsSilent() const {
  return static_cast<double>(now_ms_ - reader_.newest_latency_ms()) >
         reader_.StaleMs();
}

void TargetWatch::OnWindow(const Window& window, recorder::FrameName frame,
                           Incidents* out) {
  ++windows_;
  newest_ = window;
  if (!baseline_.is_ready()) {
    judgement_ = window.reads >= options_.min_reads ? Judgement::kNormal
                                                    : Judgement::kFewReads;
    if (judgement_ == Judgement::kNormal) baseline_.Learn(window);
    return;
  }
  judgement_ = Judge(window, baseline_.typical(), options_);
  if (judgement_ == Judgement::kDegraded) {
    Keep(window, options_.start_windows, &degraded_);
  } else if (!gate_.is_open()) {
    degraded_.clear();
  }
  const Gate::Change change = gate_.OnWindow(judgement_);
  if (open_) {
    if (change == Gate::Change::kClosed) {
      End(window.to_ms,
          judgement_ == Judgement::kNormal
              ? "file reads are as fast as usual again"
              : "there are too few file reads to go by",
          out);
    } else {
      OnOpenWindow(window, judgement_, out);
    }
    return;
  }
  if (change == Gate::Change::kOpened) {
    Start(window, frame, out);
    return;
  }
  if (judgement_ != Judgement::kNormal) {
    calm_.clear();
    finding_ = {};
    return;
  }
  baseline_.Learn(window);
  Keep(window, options_.start_windows, &calm_);
  finding_ = ExplainCalm(Mean(calm_), options_);
}

// In the wall clock as it was at the start: it may be set meanwhile.
std::int64_t TargetWatch::UnixAt(std::int64_t now_ms) const {
  return open_->started_ms + std::max<std::int64_t>(now_ms - started_ms_, 0);
}

void TargetWatch::Start(const Window& window, recorder::FrameName frame,
                        Incidents* out) {
  open_.emplace();
  open_->id = StrCat("read-latency-", frame.incarnation, "-", frame.sequence);
  open_->detector = evidence::kReadLatency;
  open_->target = name_;
  started_ms_ = degraded_.front().from_ms;
  open_->started_ms = std::max<std::int64_t>(
      window.to_unix_ms - (window.to_ms - started_ms_), 1);
  open_->revision = 0;
  calm_.clear();
  worst_p95_ = worst_p99_ = 0;
  counted_ = {};
  other_.reset();
  for (const Window& w : degraded_) {
    worst_p95_ = std::fmax(worst_p95_, w.p95);
    worst_p99_ = std::fmax(worst_p99_, w.p99);
  }
  slow_until_ms_ = window.to_ms;
  Adopt(ExplainDegraded(degraded_, baseline_.typical(), options_));
  Tell(window.to_ms, out);
}

void TargetWatch::OnOpenWindow(const Window& window, Judgement judgement,
                               Incidents* out) {
  bool tell = window.to_ms - told_ms_ >= Milliseconds(options_.update_seconds);
  if (judgement == Judgement::kDegraded) {
    slow_until_ms_ = window.to_ms;
    worst_p95_ = std::fmax(worst_p95_, window.p95);
    worst_p99_ = std::fmax(worst_p99_, window.p99);
    Finding found = ExplainDegraded(degraded_, baseline_.typical(), options_);
    const auto same = [&found](const Finding& f) {
      return f.verdict == found.verdict && f.cause == found.cause;
    };
    // Another verdict holds when the next window finds it, too.
    const bool changes = !same(finding_) && other_ && same(*other_) &&
                         MayReplace(finding_, found);
    if (same(finding_) || changes) {
      other_.reset();
      Adopt(found);
    } else {
      other_ = std::move(found);
      RefreshLatencies();
    }
    tell |= changes;
  }
  if (slow_until_ms_ - started_ms_ >= Milliseconds(options_.relearn_seconds)) {
    StartAnew(window.to_ms,
              StrCat("they have been slow for ",
                     SecondsText(options_.relearn_seconds),
                     ", which is taken for usual from now on"),
              out);
    return;
  }
  if (tell) Tell(window.to_ms, out);
}

void TargetWatch::Adopt(const Finding& finding) {
  finding_ = finding;
  open_->verdict = VerdictName(finding.verdict);
  open_->cause = finding.cause;
  open_->summary = finding.summary;
  open_->advice = finding.advice;
  open_->missing_signals = finding.missing;
  if (open_->missing_signals.size() > evidence::kMaxMissingSignals)
    open_->missing_signals.resize(evidence::kMaxMissingSignals);
  open_->numbers = Numbers(Mean(degraded_), baseline_.typical());
  const auto verdict = static_cast<std::size_t>(finding.verdict);
  if (!std::exchange(counted_[verdict], true)) ++incidents_total_[verdict];
}

// While it is not yet another finding, or must not be: the other numbers are
// those of the finding that stands.
void TargetWatch::RefreshLatencies() {
  for (const evidence::IncidentNumber& now :
       Numbers(Mean(degraded_), baseline_.typical())) {
    if (!now.name.starts_with("read_p") && now.name != "window_reads") continue;
    for (evidence::IncidentNumber& n : open_->numbers)
      if (n.name == now.name) n.value = now.value;
  }
}

void TargetWatch::Tell(std::int64_t now_ms, Incidents* out) {
  told_ms_ = now_ms;
  open_->updated_ms = UnixAt(now_ms);
  ++open_->revision;
  evidence::Incident& told = out->emplace_back(*open_);
  told.numbers.push_back({"worst_read_p95_seconds", worst_p95_});
  told.numbers.push_back({"worst_read_p99_seconds", worst_p99_});
}

void TargetWatch::End(std::int64_t now_ms, std::string_view why,
                      Incidents* out) {
  open_->ended_ms = UnixAt(slow_until_ms_);
  open_->summary += StrCat(" Ended: ", why, ".");
  Tell(now_ms, out);
  open_.reset();
  gate_.Close();
  degraded_.clear();
  calm_.clear();
  finding_ = {};
}

void TargetWatch::EndOfProcess(std::int64_t now_ms, Incidents* out) {
  const Ending ending = *std::exchange(ending_, std::nullopt);
  std::string why = ending.restarted ? "the target was started anew"
                                     : "the target's process has ended";
  if (open_) {
    // What is not longer ago belongs to it.
    const auto recent = static_cast<std::int64_t>(reader_.StaleMs());
    Deaths::Account deaths = deaths_.Since(ending.at_ms - recent);
    why += deaths.clauses;
    std::move(deaths.numbers.begin(), deaths.numbers.end(),
              std::back_inserter(open_->numbers));
  }
  if (ending.restarted) {
    StartAnew(now_ms, why, out);
  } else if (open_) {
    End(now_ms, why, out);
  }
}

void TargetWatch::StartAnew(std::int64_t now_ms, std::string_view why,
                            Incidents* out) {
  if (open_) End(now_ms, why, out);
  gate_.Close();
  degraded_.clear();
  calm_.clear();
  finding_ = {};
  baseline_.Clear();
}

TargetState TargetWatch::State() const {
  TargetState s;
  s.target = name_;
  s.container_name = container_name_;
  s.verdict = finding_.verdict;
  s.cause = finding_.cause;
  s.summary = finding_.summary;
  s.windows = windows_;
  s.learned_windows = baseline_.windows();
  s.newest = newest_;
  s.typical = baseline_.typical();
  if (open_) s.open_id = open_->id;
  s.incidents_total = incidents_total_;
  s.signals = reader_.signals();
  if (open_) {
    s.phase = Phase::kIncident;
  } else if (!reader_.has_latency() || IsSilent()) {
    s.phase = Phase::kNoReadings;
    s.reason = StrCat("there is no ", kReadLatencyFamily,
                      "{kind=\"file\"}: kernel telemetry is off, or has no "
                      "target");
  } else if (!baseline_.is_ready()) {
    s.phase = Phase::kLearning;
    s.reason = StrCat("learned ", baseline_.windows(), " of ",
                      CountText(options_.min_history_windows), " windows with ",
                      CountText(options_.min_reads), " reads or more");
  } else if (judgement_ == Judgement::kFewReads) {
    s.phase = Phase::kFewReads;
    s.reason = StrCat("the newest window has ", CountText(newest_.reads),
                      " reads of files, ", CountText(options_.min_reads),
                      " are needed");
  } else {
    s.phase =
        judgement_ == Judgement::kDegraded ? Phase::kDegraded : Phase::kCalm;
  }
  return s;
}

}  // namespace fodc::detect
