// SPDX-License-Identifier: Apache-2.0
// /metrics-windows of 3 nodes x 1,250 series x 600 s at 1 s, as JSON, from a
// real proxy whose recordings came over the flight link.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_util.h"
#include "bench/fleet_load.h"
#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc {
namespace {

constexpr std::size_t kNodes = 3;
constexpr std::size_t kSeries = 1250;

int Run(int argc, char** argv) {
  const bool quick = bench::HasFlag(argc, argv, "--quick");
  const int seconds = quick ? 120 : 600;
  const int rounds = quick ? 3 : 9;
  bench::Reporter reporter("bench_window");
  SetLogLevel(LogLevel::kWarn);
  bench::PinToOneCore();
  auto etcd = bench::Tape::Load("etcd");
  auto prometheus = bench::Tape::Load("prometheus");
  auto proxy =
      bench::ProxyProcess::Start(test::ProgramPath("fodc-proxy"), {}, 0);
  for (const Status& s : {etcd.status(), prometheus.status(), proxy.status()}) {
    if (!s.ok()) return std::fprintf(stderr, "%s\n", s.message().c_str()), 1;
  }
  net::EventLoop loop(SystemClock());
  auto pool = std::make_shared<recorder::SeriesPool>();
  std::vector<std::unique_ptr<bench::LoadAgent>> agents;
  const std::int64_t to = ToUnixMillis(SystemClock().Unix());
  const std::int64_t from = to - (seconds - 1) * 1000;
  std::uint64_t frames = 0;
  std::uint64_t samples = 0;
  for (std::size_t n = 0; n < kNodes; ++n) {
    agents.push_back(std::make_unique<bench::LoadAgent>(
        n, std::vector<const bench::Tape*>{&*etcd, &*prometheus}, kSeries,
        n * 37, pool));
    for (int i = 0; i < seconds; ++i) {
      agents[n]->Append({1000 * (i + 1), from + 1000 * i});
    }
    frames += agents[n]->frames();
    samples += agents[n]->samples();
    agents[n]->Connect(loop, (*proxy)->grpc_address());
  }
  std::string page;
  const bool synced = loop.RunUntil(
      [&] {
        auto answer =
            bench::HttpGet((*proxy)->http_port(), "/metrics", "", true);
        if (!answer.ok()) return false;
        page = std::move(answer->body);
        return bench::MetricOn(page, "fodc_proxy_frames_total") >=
               static_cast<double>(frames);
      },
      std::chrono::seconds(60));
  if (!synced) {
    (void)std::fprintf(stderr, "the proxy did not take in what there is\n");
    return 1;
  }
  const auto time = [](std::int64_t ms) {
    return FormatRfc3339(FromUnixMillis(ms), 3);
  };
  const std::string target = StrCat("/metrics-windows?start_time=", time(from),
                                    "&end_time=", time(to));
  // Checked once: every sample is there.
  auto checked = bench::HttpGet((*proxy)->http_port(), target, "", true);
  if (!checked.ok() || checked->status != 200) {
    (void)std::fprintf(stderr, "no window\n");
    return 1;
  }
  std::uint64_t points = 0;
  for (std::size_t at = 0;
       (at = checked->body.find("\"timestamp\"", at)) != std::string::npos;
       ++at) {
    ++points;
  }
  if (points != samples) {
    (void)std::fprintf(stderr, "%llu of %llu samples came\n",
                       static_cast<unsigned long long>(points),
                       static_cast<unsigned long long>(samples));
    return 1;
  }
  const double bytes = static_cast<double>(checked->body.size());
  checked->body.clear();
  std::vector<double> first;
  std::vector<double> rate;
  std::vector<double> cpu;
  double growth = 0;
  for (int round = 0; round < rounds; ++round) {
    (*proxy)->ResetPeak();
    const double before = (*proxy)->MemoryBytes("VmRSS");
    const double cpu_before = (*proxy)->CpuSeconds();
    auto answer = bench::HttpGet((*proxy)->http_port(), target, "", false);
    if (!answer.ok() || answer->status != 200) {
      (void)std::fprintf(stderr, "no window\n");
      return 1;
    }
    cpu.push_back((*proxy)->CpuSeconds() - cpu_before);
    growth = std::max(growth, (*proxy)->MemoryBytes("VmHWM") - before);
    first.push_back(answer->first_byte_seconds);
    rate.push_back(bytes / answer->seconds / 1e6);
  }
  const auto at_most = bench::Reporter::Floor::kAtMost;
  reporter.Report("points", static_cast<double>(points), "points");
  reporter.Report("json", bytes / 1e6, "MB");
  reporter.Report("cpu", bench::Median(cpu), "s");
  reporter.Report("first_byte", bench::Median(first) * 1e3, "ms", 20, at_most);
  reporter.Report("rate", bench::Median(rate), "MB/s", 300);
  reporter.Report("proxy_growth", growth / 1048576, "MiB", 16, at_most);
  agents.clear();
  return reporter.ExitCode(bench::HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc

int main(int argc, char** argv) { return fodc::Run(argc, argv); }
