// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/recording_commands.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/empty_answer.h"
#include "fodc/ctl/page_import.h"
#include "fodc/ctl/recording_reader.h"
#include "fodc/ctl/recording_text.h"
#include "fodc/ctl/table.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/selector.h"
#include "fodc/recorder/recording_file.h"
#include "fodc/recorder/series_reader.h"

namespace fodc::ctl {
namespace {

std::string TimeText(std::int64_t unix_ms) {
  return FormatRfc3339(FromUnixMillis(unix_ms), 3);
}

// One that goes on in a later life is one.
std::size_t DistinctSeries(const OpenedRecording& opened) {
  return opened.recording.Take().OpenSeriesReader({}, nullptr)->size();
}

double BytesPerSample(const OpenedRecording& opened, std::uint64_t samples) {
  return samples == 0 ? 0
                      : static_cast<double>(opened.disk_bytes) /
                            static_cast<double>(samples);
}

// An incarnation is the start of its life, in nanoseconds; that of an import
// is none.
std::string LifeText(recorder::Incarnation incarnation) {
  constexpr recorder::Incarnation kYear2001 = 1'000'000'000'000'000'000;
  if (incarnation < kYear2001) return "imported";
  return "since " +
         FormatRfc3339(UnixTime(std::chrono::nanoseconds(
                           static_cast<std::int64_t>(incarnation & INT64_MAX))),
                       3);
}

std::string StatText(const std::string& path, const OpenedRecording& opened) {
  const recorder::RecordingStats s = opened.recording.stats();
  std::string out = path + "\n";
  const auto line = [&out](std::string_view name, std::string_view value) {
    std::string padded(name);
    padded.resize(std::max<std::size_t>(padded.size(), 14), ' ');
    out += StrCat("  ", padded, "  ", value, "\n");
  };
  line("series", std::to_string(DistinctSeries(opened)));
  line("samples", std::to_string(s.samples));
  line("frames", std::to_string(s.frames));
  if (s.frames > 0) {
    line("from", TimeText(s.from_unix_ms));
    line("to",
         StrCat(TimeText(s.to_unix_ms), " (", HumanDuration(s.window_ms), ")"));
  }
  line("bytes",
       StrCat(opened.disk_bytes, " (",
              HumanBytes(static_cast<double>(opened.disk_bytes)), ") on disk"));
  if (s.samples > 0) {
    char ratio[32];
    (void)std::snprintf(ratio, sizeof ratio, "%.3f",
                        BytesPerSample(opened, s.samples));
    line("bytes/sample", ratio);
  }
  for (const recorder::HeldRange& life : opened.recording.held()) {
    line("life", StrCat(life.incarnation, " (", LifeText(life.incarnation),
                        "): frames ", life.first, " to ", life.last,
                        life.missing == 0
                            ? ""
                            : StrCat(", ", life.missing, " of them missing")));
  }
  line("damage",
       opened.damaged_regions == 0
           ? "none"
           : StrCat(opened.damaged_regions,
                    opened.damaged_regions == 1 ? " place" : " places"));
  for (const std::string& d : opened.damage) out += StrCat("    ", d, "\n");
  if (!opened.set_aside.empty()) {
    line("set aside", StrCat(opened.set_aside.size(),
                             opened.set_aside.size() == 1 ? " file" : " files",
                             " that the agent found damaged, not read"));
    for (const OpenedRecording::SetAside& file : opened.set_aside) {
      out += StrCat("    ", file.path, ": ", file.bytes, " bytes\n");
    }
  }
  return out;
}

std::string StatJson(const std::string& path, const OpenedRecording& opened) {
  const recorder::RecordingStats s = opened.recording.stats();
  std::string out = "{\"path\":";
  AppendJsonString(&out, path);
  out += StrCat(",\"series\":", DistinctSeries(opened),
                ",\"samples\":", s.samples, ",\"frames\":", s.frames);
  if (s.frames > 0) {
    out += StrCat(",\"from\":\"", TimeText(s.from_unix_ms), "\",\"to\":\"",
                  TimeText(s.to_unix_ms), "\"");
  } else {
    out += ",\"from\":null,\"to\":null";
  }
  out += StrCat(",\"bytes\":", opened.disk_bytes, ",\"bytes_per_sample\":");
  exposition::AppendNumber(&out, BytesPerSample(opened, s.samples));
  out += ",\"lives\":[";
  bool first = true;
  for (const recorder::HeldRange& life : opened.recording.held()) {
    // As text: the number is larger than what JSON readers keep exactly.
    out += StrCat(std::exchange(first, false) ? "" : ",", "{\"incarnation\":\"",
                  life.incarnation, "\",\"first\":", life.first,
                  ",\"last\":", life.last, ",\"missing\":", life.missing, "}");
  }
  out +=
      StrCat("],\"damaged_regions\":", opened.damaged_regions, ",\"damage\":[");
  first = true;
  for (const std::string& d : opened.damage) {
    if (!std::exchange(first, false)) out += ",";
    AppendJsonString(&out, d);
  }
  out += "],\"set_aside\":[";
  first = true;
  for (const OpenedRecording::SetAside& file : opened.set_aside) {
    out += std::exchange(first, false) ? "{\"path\":" : ",{\"path\":";
    AppendJsonString(&out, file.path);
    out += StrCat(",\"bytes\":", file.bytes, "}");
  }
  return out + "]}\n";
}

// A file that cannot be read whole is none to leave behind.
Status CheckReadable(std::string_view bytes,
                     const recorder::RecordingStats& written) {
  recorder::FileReport report;
  FODC_ASSIGN_OR_RETURN(const recorder::Recording read,
                        recorder::DecodeRecordingFile(
                            bytes, recorder::FileReadingOptions(), &report));
  if (report.damaged_regions > 0) {
    return DataLoss("the recording cannot be read back: " +
                    report.damage[0].reason);
  }
  if (read.stats().samples != written.samples || written.evicted_samples > 0) {
    return DataLoss(StrCat("the recording has ", read.stats().samples, " of ",
                           written.appended_samples, " samples"));
  }
  return OkStatus();
}

}  // namespace

Status RunStat(const StatCommand& command, Output* out, Output* errors,
               bool* is_damaged) {
  Status failed;
  for (const std::string& path : command.paths) {
    const Result<OpenedRecording> opened = OpenRecording(path);
    if (!opened.ok()) {
      // The others are shown all the same.
      if (!failed.ok()) {
        FODC_RETURN_IF_ERROR(errors->Append(
            StrCat("fodcctl: ", opened.status().message(), "\n")));
      } else {
        failed = opened.status();
      }
      continue;
    }
    *is_damaged |= opened->damaged_regions > 0;
    FODC_RETURN_IF_ERROR(out->Append(command.json ? StatJson(path, *opened)
                                                  : StatText(path, *opened)));
  }
  return failed;
}

Status RunCat(const CatCommand& command, Output* out, Output* errors,
              bool* is_damaged) {
  const std::vector<std::string_view> texts(command.matches.begin(),
                                            command.matches.end());
  FODC_ASSIGN_OR_RETURN(const exposition::SelectorSet selectors,
                        exposition::SelectorSet::Parse(texts));
  FODC_ASSIGN_OR_RETURN(const OpenedRecording opened,
                        OpenRecording(command.path));
  *is_damaged |= opened.damaged_regions > 0;
  for (const std::string& d : opened.damage) {
    FODC_RETURN_IF_ERROR(
        errors->Append(StrCat("fodcctl: damaged, left out: ", d, "\n")));
  }
  ShowOptions options{
      .range = {}, .format = command.format, .selectors = &selectors};
  const recorder::Snapshot snapshot = opened.recording.Take();
  SampleWatch watch(out, command.format);
  Wanted wanted{"", !selectors.empty()};
  if (command.at_unix_ms.has_value()) {
    FODC_RETURN_IF_ERROR(WritePageAt(
        snapshot, opened.identity, options, *command.at_unix_ms,
        std::chrono::ceil<std::chrono::milliseconds>(command.max_age).count(),
        &watch));
    if (watch.any()) return OkStatus();
    wanted.when =
        StrCat(WhenText(*command.at_unix_ms), " or up to ",
               HumanDuration(
                   std::chrono::ceil<std::chrono::milliseconds>(command.max_age)
                       .count()),
               " before");
    return TellEmptyAnswer(opened, wanted, errors);
  }
  options.range = {command.from_unix_ms.value_or(INT64_MIN),
                   command.to_unix_ms.value_or(INT64_MAX)};
  int damaged = 0;
  FODC_RETURN_IF_ERROR(
      WriteSamples(snapshot, opened.identity, options, &watch, &damaged));
  if (damaged > 0) {
    *is_damaged = true;
    FODC_RETURN_IF_ERROR(errors->Append(
        StrCat("fodcctl: ", damaged, " damaged chunks were left out\n")));
  }
  if (watch.any()) return OkStatus();
  const recorder::RecordingStats s = opened.recording.stats();
  if (command.from_unix_ms && command.to_unix_ms) {
    wanted.when = WhenText(*command.from_unix_ms, *command.to_unix_ms);
  } else if (command.from_unix_ms) {
    wanted.when = "since " + TimeText(*command.from_unix_ms);
  } else {
    wanted.when =
        "until " + TimeText(command.to_unix_ms.value_or(s.to_unix_ms));
  }
  return TellEmptyAnswer(opened, wanted, errors);
}

Status RunImport(const ImportCommand& command, Output* out, Output* errors,
                 bool* is_damaged) {
  recorder::RecordingOptions options;
  options.budget_bytes = std::size_t{1} << 40;  // everything
  options.max_series = 100'000'000;
  recorder::Recording recording(1, options);
  FODC_ASSIGN_OR_RETURN(const ImportSummary summary,
                        ImportPages(command.directory, &recording));
  for (const std::string& left_out : summary.left_out) {
    FODC_RETURN_IF_ERROR(
        errors->Append(StrCat("fodcctl: left out: ", left_out, "\n")));
  }
  for (const ImportedFile& file : summary.files) {
    if (file.damage.empty()) continue;
    *is_damaged = true;
    FODC_RETURN_IF_ERROR(errors->Append(
        StrCat("fodcctl: damaged, left out from there: ", file.damage, "\n")));
  }
  recording.Seal();
  const std::string bytes =
      recorder::EncodeRecordingFile(recording.Take(), {{"program", "fodcctl"}});
  FODC_RETURN_IF_ERROR(CheckReadable(bytes, recording.stats()));
  FODC_RETURN_IF_ERROR(WriteFileAtomically(command.output, bytes));
  for (const ImportedFile& file : summary.files) {
    std::string line = StrCat(file.name, ": ", file.frames, " frames");
    if (file.failed > 0) line += StrCat(", ", file.failed, " failed scrapes");
    if (file.lost_lines > 0)
      line += StrCat(", ", file.lost_lines, " bad lines");
    FODC_RETURN_IF_ERROR(out->Append(line + "\n"));
  }
  return out->Append(StrCat("written: ", command.output, "\n"));
}

}  // namespace fodc::ctl
