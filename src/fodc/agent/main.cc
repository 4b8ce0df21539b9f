// SPDX-License-Identifier: Apache-2.0
// fodc-agent.
#include <malloc.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "fodc/agent/agent.h"
#include "fodc/agent/capabilities.h"
#include "fodc/agent/doctor.h"
#include "fodc/agent/features.h"
#include "fodc/agent/flags.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/guardian/own_survival.h"
#include "fodc/program/exit_within.h"
#include "fodc/program/flags.h"
#include "fodc/program/log_sink.h"
#include "fodc/program/signals.h"
#include "fodc/program/version.h"

namespace fodc::agent {
namespace {

// The agent shares its machine with what it watches: one arena for its few
// threads, and what was freed goes back to the kernel soon.
void TuneAllocator() {
  // NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs yet
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  (void)::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
  (void)::mallopt(M_TOP_PAD, 64 * 1024);
  // NOLINTEND(concurrency-mt-unsafe)
}

// As program::Flags has it for what it finds itself.
constexpr int kWrongFlag = 2;
// For what is torn down behind the last word.
constexpr std::chrono::seconds kLastMoments{3};

int Fail(const Status& status) {
  LogError("agent cannot start", {{"error", status.message()}});
  return 1;
}

int Run(int argc, char** argv) {
  TuneAllocator();
  if (argc > 1 && std::string_view(argv[1]) == "doctor")
    return RunDoctor(argc - 1, argv + 1);
  Options options;
  program::LogOptions log_options;
  // The sink makes room for all of them beforehand, 400 bytes each.
  log_options.queue_lines = 512;
  program::Flags flags("fodc-agent",
                       "Flight recorder of one database node: scrapes it, "
                       "records, ships to the proxies. `fodc-agent doctor` "
                       "says what this machine allows it.",
                       program::Version());
  AddFlags(&flags, &options);
  program::AddLogFlags(&flags, &log_options);
  const program::ParseOutcome outcome = flags.Parse(argc, argv);
  (void)std::fputs(outcome.out.c_str(), stdout);
  (void)std::fputs(outcome.error.c_str(), stderr);
  if (!outcome.run) return outcome.exit_code;
  Resolve(flags, &options);
  auto checked = Check(options);
  if (!checked.ok()) {
    (void)std::fputs(flags.UsageError(checked.status().message()).c_str(),
                     stderr);
    return kWrongFlag;
  }

  // Needs what is given up next.
  Status spared;
  if (options.guardian.enabled) spared = guardian::LowerOomScore();
  // Before there is any thread: each has capabilities of its own.
  const DroppedCapabilities dropped =
      DropCapabilities(FeaturesOf(options, *checked));
  program::BlockSignals();
  const program::ScopedLog log(log_options);
  program::LogEffectiveValues(flags);
  LogDropped(dropped);
  if (!spared.ok()) {
    LogInfo("the kernel may kill the agent like any other process",
            {{"error", spared}});
  }
  if (const auto names = FlagsWithoutEffect(flags); !names.empty()) {
    std::string text;
    for (const std::string& name : names)
      text += StrCat(text.empty() ? "" : ",", name);
    LogWarn("these flags have no effect yet", {{"flags", text}});
  }

  net::EventLoop loop(SystemClock(), kLoopOptions);
  auto agent = Agent::Start(options, *std::move(checked), loop);
  if (!agent.ok()) return Fail(agent.status());

  bool stopping = false;
  auto signals = program::SignalWatch::Create(loop, [&](int number) {
    if (number == SIGHUP) return;  // nothing to read again
    if (stopping) {
      loop.Stop();  // asked twice: at once
      return;
    }
    stopping = true;
    LogInfo("agent stops", {{"signal", number}});
    (*agent)->Stop("the agent stops", [&loop] { loop.Stop(); });
  });
  if (!signals.ok()) return Fail(signals.status());
  loop.Run();
  LogInfo("agent stopped");
  program::ExitWithin(kLastMoments, 0);
  return 0;
}

}  // namespace
}  // namespace fodc::agent

int main(int argc, char** argv) { return fodc::agent::Run(argc, argv); }
