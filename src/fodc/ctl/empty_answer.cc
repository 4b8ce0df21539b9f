// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/empty_answer.h"

#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/nodes.h"
#include "fodc/ctl/table.h"

namespace fodc::ctl {
namespace {

constexpr std::size_t kMostNodes = 10;

std::string TimeText(std::int64_t unix_ms) {
  return FormatRfc3339(FromUnixMillis(unix_ms), 3);
}

std::string Lead(const Wanted& wanted) {
  return StrCat(
      "fodcctl: nothing", wanted.has_matches ? " that --match takes" : "",
      wanted.when.empty() ? " is there now" : " was recorded " + wanted.when);
}

std::string WindowOf(const NodeRow& row) {
  if (!row.from_unix_ms || !row.to_unix_ms) return "no recording at the proxy";
  return StrCat("recorded from ", TimeText(*row.from_unix_ms), " to ",
                TimeText(*row.to_unix_ms));
}

Result<std::vector<NodeRow>> AskNodes(const ProxyQuery& query,
                                      ProxyClient* client) {
  FODC_ASSIGN_OR_RETURN(
      const std::string body,
      client->Get(BuildUrl(query, "/cluster", {}), query.timeout));
  return ParseCluster(body);
}

// One line each, as far as there are not too many.
template <typename Line>
std::string List(const std::vector<NodeRow>& rows, const Line& line) {
  std::string out;
  for (std::size_t i = 0; i < rows.size() && i < kMostNodes; ++i) {
    out += StrCat("  ", WithoutControls(line(rows[i])), "\n");
  }
  if (rows.size() > kMostNodes) {
    out += StrCat("  and ", rows.size() - kMostNodes, " more\n");
  }
  return out;
}

Status TellNoNode(const ProxyQuery& query, ProxyClient* client,
                  Output* errors) {
  ProxyQuery all = query;
  all.role.clear();
  all.pod_name.clear();
  const auto nodes = AskNodes(all, client);
  if (!nodes.ok() || nodes->empty()) {
    return errors->Append("fodcctl: the proxy knows no nodes\n");
  }
  return errors->Append(StrCat(
      "fodcctl: no node has this --role and --pod-name; there are:\n",
      List(*nodes, [](const NodeRow& row) {
        return StrCat(row.pod, " (", row.role.empty() ? "-" : row.role, ")");
      })));
}

}  // namespace

Status SampleWatch::Append(std::string_view bytes) {
  if (!any_) Look(bytes);
  return out_->Append(bytes);
}

void SampleWatch::Look(std::string_view bytes) {
  for (const char c : bytes) {
    const bool begins = begins_line_;
    begins_line_ = c == '\n';
    if (c == '\n') {
      had_line_ = true;
      continue;
    }
    switch (format_) {
      case SampleFormat::kText:
      case SampleFormat::kOpenMetrics:
        any_ = begins && c != '#';
        break;
      case SampleFormat::kCsv:
        any_ = had_line_;
        break;
      case SampleFormat::kJson:
        any_ = c != '[' && c != ']' && c != ' ';
        break;
    }
    if (any_) return;
  }
}

std::string WhenText(std::int64_t unix_ms) { return "at " + TimeText(unix_ms); }
std::string WhenText(std::int64_t from_unix_ms, std::int64_t to_unix_ms) {
  return StrCat("from ", TimeText(from_unix_ms), " to ", TimeText(to_unix_ms));
}

Status TellEmptyAnswer(const ProxyQuery& query, const Wanted& wanted,
                       ProxyClient* client, Output* errors) {
  const auto chosen = AskNodes(query, client);
  if (!chosen.ok()) return errors->Append(Lead(wanted) + "\n");
  if (!chosen->empty()) {
    return errors->Append(
        StrCat(Lead(wanted), ":\n", List(*chosen, [](const NodeRow& row) {
                 return StrCat(row.name, ": ", WindowOf(row));
               })));
  }
  return TellNoNode(query, client, errors);
}

Status TellIfNoNode(const ProxyQuery& query, ProxyClient* client,
                    Output* errors) {
  const auto chosen = AskNodes(query, client);
  if (!chosen.ok() || !chosen->empty()) return OkStatus();
  return TellNoNode(query, client, errors);
}

Status TellEmptyAnswer(const OpenedRecording& opened, const Wanted& wanted,
                       Output* errors) {
  const recorder::RecordingStats s = opened.recording.stats();
  return errors->Append(s.frames == 0 ? "fodcctl: the recording is empty\n"
                                      : StrCat(Lead(wanted),
                                               "; the recording reaches from ",
                                               TimeText(s.from_unix_ms), " to ",
                                               TimeText(s.to_unix_ms), "\n"));
}

}  // namespace fodc::ctl
