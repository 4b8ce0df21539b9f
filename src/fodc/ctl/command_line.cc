// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <map>
#include <utility>

#include "fodc/api/incident_filter.h"
#include "fodc/api/request_filter.h"
#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/evidence_flags.h"
#include "fodc/ctl/output_flag.h"
#include "fodc/ctl/pprof_flags.h"
#include "fodc/detect/options.h"
#include "fodc/detect/signals.h"
#include "fodc/exposition/selector.h"

namespace fodc::ctl {
namespace {

constexpr std::string_view kTimeHelp =
    "RFC 3339 (2026-11-21T07:31:13.5Z), seconds since the Unix epoch, or a "
    "time before now (-5m)";

constexpr const char* kAsItIs = "the proxy's answer as it is";

Result<std::int64_t> ParseTime(const std::string& text, UnixTime now) {
  if (const auto seconds = ParseDouble(text); seconds.has_value()) {
    if (!(*seconds > -9e9 && *seconds < 9e9)) {
      return InvalidArgument("'" + text + "' is out of range");
    }
    return static_cast<std::int64_t>(*seconds * 1000.0 +
                                     (*seconds < 0 ? -0.5 : 0.5));
  }
  if (text.starts_with('-')) {
    FODC_ASSIGN_OR_RETURN(const auto ago, ParseGoDuration(text.substr(1)));
    if (ago.count() < 0) {
      return InvalidArgument("'" + text + "' has two signs");
    }
    return ToUnixMillis(now - ago);
  }
  const auto t = ParseRfc3339(text);
  if (!t.ok()) {
    return InvalidArgument(t.status().message() +
                           ", nor seconds since 1970, nor a time before now "
                           "such as -5m");
  }
  return ToUnixMillis(*t);
}

void AddTime(CLI::App* app, const std::string& name, UnixTime now,
             std::optional<std::int64_t>* to, const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [to, name, now](const std::string& text) {
           const auto t = ParseTime(text, now);
           if (!t.ok()) throw CLI::ValidationError(name, t.status().message());
           *to = *t;
         },
         help + ": " + std::string(kTimeHelp))
      ->type_name("TIME");
}

CLI::Option* AddDuration(
    CLI::App* app, const std::string& name,
    const std::function<void(std::chrono::nanoseconds)>& set,
    const std::string& help) {
  return app
      ->add_option_function<std::string>(
          name,
          [set, name](const std::string& text) {
            const auto d = ParseGoDuration(text);
            if (!d.ok()) {
              throw CLI::ValidationError(name, d.status().message());
            }
            if (d->count() <= 0) {
              throw CLI::ValidationError(name, "must be more than 0");
            }
            set(*d);
          },
          help)
      ->type_name("DURATION");
}

void AddQuery(CLI::App* app, ProxyQuery* query) {
  app->add_option("--role", query->role,
                  "Only nodes of this role: liaison, datanode, datanode-hot, "
                  "ROLE_DATA, ...")
      ->check([](const std::string& role) {
        return api::CheckRoleWord(role).message();
      });
  app->add_option("--pod-name", query->pod_name, "Only the node of this pod");
}

void AddMatches(CLI::App* app, std::vector<std::string>* matches) {
  app->add_option("--match", *matches,
                  "Only series that this selector takes, as in Prometheus: "
                  "'up{pod_name=\"a\"}', '{__name__=~\"process_.*\"}'. May be "
                  "repeated; one that fits is enough")
      ->type_name("SELECTOR")
      ->check([](const std::string& selector) {
        return exposition::Selector::Parse(selector).status().message();
      })
      ->allow_extra_args(false);
}

void AddFormat(CLI::App* app, SampleFormat* format,
               const std::map<std::string, SampleFormat>& names,
               const std::string& help) {
  std::string list;
  for (const auto& [name, value] : names) {
    list += (list.empty() ? "" : "|") + name;
  }
  app->add_option_function<std::string>(
         "--format",
         [format, names, list](const std::string& text) {
           const auto it = names.find(text);
           if (it == names.end()) {
             throw CLI::ValidationError(
                 "--format", "must be one of " + list + ", not '" + text + "'");
           }
           *format = it->second;
         },
         help)
      ->type_name(list);
}

// Whether the times of a command go together; else what is wrong with them.
template <typename Ranged>
std::string CheckRange(const Ranged& command) {
  const bool has_from = command.from_unix_ms.has_value();
  if constexpr (requires { command.last; }) {
    if (command.last.has_value() && has_from) {
      return "--last and --from exclude each other";
    }
  }
  if (has_from && command.to_unix_ms.has_value() &&
      *command.from_unix_ms > *command.to_unix_ms) {
    return "--from is after --to";
  }
  return "";
}

// A flag that belongs to every command that asks a proxy.
struct Global {
  std::string url = "http://localhost:17913";
  std::optional<std::chrono::nanoseconds> timeout;
};

constexpr std::chrono::seconds kTimeout{60};
// A capsule may be large, and the way to it slow.
constexpr std::chrono::hours kDownloadTimeout{1};

std::string CleanUrl(std::string url) {
  if (url.find("://") == std::string::npos) url = "http://" + url;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

CommandLine ParseCommandLine(std::span<const std::string> arguments,
                             UnixTime now) {
  CommandLine result;
  CLI::App app(
      "Asks a FODC proxy about its nodes, and reads recordings offline.",
      "fodcctl");
  app.require_subcommand(1);
  app.fallthrough();
  Global global;
  app.add_option("--proxy", global.url, "URL of the proxy's HTTP port")
      ->envname("FODC_PROXY")
      ->type_name("URL")
      ->capture_default_str();
  AddDuration(
      &app, "--timeout", [&](auto d) { global.timeout = d; },
      "For an answer of the proxy, whole (1h if absent for incident get)")
      ->default_str("1m0s");
  app.set_version_flag("--version", std::string(),
                       "Print the version and exit");

  NodesCommand nodes;
  CLI::App* nodes_app = app.add_subcommand(
      "nodes", "The nodes that the proxy knows, and how they are");
  AddQuery(nodes_app, &nodes.query);
  AddDuration(
      nodes_app, "--watch", [&](auto d) { nodes.watch = d; },
      "Ask again every DURATION (1s if none is given), until interrupted; on "
      "a terminal the table is redrawn in place")
      ->expected(0, 1)
      ->default_str("1s");
  AddDuration(
      nodes_app, "--for", [&](auto d) { nodes.run_for = d; },
      "With --watch: end after this time");
  AddOutputFlag(nodes_app, &nodes.json, kAsItIs);

  IncidentsCommand incidents;
  CLI::App* incidents_app = app.add_subcommand(
      "incidents",
      "What was found and captured of the nodes, the newest first");
  AddQuery(incidents_app, &incidents.query);
  incidents_app->add_option("--verdict", incidents.verdict,
                            "Only incidents of this verdict, such as W3");
  incidents_app
      ->add_option("--state", incidents.state,
                   "Only incidents that are open, or that have ended")
      ->check([](const std::string& state) -> std::string {
        if (state == "open" || state == "ended") return "";
        return "must be open or ended, not '" + state + "'";
      })
      ->type_name("open|ended");
  AddTime(incidents_app, "--from", now, &incidents.from_unix_ms,
          "Only incidents that lasted then or later");
  AddTime(incidents_app, "--to", now, &incidents.to_unix_ms,
          "Only incidents that lasted then or before");
  AddDuration(
      incidents_app, "--last", [&](auto d) { incidents.last = d; },
      "This long before --to (now if absent), instead of --from");
  using api::IncidentFilter;
  incidents_app
      ->add_option("--limit", incidents.limit,
                   StrCat("So many at most, 1 to ", IncidentFilter::kMaxLimit,
                          " (", IncidentFilter::kDefaultLimit, " if absent)"))
      ->check(
          CLI::Range(std::uint64_t{1}, std::uint64_t{IncidentFilter::kMaxLimit})
              .description(""))
      ->type_name("COUNT");
  incidents_app->add_flag("--details", incidents.details,
                          "Below each, its advice and numbers, and the signals "
                          "that were missing");
  AddOutputFlag(incidents_app, &incidents.json, kAsItIs);

  MetricsCommand metrics;
  CLI::App* metrics_app = app.add_subcommand(
      "metrics", "The newest samples of every node, or those of an instant");
  AddQuery(metrics_app, &metrics.query);
  AddMatches(metrics_app, &metrics.matches);
  AddTime(metrics_app, "--at", now, &metrics.at_unix_ms,
          "The page of this instant");

  WindowCommand window;
  CLI::App* window_app = app.add_subcommand(
      "window", "The samples of a time range, of every node");
  AddQuery(window_app, &window.query);
  AddMatches(window_app, &window.matches);
  AddTime(window_app, "--from", now, &window.from_unix_ms, "Start");
  AddTime(window_app, "--to", now, &window.to_unix_ms, "End (now if absent)");
  AddDuration(
      window_app, "--last", [&](auto d) { window.last = d; },
      "This long before the end, instead of --from (5m0s if neither is given)");
  AddFormat(window_app, &window.format,
            {{"json", SampleFormat::kJson},
             {"openmetrics", SampleFormat::kOpenMetrics},
             {"csv", SampleFormat::kCsv}},
            "json: as the proxy's /metrics-windows; openmetrics and csv have "
            "milliseconds");

  CLI::App* recording_app = app.add_subcommand(
      "recording", "Reads and makes recordings, without a proxy");
  recording_app->require_subcommand(1);
  StatCommand stat;
  CLI::App* stat_app = recording_app->add_subcommand(
      "stat", "What a recording holds: series, samples, time, bytes, damage");
  stat_app
      ->add_option("path", stat.paths,
                   "An .fdr file, or the --recorder-dir of an agent (which "
                   "may be running)")
      ->required()
      ->type_name("PATH");
  stat_app->add_flag("--json", stat.json, "One JSON object per path");

  CatCommand cat;
  cat.max_age = std::chrono::minutes(5);
  CLI::App* cat_app = recording_app->add_subcommand(
      "cat", "The samples of a recording, exactly as they were read");
  cat_app->add_option("path", cat.path, "An .fdr file or a --recorder-dir")
      ->required()
      ->type_name("PATH");
  AddMatches(cat_app, &cat.matches);
  AddTime(cat_app, "--at", now, &cat.at_unix_ms,
          "Each source's newest page at this instant");
  AddDuration(
      cat_app, "--max-age", [&](auto d) { cat.max_age = d; },
      "With --at: leave out a source whose newest page is older")
      ->default_str("5m0s");
  AddTime(cat_app, "--from", now, &cat.from_unix_ms, "Start");
  AddTime(cat_app, "--to", now, &cat.to_unix_ms, "End");
  AddFormat(cat_app, &cat.format,
            {{"prom", SampleFormat::kText},
             {"openmetrics", SampleFormat::kOpenMetrics},
             {"json", SampleFormat::kJson},
             {"csv", SampleFormat::kCsv}},
            "prom (default), or another");

  ImportCommand import;
  CLI::App* import_app = recording_app->add_subcommand(
      "import",
      "Makes a recording of a folder of saved pages (*.frames, *.frames.zst)");
  import_app->add_option("directory", import.directory, "The folder")
      ->required()
      ->type_name("DIR");
  import_app->add_option("-o,--output", import.output, "The .fdr file to write")
      ->required()
      ->type_name("FILE");

  ReplayCommand replay;
  CLI::App* replay_app = app.add_subcommand(
      "replay",
      "When file reads of a recording's targets became slow, and why");
  replay_app
      ->add_option("path", replay.path,
                   "An .fdr file, or the --recorder-dir of an agent")
      ->required()
      ->type_name("PATH");
  replay_app
      ->add_option("--signal", replay.signals,
                   "Series of the target's pages that make a signal, such as "
                   "'block_cache_misses=my_misses{cache=\"block\"}'; see "
                   "docs/concept/verdicts.md; may be repeated")
      ->type_name("NAME=SELECTOR[,...]")
      ->allow_extra_args(false);
  replay_app
      ->add_option("--detect-bound", replay.bounds,
                   "A bound of the detector, such as 'factor=4'; see "
                   "docs/concept/verdicts.md; may be repeated")
      ->type_name("NAME=VALUE[,...]")
      ->allow_extra_args(false);
  replay_app->add_flag("--json", replay.json, "One JSON object per line");

  PprofFlags pprof;
  pprof.AddTo(&app);
  EvidenceFlags evidence;
  evidence.AddTo(&app);

  CLI::App* version_app =
      app.add_subcommand("version", "Print the version and exit");

  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  const auto usage = [&](const std::string& message) {
    result.command.reset();
    result.error = "fodcctl: " + message + "\nRun fodcctl --help for usage.";
    result.exit_code = 2;
    return result;
  };
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    const CLI::App* deepest = &app;
    std::string path;
    while (!deepest->get_subcommands().empty()) {
      path += (path.empty() ? "" : " ") + deepest->get_name();
      deepest = deepest->get_subcommands().front();
    }
    result.out = deepest->help(path);
    return result;
  } catch (const CLI::CallForVersion&) {
    result.command = VersionCommand{};
    return result;
  } catch (const CLI::ParseError& e) {
    const std::vector<std::string> unknown = app.remaining(true);
    if (e.get_name() == "RequiredError" && !unknown.empty()) {
      return usage("'" + unknown.front() + "' is not a command");
    }
    return usage(e.what());
  }

  const std::string url = CleanUrl(global.url);
  const auto fill = [&](ProxyQuery* q) {
    q->url = url;
    q->timeout = global.timeout.value_or(kTimeout);
  };
  if (version_app->parsed()) {
    result.command = VersionCommand{};
  } else if (nodes_app->parsed()) {
    fill(&nodes.query);
    if (nodes.run_for.has_value() && !nodes.watch.has_value()) {
      return usage("--for needs --watch");
    }
    result.command = nodes;
  } else if (incidents_app->parsed()) {
    fill(&incidents.query);
    if (const auto wrong = CheckRange(incidents); !wrong.empty()) {
      return usage(wrong);
    }
    result.command = incidents;
  } else if (metrics_app->parsed()) {
    fill(&metrics.query);
    result.command = metrics;
  } else if (window_app->parsed()) {
    fill(&window.query);
    if (const auto wrong = CheckRange(window); !wrong.empty()) {
      return usage(wrong);
    }
    result.command = window;
  } else if (stat_app->parsed()) {
    result.command = stat;
  } else if (cat_app->parsed()) {
    if (cat.at_unix_ms.has_value() &&
        (cat.from_unix_ms.has_value() || cat.to_unix_ms.has_value())) {
      return usage("--at excludes --from and --to");
    }
    if (const auto wrong = CheckRange(cat); !wrong.empty()) {
      return usage(wrong);
    }
    result.command = cat;
  } else if (replay_app->parsed()) {
    detect::Options options;
    Status bounds = detect::ParseBounds(replay.bounds, &options);
    if (bounds.ok()) bounds = options.Check();
    if (!bounds.ok()) return usage("--detect-bound: " + bounds.message());
    if (const auto signals = detect::SignalMap::Parse(replay.signals);
        !signals.ok()) {
      return usage("--signal: " + signals.status().message());
    }
    result.command = replay;
  } else if (import_app->parsed()) {
    result.command = import;
  } else if (const auto parsed = pprof.Parsed()) {
    result.command = *parsed;
  } else if (const auto capsule = evidence.Capsule()) {
    result.command = *capsule;
  } else if (auto incident = evidence.Incident()) {
    fill(&incident->query);
    if (incident->action == IncidentCommand::Action::kGet)
      incident->query.timeout = global.timeout.value_or(kDownloadTimeout);
    result.command = *std::move(incident);
  }
  return result;
}

}  // namespace fodc::ctl
