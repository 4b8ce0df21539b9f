// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/incidents.h"

#include <algorithm>

#include "fodc/base/strings.h"
#include "fodc/ctl/json_members.h"
#include "fodc/ctl/table.h"
#include "fodc/exposition/number.h"

namespace fodc::ctl {
namespace {

using nlohmann::json;

// EVENTS: how many of evidence.
const std::vector<std::string> kHead{"STARTED", "LASTED", "STATE",
                                     "NODE",    "TARGET", "VERDICT",
                                     "AGENT",   "EVENTS", "SUMMARY"};
const std::vector<bool> kIsNumber{false, true,  false, false, false,
                                  false, false, true,  false};

IncidentEvent ParseEvent(const json& event) {
  IncidentEvent out;
  out.id = Text(event, "id");
  out.bytes = Count(event, "bytes");
  const json* pinned = Member(event, "pinned");
  out.is_pinned =
      pinned != nullptr && pinned->is_boolean() && pinned->get<bool>();
  for (const json& place : Elements(event, "lies")) {
    if (place.is_string()) out.lies.push_back(place.get<std::string>());
  }
  return out;
}

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += StrCat(out.empty() ? "" : ", ", word);
  }
  return out;
}

std::string Lasted(const IncidentRow& row, std::int64_t now_unix_ms) {
  const bool lasts = row.is_open && row.is_watched;
  const auto end = !row.is_open ? row.ended_unix_ms
                   : lasts      ? std::optional(now_unix_ms)
                                : row.updated_unix_ms;
  if (!row.started_unix_ms || !end) return "-";
  // Nobody knows how much longer.
  return HumanDuration(*end - *row.started_unix_ms) +
         (row.is_open && !lasts ? "+" : "");
}

std::string AgentCell(const IncidentRow& row) {
  std::string cell = row.agent_status.empty() ? "-" : row.agent_status;
  if (row.agent_status == "offline" && row.silence_seconds >= 0.0 &&
      *row.silence_seconds < 1e12) {
    cell += StrCat(
        " (",
        HumanDuration(static_cast<std::int64_t>(*row.silence_seconds * 1000)),
        ")");
  }
  return cell;
}

TableLine MakeLine(const IncidentRow& row, std::int64_t now_unix_ms) {
  const auto or_dash = [](const std::string& text) {
    return text.empty() ? "-" : text;
  };
  return {row.started_unix_ms
              ? FormatRfc3339(FromUnixMillis(*row.started_unix_ms), 0)
              : "-",
          Lasted(row, now_unix_ms),
          !row.is_open     ? "ended"
          : row.is_watched ? "open"
                           : "unwatched",
          or_dash(row.node),
          or_dash(row.target),
          or_dash(row.cause.empty() ? row.verdict
                                    : StrCat(row.verdict, " ", row.cause)),
          AgentCell(row),
          row.evidence.empty() ? "-" : StrCat(row.evidence.size()),
          or_dash(row.summary)};
}

std::string Details(const IncidentRow& row) {
  std::vector<std::string> lines;
  if (!row.advice.empty()) lines.push_back("advice: " + row.advice);
  for (const auto& [name, value] : row.numbers) {
    std::string number;
    if (value) exposition::AppendNumber(&number, *value);
    lines.push_back(StrCat(name, ": ", value ? number : "-"));
  }
  if (!row.missing_signals.empty()) {
    lines.push_back("missing signals: " + Join(row.missing_signals));
  }
  for (const IncidentEvent& event : row.evidence) {
    std::string line = StrCat("evidence: event ", event.id);
    if (event.bytes) line += StrCat(", ", *event.bytes, " bytes");
    if (event.is_pinned) line += ", pinned";
    if (!event.lies.empty()) line += ", lies at: " + Join(event.lies);
    lines.push_back(std::move(line));
  }
  lines.push_back(StrCat("detector: ", row.detector, "; id: ", row.id));
  std::string out;
  for (const std::string& line : lines) {
    out += StrCat("    ", WithoutControls(line), "\n");
  }
  return out;
}

}  // namespace

IncidentRow ParseIncident(const json& incident) {
  IncidentRow row;
  row.id = Text(incident, "id");
  row.node = Text(incident, "name");
  if (row.node.empty()) row.node = Text(incident, "pod_name");
  row.target = Text(incident, "target");
  row.detector = Text(incident, "detector");
  row.verdict = Text(incident, "verdict");
  row.cause = Text(incident, "cause");
  row.summary = Text(incident, "summary");
  row.advice = Text(incident, "advice");
  row.is_open = Text(incident, "state") == "open";
  const json* watched = Member(incident, "watched");
  row.is_watched =
      watched != nullptr && watched->is_boolean() && watched->get<bool>();
  row.started_unix_ms = Time(incident, "started_at");
  row.updated_unix_ms = Time(incident, "updated_at");
  row.ended_unix_ms = Time(incident, "ended_at");
  for (const json& n : Elements(incident, "numbers")) {
    row.numbers.emplace_back(Text(n, "name"), Number(n, "value"));
  }
  for (const json& signal : Elements(incident, "missing_signals")) {
    if (signal.is_string()) {
      row.missing_signals.push_back(signal.get<std::string>());
    }
  }
  for (const json& event : Elements(incident, "evidence")) {
    row.evidence.push_back(ParseEvent(event));
  }
  if (const json* agent = Member(incident, "agent"); agent != nullptr) {
    row.agent_status = Text(*agent, "status");
    row.silence_seconds = Number(*agent, "silence_seconds");
  }
  return row;
}

Result<Incidents> ParseIncidents(std::string_view text) {
  const json document = json::parse(text.begin(), text.end(), nullptr,
                                    /*allow_exceptions=*/false);
  const json* incidents = Member(document, "incidents");
  if (incidents == nullptr || !incidents->is_array()) {
    return DataLoss(
        "the answer is not that of a FODC proxy: no JSON object with a list "
        "\"incidents\"");
  }
  Incidents out;
  for (const json& i : *incidents) out.rows.push_back(ParseIncident(i));
  out.total = std::max<std::uint64_t>(Count(document, "total").value_or(0),
                                      out.rows.size());
  return out;
}

std::string RenderIncidents(const Incidents& incidents,
                            std::int64_t now_unix_ms, bool details) {
  std::vector<TableLine> table{kHead};
  for (const IncidentRow& row : incidents.rows) {
    table.push_back(MakeLine(row, now_unix_ms));
  }
  const std::vector<std::string> lines =
      RenderTable(std::move(table), kIsNumber);
  std::string out = lines[0] + "\n";
  for (std::size_t i = 0; i < incidents.rows.size(); ++i) {
    out += lines[i + 1] + "\n";
    if (details) out += Details(incidents.rows[i]);
  }
  if (incidents.rows.empty()) out += "(no incidents)\n";
  if (incidents.total > incidents.rows.size()) {
    out += StrCat("(", incidents.total - incidents.rows.size(),
                  " more, that began earlier; see --limit)\n");
  }
  return out;
}

}  // namespace fodc::ctl
