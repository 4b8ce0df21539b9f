// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/kept_incidents.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "fodc/base/kept_text.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc::evidence {
namespace {

constexpr std::string_view kHead = "fodc-incidents 1\n";
constexpr std::size_t kMaxIncidents = 65536;

constexpr std::pair<std::string_view, std::string Incident::*> kTexts[] = {
    {"detector", &Incident::detector}, {"verdict", &Incident::verdict},
    {"cause", &Incident::cause},       {"target", &Incident::target},
    {"summary", &Incident::summary},   {"advice", &Incident::advice}};
constexpr std::pair<std::string_view, std::int64_t Incident::*> kTimes[] = {
    {"started_ms", &Incident::started_ms},
    {"updated_ms", &Incident::updated_ms},
    {"ended_ms", &Incident::ended_ms}};

template <typename T>
void Put(std::string* out, std::string_view key, const T& value) {
  *out += StrCat(key, ' ', value, '\n');
}

// "VALUE NAME"
bool TakeNumber(std::string_view text, Incident* i) {
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return false;
  const auto value = ParseDouble(text.substr(0, blank));
  if (!value || !std::isfinite(*value)) return false;
  i->numbers.push_back(
      {.name = std::string(text.substr(blank + 1)), .value = *value});
  return i->numbers.size() <= kMaxIncidentNumbers;
}

bool Take(std::string_view key, std::string_view value, Incident* i) {
  for (const auto& [name, member] : kTexts) {
    if (key != name) continue;
    i->*member = value;
    return true;
  }
  for (const auto& [name, member] : kTimes) {
    if (key != name) continue;
    const auto ms = ParseInt(value);
    if (ms) i->*member = *ms;
    return ms.has_value();
  }
  if (key == "revision") {
    const auto n = ParseUint(value);
    if (!n || *n > std::numeric_limits<std::uint32_t>::max()) return false;
    i->revision = static_cast<std::uint32_t>(*n);
    return true;
  }
  if (key == "number") return TakeNumber(value, i);
  if (key == "missing_signal") {
    i->missing_signals.emplace_back(value);
    return i->missing_signals.size() <= kMaxMissingSignals;
  }
  return true;  // of a later version
}

}  // namespace

std::string EncodeIncidents(std::string_view pod,
                            const std::vector<IncidentRef>& incidents) {
  std::string out;
  Put(&out, "pod", pod);
  for (const IncidentRef& i : incidents) {
    // None has a line feed: CheckIncident refuses control characters.
    Put(&out, "incident", i->id);
    for (const auto& [name, member] : kTexts) Put(&out, name, *i.*member);
    for (const auto& [name, member] : kTimes) Put(&out, name, *i.*member);
    Put(&out, "revision", i->revision);
    for (const IncidentNumber& n : i->numbers) {
      if (!std::isfinite(n.value)) continue;
      char text[32];
      const auto end = std::to_chars(text, text + sizeof text, n.value);
      Put(&out, "number",
          StrCat(
              std::string_view(text, static_cast<std::size_t>(end.ptr - text)),
              ' ', n.name));
    }
    for (const std::string& s : i->missing_signals)
      Put(&out, "missing_signal", s);
  }
  return SealText(kHead, out);
}

Result<KeptIncidents> DecodeIncidents(std::string_view text) {
  FODC_ASSIGN_OR_RETURN(std::string_view rest, UnsealText(kHead, text));
  KeptIncidents kept;
  std::vector<Incident>& incidents = kept.incidents;
  std::string_view line;
  while (NextLine(&rest, &line)) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return DataLoss("a line has no value");
    const std::string_view key = line.substr(0, blank);
    const std::string_view value = line.substr(blank + 1);
    if (key == "incident") {
      if (incidents.size() == kMaxIncidents)
        return DataLoss("too many incidents");
      incidents.emplace_back().id = value;
    } else if (key == "pod" && incidents.empty()) {
      kept.pod = value;
    } else if (incidents.empty() || !Take(key, value, &incidents.back())) {
      return DataLoss(StrCat("\"", ToValidUtf8(line), "\" is out of place"));
    }
  }
  for (const Incident& i : incidents) {
    const Status status = CheckIncident(i);
    if (!status.ok()) return DataLoss(status.message());
  }
  return kept;
}

}  // namespace fodc::evidence
