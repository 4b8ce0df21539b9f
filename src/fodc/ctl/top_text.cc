// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/top_text.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/ctl/table.h"

namespace fodc::ctl {
namespace {

using pprof::TopReport;
using pprof::TopRow;

std::string HumanNanoseconds(double ns) {
  constexpr std::array kUnits{"ns", "us", "ms"};
  for (const char* unit : kUnits) {
    if (ns < 1000) return StrCat(Fixed(ns, unit == kUnits[0] ? 0 : 2), unit);
    ns /= 1000;
  }
  return StrCat(Fixed(ns, 2), "s");
}

std::string ValueText(std::int64_t value, std::string_view unit) {
  const double magnitude = std::abs(static_cast<double>(value));
  const std::string_view sign = value < 0 ? "-" : "";
  if (unit == "bytes") return StrCat(sign, HumanBytes(magnitude));
  if (unit == "nanoseconds") return StrCat(sign, HumanNanoseconds(magnitude));
  if (unit == "count") return StrCat(value);
  return StrCat(value, " ", unit);
}

std::string Share(std::int64_t value, std::int64_t total) {
  if (total == 0) return "-";
  return Fixed(static_cast<double>(value) / static_cast<double>(total) * 100,
               2) +
         "%";
}

std::string_view InlinedWord(TopRow::Inlined inlined) {
  switch (inlined) {
    case TopRow::Inlined::kNo:
      return "no";
    case TopRow::Inlined::kSomewhere:
      return "somewhere";
    case TopRow::Inlined::kEverywhere:
      return "everywhere";
  }
  return "";
}

void AppendMember(std::string* out, std::string_view key,
                  std::string_view text) {
  out->append(StrCat("\"", key, "\":"));
  AppendJsonString(out, text);
}

std::string Head(const TopReport& r, std::size_t unnamed) {
  std::string head = StrCat(r.sample_type, ": ", ValueText(r.total, r.unit),
                            " in all; ", r.functions, " functions");
  if (r.dropped > 0) {
    head += StrCat(", ", r.dropped, " of them below ",
                   ValueText(r.dropped_below, r.unit), " and not shown");
  }
  if (unnamed > 0) head += StrCat(", ", unnamed, " more not shown");
  return WithoutControls(head) + "\n";
}

}  // namespace

std::string TopText(const TopReport& report, bool is_diff) {
  const auto value = [&](std::int64_t v) {
    const std::string text = ValueText(v, report.unit);
    return is_diff && v > 0 ? "+" + text : text;
  };
  std::vector<TableLine> lines = {
      {"FLAT", "FLAT%", "SUM%", "CUM", "CUM%", "FUNCTION"}};
  std::uint64_t sum = 0;  // wraps as the numbers themselves
  for (const TopRow& row : report.rows) {
    sum += static_cast<std::uint64_t>(row.flat);
    const bool is_inlined = row.inlined != TopRow::Inlined::kNo;
    lines.push_back(
        {value(row.flat), Share(row.flat, report.total),
         Share(static_cast<std::int64_t>(sum), report.total), value(row.cum),
         Share(row.cum, report.total),
         StrCat(row.name, !is_inlined ? ""
                          : row.inlined == TopRow::Inlined::kSomewhere
                              ? " (partly inlined)"
                              : " (inlined)")});
  }
  std::string out =
      Head(report, report.functions - report.dropped - report.rows.size());
  for (const std::string& line :
       RenderTable(std::move(lines), {true, true, true, true, true, false})) {
    out += line + "\n";
  }
  for (const std::string& note : report.notes) out += "note: " + note + "\n";
  return out;
}

std::string TopJson(const TopReport& report) {
  std::string out = "{";
  AppendMember(&out, "sample_type", report.sample_type);
  out += ",";
  AppendMember(&out, "unit", report.unit);
  out +=
      StrCat(",\"total\":", report.total, ",\"functions\":", report.functions,
             ",\"dropped\":", report.dropped,
             ",\"dropped_below\":", report.dropped_below, ",\"rows\":[");
  for (const TopRow& row : report.rows) {
    out += &row == report.rows.data() ? "{" : ",{";
    AppendMember(&out, "function", row.name);
    out += StrCat(",\"flat\":", row.flat, ",\"cum\":", row.cum, ",");
    AppendMember(&out, "inlined", InlinedWord(row.inlined));
    out += "}";
  }
  out += "],\"notes\":[";
  for (const std::string& note : report.notes) {
    if (&note != report.notes.data()) out += ",";
    AppendJsonString(&out, note);
  }
  return out + "]}\n";
}

}  // namespace fodc::ctl
