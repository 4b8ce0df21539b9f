// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/proxy_commands.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/ctl/empty_answer.h"
#include "fodc/ctl/incidents.h"
#include "fodc/ctl/nodes.h"
#include "fodc/ctl/page_filter.h"
#include "fodc/ctl/proxy_client.h"
#include "fodc/ctl/sample_writer.h"
#include "fodc/ctl/table.h"
#include "fodc/exposition/selector.h"

namespace fodc::ctl {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

constexpr std::chrono::minutes kDefaultWindow{5};

std::string TimeText(std::int64_t unix_ms) {
  return FormatRfc3339(FromUnixMillis(unix_ms), 3);
}

std::string WithNewline(std::string text) {
  if (!text.ends_with('\n')) text.push_back('\n');
  return text;
}

// The text for one look at the cluster.
Result<std::string> ShowNodes(const NodesCommand& command, ProxyClient& client,
                              std::chrono::nanoseconds timeout) {
  const std::string url = BuildUrl(command.query, "/cluster", {});
  FODC_ASSIGN_OR_RETURN(const std::string body, client.Get(url, timeout));
  FODC_ASSIGN_OR_RETURN(const std::vector<NodeRow> rows,
                        ParseCluster(body).WithContext(url));
  if (command.json) return WithNewline(body);
  return RenderNodes(rows);
}

// How many lines of the terminal the text takes.
std::size_t CountLines(std::string_view text, std::size_t columns) {
  std::size_t lines = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::size_t width = Width(text.substr(0, end));
    lines += columns == 0 || width == 0 ? 1 : (width + columns - 1) / columns;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

Status RunNodes(const NodesCommand& command, const Screen& screen,
                const Clock& clock) {
  ProxyClient client;
  if (!command.watch.has_value()) {
    FODC_ASSIGN_OR_RETURN(const std::string text,
                          ShowNodes(command, client, command.query.timeout));
    return screen.out->Append(text);
  }
  const MonotonicTime start = clock.Monotonic();
  MonotonicTime next = start;
  std::size_t drawn_lines = 0;
  const bool in_place = screen.is_terminal && !command.json;
  for (;;) {
    const Result<std::string> text =
        ShowNodes(command, client, command.query.timeout);
    std::string shown;
    // Up to the first line of the last table, and clear from there.
    if (in_place && drawn_lines > 0)
      shown = StrCat("\x1b[", drawn_lines, "F\x1b[J");
    if (text.ok()) {
      shown += *text;
      drawn_lines = CountLines(*text, screen.columns ? screen.columns() : 0);
      if (!in_place && !command.json) shown += "\n";
    } else {
      drawn_lines = 0;
      FODC_RETURN_IF_ERROR(screen.errors->Append(
          StrCat("fodcctl: ", text.status().message(), "\n")));
      FODC_RETURN_IF_ERROR(screen.errors->Flush());
    }
    FODC_RETURN_IF_ERROR(screen.out->Append(shown));
    FODC_RETURN_IF_ERROR(screen.out->Flush());

    const MonotonicTime now = clock.Monotonic();
    next += *command.watch;
    if (next < now) next = now;  // late: no round is made up for
    if (command.run_for.has_value()) {
      const MonotonicTime end = start + *command.run_for;
      if (next >= end) {
        if (end > now) std::this_thread::sleep_for(end - now);
        return text.ok() ? OkStatus() : text.status();
      }
    }
    if (next > now) std::this_thread::sleep_for(next - now);
  }
}

Status RunIncidents(const IncidentsCommand& command, Output* out,
                    Output* errors, const Clock& clock) {
  const std::int64_t now = ToUnixMillis(clock.Unix());
  auto from = command.from_unix_ms;
  if (command.last.has_value()) {
    from = command.to_unix_ms.value_or(now) -
           std::chrono::ceil<std::chrono::milliseconds>(*command.last).count();
  }
  Parameters parameters;
  const auto add = [&](const char* name, std::string value) {
    if (!value.empty()) parameters.emplace_back(name, std::move(value));
  };
  add("verdict", command.verdict);
  add("state", command.state);
  if (from) add("start_time", TimeText(*from));
  if (command.to_unix_ms) add("end_time", TimeText(*command.to_unix_ms));
  if (command.limit) add("limit", std::to_string(*command.limit));
  const std::string url = BuildUrl(command.query, "/incidents", parameters);
  ProxyClient client;
  FODC_ASSIGN_OR_RETURN(const std::string body,
                        client.Get(url, command.query.timeout));
  FODC_ASSIGN_OR_RETURN(const Incidents incidents,
                        ParseIncidents(body).WithContext(url));
  FODC_RETURN_IF_ERROR(out->Append(
      command.json ? WithNewline(body)
                   : RenderIncidents(incidents, now, command.details)));
  const bool asks_for_nodes =
      !command.query.role.empty() || !command.query.pod_name.empty();
  if (incidents.total > 0 || !asks_for_nodes) return OkStatus();
  return TellIfNoNode(command.query, &client, errors);
}

Status RunMetrics(const MetricsCommand& command, Output* out, Output* errors) {
  Parameters parameters;
  if (command.at_unix_ms.has_value()) {
    parameters.emplace_back("at", TimeText(*command.at_unix_ms));
  }
  // The page is the whole cluster's: series are chosen here.
  const std::vector<std::string_view> texts(command.matches.begin(),
                                            command.matches.end());
  FODC_ASSIGN_OR_RETURN(const exposition::SelectorSet selectors,
                        exposition::SelectorSet::Parse(texts));
  ProxyClient client;
  const std::string url = BuildUrl(command.query, "/metrics", parameters);
  SampleWatch watch(out, SampleFormat::kText);
  if (selectors.empty()) {
    FODC_RETURN_IF_ERROR(client.Stream(
        url, command.query.timeout,
        [&](std::string_view piece) { return watch.Append(piece); }));
  } else {
    PageFilter filter(&selectors, &watch);
    FODC_RETURN_IF_ERROR(client.Stream(
        url, command.query.timeout,
        [&](std::string_view piece) { return filter.Feed(piece); }));
    FODC_RETURN_IF_ERROR(filter.End());
  }
  if (watch.any()) return OkStatus();
  const Wanted wanted{
      command.at_unix_ms ? WhenText(*command.at_unix_ms) : std::string(),
      !selectors.empty()};
  return TellEmptyAnswer(command.query, wanted, &client, errors);
}

Status RunWindow(const WindowCommand& command, Output* out, Output* errors,
                 const Clock& clock) {
  const std::int64_t to =
      command.to_unix_ms.value_or(ToUnixMillis(clock.Unix()));
  const std::int64_t from = command.from_unix_ms.value_or(
      to - std::chrono::ceil<std::chrono::milliseconds>(
               command.last.value_or(kDefaultWindow))
               .count());
  if (from > to) return InvalidArgument("the start is after the end");
  Parameters parameters{{"start_time", TimeText(from)},
                        {"end_time", TimeText(to)}};
  for (const std::string& m : command.matches) {
    parameters.emplace_back("match[]", m);
  }
  if (command.format != SampleFormat::kJson) {
    parameters.emplace_back("format", "openmetrics");
  }
  const std::string url =
      BuildUrl(command.query, "/metrics-windows", parameters);
  ProxyClient client;
  SampleWatch watch(out, command.format);
  if (command.format != SampleFormat::kCsv) {
    FODC_RETURN_IF_ERROR(client.Stream(
        url, command.query.timeout,
        [&](std::string_view piece) { return watch.Append(piece); }));
  } else {
    OpenMetricsToCsv csv(&watch);
    FODC_RETURN_IF_ERROR(
        client.Stream(url, command.query.timeout,
                      [&](std::string_view piece) { return csv.Feed(piece); }));
    FODC_RETURN_IF_ERROR(csv.End().WithContext(url));
  }
  if (watch.any()) return OkStatus();
  return TellEmptyAnswer(command.query,
                         {WhenText(from, to), !command.matches.empty()},
                         &client, errors);
}

}  // namespace fodc::ctl
