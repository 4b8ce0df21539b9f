// SPDX-License-Identifier: Apache-2.0
// kvnode: a key-value node that lives by libfodc-guard. README.md has a tour.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "examples/kvnode/guard_parts.h"
#include "examples/kvnode/node.h"
#include "examples/kvnode/node_metrics.h"
#include "examples/kvnode/options.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/guard/crash.h"
#include "fodc/guard/exit_cause.h"
#include "fodc/program/flags.h"
#include "fodc/program/log_sink.h"
#include "fodc/program/signals.h"
#include "fodc/program/version.h"

namespace kvnode {
namespace {

using fodc::Result;
using fodc::Status;

// The crash handler cannot wait for the flags to be read: it is there for those
// who die while they read them. So it looks for the two that it needs itself.
// Returns the data directory that it took; nothing if it is not armed yet.
std::optional<std::string> ArmCrashEarly(int argc, char** argv) {
  std::string data_dir = Options().data_dir;
  const char* const from_environment = std::getenv("KVNODE_DATA_DIR");
  if (from_environment != nullptr) data_dir = from_environment;
  for (const char* later : {"KVNODE_NO_GUARD", "KVNODE_CONFIG"}) {
    if (std::getenv(later) != nullptr) return {};
  }
  for (int i = 1; i < argc; ++i) {
    std::string_view flag = argv[i];
    // What a file of flags says is not known before it is read.
    for (const char* later :
         {"--no-guard", "--config", "--help", "-h", "--version"}) {
      if (flag == later || flag.starts_with("--config=")) return {};
    }
    if (fodc::ConsumePrefix(&flag, "--data-dir=")) data_dir = flag;
    if (flag == "--data-dir" && i + 1 < argc) data_dir = argv[i + 1];
  }
  ArmCrash(data_dir + "/crash");
  return data_dir;
}

// By what the flags say now that they are read, a --config file among them.
void ArmCrashAsAsked(const Options& options,
                     const std::optional<std::string>& early) {
  if (options.no_guard) return fodc::guard::DisarmCrashHandler();
  if (early == options.data_dir) return;
  if (early) fodc::guard::DisarmCrashHandler();
  ArmCrash(options.data_dir + "/crash");
}

Status RunNode(const Options& options, NodeMetrics* metrics,
               fodc::guard::Life* life) {
  std::unique_ptr<GuardParts> guard;
  if (life != nullptr) {
    FODC_ASSIGN_OR_RETURN(guard,
                          GuardParts::Start(options, metrics->guard(), life));
  }
  FODC_ASSIGN_OR_RETURN(
      const std::unique_ptr<Node> node,
      Node::Start(options,
                  {.metrics = metrics, .guard = guard.get(), .life = life}));
  return node->Run();
}

Result<int> RunLife(const Options& options) {
  FODC_ASSIGN_OR_RETURN(const std::unique_ptr<NodeMetrics> metrics,
                        NodeMetrics::Create());
  if (options.no_guard) {
    const Status run = RunNode(options, metrics.get(), nullptr);
    if (!run.ok()) return run;
    return 0;
  }
  fodc::guard::LifeOptions o;
  o.directory = options.data_dir + "/life";
  o.events = ToNodeLog();
  o.metrics = metrics->guard();
  FODC_ASSIGN_OR_RETURN(const std::unique_ptr<fodc::guard::Life> life,
                        fodc::guard::Life::Begin(std::move(o)));
  const Status run = RunNode(options, metrics.get(), life.get());
  // The cause comes first: an error that follows from a stop for memory does
  // not hide the stop.
  const int code = life->Conclude(run);
  if (code == 1) return run;
  return code;
}

int Main(int argc, char** argv) {
  const std::optional<std::string> early = ArmCrashEarly(argc, argv);
  Options options;
  fodc::program::Flags flags("kvnode",
                             "A key-value node on RocksDB that lives by "
                             "libfodc-guard.",
                             fodc::program::Version(), "KVNODE_");
  DeclareFlags(&flags, &options);
  const fodc::program::ParseOutcome parsed = flags.Parse(argc, argv);
  (void)std::fputs(parsed.out.c_str(), stdout);
  (void)std::fputs(parsed.error.c_str(), stderr);
  if (!parsed.run) return parsed.exit_code;
  ArmCrashAsAsked(options, early);

  fodc::program::BlockSignals();
  const fodc::program::ScopedLog log(options.log);
  fodc::program::LogEffectiveValues(flags);
  const Result<int> code = RunLife(options);
  if (!code.ok()) {
    fodc::LogError("node ends with an error", {{"error", code.status()}});
    return 1;
  }
  fodc::LogInfo("node stopped", {{"exit_code", *code}});
  return *code;
}

}  // namespace
}  // namespace kvnode

int main(int argc, char** argv) { return kvnode::Main(argc, argv); }
