// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_meta.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/sha256.h"

namespace fodc::evidence {
namespace {

// No file is larger; sums of sizes stay far from the end of their type.
constexpr std::uint64_t kMaxFileBytes = 1ULL << 50;

Status CheckText(std::string_view key, std::string_view text) {
  if (text.size() > kMaxMetaTextBytes) {
    return InvalidArgument(StrCat(key, " has ", text.size(),
                                  " bytes; the limit is ", kMaxMetaTextBytes));
  }
  if (!IsValidUtf8(text)) return InvalidArgument(StrCat(key, " is no UTF-8"));
  return OkStatus();
}

Status CheckFile(std::string_view key, std::string_view name,
                 std::uint64_t bytes,
                 std::map<std::string, std::uint64_t, std::less<>>* files) {
  FODC_RETURN_IF_ERROR(CheckArtifactName(name).WithContext(key));
  if (bytes > kMaxFileBytes)
    return InvalidArgument(StrCat(key, ": ", name, " has ", bytes,
                                  " bytes; the limit is ", kMaxFileBytes));
  if (!files->emplace(name, bytes).second)
    return InvalidArgument(StrCat(key, ": ", name, " stands there twice"));
  return OkStatus();
}

Status CheckStep(const EventStep& s,
                 std::map<std::string, std::uint64_t, std::less<>>* files) {
  FODC_RETURN_IF_ERROR(CheckText("steps.step", s.step));
  FODC_RETURN_IF_ERROR(CheckText("steps.source", s.source));
  FODC_RETURN_IF_ERROR(CheckText("steps.reason", s.reason));
  if (s.duration.count() < 0)
    return InvalidArgument("steps.durationNs is negative");
  if (!s.sha256.empty() && !IsSha256Hex(s.sha256))
    return InvalidArgument("steps.sha256 is no SHA-256");
  if (s.file.empty()) {
    if (s.bytes != 0 || !s.sha256.empty())
      return InvalidArgument("steps.bytes, sha256 of a step without a file");
    return OkStatus();
  }
  if (s.outcome == StepOutcome::kFailed || s.outcome == StepOutcome::kSkipped)
    return InvalidArgument(
        StrCat("steps.file of a step that is ", StepOutcomeName(s.outcome)));
  return CheckFile("steps.file", s.file, s.bytes, files);
}

}  // namespace

std::string_view StepOutcomeName(StepOutcome outcome) {
  switch (outcome) {
    case StepOutcome::kComplete:
      return "complete";
    case StepOutcome::kCut:
      return "cut";
    case StepOutcome::kFailed:
      return "failed";
    case StepOutcome::kSkipped:
      return "skipped";
  }
  return "";
}

Status CheckEventMeta(const EventMeta& meta) {
  FODC_RETURN_IF_ERROR(CheckText("podName", meta.pod_name));
  FODC_RETURN_IF_ERROR(CheckText("role", meta.role));
  FODC_RETURN_IF_ERROR(CheckText("sourceEndpoint", meta.source_endpoint));
  FODC_RETURN_IF_ERROR(CheckText("incidentId", meta.incident_id));
  FODC_RETURN_IF_ERROR(CheckText("target", meta.target));
  FODC_RETURN_IF_ERROR(CheckText("rampUp", meta.ramp_up));
  FODC_RETURN_IF_ERROR(CheckText("trigger.kind", meta.trigger.kind));
  FODC_RETURN_IF_ERROR(CheckText("trigger.summary", meta.trigger.summary));
  if (meta.death)
    FODC_RETURN_IF_ERROR(CheckText("death.summary", meta.death->summary));
  if (meta.profiles.size() > kMaxEventProfiles) {
    return InvalidArgument(StrCat("profiles: there are ", meta.profiles.size(),
                                  "; the limit is ", kMaxEventProfiles));
  }
  if (meta.steps.size() > kMaxEventSteps) {
    return InvalidArgument(StrCat("steps: there are ", meta.steps.size(),
                                  "; the limit is ", kMaxEventSteps));
  }
  if (meta.trigger.inputs.size() > kMaxIncidentNumbers) {
    return InvalidArgument(StrCat("trigger.inputs: there are ",
                                  meta.trigger.inputs.size(), "; the limit is ",
                                  kMaxIncidentNumbers));
  }
  for (const IncidentNumber& n : meta.trigger.inputs) {
    FODC_RETURN_IF_ERROR(CheckText("trigger.inputs.name", n.name));
    if (!std::isfinite(n.value))
      return InvalidArgument("trigger.inputs: " + n.name + " is not finite");
  }
  std::map<std::string, std::uint64_t, std::less<>> profiles;
  for (const EventProfile& p : meta.profiles) {
    FODC_RETURN_IF_ERROR(CheckText("profiles.type", p.type));
    FODC_RETURN_IF_ERROR(CheckText("profiles.filepath", p.filepath));
    FODC_RETURN_IF_ERROR(CheckText("profiles.format", p.format));
    FODC_RETURN_IF_ERROR(
        CheckFile("profiles.filename", p.filename, p.size_bytes, &profiles));
  }
  std::map<std::string, std::uint64_t, std::less<>> files;
  for (const EventStep& s : meta.steps)
    FODC_RETURN_IF_ERROR(CheckStep(s, &files));
  for (const auto& [name, bytes] : profiles) {
    const auto it = files.find(name);
    if (it != files.end() && it->second != bytes)
      return InvalidArgument(StrCat(name, " has ", bytes,
                                    " bytes as profile and ", it->second,
                                    " as file of a step"));
  }
  return OkStatus();
}

std::vector<std::string> EventFiles(const EventMeta& meta) {
  std::vector<std::string> files;
  const auto add = [&files](const std::string& name) {
    if (!name.empty() &&
        std::find(files.begin(), files.end(), name) == files.end())
      files.push_back(name);
  };
  for (const EventProfile& p : meta.profiles) add(p.filename);
  for (const EventStep& s : meta.steps) add(s.file);
  return files;
}

std::string WithoutDirectories(std::string_view text) {
  constexpr std::string_view kBefore = " \t'\"(=,;";
  constexpr std::string_view kEnd = " \t'\",;)";
  constexpr std::string_view kSocket = "unix:";
  std::string out;
  while (!text.empty()) {
    const char before = out.empty() ? ' ' : out.back();
    const bool is_socket = out.ends_with(kSocket);
    const bool begins =
        text.front() == '/' && (kBefore.find(before) != kBefore.npos ||
                                (before == ':' && !text.starts_with("//")));
    if (!begins) {
      out.push_back(text.front());
      text.remove_prefix(1);
      continue;
    }
    const std::string_view word = text.substr(0, text.find_first_of(kEnd));
    // Behind a socket's name stands what it is asked for.
    const std::string_view path =
        is_socket ? word.substr(0, word.find(':')) : word;
    out += path.substr(path.find_last_of('/') + 1);
    out += word.substr(path.size());
    text.remove_prefix(word.size());
  }
  return out;
}

std::string EncodeEventMetaForOthers(EventMeta meta) {
  meta.source_endpoint = WithoutDirectories(meta.source_endpoint);
  for (EventProfile& p : meta.profiles) p.filepath = p.filename;
  for (EventStep& s : meta.steps) {
    s.source = WithoutDirectories(s.source);
    s.reason = WithoutDirectories(s.reason);
  }
  return EncodeEventMeta(meta);
}

}  // namespace fodc::evidence
