// SPDX-License-Identifier: Apache-2.0
// An artifact of 1 GiB out of a real agent's store, through a real proxy, to a
// fast client and at the same time to a slow one: how fast it is, what both
// processes take, and what everybody else feels of it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "bench/fleet_load.h"
#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/evidence/event_store.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/tiled_pages.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using std::chrono::duration;
using std::chrono::steady_clock;

constexpr std::uint64_t kPieceBytes = 1 << 20;
constexpr double kLeastMbPerSecond = 200;
constexpr double kMostGrowthMib = 8;
constexpr double kMostPageSlowdown = 2;
// The agent scrapes every second.
constexpr double kMostFrameAgeSeconds = 2;
// Heartbeats come every ten seconds.
constexpr double kMostHeartbeatAgeSeconds = 12;
constexpr auto kPageInterval = 20ms;
constexpr int kPagesAtRest = 400;
// What the slow client takes: more than the proxy asks of anybody.
constexpr std::size_t kSlowPiece = 64 << 10;
constexpr auto kSlowInterval = 50ms;
constexpr char kHeap[] = "heap.pprof";

int Fail(const std::string& message) {
  (void)std::fprintf(stderr, "bench_download: %s\n", message.c_str());
  return 2;
}

// An event with a heap profile of so many bytes. Returns its id.
Result<std::string> WriteEvent(const std::string& root, std::uint64_t bytes) {
  FODC_ASSIGN_OR_RETURN(const auto store,
                        evidence::EventStore::Open({.root = root}));
  FODC_ASSIGN_OR_RETURN(const auto writer,
                        store->Begin(SystemClock().Unix(),
                                     {.max_bytes = bytes, .min_bytes = bytes}));
  std::string noise(kPieceBytes, '\0');
  std::mt19937_64 random(42);
  for (std::size_t i = 0; i < noise.size(); i += 8) {
    const std::uint64_t word = random();
    noise.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
  }
  FODC_ASSIGN_OR_RETURN(auto sink, writer->OpenArtifact(kHeap, bytes));
  for (std::uint64_t at = 0; at < bytes; at += kPieceBytes) {
    FODC_RETURN_IF_ERROR(sink->Append(noise));
  }
  FODC_ASSIGN_OR_RETURN(const evidence::ArtifactDigest digest, sink->Finish());
  sink.reset();
  evidence::EventMeta meta;
  meta.pod_name = "bench";
  meta.profiles = {
      {.type = "heap", .filename = kHeap, .size_bytes = digest.bytes}};
  meta.steps = {{.step = "heap",
                 .file = kHeap,
                 .bytes = digest.bytes,
                 .sha256 = digest.sha256}};
  FODC_RETURN_IF_ERROR(writer->Commit(std::move(meta)));
  return writer->id();
}

// Takes a little at a time until it is told to leave.
class SlowClient {
 public:
  SlowClient(int port, const std::string& target)
      : thread_([this, port, target](const std::stop_token& stop) {
          const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
          sockaddr_in a{};
          a.sin_family = AF_INET;
          a.sin_port = htons(static_cast<std::uint16_t>(port));
          a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
          if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&a),
                        sizeof a) != 0 ||
              !WriteAll(fd.get(),
                        StrCat("GET ", target, " HTTP/1.1\r\nHost: x\r\n\r\n"),
                        "request")
                   .ok()) {
            return;
          }
          std::vector<char> buffer(kSlowPiece);
          while (!stop.stop_requested()) {
            const auto n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
            if (n <= 0) return;
            taken_ += static_cast<std::uint64_t>(n);
            std::this_thread::sleep_for(kSlowInterval);
          }
        }) {}

  std::uint64_t taken() const { return taken_; }

 private:
  std::atomic<std::uint64_t> taken_{0};
  std::jthread thread_;  // last: it uses the others
};

struct Felt {
  std::vector<double> page_ms;
  double frame_age = 0;
  double heartbeat_age = 0;
  int failures = 0;
};

// What the proxy's other users get until it ends.
class Watcher {
 public:
  explicit Watcher(int port)
      : thread_([this, port](const std::stop_token& stop) {
          int n = 0;
          while (!stop.stop_requested()) {
            const auto next = steady_clock::now() + kPageInterval;
            Page(port);
            if (n++ % 10 == 0) Cluster(port);
            std::this_thread::sleep_until(next);
          }
        }) {}

  Felt Stop() {
    thread_.request_stop();
    thread_.join();
    return std::move(felt_);
  }
  std::size_t pages() const { return pages_; }

 private:
  void Page(int port) {
    const auto answer = HttpGet(port, "/metrics", "", false);
    if (!answer.ok() || answer->status != 200) {
      ++felt_.failures;
      return;
    }
    felt_.page_ms.push_back(answer->seconds * 1e3);
    ++pages_;
  }
  void Cluster(int port) {
    const auto answer = HttpGet(port, "/cluster", "", true);
    const auto all = nlohmann::json::parse(
        answer.ok() ? answer->body : std::string(), nullptr, false);
    if (all.is_discarded() || all["nodes"].size() != 1) {
      ++felt_.failures;
      return;
    }
    const auto& node = all["nodes"][0];
    const auto heartbeat =
        ParseRfc3339(node["agent"]["last_heartbeat"].get<std::string>());
    felt_.frame_age = std::max(felt_.frame_age,
                               node["indicators"]["age_seconds"].get<double>());
    felt_.heartbeat_age = std::max(
        felt_.heartbeat_age,
        duration<double>(SystemClock().Unix() - heartbeat.value()).count());
  }

  Felt felt_;
  std::atomic<std::size_t> pages_{0};
  std::jthread thread_;  // last: it uses the others
};

double PeakMib(pid_t pid) {
  const auto text = ReadFile(StrCat("/proc/", pid, "/status"));
  if (!text.ok()) return 0;
  const auto status = ParseProcessStatus(*text);
  return static_cast<double>(status->resident_peak_bytes.value_or(0)) /
         (1 << 20);
}

// The peak from here on.
void ResetPeak(pid_t pid) {
  const UniqueFd fd(::open(StrCat("/proc/", pid, "/clear_refs").c_str(),
                           O_WRONLY | O_CLOEXEC));
  FODC_CHECK(fd.ok() && WriteAll(fd.get(), "5", "clear_refs").ok());
}

int Main(int argc, char** argv) {
  const bool quick = HasFlag(argc, argv, "--quick");
  const std::uint64_t bytes = quick ? 128u << 20 : 1u << 30;
  const int repeats = quick ? 1 : 3;
  const auto at_most = Reporter::Floor::kAtMost;
  Reporter report("bench_download");
  const TempDirectory dir("fodc-bench-download");
  const std::string root = dir.File("events");
  const auto id = WriteEvent(root, bytes);
  if (!id.ok()) return Fail(id.status().message());
  auto pages = test::MakeTiledPages(test::FiveThousandSeries(), 1);
  if (!pages.ok()) return Fail(pages.status().message());

  auto proxy = ProxyProcess::Start(test::ProgramPath("fodc-proxy"), {}, 0);
  if (!proxy.ok()) return Fail(proxy.status().message());
  const int port = (*proxy)->http_port();
  test::FakeEndpoint server(pages->pages.front());
  test::Process agent = test::Process::Start(
      {.name = "fodc-agent",
       .argv = {test::ProgramPath("fodc-agent"), "--pod-name=bench",
                "--node-role=ROLE_DATA", "--ktm-enabled=false",
                StrCat("--proxy-addr=", (*proxy)->grpc_address()),
                StrCat("--poll-metrics-ports=", server.port()),
                "--container-names=node", "--poll-metrics-interval=1s",
                StrCat("--prometheus-listen-addr=127.0.0.1:", test::FreePort()),
                "--pressure-profiler-dir=" + root,
                "--pressure-profiler-max-disk-bytes=0"},
       .env = {},
       .log_path = dir.File("agent.log"),
       .stdout_path = ""});
  const std::string target = StrCat("/pressure-profiles/bench/", *id, "/heap");
  const auto is_listed = [&] {
    const auto answer = HttpGet(port, "/pressure-profiles", "", true);
    return answer.ok() && answer->body.find(*id) != std::string::npos &&
           server.requests() >= 5;
  };
  if (!test::WaitUntil(is_listed, 60s, 100ms) || !agent.Running()) {
    return Fail("no evidence is listed; the agent's log:\n" + agent.Log());
  }

  // What the first of each kind takes is no growth with what is sent.
  if (!HttpGet(port, target, "", false).ok()) return Fail("no first download");
  Felt rest;
  {
    Watcher watcher(port);
    test::WaitUntil([&] { return watcher.pages() >= kPagesAtRest; });
    rest = watcher.Stop();
  }
  const std::vector<pid_t> pids = {agent.pid(), (*proxy)->pid()};
  std::vector<double> before;
  for (const pid_t pid : pids) {
    ResetPeak(pid);
    before.push_back(PeakMib(pid));
  }

  std::vector<double> rates;
  Felt busy;
  std::uint64_t slow_bytes = 0;
  {
    const SlowClient slow(port, target);
    if (!test::WaitUntil([&] { return slow.taken() > 0; })) {
      return Fail("the slow client gets nothing");
    }
    Watcher watcher(port);
    // As many pages as at rest, so that the percentiles mean the same.
    while (static_cast<int>(rates.size()) < repeats ||
           watcher.pages() < kPagesAtRest) {
      const auto answer = HttpGet(port, target, "", false);
      if (!answer.ok() || answer->status != 200 ||
          answer->wire_bytes != bytes) {
        return Fail("a download that is not whole; the agent's log:\n" +
                    agent.Log());
      }
      rates.push_back(static_cast<double>(bytes) / 1e6 / answer->seconds);
    }
    busy = watcher.Stop();
    slow_bytes = slow.taken();
  }
  const double rest_p99 = Percentile(rest.page_ms, 0.99);
  const double busy_p99 = Percentile(busy.page_ms, 0.99);
  report.Report("fast_client", Median(rates), "MB/s", kLeastMbPerSecond);
  report.Report("fast_client_least", Percentile(rates, 0), "MB/s");
  report.Report("downloads", static_cast<double>(rates.size()), "downloads");
  report.Report("slow_client", static_cast<double>(slow_bytes) / 1e6, "MB");
  report.Report("agent_growth", PeakMib(pids[0]) - before[0], "MiB",
                kMostGrowthMib, at_most);
  report.Report("proxy_growth", PeakMib(pids[1]) - before[1], "MiB",
                kMostGrowthMib, at_most);
  report.Report("frame_age_most", busy.frame_age, "s", kMostFrameAgeSeconds,
                at_most);
  report.Report("heartbeat_age_most", busy.heartbeat_age, "s",
                kMostHeartbeatAgeSeconds, at_most);
  report.Report("page_p99_at_rest", rest_p99, "ms");
  report.Report("page_p99_meanwhile", busy_p99, "ms");
  report.Report("page_p99_over_rest", busy_p99 / rest_p99, "ratio",
                kMostPageSlowdown, at_most);
  report.Report("failures", rest.failures + busy.failures, "requests", 0,
                at_most);
  const std::string page =
      test::Get(StrCat("http://127.0.0.1:", port, "/metrics")).body;
  report.Report("gaps", MetricOn(page, "fodc_proxy_gaps_total"), "gaps", 0,
                at_most);
  agent.Stop();
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
