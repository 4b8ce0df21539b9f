// SPDX-License-Identifier: Apache-2.0
// What an agent costs its node: a real fodc-agent, 5,000 series every second,
// started on a spill that fills its window, with a proxy that takes everything.
// As it is by default: with kernel telemetry (of this process, which it
// scrapes) where that is permitted.
//
//   bench_agent [--seconds N] [--check] [--no-proxy]
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "bench/full_spill.h"
#include "bench/usage.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
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

int Main(int argc, char** argv) {
  const std::size_t seconds = Seconds(argc, argv);
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
  }
  test::Process agent = test::Process::Start(
      {.name = "fodc-agent",
       .argv = {test::ProgramPath("fodc-agent"), "--pod-name=bench",
                StrCat("--proxy-addr=127.0.0.1:", grpc),
                StrCat("--poll-metrics-ports=", server.port()),
                "--container-names=node", "--poll-metrics-interval=1s",
                "--node-role=ROLE_DATA",
                StrCat("--prometheus-listen-addr=127.0.0.1:", http),
                "--recorder-dir=" + spill},
       .env = {},
       .log_path = dir.File("agent.log"),
       .stdout_path = ""});
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

  std::vector<Usage> usages{ReadUsage(agent.pid())};
  const auto start = std::chrono::steady_clock::now();
  const std::size_t served_before = server.served();
  for (std::size_t s = 1; s <= seconds; ++s) {
    std::this_thread::sleep_until(start + std::chrono::seconds(s));
    usages.push_back(ReadUsage(agent.pid()));
  }
  const std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - start;
  const std::size_t served = server.served() - served_before;
  if (!agent.Running()) return Fail("the agent has ended:\n" + agent.Log());

  const auto most = [&](std::size_t from, std::size_t to, double Usage::*what) {
    double value = 0;
    for (std::size_t i = from; i < to; ++i) {
      value = std::max(value, usages[i].*what);
    }
    return value;
  };
  const std::size_t n = usages.size();
  const std::string page = own_page();
  report.Report("scrapes_per_second",
                static_cast<double>(served) / elapsed.count(), "1/s", 0.98);
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
  report.Report("rss", most(0, n, &Usage::rss_mib), "MiB", 32.0,
                Reporter::Floor::kAtMost);
  report.Report("rss_anon", most(0, n, &Usage::rss_anon_mib), "MiB", 18.0,
                Reporter::Floor::kAtMost);
  report.Report("cpu",
                100 * (usages.back().cpu_seconds - usages.front().cpu_seconds) /
                    elapsed.count(),
                "% of a core", 0.6, Reporter::Floor::kAtMost);
  // Sealing every two minutes makes a saw-tooth: peaks are compared.
  report.Report("rss_anon_growth",
                most(n / 2, n, &Usage::rss_anon_mib) -
                    most(0, n / 2, &Usage::rss_anon_mib),
                "MiB", 1.0, Reporter::Floor::kAtMost);
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
