// SPDX-License-Identifier: Apache-2.0
// What kernel telemetry costs: a cached pread64 of one byte with it and
// without, against a plain program of the Go agent's design, and against empty
// programs on the same hooks; and what a whole agent takes of user space.
//
//   bench_ktm [--calls | --agent] [--check]
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/bench_util.h"
#include "bench/ktm/agent_cost.h"
#include "bench/ktm/lookup_events.h"
#include "bench/ktm/programs.h"
#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/proc.h"
#include "fodc/kernel/telemetry.h"
#include "tests/kernel/group.h"

namespace fodc::bench {
namespace {

using kernel::Family;
using kernel::FamilyBit;
using kernel::Telemetry;
using kernel::TelemetryOptions;

constexpr int kCalls = 20000;
constexpr int kRuns = 21;
constexpr int kRounds = 5;
constexpr std::uint32_t kAllFamilies = (1u << kernel::kFamilies) - 1;

enum class Call { kPread, kGetppid };

class Loop {
 public:
  explicit Loop(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

  // Median of the nanoseconds that one call takes.
  double Nanoseconds(Call call) const {
    std::vector<double> ns;
    for (int run = 0; run < kRuns; ++run) {
      // Of this thread: what else runs on the core is not in it.
      const double before = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
      char byte = 0;
      for (int i = 0; i < kCalls; ++i) {
        if (call == Call::kGetppid) {
          (void)::syscall(SYS_getppid);
        } else if (::pread(fd_.get(), &byte, 1, 0) != 1) {
          std::abort();
        }
      }
      const double s = CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - before;
      ns.push_back(s * 1e9 / kCalls);
    }
    return Median(ns);
  }

 private:
  UniqueFd fd_;
};

struct Cost {
  double bare_ns = 0;
  double added_ns = 0;
  double ratio() const { return added_ns / bare_ns; }
};

// Attaches with `attach`, which returns what to hold; bare before and after.
template <typename Attach>
Cost Measure(const Loop& loop, Call call, const Attach& attach) {
  std::vector<double> bare;
  std::vector<double> added;
  double before = loop.Nanoseconds(call);
  for (int round = 0; round < kRounds; ++round) {
    double with = 0;
    {
      const auto held = attach();
      with = loop.Nanoseconds(call);
    }
    const double after = loop.Nanoseconds(call);
    bare.push_back((before + after) / 2);
    added.push_back(with - (before + after) / 2);
    before = after;
  }
  return {.bare_ns = Median(bare), .added_ns = Median(added)};
}

class Bench {
 public:
  explicit Bench(const std::string& path)
      : loop_(path),
        own_group_("fodc_bench_ktm"),
        other_group_("fodc_bench_ktm_other"),
        other_({&other_group_}, [] {}) {
    own_group_.Add(::getpid());
  }
  // A group is removed only when it is empty.
  ~Bench() { test::Group::AddToRoot(::getpid()); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  Cost Plain(Call call, bool target, const std::vector<std::string>& parts) {
    (void)::prctl(PR_SET_NAME, target ? "banyand" : "neighbour");
    const Cost cost = Measure(loop_, call, [&] {
      auto held = std::make_unique<AttachedObject>("plain", parts);
      (void)loop_.Nanoseconds(call);
      return held;
    });
    return cost;
  }
  Cost Empty(Call call, const std::vector<std::string>& parts) {
    return Measure(loop_, call, [&] {
      return std::make_unique<AttachedObject>("empty", parts);
    });
  }
  // Lookups counted by events of the kernel instead of by a program.
  Cost ByEvents(bool target) {
    return Measure(loop_, Call::kPread, [&] {
      return LookupEvents((target ? own_group_ : other_group_).path());
    });
  }
  // What they add to a switch between two cgroups that are no target.
  double AddedToSwitch() {
    const double before = SwitchNanoseconds();
    double with = 0;
    {
      const LookupEvents events(other_group_.path());
      with = SwitchNanoseconds();
    }
    return with - (before + SwitchNanoseconds()) / 2;
  }
  Cost Ours(Call call, bool target, const TelemetryOptions& options) {
    return Measure(loop_, call, [&] { return Start(target, options, call); });
  }
  std::unique_ptr<Telemetry> Start(bool target, const TelemetryOptions& options,
                                   Call call) {
    auto telemetry = Telemetry::Create(options, SystemClock());
    const kernel::TargetFilter row{
        .name = "bench", .processes = {target ? ::getpid() : other_.pid()}};
    std::vector<kernel::KernelEvent> events;
    for (int i = 0; i < 3; ++i) {
      telemetry->SetTargets({&row, 1});
      (void)telemetry->Collect(&events);
      (void)loop_.Nanoseconds(call);
    }
    const auto reading = telemetry->Collect(&events).at(0);
    const std::uint32_t wanted =
        options.sample_above_per_second != 0 ? options.sample_every : 1;
    if (reading.state != kernel::FilterState::kByCgroup ||
        (target && reading.sample_every != wanted)) {
      (void)std::fprintf(stderr, "bench_ktm: telemetry is not as asked for\n");
      std::exit(2);  // NOLINT(concurrency-mt-unsafe): one thread
    }
    return telemetry;
  }

 private:
  Loop loop_;
  test::Group own_group_;
  test::Group other_group_;
  test::Worker other_;
};

TelemetryOptions Only(Family family) {
  TelemetryOptions options;
  options.disabled_families = kAllFamilies & ~FamilyBit(family);
  return options;
}

void ReportMapMemory(Bench& bench, Reporter& report) {
  const auto telemetry = bench.Start(true, {}, Call::kPread);
  const long cpus = ::sysconf(_SC_NPROCESSORS_CONF);
  const double ceiling = 2048 + 32.0 * static_cast<double>(cpus);
  report.Report("map_memory",
                static_cast<double>(telemetry->overview().map_bytes) / 1024,
                "KiB", ceiling, Reporter::Floor::kAtMost);
}

void Run(Bench& bench, Reporter& report) {
  constexpr auto kAtMost = Reporter::Floor::kAtMost;
  const auto row = [&](const std::string& name, const Cost& cost) {
    report.Report(name + "_added", cost.added_ns, "ns");
    return cost;
  };
  const std::vector<std::string> plain_reads = {"read", "advice"};
  const std::vector<std::string> plain_cache = {"look"};

  const Cost plain = bench.Plain(Call::kPread, true, plain_reads);
  report.Report("bare_pread64", plain.bare_ns, "ns");
  row("plain_target", plain);
  // Outside of these bounds the plain program is no fair baseline.
  report.Report("plain_target_of_bare", plain.ratio(), "ratio", 1.5,
                Reporter::Floor::kAtLeast);
  report.Report("plain_target_of_bare_most", plain.ratio(), "ratio", 2,
                kAtMost);
  const Cost plain_other =
      row("plain_non_target", bench.Plain(Call::kPread, false, plain_reads));
  const Cost plain_look =
      row("plain_cache_event", bench.Plain(Call::kPread, true, plain_cache));
  row("plain_bystander", bench.Plain(Call::kGetppid, false, plain_reads));

  const auto against = [&](const std::string& name, const Cost& ours,
                           const Cost& theirs, double ceiling) {
    row(name, ours);
    report.Report(name + "_of_plain", ours.added_ns / theirs.added_ns, "ratio",
                  ceiling, kAtMost);
  };
  const TelemetryOptions read = Only(Family::kRead);
  against("read_exact", bench.Ours(Call::kPread, true, read), plain, 0.50);
  TelemetryOptions sampled = read;
  sampled.sample_above_per_second = 1;
  against("read_sampled", bench.Ours(Call::kPread, true, sampled), plain, 0.30);
  TelemetryOptions storage = read;
  storage.in_flight_budget_bytes = 0;
  against("read_task_storage", bench.Ours(Call::kPread, true, storage), plain,
          0.65);
  against("read_non_target", bench.Ours(Call::kPread, false, read), plain_other,
          0.60);
  against("cache_event", bench.Ours(Call::kPread, true, Only(Family::kCache)),
          plain_look, 0.50);
  row("read_bystander", bench.Ours(Call::kGetppid, false, read));

  const auto of_bare = [&](const std::string& name, const Cost& cost,
                           double ceiling) {
    row(name, cost);
    report.Report(name + "_of_bare", cost.ratio(), "ratio", ceiling, kAtMost);
  };
  of_bare("all_target", bench.Ours(Call::kPread, true, {}), 1.0);
  of_bare("all_non_target", bench.Ours(Call::kPread, false, {}), 0.40);
  row("all_bystander", bench.Ours(Call::kGetppid, false, {}));
  const Cost empty =
      row("empty_same_hooks", bench.Empty(Call::kPread, {"empty"}));
  report.Report("empty_same_hooks_of_bare", empty.ratio(), "ratio");
  // Why lookups are not counted in the other way (bpf/README.md).
  row("lookup_events_target", bench.ByEvents(true));
  row("lookup_events_non_target", bench.ByEvents(false));
  report.Report("lookup_events_switch_added", bench.AddedToSwitch(), "ns");
}

// False if something cannot be set up.
bool RunCalls(Reporter& report) {
  if (!PinToOneCore() || !ProvideTracefs()) {
    (void)std::fprintf(stderr, "bench_ktm: no core to pin to, or no tracefs\n");
    return false;
  }
  const TempDirectory directory("bench_ktm");
  const std::string path = directory.File("file");
  if (!WriteFileAtomically(path, std::string(4096, 'x')).ok()) return false;
  Bench bench(path);
  Run(bench, report);
  ReportMapMemory(bench, report);
  return true;
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) {
  using namespace fodc::bench;  // NOLINT(google-build-using-namespace)
  if (::geteuid() != 0) {
    (void)std::printf("SKIPPED: bench_ktm loads programs: run it as root\n");
    return 0;
  }
  fodc::SetLogLevel(fodc::LogLevel::kError);
  Reporter report("bench_ktm");
  const bool is_calls_only = HasFlag(argc, argv, "--calls");
  const bool is_agent_only = HasFlag(argc, argv, "--agent");
  // First: it wants all cores.
  if (!is_calls_only && !ReportAgentCost(report)) return 2;
  if (!is_agent_only && !RunCalls(report)) return 2;
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}
