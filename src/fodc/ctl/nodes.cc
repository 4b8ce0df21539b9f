// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/nodes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"

namespace fodc::ctl {
namespace {

using nlohmann::json;

const json* Member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string Text(const json& object, const char* key) {
  const json* m = Member(object, key);
  return m != nullptr && m->is_string() ? m->get<std::string>() : "";
}

std::optional<double> Number(const json& object, const char* key) {
  const json* m = Member(object, key);
  if (m == nullptr || !m->is_number()) return std::nullopt;
  return m->get<double>();
}

std::optional<std::uint64_t> Count(const json& object, const char* key) {
  const std::optional<double> n = Number(object, key);
  if (!n.has_value() || !(*n >= 0 && *n < 1e18)) return std::nullopt;
  return static_cast<std::uint64_t>(*n);
}

std::optional<std::int64_t> Time(const json& object, const char* key) {
  const auto t = ParseRfc3339(Text(object, key));
  if (!t.ok()) return std::nullopt;
  return ToUnixMillis(*t);
}

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
  if (const json* targets = Member(node, "targets");
      targets != nullptr && targets->is_array()) {
    for (const json& t : *targets) {
      ++row.targets;
      const json* up = Member(t, "up");
      if (up != nullptr &&
          (up->is_boolean() ? up->get<bool>()
                            : up->is_number() && up->get<double>() != 0)) {
        ++row.targets_up;
      }
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

std::string Fixed(double value, int digits) {
  std::array<char, 64> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  return buffer.data();
}

constexpr double kShownAgeSeconds = 10;
constexpr std::size_t kColumns = 11;
using Cells = std::array<std::string, kColumns>;

Cells MakeCells(const NodeRow& row) {
  const auto count = [](const std::optional<std::uint64_t>& n) {
    return n.has_value() ? std::to_string(*n) : std::string("-");
  };
  Cells c;
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
  for (std::string& cell : c) cell = WithoutControls(cell);
  return c;
}

}  // namespace

std::string WithoutControls(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, among them a one-character escape sequence.
    const bool is_c1 = c == 0xC2 && i + 1 < text.size() &&
                       static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) ++i;
    out.push_back(is_c1 || c < 0x20 || c == 0x7F ? '?' : text[i]);
  }
  return out;
}

std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

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
  std::vector<Cells> lines;
  lines.push_back({"NODE", "ROLE", "UP", "RSS", "CPU", "SERIES", "SAMPLES",
                   "WINDOW", "BYTES/SAMPLE", "STATUS", "ADDRESS"});
  for (const NodeRow& row : rows) lines.push_back(MakeCells(row));
  // Which agent of a pod is which.
  std::set<std::string_view> pods;
  for (const NodeRow& row : rows) pods.insert(row.pod);
  const std::size_t columns =
      pods.size() < rows.size() ? kColumns : kColumns - 1;
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& line : lines) {
    for (std::size_t i = 0; i < columns; ++i) {
      widths[i] = std::max(widths[i], Width(line[i]));
    }
  }
  std::string out;
  for (const Cells& line : lines) {
    for (std::size_t i = 0; i < columns; ++i) {
      const std::string padding(widths[i] - Width(line[i]), ' ');
      const bool is_number = i >= 3 && i <= 8;  // flush right
      if (i > 0) out += "  ";
      out += is_number ? padding + line[i] : line[i];
      if (!is_number && i + 1 < columns) out += padding;
    }
    out += '\n';
  }
  if (rows.empty()) out += "(no nodes)\n";
  return out;
}

std::string HumanBytes(double bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return StrCat(Fixed(bytes, unit == 0 || bytes >= 100 ? 0 : 1), " ",
                kUnits[unit]);
}

std::string HumanDuration(std::int64_t ms) {
  const std::int64_t s = std::max<std::int64_t>(ms, 0) / 1000;
  const auto two = [](std::int64_t n) {
    return (n < 10 ? "0" : "") + std::to_string(n);
  };
  if (s < 60) return StrCat(s, "s");
  if (s < 3600) return StrCat(s / 60, "m", two(s % 60), "s");
  if (s < 86400) return StrCat(s / 3600, "h", two(s / 60 % 60), "m");
  return StrCat(s / 86400, "d", s / 3600 % 24, "h");
}

}  // namespace fodc::ctl
