// SPDX-License-Identifier: Apache-2.0
// The incident behind the guard's isolation: one client host reads a stream in
// a tight loop over 37 connections, and everybody else's writes wait. Puts at a
// steady rate, alone and beside the readers, on a node with the guard and
// streams of one entry per key, and on one without both.
//
// The readers stand for another host. So they have an address of their own, the
// node has half of the CPUs for itself, and the clients share the other half,
// where the puts go first: what is measured is what the node makes of them. Who
// is refused comes back at once, which no client should do.
//
// --check: exit code 1 if puts beside the readers are slower than promised.
// --full: more and longer rounds.
#include <sched.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

using test::ProgramPath;
using Argv = std::vector<std::string>;

constexpr double kMostTimesCalm = 3;

struct Case {
  std::string_view name;
  bool layers;  // isolation, and streams of one entry per key
  bool whole;   // the readers read from the beginning, not what is new
};
constexpr Case kCases[] = {
    {"off_new", false, false},
    {"off_whole", false, true},
    {"on_new", true, false},
    {"on_whole", true, true},
};

struct Lengths {
  int rounds;
  int calm_seconds;
  int hot_seconds;
};

// The CPUs of the node and of the clients, as taskset takes them.
struct Cpus {
  std::string node;
  std::string clients;
};

Cpus ShareCpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<std::string> all;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) all.push_back(StrCat(cpu));
    }
  }
  FODC_CHECK(!all.empty());
  Cpus cpus;
  for (std::size_t i = 0; i < all.size(); ++i) {
    // With one CPU there is nothing to share out.
    const bool is_node = i < std::max<std::size_t>(all.size() / 2, 1);
    if (is_node || all.size() == 1) cpus.node += all[i] + ",";
    if (!is_node || all.size() == 1) cpus.clients += all[i] + ",";
  }
  cpus.node.pop_back();
  cpus.clients.pop_back();
  return cpus;
}

Argv Join(Argv first, const Argv& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// p99 of puts in milliseconds, and what became of the reads.
struct Round {
  double calm_ms = 0;
  double hot_ms = 0;
  double reads = 0;
  double rejected = 0;
};

class HotReader {
 public:
  HotReader(const Case& c, const Lengths& lengths, const Cpus& cpus)
      : case_(c), lengths_(lengths), cpus_(cpus) {}

  Round Run() {
    const std::uint16_t port = test::FreePort();
    port_ = StrCat("--port=", port);
    Argv node = {"taskset",
                 "-c",
                 cpus_.node,
                 ProgramPath("kvnode"),
                 StrCat("--listen=127.0.0.1:", port),
                 "--data-dir=" + dir_.File("data")};
    if (!case_.layers)
      node = Join(node, {"--no-guard", "--stream-layout=blob"});
    test::Process server = test::Process::Start({.name = "kvnode",
                                                 .argv = std::move(node),
                                                 .env = {},
                                                 .log_path = dir_.File("log"),
                                                 .stdout_path = ""});
    const std::string ready = StrCat("http://127.0.0.1:", port, "/readyz");
    FODC_CHECK(test::WaitUntil([&] { return test::Get(ready).status == 200; }));
    // A stream of 2 MB.
    (void)Load({"--hot-reader", "--connections=1", "--count=1",
                "--entries=1000", "--value-bytes=2000"});
    Round round;
    round.calm_ms = Puts(lengths_.calm_seconds);
    test::Process readers = test::Process::Start(
        {.name = "readers",
         .argv = Join(
             {"chrt", "-i", "0"},
             LoadArgv({"--hot-reader", "--connections=37", "--from=127.0.0.2",
                       StrCat("--whole=", case_.whole ? "true" : "false"),
                       StrCat("--duration=", lengths_.hot_seconds + 2, "s")})),
         .env = {},
         .log_path = dir_.File("readers.log"),
         .stdout_path = dir_.File("readers.json")});
    std::this_thread::sleep_for(std::chrono::seconds(1));
    round.hot_ms = Puts(lengths_.hot_seconds);
    FODC_CHECK(readers.WaitExitCode(std::chrono::seconds(60)) == 0);
    const auto seen =
        nlohmann::json::parse(*ReadFile(dir_.File("readers.json")));
    round.reads = seen["ok"];
    round.rejected = seen["rejected"];
    (void)server.Stop();
    return round;
  }

 private:
  Argv LoadArgv(const Argv& flags) const {
    return Join({"taskset", "-c", cpus_.clients, ProgramPath("kvload"), port_},
                flags);
  }
  nlohmann::json Load(const Argv& flags) const {
    const test::Output out =
        test::RunToEnd(LoadArgv(flags), std::chrono::seconds(120));
    FODC_CHECK(out.exit_code == 0);
    return nlohmann::json::parse(out.out.substr(0, out.out.find('\n')));
  }
  double Puts(int seconds) const {
    return Load({"--write-burst", "--append-percent=0", "--delete-percent=0",
                 "--rate=200", StrCat("--duration=", seconds, "s")})["p99_ms"];
  }

  const Case& case_;
  const Lengths& lengths_;
  const Cpus& cpus_;
  const TempDirectory dir_;
  std::string port_;
};

void ReportCase(const Case& c, const Lengths& lengths, const Cpus& cpus,
                Reporter* report) {
  std::vector<double> calm;
  std::vector<double> hot;
  std::vector<double> times;
  std::vector<double> reads;
  std::vector<double> rejected;
  for (int i = 0; i < lengths.rounds; ++i) {
    const Round round = HotReader(c, lengths, cpus).Run();
    calm.push_back(round.calm_ms);
    hot.push_back(round.hot_ms);
    times.push_back(round.hot_ms / round.calm_ms);
    reads.push_back(round.reads / (lengths.hot_seconds + 2));
    rejected.push_back(round.rejected / (lengths.hot_seconds + 2));
  }
  const auto row = [&](const char* what, const std::vector<double>& values,
                       const char* unit, std::optional<double> ceiling = {}) {
    report->Report(StrCat("layers_", c.name, "_", what), Median(values), unit,
                   ceiling, Reporter::Floor::kAtMost);
  };
  row("calm_p99", calm, "ms");
  row("p99", hot, "ms");
  row("times_calm", times, "x",
      c.layers ? std::optional(kMostTimesCalm) : std::nullopt);
  row("reads", reads, "1/s");
  row("rejected", rejected, "1/s");
}

int Main(int argc, char** argv) {
  const bool full = HasFlag(argc, argv, "--full");
  const Lengths lengths = full ? Lengths{7, 10, 10} : Lengths{3, 4, 4};
  const Cpus cpus = ShareCpus();
  Reporter report("bench_hot_reader");
  for (const Case& c : kCases) ReportCase(c, lengths, cpus, &report);
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

// What is no JSON ends it with what was thrown.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
