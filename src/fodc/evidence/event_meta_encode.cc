// SPDX-License-Identifier: Apache-2.0
// meta.json, written: the keys in their order, indented as Go's MarshalIndent
// does with two spaces.
#include <charconv>
#include <cmath>
#include <concepts>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_meta.h"

namespace fodc::evidence {
namespace {

// RFC 3339 with nine digits less the zeros at their end, as Go's time.Time.
std::string GoTime(UnixTime t) {
  std::string text = FormatRfc3339(t, 9);
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + 'Z';
}

class Writer {
 public:
  void Key(std::string_view key) {
    Element();
    AppendJsonString(&out_, key);
    out_ += ": ";
  }
  // Before each element of an array; keys do it for members.
  void Element() {
    if (has_elements_) out_ += ',';
    NewLine();
    has_elements_ = true;
  }
  void Begin(char bracket) {
    out_ += bracket;
    ++depth_;
    has_elements_ = false;
  }
  void End(char bracket) {
    --depth_;
    if (has_elements_) NewLine();
    out_ += bracket;
    has_elements_ = true;
  }

  void Text(std::string_view key, std::string_view text) {
    Key(key);
    AppendJsonString(&out_, text);
  }
  void TextIfAny(std::string_view key, std::string_view text) {
    if (!text.empty()) Text(key, text);
  }
  template <std::integral T>
  void Number(std::string_view key, T number) {
    Key(key);
    out_ += StrCat(number);
  }
  void Real(std::string_view key, double number) {
    Key(key);
    char text[32];
    const auto end = std::to_chars(text, text + sizeof(text),
                                   std::isfinite(number) ? number : 0);
    out_.append(text, end.ptr);
  }

  void True(std::string_view key) {
    Key(key);
    out_ += "true";
  }

  std::string Take() { return std::move(out_); }

 private:
  void NewLine() {
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  std::string out_;
  std::size_t depth_ = 0;
  bool has_elements_ = false;  // of the innermost
};

void WriteProfiles(const std::vector<EventProfile>& profiles, Writer* w) {
  w->Key("profiles");
  w->Begin('[');
  for (const EventProfile& p : profiles) {
    w->Element();
    w->Begin('{');
    w->Text("type", p.type);
    w->Text("filename", p.filename);
    w->Text("filepath", p.filepath);
    w->Text("format", p.format);
    w->Number("size_bytes", p.size_bytes);
    w->End('}');
  }
  w->End(']');
}

void WriteTrigger(const EventTrigger& trigger, Writer* w) {
  if (trigger == EventTrigger{}) return;
  w->Key("trigger");
  w->Begin('{');
  w->Text("kind", trigger.kind);
  w->TextIfAny("summary", trigger.summary);
  if (!trigger.inputs.empty()) {
    w->Key("inputs");
    w->Begin('[');
    for (const IncidentNumber& n : trigger.inputs) {
      w->Element();
      w->Begin('{');
      w->Text("name", n.name);
      w->Real("value", n.value);
      w->End('}');
    }
    w->End(']');
  }
  w->End('}');
}

void WriteSteps(const std::vector<EventStep>& steps, Writer* w) {
  if (steps.empty()) return;
  w->Key("steps");
  w->Begin('[');
  for (const EventStep& s : steps) {
    w->Element();
    w->Begin('{');
    w->Text("step", s.step);
    w->TextIfAny("file", s.file);
    w->TextIfAny("source", s.source);
    w->Text("startedAt", GoTime(s.started));
    w->Number("durationNs", s.duration.count());
    w->Number("bytes", s.bytes);
    w->TextIfAny("sha256", s.sha256);
    w->Text("outcome", StepOutcomeName(s.outcome));
    w->TextIfAny("reason", s.reason);
    w->End('}');
  }
  w->End(']');
}

void WriteDeath(const EventDeath& death, Writer* w) {
  w->Key("death");
  w->Begin('{');
  w->Text("at", GoTime(death.at));
  if (death.exit_code) w->Number("exitCode", *death.exit_code);
  if (death.signal) w->Number("signal", *death.signal);
  if (death.oom_killed) w->True("oomKilled");
  w->Number("count", death.count);
  w->TextIfAny("summary", death.summary);
  w->End('}');
}

}  // namespace

std::string EncodeEventMeta(const EventMeta& meta) {
  Writer w;
  w.Begin('{');
  w.Text("capturedAt", GoTime(meta.captured_at));
  w.Text("podName", meta.pod_name);
  w.Text("role", meta.role);
  w.Text("sourceEndpoint", meta.source_endpoint);
  WriteProfiles(meta.profiles, &w);
  w.Number("rssBytes", meta.rss_bytes);
  w.Number("cgroupLimitBytes", meta.cgroup_limit_bytes);
  w.Number("thresholdBytes", meta.threshold_bytes);
  w.Number("triggerPercent", meta.trigger_percent);
  if (meta.revision != 0) w.Number("revision", meta.revision);
  w.TextIfAny("incidentId", meta.incident_id);
  w.TextIfAny("target", meta.target);
  w.TextIfAny("rampUp", meta.ramp_up);
  WriteTrigger(meta.trigger, &w);
  WriteSteps(meta.steps, &w);
  if (meta.death) WriteDeath(*meta.death, &w);
  if (meta.lacks_profiles) w.True("lacksProfiles");
  w.End('}');
  return w.Take();
}

}  // namespace fodc::evidence
