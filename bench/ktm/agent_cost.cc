// SPDX-License-Identifier: Apache-2.0
#include "bench/ktm/agent_cost.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/usage.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/kernel/group.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/frames.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

constexpr int kReadsPerSecond = 100'000;
constexpr int kSleepers = 2'000;
// Three readings of kernel telemetry each.
constexpr std::chrono::seconds kPhase{30};
// Beyond what the agent gives back once its first frames are made.
constexpr std::chrono::seconds kSettle{12};
constexpr double kMostCores = 0.01;
constexpr double kMostRssMib = 36;

bool Complain(const std::string& what) {
  (void)std::fprintf(stderr, "bench_ktm: %s\n", what.c_str());
  return false;
}

// Reads one byte that is cached, so many times a second, and counts.
class Reads {
 public:
  explicit Reads(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    void* at = ::mmap(nullptr, sizeof(Count), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FODC_CHECK(at != MAP_FAILED && fd_.ok());
    made_ = new (at) Count{0};
  }
  ~Reads() { (void)::munmap(made_, sizeof(Count)); }
  Reads(const Reads&) = delete;
  Reads& operator=(const Reads&) = delete;

  // Never ends.
  void Make() const {
    constexpr std::chrono::milliseconds kStep{10};
    constexpr int kPerStep = kReadsPerSecond / 100;
    auto next = std::chrono::steady_clock::now();
    for (;;) {
      char byte = 0;
      for (int i = 0; i < kPerStep; ++i) {
        if (::pread(fd_.get(), &byte, 1, 0) != 1) ::_exit(1);
      }
      made_->fetch_add(kPerStep);
      next += kStep;
      std::this_thread::sleep_until(next);
    }
  }
  std::uint64_t made() const { return made_->load(); }

 private:
  using Count = std::atomic<std::uint64_t>;
  UniqueFd fd_;
  Count* made_ = nullptr;
};

class Sleepers {
 public:
  Sleepers() {
    for (int i = 0; i < kSleepers; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) ::pause();
      }
      if (pid > 0) pids_.push_back(pid);
    }
  }
  ~Sleepers() {
    for (const pid_t pid : pids_) (void)::kill(pid, SIGKILL);
    for (const pid_t pid : pids_) (void)::waitpid(pid, nullptr, 0);
  }
  Sleepers(const Sleepers&) = delete;
  Sleepers& operator=(const Sleepers&) = delete;

  bool all() const { return pids_.size() == kSleepers; }

 private:
  std::vector<pid_t> pids_;
};

struct Agent {
  test::Process process;
  std::uint16_t port = 0;

  std::string Page() const {
    return test::Get(StrCat("http://127.0.0.1:", port, "/metrics")).body;
  }
  double Counted() const {
    return test::ValueOf(Page(), "ktm_sys_pread_latency_seconds_count");
  }
};

// Of one process, over a phase.
struct Taken {
  double cores = 0;
  double rss_mib = 0;
  double rss_anon_mib = 0;
};

class Site {
 public:
  explicit Site(test::Recording recording)
      : recording_(std::move(recording)),
        grpc_(test::FreePort()),
        endpoint_([this](std::string_view, test::Exchange& e) {
          const auto& frames = recording_.frames();
          e.Answer(200, frames[served_++ % frames.size()].body);
        }),
        proxy_(test::Process::Start(
            {.name = "fodc-proxy",
             .argv = {test::ProgramPath("fodc-proxy"),
                      StrCat("--grpc-listen-addr=127.0.0.1:", grpc_),
                      StrCat("--http-listen-addr=127.0.0.1:",
                             test::FreePort())},
             .env = {},
             .log_path = directory_.File("proxy.log"),
             .stdout_path = ""})) {}

  Agent Start(const std::string& name, const std::string& ktm,
              const std::string& target) {
    Agent agent;
    agent.port = test::FreePort();
    agent.process = test::Process::Start(
        {.name = name,
         .argv = {test::ProgramPath("fodc-agent"), "--pod-name=" + name,
                  StrCat("--proxy-addr=127.0.0.1:", grpc_),
                  StrCat("--poll-metrics-ports=", endpoint_.port()),
                  "--node-role=ROLE_DATA", "--ktm-enabled=" + ktm, target,
                  StrCat("--prometheus-listen-addr=127.0.0.1:", agent.port),
                  StrCat("--diagnosis-listen-addr=127.0.0.1:", agent.port)},
         .env = {},
         .log_path = directory_.File(name + ".log"),
         .stdout_path = ""});
    return agent;
  }

  // Until it counts with that status, and what loading took is given back.
  static bool Settle(const Agent& agent, double status) {
    const bool counts = test::WaitUntil(
        [&] { return test::ValueOf(agent.Page(), "ktm_status") == status; },
        30s, 100ms);
    std::this_thread::sleep_for(kSettle);
    return counts || Complain(StrCat("an agent does not count; its log:\n",
                                     agent.process.Log()));
  }

 private:
  const TempDirectory directory_{"bench_ktm_agent"};
  const test::Recording recording_;
  const std::uint16_t grpc_;
  std::atomic<std::size_t> served_{0};
  test::FakeEndpoint endpoint_;
  test::Process proxy_;
};

// Over one phase: the most that is resident, and the CPU of the whole of it.
std::vector<Taken> Watch(const std::vector<const Agent*>& agents) {
  std::vector<Taken> taken(agents.size());
  std::vector<Usage> before;
  before.reserve(agents.size());
  for (const Agent* agent : agents)
    before.push_back(ReadUsage(agent->process.pid()));
  const auto start = std::chrono::steady_clock::now();
  for (auto s = 1s; s <= kPhase; s += 1s) {
    std::this_thread::sleep_until(start + s);
    for (std::size_t i = 0; i < agents.size(); ++i) {
      const Usage now = ReadUsage(agents[i]->process.pid());
      const std::chrono::duration<double> passed =
          std::chrono::steady_clock::now() - start;
      Taken& t = taken[i];
      t.cores = (now.cpu_seconds - before[i].cpu_seconds) / passed.count();
      t.rss_mib = std::max(t.rss_mib, now.rss_mib);
      t.rss_anon_mib = std::max(t.rss_anon_mib, now.rss_anon_mib);
    }
  }
  return taken;
}

void ReportMemory(Reporter& report, const std::string& name, const Taken& taken,
                  std::optional<double> ceiling) {
  report.Report(name + "_rss", taken.rss_mib, "MiB", ceiling,
                Reporter::Floor::kAtMost);
  report.Report(name + "_rss_anon", taken.rss_anon_mib, "MiB");
}

bool ReportByCgroup(Site& site, Reporter& report, const std::string& path) {
  const Reads reads(path);
  const test::Group group("fodc_bench_reader");
  test::Worker reader(
      {&group}, [&reads] { reads.Make(); }, "reader");
  reader.Go();
  const std::string target = StrCat("--target-pid=", reader.pid());
  const Agent with = site.Start("with", "true", target);
  const Agent without = site.Start("without", "false", target);
  constexpr double kByCgroup = 2;
  if (!Site::Settle(with, kByCgroup)) return false;

  const std::uint64_t made = reads.made();
  const double counted = with.Counted();
  const auto alone = Watch({&with, &without});
  report.Report("agent_target_reads",
                static_cast<double>(reads.made() - made) /
                    std::chrono::duration<double>(kPhase).count(),
                "1/s", 0.98 * kReadsPerSecond);
  report.Report("agent_counted_reads",
                (with.Counted() - counted) /
                    std::chrono::duration<double>(kPhase).count(),
                "1/s", 0.6 * kReadsPerSecond);
  report.Report("agent_cpu", alone[0].cores, "core", kMostCores,
                Reporter::Floor::kAtMost);
  report.Report("agent_without_ktm_cpu", alone[1].cores, "core");
  ReportMemory(report, "agent", alone[0], kMostRssMib);
  ReportMemory(report, "agent_without_ktm", alone[1], {});

  const Sleepers sleepers;
  if (!sleepers.all()) return Complain("no room for 2,000 processes");
  const auto among = Watch({&with, &without});
  report.Report("agent_cpu_2000_processes", among[0].cores, "core", kMostCores,
                Reporter::Floor::kAtMost);
  report.Report("agent_without_ktm_cpu_2000_processes", among[1].cores, "core");
  return true;
}

// The dearest way to find a target's processes: each reading walks through
// those of the machine.
bool ReportByName(Site& site, Reporter& report, const std::string& path) {
  const Reads reads(path);
  test::Worker reader(
      {}, [&reads] { reads.Make(); }, "fodc_reader");
  test::Group::AddToRoot(reader.pid());
  reader.Go();
  const Sleepers sleepers;
  if (!sleepers.all()) return Complain("no room for 2,000 processes");
  const Agent agent =
      site.Start("by-name", "true", "--target-comm=fodc_reader");
  constexpr double kByProcess = 1;
  if (!Site::Settle(agent, kByProcess)) return false;
  report.Report("agent_cpu_2000_processes_by_name", Watch({&agent})[0].cores,
                "core", kMostCores, Reporter::Floor::kAtMost);
  return true;
}

}  // namespace

bool ReportAgentCost(Reporter& report) {
  auto recording = test::Recording::Load(test::RecordingPath("etcd"));
  if (!recording.ok()) return Complain(recording.status().message());
  const TempDirectory directory("bench_ktm_reads");
  const std::string path = directory.File("file");
  if (!WriteFileAtomically(path, std::string(4096, 'x')).ok())
    return Complain("no file to read");
  Site site(*std::move(recording));
  return ReportByCgroup(site, report, path) && ReportByName(site, report, path);
}

}  // namespace fodc::bench
