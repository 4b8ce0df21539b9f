// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <nlohmann/json.hpp>

#include "bench/backup/cases.h"
#include "bench/backup/runs.h"
#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/guard/growing.h"
#include "tests/support/paths.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

constexpr std::size_t kFiles = 50'000;
constexpr std::uint64_t kLimitMib = 96;
constexpr std::size_t kRuns = 3;

double At(const nlohmann::json& run) {
  return std::chrono::duration<double>(
             ParseRfc3339(run["started"].get<std::string>())
                 ->time_since_epoch())
      .count();
}

}  // namespace

void RunBudget(Reporter* report) {
  if (const std::string why = test::NoMemoryGroups(); !why.empty()) {
    std::printf("SKIPPED: bench_backup budget: %s\n", why.c_str());
    return;
  }
  const Scratch scratch;
  MakeSmallTree(scratch.File("tree"), kFiles, 1024, 16 * 1024);
  ObjectServer server({"--fast-etag", "--latency=2ms"});
  const test::MemoryGroup group("bench_backup", kLimitMib);
  // The first takes some ten seconds, the next ones only look.
  test::Process process = test::Process::Start(
      {.name = "fodc-backup",
       .argv = {"sh", "-c",
                StrCat("echo $$ > ", group.path(), "/cgroup.procs && exec ",
                       test::ProgramPath("fodc-backup"),
                       " run '--dest=", server.Url("b"),
                       "' --snapshot-dir=", scratch.File("tree"),
                       " --schedule='@every 2s' --log-format=json")},
       .env = ObjectServer::Credentials(),
       .log_path = scratch.File("log"),
       .stdout_path = scratch.File("out")});
  std::vector<nlohmann::json> runs;
  const auto look = [&] {
    runs.clear();
    const std::string out = ReadFile(scratch.File("out")).value_or("");
    for (const std::string_view line : Split(out, '\n')) {
      auto run = nlohmann::json::parse(line, nullptr, false);
      if (run.is_object()) runs.push_back(std::move(run));
    }
    return runs.size() >= kRuns || !process.Running();
  };
  (void)test::WaitUntil(look, std::chrono::minutes(10));
  const bool lives = process.Running();
  const int exit_code = process.Stop();
  const std::string log = process.Log();
  std::size_t overlaps = 0;
  double skipped = 0;
  for (std::size_t i = 1; i < runs.size(); ++i) {
    overlaps +=
        At(runs[i]) < At(runs[i - 1]) + runs[i - 1]["seconds"].get<double>();
  }
  for (const std::string_view line : Split(log, '\n')) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    if (entry.is_object() && entry.contains("ticks"))
      skipped +=
          entry["ticks"].is_number()
              ? entry["ticks"].get<double>()
              : static_cast<double>(
                    ParseUint(entry["ticks"].get<std::string>()).value_or(0));
  }
  using enum Reporter::Floor;
  report->Report("budget_runs", static_cast<double>(runs.size()), "runs",
                 kRuns);
  report->Report("budget_alive", lives && exit_code == 0 ? 1 : 0, "", 1);
  report->Report("budget_oom_kills", static_cast<double>(group.OomKills()),
                 "kills", 0, kAtMost);
  report->Report("budget_overlaps", static_cast<double>(overlaps), "runs", 0,
                 kAtMost);
  report->Report("budget_ticks_skipped", skipped, "ticks", 1);
  const auto requests = server.Requests();
  report->Report("budget_puts", static_cast<double>(requests.at("put")),
                 "requests", kFiles);
  // Every file, byte by byte.
  const Measured verify = Run(
      {test::ProgramPath("fodc-backup"), "verify", "--dest=" + server.Url("b"),
       "--read-data", "--log-level=warn", "--download-concurrency=32"},
      ObjectServer::Credentials());
  report->Report(
      "budget_verified",
      verify.exit_code == 0 &&
              verify.out.find(StrCat(kFiles, " files")) != std::string::npos
          ? 1
          : 0,
      "", 1);
}

}  // namespace fodc::bench
