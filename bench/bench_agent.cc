// SPDX-License-Identifier: Apache-2.0
// What an agent costs its node: a real fodc-agent, 5,000 series every second,
// started on a spill that fills its window, with a proxy that takes everything.
// As it is by default: with kernel telemetry (of this process, which it
// scrapes) and the memory trigger, where that is permitted. Where memory groups
// (cgroup v1) can be made, this process is in one of its own, whose limit is
// far away at first, and then so near that the trigger looks as often as it
// can.
//
//   bench_agent [--seconds N] [--check] [--no-proxy]
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "bench/full_spill.h"
#include "bench/usage.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "tests/guard/memory_child.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/tiled_pages.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kDefaultSeconds = 120;
constexpr std::size_t kWarmUpScrapes = 10;
// The whole recorder budget of an agent that is given no flag.
constexpr std::size_t kRecorderBytes = 10u << 20;
constexpr std::uint64_t kFarLimitBytes = 16ull << 30;
// What is used of the near limit: below the trigger's line at 75.
constexpr std::uint64_t kNearPercent = 73;
// It looks every 10 ms then; the looks themselves take time, too.
constexpr double kFastestLooks = 80;
// A new limit is seen within 5 seconds.
constexpr auto kLimitSeen = 8s;

// Hands out the pages one after the other, each made beforehand.
class PageServer {
 public:
  explicit PageServer(std::vector<std::string> pages)
      : answers_(std::move(pages)),
        endpoint_([this](std::string_view, test::Exchange& e) {
          e.Send(answers_[served_++ % answers_.size()]);
        }) {
    for (std::string& page : answers_) {
      page = StrCat(
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
          "Content-Length: ",
          page.size(), "\r\n\r\n", page);
    }
  }
  std::uint16_t port() const { return endpoint_.port(); }
  std::size_t served() const { return served_; }

 private:
  std::vector<std::string> answers_;
  std::atomic<std::size_t> served_{0};
  test::FakeEndpoint endpoint_;
};

// A memory group that this process is in, and nobody else.
class OwnGroup {
 public:
  OwnGroup() { group_.group().Add(::getpid()); }
  ~OwnGroup() { PutOut(::getpid()); }
  OwnGroup(const OwnGroup&) = delete;
  OwnGroup& operator=(const OwnGroup&) = delete;

  // A child is in the group of its parent.
  static void PutOut(pid_t pid) {
    const std::string path =
        StrCat(test::Cgroup1Root("memory"), "/cgroup.procs");
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    FODC_CHECK(WriteAll(fd.get(), StrCat(pid), path).ok());
  }
  void ComeNear() const {
    // Freed first is what the limit's measure does not count: page cache.
    group_.group().Write("memory.force_empty", "0");
    group_.SetLimit(group_.usage_bytes() / kNearPercent * 100);
  }

 private:
  const test::MemoryGroup group_{"bench-agent", kFarLimitBytes};
};

int Fail(const std::string& message) {
  (void)std::fprintf(stderr, "bench_agent: %s\n", message.c_str());
  return 2;
}

std::size_t Seconds(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == "--seconds") {
      return std::max<std::size_t>(
          ParseUint(argv[i + 1]).value_or(kDefaultSeconds), 10);
    }
  }
  return kDefaultSeconds;
}

// What the agent took in each second.
struct Stretch {
  std::vector<Usage> usages;
  double seconds = 0;

  double Most(std::size_t from, std::size_t to, double Usage::*what) const {
    double value = 0;
    for (std::size_t i = from; i < to; ++i)
      value = std::max(value, usages[i].*what);
    return value;
  }
  double CpuPercent() const {
    return 100 * (usages.back().cpu_seconds - usages.front().cpu_seconds) /
           seconds;
  }
};

Stretch Watch(pid_t pid, std::size_t seconds) {
  Stretch out{.usages = {ReadUsage(pid)}};
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t s = 1; s <= seconds; ++s) {
    std::this_thread::sleep_until(start + std::chrono::seconds(s));
    out.usages.push_back(ReadUsage(pid));
  }
  out.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  return out;
}

double Looks(const std::string& own_page) {
  return test::ValueOf(own_page, "fodc_agent_memory_looks_total");
}

int Main(int argc, char** argv) {
  const std::size_t seconds = Seconds(argc, argv);
  std::optional<OwnGroup> group;
  if (const std::string why = test::WhyNoMemoryGroups(); why.empty())
    group.emplace();
  else
    (void)std::printf("SKIPPED: near the limit: %s\n", why.c_str());
  Reporter report("bench_agent");
  auto pages = test::MakeTiledPages(test::FiveThousandSeries(), 420);
  if (!pages.ok()) return Fail(pages.status().message());
  report.Report("series", static_cast<double>(pages->series_of_first),
                "series");
  report.Report("changed_samples", pages->changed_ratio * 100, "%");
  report.Report("layout_changes", static_cast<double>(pages->layout_changes),
                "of 419 pages");

  const TempDirectory dir("fodc-bench-agent");
  const std::string spill = dir.File("spill");
  const std::uint16_t http = test::FreePort();
  const std::uint16_t grpc = test::FreePort();
  const std::uint16_t proxy_http = test::FreePort();
  PageServer server(pages->pages);
  const auto made = WriteFullSpill(
      spill, StrCat("http://localhost:", server.port(), "/metrics"), "node",
      pages->pages, kRecorderBytes);
  if (!made.ok()) return Fail(made.status().message());
  report.Report("spill_frames", static_cast<double>(made->frames), "frames");
  report.Report("spill_bytes_per_sample", made->bytes_per_sample, "B");
  pages->pages.clear();
  pages->pages.shrink_to_fit();

  test::Process proxy;
  if (!HasFlag(argc, argv, "--no-proxy")) {
    proxy = test::Process::Start(
        {.name = "fodc-proxy",
         .argv = {test::ProgramPath("fodc-proxy"),
                  StrCat("--grpc-listen-addr=127.0.0.1:", grpc),
                  StrCat("--http-listen-addr=127.0.0.1:", proxy_http)},
         .env = {},
         .log_path = dir.File("proxy.log"),
         .stdout_path = ""});
    if (group) OwnGroup::PutOut(proxy.pid());
  }
  test::Process agent = test::Process::Start(
      {.name = "fodc-agent",
       .argv = {test::ProgramPath("fodc-agent"), "--pod-name=bench",
                StrCat("--proxy-addr=127.0.0.1:", grpc),
                StrCat("--poll-metrics-ports=", server.port()),
                "--container-names=node", "--poll-metrics-interval=1s",
                "--node-role=ROLE_DATA",
                StrCat("--prometheus-listen-addr=127.0.0.1:", http),
                "--pressure-profiler-dir=" + dir.File("events"),
                "--recorder-dir=" + spill},
       .env = {},
       .log_path = dir.File("agent.log"),
       .stdout_path = ""});
  if (group) OwnGroup::PutOut(agent.pid());
  if (!test::WaitUntil(
          [&] { return !agent.Running() || server.served() >= kWarmUpScrapes; },
          60s, 100ms) ||
      !agent.Running()) {
    return Fail("the agent does not scrape; its log:\n" + agent.Log());
  }
  const auto own_page = [&] {
    return test::Get(StrCat("http://127.0.0.1:", http, "/metrics")).body;
  };
  const std::string at_start = own_page();

  const std::size_t served_before = server.served();
  const Stretch calm = Watch(agent.pid(), seconds);
  const std::size_t served = server.served() - served_before;
  if (!agent.Running()) return Fail("the agent has ended:\n" + agent.Log());

  const std::size_t n = calm.usages.size();
  const std::string page = own_page();
  report.Report("scrapes_per_second",
                static_cast<double>(served) / calm.seconds, "1/s", 0.98);
  // Which cost it is: 0 without kernel telemetry, else with it (as root, unless
  // the kernel does not permit it).
  report.Report("ktm_status", test::ValueOf(page, "ktm_status"), "status");
  report.Report("window_at_start",
                test::ValueOf(at_start, "fodc_agent_recording_window_seconds"),
                "s");
  report.Report(
      "recording_used_at_start",
      100 * test::ValueOf(at_start, "fodc_agent_recording_bytes") /
          test::ValueOf(at_start, "fodc_agent_recording_budget_bytes"),
      "%", 90.0);
  report.Report("rss", calm.Most(0, n, &Usage::rss_mib), "MiB", 32.0,
                Reporter::Floor::kAtMost);
  report.Report("rss_anon", calm.Most(0, n, &Usage::rss_anon_mib), "MiB", 18.0,
                Reporter::Floor::kAtMost);
  report.Report("cpu", calm.CpuPercent(), "% of a core", 0.6,
                Reporter::Floor::kAtMost);
  // Sealing every two minutes makes a saw-tooth: peaks are compared.
  report.Report("rss_anon_growth",
                calm.Most(n / 2, n, &Usage::rss_anon_mib) -
                    calm.Most(0, n / 2, &Usage::rss_anon_mib),
                "MiB", 1.0, Reporter::Floor::kAtMost);
  if (group) {
    group->ComeNear();
    std::this_thread::sleep_for(kLimitSeen);
    const double looks_before = Looks(own_page());
    const Stretch near = Watch(agent.pid(), seconds);
    if (!agent.Running()) return Fail("the agent has ended:\n" + agent.Log());
    const std::size_t n_near = near.usages.size();
    report.Report("looks_per_second_near_limit",
                  (Looks(own_page()) - looks_before) / near.seconds, "1/s",
                  kFastestLooks);
    report.Report("rss_near_limit", near.Most(0, n_near, &Usage::rss_mib),
                  "MiB", 40.0, Reporter::Floor::kAtMost);
    report.Report("cpu_near_limit", near.CpuPercent(), "% of a core", 3.0,
                  Reporter::Floor::kAtMost);
  }
  // For comparison, measured elsewhere at 1,245 series every second.
  report.Report("go_agent_1245_series_cpu", 1.4, "% of a core");
  report.Report("go_agent_1245_series_rss", 216, "MiB");
  report.Report("prometheus_1245_series_cpu", 0.2, "% of a core");
  report.Report("prometheus_1245_series_rss", 52, "MiB");
  agent.Stop();
  proxy.Stop();
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
