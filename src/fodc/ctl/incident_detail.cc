// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/incident_detail.h"

#include <utility>

#include "fodc/base/strings.h"
#include "fodc/ctl/json_members.h"
#include "fodc/ctl/table.h"

namespace fodc::ctl {
namespace {

using nlohmann::json;

bool IsTrue(const json& object, const char* key) {
  const json* m = Member(object, key);
  return m != nullptr && m->is_boolean() && m->get<bool>();
}

// Its sentence, after its kind if it has one.
std::string Said(const json& object, const char* key) {
  const json* m = Member(object, key);
  if (m == nullptr) return "";
  const std::string kind = Text(*m, "kind");
  const std::string summary = Text(*m, "summary");
  return StrCat(kind, kind.empty() || summary.empty() ? "" : ": ", summary);
}

// Nobody may have said a word on it.
std::string DeathText(const json& event) {
  const json* death = Member(event, "death");
  if (death == nullptr) return "";
  if (std::string said = Said(event, "death"); !said.empty()) return said;
  std::string text = Text(*death, "at");
  if (const auto signal = Count(*death, "signal")) {
    text += StrCat(text.empty() ? "" : ", ", "signal ", *signal);
  } else if (const auto code = Count(*death, "exit_code")) {
    text += StrCat(text.empty() ? "" : ", ", "exit code ", *code);
  }
  return text;
}

EventRow ParseEvent(const json& event) {
  EventRow row;
  row.id = Text(event, "id");
  row.captured_at = Text(event, "captured_at");
  row.revision = Count(event, "revision");
  row.bytes = Count(event, "bytes");
  row.is_pinned = IsTrue(event, "pinned");
  row.incident_id = Text(event, "incident_id");
  for (const char* key : {"where", "lies"}) {
    for (const json& where : Elements(event, key)) {
      if (where.is_string()) row.where.push_back(where.get<std::string>());
    }
  }
  row.trigger = Said(event, "trigger");
  row.death = DeathText(event);
  for (const json& artifact : Elements(event, "artifacts")) {
    row.artifacts.push_back({.name = Text(artifact, "name"),
                             .outcome = Text(artifact, "outcome"),
                             .bytes = Count(artifact, "bytes")});
  }
  // Receipts: those of steps that brought no file tell why.
  for (const json& step : Elements(event, "steps")) {
    const std::string file = Text(step, "file");
    const std::string reason = Text(step, "reason");
    row.artifacts.push_back(
        {.name = file.empty() ? StrCat("(", Text(step, "step"), ")") : file,
         .outcome =
             StrCat(Text(step, "outcome"), reason.empty() ? "" : ": ", reason),
         .bytes = file.empty() ? std::nullopt : Count(step, "bytes")});
  }
  return row;
}

std::string BytesText(const std::optional<std::uint64_t>& bytes) {
  return bytes ? HumanBytes(static_cast<double>(*bytes)) : "-";
}

std::string OrDash(std::string text) {
  return text.empty() ? "-" : std::move(text);
}

std::string Below(const EventRow& event) {
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& text) {
    if (text.empty()) return;
    out += StrCat("    ", WithoutControls(StrCat(name, ": ", text)), "\n");
  };
  line("trigger", event.trigger);
  line("death", event.death);
  std::vector<TableLine> lines;
  for (const ArtifactRow& a : event.artifacts)
    lines.push_back({OrDash(a.name), BytesText(a.bytes), OrDash(a.outcome)});
  for (const std::string& text :
       RenderTable(std::move(lines), {false, true, false}))
    out += StrCat("    ", text, "\n");
  return out;
}

}  // namespace

Result<IncidentDetail> ParseIncidentDetail(std::string_view text) {
  const json document = json::parse(text.begin(), text.end(), nullptr,
                                    /*allow_exceptions=*/false);
  const json* events = Member(document, "events");
  if (events == nullptr || !events->is_array()) {
    return DataLoss(
        "the answer is not that of a FODC proxy: no JSON object with a list "
        "\"events\"");
  }
  IncidentDetail detail;
  if (const json* incident = Member(document, "incident"))
    detail.incident = ParseIncident(*incident);
  for (const json& event : *events) detail.events.push_back(ParseEvent(event));
  return detail;
}

std::string RenderIncidentDetail(const IncidentDetail& detail,
                                 std::int64_t now_unix_ms) {
  std::string out;
  if (detail.incident) {
    out += RenderIncidents({.rows = {*detail.incident}, .total = 1},
                           now_unix_ms, /*details=*/true);
  } else {
    std::string id;
    for (const EventRow& event : detail.events) {
      if (id.empty()) id = event.incident_id;
    }
    out += WithoutControls(
        StrCat("incident ", OrDash(std::move(id)), ": its evidence only"));
    out += "\n";
  }
  std::vector<TableLine> table = {
      {"EVENT", "CAPTURED", "REVISION", "SIZE", "PINNED", "WHERE"}};
  for (const EventRow& event : detail.events) {
    std::string where;
    for (const std::string& w : event.where)
      where += StrCat(where.empty() ? "" : ",", w);
    table.push_back({OrDash(event.id), OrDash(event.captured_at),
                     event.revision ? StrCat(*event.revision) : "-",
                     BytesText(event.bytes), event.is_pinned ? "yes" : "no",
                     OrDash(std::move(where))});
  }
  const std::vector<std::string> lines =
      RenderTable(std::move(table), {false, false, true, true, false, false});
  out += StrCat("\n", lines[0], "\n");
  for (std::size_t i = 0; i < detail.events.size(); ++i)
    out += StrCat(lines[i + 1], "\n", Below(detail.events[i]));
  if (detail.events.empty()) out += "(no evidence)\n";
  return out;
}

}  // namespace fodc::ctl
