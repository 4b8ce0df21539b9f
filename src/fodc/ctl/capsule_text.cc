// SPDX-License-Identifier: Apache-2.0
// The story of a capsule as text and as JSON.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/ctl/capsule_story.h"
#include "fodc/ctl/table.h"
#include "fodc/ctl/top_text.h"
#include "fodc/exposition/number.h"

namespace fodc::ctl {
namespace {

using evidence::CapsuleContent;
using evidence::EventMeta;
using evidence::EventStep;

// What a terminal would obey is shown, line by line.
void AppendLine(std::string* out, std::string_view line) {
  out->append(WithoutControls(line));
  out->push_back('\n');
}

void AppendFact(std::string* out, std::string_view name,
                std::string_view value) {
  if (value.empty()) return;
  std::string padded(name);
  padded.resize(std::max<std::size_t>(padded.size(), 10), ' ');
  AppendLine(out, StrCat("  ", padded, "  ", value));
}

void AppendHead(std::string* out, std::string_view head) {
  *out += "\n";
  AppendLine(out, head);
}

std::string BytesText(std::uint64_t bytes) {
  return HumanBytes(static_cast<double>(bytes));
}

std::string DeathText(const evidence::EventDeath& death) {
  std::string text = FormatRfc3339(death.at, 3);
  if (death.signal) {
    text += StrCat(", signal ", *death.signal);
  } else if (death.exit_code) {
    text += StrCat(", exit code ", *death.exit_code);
  }
  if (death.oom_killed) text += ", killed by the kernel for memory";
  if (death.count > 1) text += StrCat(", ", death.count, " deaths by then");
  if (!death.summary.empty()) text += StrCat(": ", death.summary);
  return text;
}

std::string MemoryText(const EventMeta& meta) {
  std::vector<std::string> pieces;
  const auto add = [&](std::string_view name, std::uint64_t bytes) {
    if (bytes > 0) pieces.push_back(StrCat(name, " ", BytesText(bytes)));
  };
  add("measured", meta.rss_bytes);
  add("limit", meta.cgroup_limit_bytes);
  add("line", meta.threshold_bytes);
  std::string text;
  for (const std::string& piece : pieces)
    text += StrCat(text.empty() ? "" : ", ", piece);
  if (meta.threshold_bytes > 0 && meta.trigger_percent > 0)
    text += StrCat(" (", meta.trigger_percent, " %)");
  return text;
}

void AppendTrigger(std::string* out, const evidence::EventTrigger& trigger) {
  AppendFact(out, "trigger",
             trigger.summary.empty() || trigger.kind.empty()
                 ? StrCat(trigger.kind, trigger.summary)
                 : StrCat(trigger.kind, ": ", trigger.summary));
  for (const evidence::IncidentNumber& n : trigger.inputs) {
    std::string line = StrCat("              ", n.name, " ");
    exposition::AppendNumber(&line, n.value);
    if (n.name.ends_with("_bytes"))
      line += StrCat(" (", HumanBytes(n.value), ")");
    AppendLine(out, line);
  }
}

std::string TookText(const EventStep& step) {
  return Fixed(std::chrono::duration<double, std::milli>(step.duration).count(),
               1) +
         "ms";
}

const EventStep* StepOf(const EventMeta& meta, std::string_view file) {
  const auto it =
      std::find_if(meta.steps.begin(), meta.steps.end(),
                   [file](const EventStep& s) { return s.file == file; });
  return it == meta.steps.end() ? nullptr : &*it;
}

// The files of the capsule, then what it has none of.
void AppendFiles(std::string* out, const CapsuleContent& content) {
  std::vector<TableLine> lines = {
      {"FILE", "SIZE", "STEP", "OUTCOME", "TOOK", "REASON"}};
  for (const evidence::CapsuleFile& file : content.files) {
    const EventStep* step = StepOf(content.meta, file.name);
    std::string reason = step == nullptr ? "" : step->reason;
    if (!file.is_as_captured) {
      reason += StrCat(reason.empty() ? "" : "; ",
                       "was changed between capture and capsule");
    }
    lines.push_back(
        {file.name, BytesText(file.bytes), step == nullptr ? "-" : step->step,
         step == nullptr
             ? "-"
             : std::string(evidence::StepOutcomeName(step->outcome)),
         step == nullptr ? "-" : TookText(*step), reason});
  }
  for (const EventStep& step : content.meta.steps) {
    if (!step.file.empty()) continue;
    lines.push_back({"-", "-", step.step,
                     std::string(evidence::StepOutcomeName(step.outcome)),
                     TookText(step), step.reason});
  }
  for (const std::string& line : RenderTable(
           std::move(lines), {false, true, false, false, true, false})) {
    *out += StrCat(line.substr(0, line.find_last_not_of(' ') + 1), "\n");
  }
  for (const std::string& name : content.missing) {
    AppendLine(out,
               StrCat("missing: ", name, ", which meta.json lists, was gone"));
  }
}

void AppendTimeline(std::string* out, const CapsuleStory& story) {
  std::string files;
  for (const std::string& f : story.recordings)
    files += StrCat(files.empty() ? "" : ", ", f);
  AppendHead(out, files.empty() ? "timeline: there is no recording"
                                : StrCat("timeline, of ", files));
  for (const std::string& d : story.damage) AppendLine(out, "left out: " + d);
  if (!story.timeline.rows.empty()) {
    *out += TimelineText(story.timeline);
  } else if (!files.empty()) {
    *out += "(nothing of the target's memory or reads within an hour)\n";
  }
}

void AppendReport(std::string* out, const std::optional<pprof::TopReport>& top,
                  const std::string& problem, bool is_diff) {
  if (top) {
    *out += TopText(*top, is_diff);
  } else {
    AppendLine(out, "not readable: " + problem);
  }
}

void AppendText(std::string* out, std::string_view key, std::string_view text) {
  *out += StrCat("\"", key, "\":");
  AppendJsonString(out, text);
}

void AppendTexts(std::string* out, std::string_view key,
                 const std::vector<std::string>& texts) {
  *out += StrCat("\"", key, "\":[");
  for (const std::string& text : texts) {
    if (&text != texts.data()) *out += ",";
    AppendJsonString(out, text);
  }
  *out += "]";
}

void AppendReportJson(std::string* out, std::string_view key,
                      const std::optional<pprof::TopReport>& report,
                      const std::string& problem) {
  *out +=
      StrCat(",\"", key,
             "\":", report ? Trim(TopJson(*report)) : std::string("null"), ",");
  AppendText(out, "problem", problem);
}

std::string FilesJson(const CapsuleContent& content) {
  std::string out = "[";
  for (const evidence::CapsuleFile& file : content.files) {
    out += &file == content.files.data() ? "{" : ",{";
    AppendText(&out, "name", file.name);
    out += StrCat(",\"bytes\":", file.bytes, ",\"sha256\":\"", file.sha256,
                  "\",\"as_captured\":", file.is_as_captured ? "true" : "false",
                  "}");
  }
  return out + "]";
}

std::string LogsJson(const std::vector<CapsuleStory::Log>& logs) {
  std::string out = "[";
  for (const CapsuleStory::Log& log : logs) {
    out += &log == logs.data() ? "{" : ",{";
    AppendText(&out, "file", log.file);
    out += StrCat(",\"is_cut\":", log.is_cut ? "true" : "false", ",");
    AppendTexts(&out, "lines", log.lines);
    out += "}";
  }
  return out + "]";
}

}  // namespace

std::string CapsuleText(const CapsuleStory& story) {
  const CapsuleContent& content = story.content;
  const EventMeta& meta = content.meta;
  std::uint64_t bytes = 0;
  for (const evidence::CapsuleFile& file : content.files) bytes += file.bytes;
  std::string out;
  AppendLine(&out, StrCat("event ", content.id, ", revision ", meta.revision,
                          ": ", content.files.size(), " files, ",
                          BytesText(bytes), "; all are as the manifest says"));
  AppendFact(&out, "captured", FormatRfc3339(meta.captured_at, 3));
  AppendFact(&out, "pod",
             meta.role.empty() ? meta.pod_name
                               : StrCat(meta.pod_name, " (", meta.role, ")"));
  AppendFact(&out, "target", meta.target);
  AppendFact(&out, "incident", meta.incident_id);
  AppendFact(&out, "ramp-up", meta.ramp_up);
  AppendTrigger(&out, meta.trigger);
  AppendFact(&out, "memory", MemoryText(meta));
  AppendFact(&out, "death",
             meta.death ? DeathText(*meta.death)
                        : "none is known of, up to this revision");
  AppendHead(&out, "files");
  AppendFiles(&out, content);
  AppendTimeline(&out, story);
  for (const CapsuleStory::Profile& p : story.profiles) {
    AppendHead(&out, p.file);
    AppendReport(&out, p.top, p.problem, /*is_diff=*/false);
  }
  if (story.growth) {
    AppendHead(&out,
               StrCat("from ", story.growth->base, " to ", story.growth->file));
    AppendReport(&out, story.growth->diff, story.growth->problem,
                 /*is_diff=*/true);
  }
  for (const CapsuleStory::Log& log : story.logs) {
    AppendHead(&out, StrCat(log.file, log.is_cut ? ", its last lines" : ""));
    for (const std::string& line : log.lines) AppendLine(&out, line);
    if (log.lines.empty()) out += "(empty)\n";
  }
  return out;
}

std::string CapsuleJson(const CapsuleStory& story) {
  const CapsuleContent& content = story.content;
  std::string out = "{";
  AppendText(&out, "id", content.id);
  out +=
      StrCat(",\n\"meta\":", evidence::EncodeEventMetaForOthers(content.meta),
             ",\n\"files\":", FilesJson(content), ",\n");
  AppendTexts(&out, "missing", content.missing);
  out += ",\n";
  AppendTexts(&out, "recordings", story.recordings);
  out += ",";
  AppendTexts(&out, "damage", story.damage);
  out += StrCat(",\n\"timeline\":", TimelineJson(story.timeline),
                ",\n\"profiles\":[");
  for (const CapsuleStory::Profile& p : story.profiles) {
    out += &p == story.profiles.data() ? "{" : ",{";
    AppendText(&out, "file", p.file);
    AppendReportJson(&out, "top", p.top, p.problem);
    out += "}";
  }
  out += "],\n\"growth\":";
  if (story.growth) {
    out += "{";
    AppendText(&out, "base", story.growth->base);
    out += ",";
    AppendText(&out, "file", story.growth->file);
    AppendReportJson(&out, "diff", story.growth->diff, story.growth->problem);
    out += "}";
  } else {
    out += "null";
  }
  return out + StrCat(",\n\"logs\":", LogsJson(story.logs), "}\n");
}

}  // namespace fodc::ctl
