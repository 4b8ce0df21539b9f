// SPDX-License-Identifier: Apache-2.0
// fodcctl: asks a proxy about its nodes, and reads recordings offline.
// Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 3 done, but the
// recording is damaged.
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>
#include <variant>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/capsule_commands.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/incident_commands.h"
#include "fodc/ctl/output.h"
#include "fodc/ctl/pprof_commands.h"
#include "fodc/ctl/proxy_commands.h"
#include "fodc/ctl/recording_commands.h"
#include "fodc/ctl/replay.h"
#include "fodc/program/version.h"

namespace fodc::ctl {
namespace {

std::size_t Columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

struct Runner {
  Output* out;
  Output* errors;
  bool* is_damaged;  // a recording that was read

  Status operator()(const VersionCommand&) const {
    return out->Append(StrCat("fodcctl ", program::Version(), "\n"));
  }
  Status operator()(const NodesCommand& c) const {
    return RunNodes(c, {out, errors, ::isatty(STDOUT_FILENO) == 1, Columns},
                    SystemClock());
  }
  Status operator()(const IncidentsCommand& c) const {
    return RunIncidents(c, out, errors, SystemClock());
  }
  Status operator()(const MetricsCommand& c) const {
    return RunMetrics(c, out, errors);
  }
  Status operator()(const WindowCommand& c) const {
    return RunWindow(c, out, errors, SystemClock());
  }
  Status operator()(const StatCommand& c) const {
    return RunStat(c, out, errors, is_damaged);
  }
  Status operator()(const CatCommand& c) const {
    return RunCat(c, out, errors, is_damaged);
  }
  Status operator()(const ImportCommand& c) const {
    return RunImport(c, out, errors, is_damaged);
  }
  Status operator()(const ReplayCommand& c) const {
    return RunReplay(c, out, errors, is_damaged);
  }
  Status operator()(const PprofCommand& c) const { return RunPprof(c, out); }
  Status operator()(const CapsuleCommand& c) const {
    return RunCapsule(c, out, errors, is_damaged);
  }
  Status operator()(const IncidentCommand& c) const {
    return RunIncident(c, out, SystemClock());
  }
};

// As std::visit, which may throw, and main has nobody to catch it.
template <typename... Commands>
Status Run(const Runner& runner, const std::variant<Commands...>& command) {
  Status status;
  const auto run = [&](const auto* c) {
    if (c != nullptr) status = runner(*c);
    return c != nullptr;
  };
  (void)(run(std::get_if<Commands>(&command)) || ...);
  return status;
}

int Main(const std::vector<std::string>& arguments) {
  SetLogLevel(LogLevel::kError);  // libraries' warnings: we say it ourselves
  FdOutput out(STDOUT_FILENO, "standard output");
  FdOutput errors(STDERR_FILENO, "standard error");
  const CommandLine line = ParseCommandLine(arguments, SystemClock().Unix());
  if (!line.command.has_value()) {
    out.Append(line.out).IgnoreError();
    if (!line.error.empty()) errors.Append(line.error + "\n").IgnoreError();
    errors.Flush().IgnoreError();
    return out.Flush().ok() ? line.exit_code : 1;
  }
  bool is_damaged = false;
  Status status = Run({&out, &errors, &is_damaged}, *line.command);
  if (const Status flushed = out.Flush(); status.ok()) status = flushed;
  if (!status.ok()) {
    errors.Append(StrCat("fodcctl: ", status.message(), "\n")).IgnoreError();
  }
  errors.Flush().IgnoreError();
  if (!status.ok()) return 1;
  return is_damaged ? 3 : 0;
}

}  // namespace
}  // namespace fodc::ctl

int main(int argc, char** argv) {
  return fodc::ctl::Main({argv + 1, argv + argc});
}
