// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/incident.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::evidence {
namespace {

Status CheckText(std::string_view field, std::string_view text,
                 std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return InvalidArgument(StrCat("incident: ", field, " has ", text.size(),
                                  " bytes, at most ", max_bytes, " may be"));
  }
  const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (has_control || !IsValidUtf8(text)) {
    return InvalidArgument(StrCat("incident: ", field,
                                  " is not UTF-8 without control characters"));
  }
  return OkStatus();
}

Status CheckName(std::string_view field, std::string_view text) {
  return CheckText(field, text, kMaxIncidentNameBytes);
}

Status CheckNeeded(std::string_view field, std::string_view text) {
  if (text.empty()) {
    return InvalidArgument(StrCat("incident: ", field, " is empty"));
  }
  return CheckName(field, text);
}

Status CheckCount(std::string_view field, std::size_t count, std::size_t max) {
  if (count <= max) return OkStatus();
  return InvalidArgument(
      StrCat("incident: ", count, " ", field, ", at most ", max, " may be"));
}

}  // namespace

Status CheckIncident(const Incident& i) {
  FODC_RETURN_IF_ERROR(CheckNeeded("id", i.id));
  FODC_RETURN_IF_ERROR(CheckNeeded("detector", i.detector));
  FODC_RETURN_IF_ERROR(CheckNeeded("verdict", i.verdict));
  FODC_RETURN_IF_ERROR(CheckName("cause", i.cause));
  FODC_RETURN_IF_ERROR(CheckName("target", i.target));
  FODC_RETURN_IF_ERROR(CheckText("summary", i.summary, kMaxIncidentTextBytes));
  FODC_RETURN_IF_ERROR(CheckText("advice", i.advice, kMaxIncidentTextBytes));
  FODC_RETURN_IF_ERROR(
      CheckCount("numbers", i.numbers.size(), kMaxIncidentNumbers));
  for (const IncidentNumber& n : i.numbers) {
    FODC_RETURN_IF_ERROR(CheckNeeded("name of a number", n.name));
  }
  FODC_RETURN_IF_ERROR(CheckCount("missing signals", i.missing_signals.size(),
                                  kMaxMissingSignals));
  for (const std::string& s : i.missing_signals) {
    FODC_RETURN_IF_ERROR(CheckNeeded("name of a missing signal", s));
  }
  if (i.started_ms <= 0 || i.updated_ms < i.started_ms ||
      (!i.is_open() && i.ended_ms < i.started_ms)) {
    return InvalidArgument(StrCat("incident: started at ", i.started_ms,
                                  ", updated at ", i.updated_ms, ", ended at ",
                                  i.ended_ms, " ms: not in order"));
  }
  if (i.revision == 0) return InvalidArgument("incident: revision 0");
  return OkStatus();
}

void EndUnseen(Incident* incident) {
  if (!incident->is_open()) return;
  incident->ended_ms = incident->updated_ms;
  constexpr std::string_view kWhy =
      " Ended: its agent ended; nobody saw the end.";
  std::string& summary = incident->summary;
  if (summary.size() + kWhy.size() > kMaxIncidentTextBytes) {
    std::size_t size = kMaxIncidentTextBytes - kWhy.size();
    // Not within a character.
    while (size > 0 && (summary[size] & 0xc0) == 0x80) --size;
    summary.resize(size);
  }
  summary += kWhy.substr(summary.empty() ? 1 : 0);
}

}  // namespace fodc::evidence
