// SPDX-License-Identifier: Apache-2.0
// What fodcctl was asked to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/ctl/capsule_commands.h"
#include "fodc/ctl/pprof_commands.h"

namespace fodc::ctl {

// The proxy to ask, and for which nodes.
struct ProxyQuery {
  std::string url;  // without a slash at the end
  std::string role;
  std::string pod_name;
  std::chrono::nanoseconds timeout{0};  // for the whole answer
};

struct NodesCommand {
  ProxyQuery query;
  std::optional<std::chrono::nanoseconds> watch;  // once if absent
  std::optional<std::chrono::nanoseconds> run_for;
  bool json = false;
};

struct IncidentsCommand {
  ProxyQuery query;
  std::string verdict;  // empty: any
  std::string state;    // open, ended; empty: any
  // An incident that lasted in this range, at least in part.
  std::optional<std::int64_t> from_unix_ms;
  std::optional<std::int64_t> to_unix_ms;
  std::optional<std::chrono::nanoseconds> last;
  std::optional<std::uint64_t> limit;  // the proxy's if absent
  bool details = false;
  bool json = false;
};

// One incident, or one event, of one pod.
struct IncidentCommand {
  enum class Action : std::uint8_t { kShow, kGet, kPin, kUnpin };

  Action action = Action::kShow;
  ProxyQuery query;  // without role and pod
  std::string pod_name;
  std::string id;
  std::string path;    // of kGet; empty: named after the event
  bool force = false;  // of kGet: replace what is there
  bool json = false;
};

struct MetricsCommand {
  ProxyQuery query;
  std::vector<std::string> matches;
  std::optional<std::int64_t> at_unix_ms;
};

enum class SampleFormat : std::uint8_t { kText, kOpenMetrics, kJson, kCsv };

struct WindowCommand {
  ProxyQuery query;
  std::vector<std::string> matches;
  std::optional<std::int64_t> from_unix_ms;
  std::optional<std::int64_t> to_unix_ms;
  std::optional<std::chrono::nanoseconds> last;
  SampleFormat format = SampleFormat::kJson;
};

struct StatCommand {
  std::vector<std::string> paths;
  bool json = false;
};

struct CatCommand {
  std::string path;
  std::vector<std::string> matches;
  std::optional<std::int64_t> at_unix_ms;
  std::optional<std::int64_t> from_unix_ms;
  std::optional<std::int64_t> to_unix_ms;
  std::chrono::nanoseconds max_age{0};  // of a page shown for `at`
  SampleFormat format = SampleFormat::kText;
};

struct ImportCommand {
  std::string directory;
  std::string output;
};

struct ReplayCommand {
  std::string path = {};
  std::vector<std::string> signals = {};  // as detect::SignalMap reads them
  std::vector<std::string> bounds = {};   // as detect::ParseBounds does
  bool json = false;
};

struct VersionCommand {};

using Command =
    std::variant<VersionCommand, NodesCommand, IncidentsCommand, MetricsCommand,
                 WindowCommand, StatCommand, CatCommand, ImportCommand,
                 ReplayCommand, PprofCommand, CapsuleCommand, IncidentCommand>;

// Either a command, or a text that was asked for (help: exit code 0) or an
// explanation (exit code 2).
struct CommandLine {
  std::optional<Command> command;
  std::string out;
  std::string error;
  int exit_code = 0;
};
// `arguments` without the program's name; times before now are before `now`.
CommandLine ParseCommandLine(std::span<const std::string> arguments,
                             UnixTime now);

}  // namespace fodc::ctl
