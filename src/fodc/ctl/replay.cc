// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/replay.h"

#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/recording_reader.h"
#include "fodc/detect/detector.h"
#include "fodc/detect/options.h"
#include "fodc/detect/quantity_text.h"
#include "fodc/detect/signals.h"
#include "fodc/exposition/number.h"

namespace fodc::ctl {
namespace {

using detect::TargetState;
using detect::Verdict;
using evidence::Incident;
using evidence::IncidentNumber;

constexpr std::string_view kBaselinePrefix = "baseline_";

std::string TimeText(std::int64_t unix_ms) {
  return FormatRfc3339(FromUnixMillis(unix_ms), 3);
}

std::string_view EventName(const Incident& i) {
  if (!i.is_open()) return "end";
  return i.revision == 1 ? "start" : "update";
}

std::string KindText(const Incident& i) {
  return i.cause.empty() ? i.verdict : StrCat(i.verdict, " ", i.cause);
}

// What the replay shows as it goes.
class Report {
 public:
  virtual ~Report() = default;
  virtual void Revision(const Incident& incident) = 0;
  // W1, W2, or none after one of them; reads are as fast as usual.
  virtual void Calm(std::int64_t unix_ms, const TargetState& state) = 0;
  // They are not, or nobody knows: W1 or W2 is not so any more.
  virtual void Over(std::int64_t unix_ms, std::string_view target,
                    Verdict verdict) = 0;
  // At the end of an agent's life: all that is left is how it stood.
  virtual void End(std::int64_t unix_ms,
                   const std::vector<TargetState>& states) = 0;
  std::string out;
};

class TextReport final : public Report {
 public:
  void Revision(const Incident& i) override {
    out += StrCat(TimeText(i.updated_ms), " ", i.target, ": ", EventName(i),
                  " ", KindText(i), " ", i.id, "\n  ", i.summary, "\n");
    if (!i.advice.empty()) out += StrCat("  advice: ", i.advice, "\n");
    if (i.revision == 1)
      out += StrCat("  began ", TimeText(i.started_ms), "\n");
    if (!i.is_open()) out += StrCat("  ended ", TimeText(i.ended_ms), "\n");
    if (!i.missing_signals.empty()) {
      out += "  missing:";
      for (const std::string& s : i.missing_signals) out += StrCat(" ", s);
      out += "\n";
    }
    std::map<std::string_view, double> usual;
    for (const IncidentNumber& n : i.numbers) {
      std::string_view name = n.name;
      if (ConsumePrefix(&name, kBaselinePrefix)) usual[name] = n.value;
    }
    for (const IncidentNumber& n : i.numbers) {
      if (n.name.starts_with(kBaselinePrefix)) continue;
      const auto it = usual.find(n.name);
      const bool has_usual = it != usual.end();
      if (n.value == 0 && (!has_usual || it->second == 0)) continue;
      out += StrCat("    ", n.name, " ", NumberText(n.value));
      if (has_usual) out += StrCat(" (usually ", NumberText(it->second), ")");
      out += "\n";
    }
  }
  void Calm(std::int64_t unix_ms, const TargetState& s) override {
    out += StrCat(TimeText(unix_ms), " ", s.target, ": ");
    if (s.verdict == Verdict::kNone) {
      out += "calm again\n";
    } else {
      out += StrCat(detect::VerdictName(s.verdict), "\n  ", s.summary, "\n");
    }
  }
  void Over(std::int64_t unix_ms, std::string_view target,
            Verdict verdict) override {
    out += StrCat(TimeText(unix_ms), " ", target, ": ",
                  detect::VerdictName(verdict), " is over\n");
  }
  void End(std::int64_t unix_ms,
           const std::vector<TargetState>& states) override {
    for (const TargetState& s : states) {
      out += StrCat(TimeText(unix_ms), " ", s.target,
                    ": the recording of this life of the agent ends: ",
                    detect::PhaseName(s.phase), ", ", s.windows,
                    " windows, the baseline is of ", s.learned_windows, "\n");
      if (!s.reason.empty()) out += StrCat("  ", s.reason, "\n");
      if (!s.open_id.empty())
        out += StrCat("  ", s.open_id, " is still open\n");
    }
  }

 private:
  static std::string NumberText(double value) {
    std::string text;
    exposition::AppendNumber(&text, detect::RoundToDigits(value, 4));
    return text;
  }
};

class JsonReport final : public Report {
 public:
  void Revision(const Incident& i) override {
    Begin(EventName(i), i.updated_ms, i.target);
    Text("id", i.id);
    Text("detector", i.detector);
    Text("verdict", i.verdict);
    Text("cause", i.cause);
    Text("state", i.is_open() ? "open" : "ended");
    Text("started_at", TimeText(i.started_ms));
    Text("updated_at", TimeText(i.updated_ms));
    if (i.is_open()) {
      out += ",\"ended_at\":null";
    } else {
      Text("ended_at", TimeText(i.ended_ms));
    }
    out += StrCat(",\"revision\":", i.revision);
    Text("summary", i.summary);
    Text("advice", i.advice);
    Numbers(i.numbers);
    out += ",\"missing_signals\":[";
    bool first = true;
    for (const std::string& s : i.missing_signals) {
      if (!std::exchange(first, false)) out += ',';
      AppendJsonString(&out, s);
    }
    out += "]}\n";
  }
  void Calm(std::int64_t unix_ms, const TargetState& s) override {
    Begin("calm", unix_ms, s.target);
    Text("verdict", detect::VerdictName(s.verdict));
    Text("summary", s.summary);
    NumbersNow(s);
    out += "}\n";
  }
  void Over(std::int64_t unix_ms, std::string_view target,
            Verdict verdict) override {
    Begin("over", unix_ms, target);
    Text("verdict", detect::VerdictName(verdict));
    out += "}\n";
  }
  void End(std::int64_t unix_ms,
           const std::vector<TargetState>& states) override {
    for (const TargetState& s : states) {
      Begin("end_of_life", unix_ms, s.target);
      Text("state", detect::PhaseName(s.phase));
      Text("reason", s.reason);
      out += StrCat(",\"windows\":", s.windows,
                    ",\"learned_windows\":", s.learned_windows);
      Text("open", s.open_id);
      NumbersNow(s);
      out += "}\n";
    }
  }

 private:
  void Begin(std::string_view event, std::int64_t unix_ms,
             std::string_view target) {
    out += StrCat("{\"time\":\"", TimeText(unix_ms), "\",\"event\":\"", event,
                  "\"");
    Text("target", target);
  }
  void Text(std::string_view key, std::string_view value) {
    out += StrCat(",\"", key, "\":");
    AppendJsonString(&out, value);
  }
  // Of the newest window; none before the first.
  void NumbersNow(const TargetState& s) {
    Numbers(s.windows > 0 ? detect::Numbers(s.newest, s.typical)
                          : std::vector<IncidentNumber>());
  }
  void Numbers(const std::vector<IncidentNumber>& numbers) {
    out += ",\"numbers\":[";
    bool first = true;
    for (const IncidentNumber& n : numbers) {
      out += std::exchange(first, false) ? "{\"name\":" : ",{\"name\":";
      AppendJsonString(&out, n.name);
      out += ",\"value\":";
      exposition::AppendNumber(&out, n.value);
      out += '}';
    }
    out += ']';
  }
};

class Replay {
 public:
  Replay(const detect::Options& options, detect::SignalMap signals,
         Report* report)
      : detector_(options, std::move(signals)), report_(*report) {}

  void OnFrame(const recorder::SourceFrame& frame) {
    if (frame.name.incarnation != incarnation_) EndLife();
    incarnation_ = frame.name.incarnation;
    newest_unix_ms_ = frame.time.unix_ms;
    for (const Incident& i : detector_.OnFrame(frame)) report_.Revision(i);
    if (!detect::IsOwnSource(frame.source_name)) return;
    states_ = detector_.States();
    for (const TargetState& s : states_) {
      const bool is_calm = s.phase == detect::Phase::kCalm;
      const Verdict now = is_calm ? s.verdict : Verdict::kNone;
      Verdict& told = told_[s.target];
      if (told == now) continue;
      if (is_calm) {
        report_.Calm(newest_unix_ms_, s);
      } else {
        report_.Over(newest_unix_ms_, s.target, told);
      }
      told = now;
    }
  }
  void EndLife() {
    if (!states_.empty()) report_.End(newest_unix_ms_, states_);
    if (!states_.empty()) last_states_ = std::move(states_);
    states_.clear();
    told_.clear();
  }

  // Of the last life that had targets, after EndLife.
  const std::vector<TargetState>& last_states() const { return last_states_; }
  const detect::SignalMap& signals() const { return detector_.signals(); }

 private:
  detect::Detector detector_;
  Report& report_;
  recorder::Incarnation incarnation_ = 0;
  std::int64_t newest_unix_ms_ = 0;
  std::vector<TargetState> states_;
  std::vector<TargetState> last_states_;
  std::map<std::string, Verdict> told_;
};

Status TellWhatIsMissing(const Replay& replay, Output* errors) {
  if (replay.last_states().empty()) {
    return errors->Append(
        "fodcctl: the recording has no readings of a target (sources "
        "'kernel NAME' and 'target NAME')\n");
  }
  for (const TargetState& s : replay.last_states()) {
    for (std::size_t i = 0; i < detect::kSignals; ++i) {
      if (!replay.signals().is_given(i) || s.signals.series[i] > 0) continue;
      FODC_RETURN_IF_ERROR(errors->Append(StrCat(
          "fodcctl: signal ", detect::AllSignals()[i].name,
          " matches no series of the newest pages of ", s.target, "\n")));
    }
  }
  return OkStatus();
}

}  // namespace

Status RunReplay(const ReplayCommand& command, Output* out, Output* errors,
                 bool* is_damaged) {
  detect::Options options;
  FODC_RETURN_IF_ERROR(detect::ParseBounds(command.bounds, &options));
  FODC_RETURN_IF_ERROR(options.Check());
  FODC_ASSIGN_OR_RETURN(detect::SignalMap signals,
                        detect::SignalMap::Parse(command.signals));
  FODC_ASSIGN_OR_RETURN(const OpenedRecording opened,
                        OpenRecording(command.path));
  *is_damaged |= opened.damaged_regions > 0;
  for (const std::string& d : opened.damage) {
    FODC_RETURN_IF_ERROR(
        errors->Append(StrCat("fodcctl: damaged, left out: ", d, "\n")));
  }
  TextReport text;
  JsonReport json;
  Report& report =
      command.json ? static_cast<Report&>(json) : static_cast<Report&>(text);
  Replay replay(options, std::move(signals), &report);
  int damaged = 0;
  Status written;
  const auto write = [&] {
    written = out->Append(report.out);
    report.out.clear();
    return written.ok();
  };
  opened.recording.Take().ReadFrames(
      {},
      [&](const recorder::SourceFrame& frame) {
        replay.OnFrame(frame);
        return write();
      },
      &damaged);
  FODC_RETURN_IF_ERROR(written);
  replay.EndLife();
  if (!write()) return written;
  if (damaged > 0) {
    *is_damaged = true;
    FODC_RETURN_IF_ERROR(errors->Append(
        StrCat("fodcctl: ", damaged, " damaged chunks were left out\n")));
  }
  return TellWhatIsMissing(replay, errors);
}

}  // namespace fodc::ctl
