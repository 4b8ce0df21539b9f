// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/nodes.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/ctl/json_members.h"
#include "fodc/ctl/table.h"

namespace fodc::ctl {
namespace {

using nlohmann::json;

std::string ShortRole(std::string role, const std::string& type) {
  std::string_view rest = role;
  if (ConsumePrefix(&rest, "ROLE_")) role = ToLower(rest);
  if (role == "unspecified") role = "-";
  return type.empty() ? role : StrCat(role, "-", type);
}

NodeRow ParseNode(const json& node) {
  const json kEmpty = json::object();
  const auto sub = [&](const char* key) -> const json& {
    const json* m = Member(node, key);
    return m != nullptr && m->is_object() ? *m : kEmpty;
  };
  NodeRow row;
  row.name = Text(node, "name");
  row.pod = Text(node, "pod_name");
  if (row.pod.empty()) row.pod = row.name;
  row.address = Text(node, "address");
  row.role = ShortRole(Text(node, "role"), Text(sub("labels"), "type"));
  row.status = Text(sub("agent"), "status");
  for (const json& t : Elements(node, "targets")) {
    ++row.targets;
    const json* up = Member(t, "up");
    if (up != nullptr &&
        (up->is_boolean() ? up->get<bool>()
                          : up->is_number() && up->get<double>() != 0)) {
      ++row.targets_up;
    }
  }
  const json& indicators = sub("indicators");
  row.is_scraped = Number(indicators, "up");
  row.age_seconds = Number(indicators, "age_seconds");
  row.rss_bytes = Number(indicators, "rss_bytes");
  row.memory_limit_bytes = Number(indicators, "memory_limit_bytes");
  row.cpu_cores = Number(indicators, "cpu_cores");
  const json& window = sub("window");
  row.series = Count(window, "series");
  row.samples = Count(window, "samples");
  row.window_bytes = Count(window, "bytes");
  row.from_unix_ms = Time(window, "from");
  row.to_unix_ms = Time(window, "to");
  return row;
}

constexpr double kShownAgeSeconds = 10;
// Flush right, of what MakeLine makes.
const std::vector<bool> kIsNumber{false, false, false, true,  true, true,
                                  true,  true,  true,  false, false};

TableLine MakeLine(const NodeRow& row) {
  const auto count = [](const std::optional<std::uint64_t>& n) {
    return n.has_value() ? std::to_string(*n) : std::string("-");
  };
  TableLine c(kIsNumber.size());
  c[0] = row.name.empty() ? "-" : row.name;
  c[1] = row.role.empty() ? "-" : row.role;
  c[2] = row.is_scraped == 0.0           ? "no"
         : row.targets == 0              ? row.is_scraped == 1.0 ? "yes" : "-"
         : row.targets_up == row.targets ? "yes"
         : row.targets_up == 0           ? "no"
                               : StrCat(row.targets_up, "/", row.targets);
  // A silent node is shown as it last was.
  if (row.is_scraped == 0.0 && row.age_seconds >= kShownAgeSeconds &&
      *row.age_seconds < 1e12) {
    c[2] += StrCat(
        " (", HumanDuration(static_cast<std::int64_t>(*row.age_seconds * 1000)),
        ")");
  }
  c[3] = row.rss_bytes.has_value() ? HumanBytes(*row.rss_bytes) : "-";
  if (row.rss_bytes.has_value() && row.memory_limit_bytes.has_value() &&
      *row.memory_limit_bytes > 0) {
    c[3] += StrCat(
        " (", Fixed(100 * *row.rss_bytes / *row.memory_limit_bytes, 0), "%)");
  }
  c[4] = row.cpu_cores.has_value() ? Fixed(100 * *row.cpu_cores, 1) + "%" : "-";
  c[5] = count(row.series);
  c[6] = count(row.samples);
  c[7] = row.from_unix_ms.has_value() && row.to_unix_ms.has_value()
             ? HumanDuration(*row.to_unix_ms - *row.from_unix_ms)
             : "-";
  c[8] = row.samples.has_value() && row.window_bytes.has_value() &&
                 *row.samples > 0
             ? Fixed(static_cast<double>(*row.window_bytes) /
                         static_cast<double>(*row.samples),
                     3)
             : "-";
  c[9] = row.status.empty() ? "-" : row.status;
  c[10] = row.address.empty() ? "-" : row.address;
  return c;
}

}  // namespace

Result<std::vector<NodeRow>> ParseCluster(std::string_view text) {
  const json document = json::parse(text.begin(), text.end(), nullptr,
                                    /*allow_exceptions=*/false);
  const json* nodes = Member(document, "nodes");
  if (nodes == nullptr || !nodes->is_array()) {
    return DataLoss(
        "the answer is not that of a FODC proxy: no JSON object with a list "
        "\"nodes\"");
  }
  std::vector<NodeRow> rows;
  for (const json& node : *nodes) rows.push_back(ParseNode(node));
  const auto key = [](const NodeRow& row) {
    return std::tuple(std::string_view(row.name), std::string_view(row.pod),
                      row.status != "online");
  };
  std::stable_sort(
      rows.begin(), rows.end(),
      [&](const NodeRow& a, const NodeRow& b) { return key(a) < key(b); });
  return rows;
}

std::string RenderNodes(const std::vector<NodeRow>& rows) {
  std::vector<TableLine> lines;
  lines.push_back({"NODE", "ROLE", "UP", "RSS", "CPU", "SERIES", "SAMPLES",
                   "WINDOW", "BYTES/SAMPLE", "STATUS", "ADDRESS"});
  for (const NodeRow& row : rows) lines.push_back(MakeLine(row));
  // Which agent of a pod is which.
  std::set<std::string_view> pods;
  for (const NodeRow& row : rows) pods.insert(row.pod);
  if (pods.size() == rows.size()) {
    for (TableLine& line : lines) line.pop_back();
  }
  std::string out;
  for (const std::string& line : RenderTable(std::move(lines), kIsNumber)) {
    out += line + "\n";
  }
  if (rows.empty()) out += "(no nodes)\n";
  return out;
}

}  // namespace fodc::ctl
