// SPDX-License-Identifier: Apache-2.0
// One proxy on one core, and on the other 500 flight agents of 2,000 series,
// each scraped every second: what taking in costs, what is held, and what a
// page of the million series costs.
#include <zlib.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "bench/fleet_load.h"
#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kSeries = 2000;
constexpr int kBudgetMib = 512;

double Mib(double bytes) { return bytes / 1048576; }

double CpuOfThisThread() {
  timespec t{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// CPU seconds of zlib at level 6 over the whole page.
double ZlibSeconds(const std::string& page, std::size_t* bytes) {
  const double start = CpuOfThisThread();
  z_stream z{};
  FODC_CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
             Z_OK);
  std::vector<unsigned char> out(1 << 20);
  z.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(page.data()));
  z.avail_in = static_cast<unsigned>(page.size());
  *bytes = 0;
  int rc = Z_OK;
  while (rc == Z_OK) {
    z.next_out = out.data();
    z.avail_out = static_cast<unsigned>(out.size());
    rc = deflate(&z, Z_FINISH);
    *bytes += out.size() - z.avail_out;
  }
  deflateEnd(&z);
  return CpuOfThisThread() - start;
}

struct Measured {
  std::vector<double> seconds;
  double proxy_cpu = 0;  // of one request, ingest included
  double wire_bytes = 0;
  double wall = 0;  // of one request
};

class FleetBench {
 public:
  FleetBench(bool quick, std::size_t agents, int history_seconds,
             bench::Reporter* reporter)
      : quick_(quick),
        agent_count_(agents),
        history_seconds_(history_seconds),
        reporter_(reporter),
        loop_(SystemClock()) {}

  bool Run();

 private:
  bool Fill();
  void StartTicking();
  bool Page(const std::string& encoding, bool keep, bench::HttpAnswer* answer);
  double Metric(const std::string& series);
  bool WaitFor(const std::string& what, const std::function<bool()>& done,
               std::chrono::seconds limit);
  bool Measure(const std::string& encoding, int requests, Measured* out);

  const bool quick_;
  const std::size_t agent_count_;
  const int history_seconds_;
  bench::Reporter* const reporter_;
  net::EventLoop loop_;
  std::vector<bench::Tape> tapes_;
  std::unique_ptr<bench::ProxyProcess> proxy_;
  std::vector<std::unique_ptr<bench::LoadAgent>> agents_;
  std::vector<net::EventLoop::Handle> ticks_;
  // Written by the loop's thread, read by this one.
  std::atomic<std::uint64_t> frames_{0};
  std::atomic<std::uint64_t> samples_{0};
  std::atomic<std::uint64_t> changed_{0};
  std::atomic<std::uint64_t> missed_{0};
  std::atomic<bool> ticking_{false};
};

bool FleetBench::Fill() {
  for (const char* name : {"etcd", "vm", "node", "prometheus"}) {
    auto tape = bench::Tape::Load(name);
    if (!tape.ok()) {
      (void)std::fprintf(stderr, "%s\n", tape.status().ToString().c_str());
      return false;
    }
    tapes_.push_back(*std::move(tape));
  }
  auto pool = std::make_shared<recorder::SeriesPool>();
  const std::int64_t now_mono =
      std::chrono::duration_cast<milliseconds>(
          SystemClock().Monotonic().time_since_epoch())
          .count();
  const std::int64_t now_unix = ToUnixMillis(SystemClock().Unix());
  for (std::size_t n = 0; n < agent_count_; ++n) {
    // Half of the fleet has an etcd with a VictoriaMetrics beside it, whose
    // layout moves all the time; the other half an etcd, a node exporter and
    // a Prometheus.
    std::vector<const bench::Tape*> tapes =
        n % 2 == 0 ? std::vector<const bench::Tape*>{&tapes_[1], &tapes_[0]}
                   : std::vector<const bench::Tape*>{&tapes_[2], &tapes_[3],
                                                     &tapes_[0]};
    agents_.push_back(
        std::make_unique<bench::LoadAgent>(n, tapes, kSeries, n * 61, pool));
  }
  for (int i = history_seconds_; i > 0; --i) {
    for (auto& agent : agents_) {
      // The machine may not have been up for so long.
      agent->Append({std::max<std::int64_t>(1, now_mono - i * 1000),
                     now_unix - i * 1000});
    }
  }
  for (const auto& agent : agents_) {
    frames_ += agent->frames();
    samples_ += agent->samples();
  }
  return true;
}

void FleetBench::StartTicking() {
  const auto start = loop_.clock().Monotonic() + milliseconds(200);
  for (std::size_t n = 0; n < agents_.size(); ++n) {
    bench::LoadAgent* agent = agents_[n].get();
    // Spread over the second, as agents are.
    const auto at = start + std::chrono::nanoseconds(std::chrono::seconds(1)) *
                                n / agents_.size();
    ticks_.push_back(loop_.RunEvery(
        std::chrono::seconds(1),
        [this, agent](const net::EventLoop::Tick& tick) {
          missed_ += tick.missed;
          if (!ticking_) return;
          const std::uint64_t frames = agent->frames();
          const std::uint64_t changed = agent->changed();
          const auto mono = std::chrono::duration_cast<milliseconds>(
              loop_.clock().Monotonic().time_since_epoch());
          samples_ +=
              agent->Append({mono.count(), ToUnixMillis(loop_.clock().Unix())});
          frames_ += agent->frames() - frames;
          changed_ += agent->changed() - changed;
        },
        at));
  }
}

bool FleetBench::Page(const std::string& encoding, bool keep,
                      bench::HttpAnswer* answer) {
  auto got = bench::HttpGet(proxy_->http_port(), "/metrics", encoding, keep);
  if (!got.ok() || got->status != 200) {
    (void)std::fprintf(stderr, "no page: %s\n", got.status().message().c_str());
    return false;
  }
  *answer = *std::move(got);
  return true;
}

// Off the whole page: own metrics are on no smaller one.
double FleetBench::Metric(const std::string& series) {
  bench::HttpAnswer answer;
  if (!Page("", true, &answer)) return -1;
  return bench::MetricOn("\n" + answer.body, series);
}

bool FleetBench::WaitFor(const std::string& what,
                         const std::function<bool()>& done,
                         std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (done()) return true;
    std::this_thread::sleep_for(milliseconds(500));
  }
  (void)std::fprintf(stderr, "waited in vain: %s\n", what.c_str());
  return false;
}

bool FleetBench::Measure(const std::string& encoding, int requests,
                         Measured* out) {
  const double cpu = proxy_->CpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < requests; ++i) {
    bench::HttpAnswer answer;
    if (!Page(encoding, false, &answer)) return false;
    out->seconds.push_back(answer.seconds);
    out->wire_bytes = static_cast<double>(answer.wire_bytes);
  }
  out->wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count() /
      requests;
  out->proxy_cpu = (proxy_->CpuSeconds() - cpu) / requests;
  return true;
}

bool FleetBench::Run() {
  const auto at_most = bench::Reporter::Floor::kAtMost;
  const auto begin = std::chrono::steady_clock::now();
  if (!Fill()) return false;
  reporter_->Report(
      "prefill",
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count(),
      "s");
  auto proxy = bench::ProxyProcess::Start(
      test::ProgramPath("fodc-proxy"),
      {StrCat("--recorder-memory=", kBudgetMib, "MiB")}, 0);
  if (!proxy.ok()) {
    (void)std::fprintf(stderr, "%s\n", proxy.status().message().c_str());
    return false;
  }
  proxy_ = *std::move(proxy);

  // The load's own thread, on the other core.
  for (auto& agent : agents_) agent->Connect(loop_, proxy_->grpc_address());
  StartTicking();
  std::thread load([this] { loop_.Run(); });
  bool ok = [&] {
    const auto synced = std::chrono::steady_clock::now();
    if (!WaitFor(
            "history taken in",
            [&] {
              return Metric("fodc_proxy_frames_total") >=
                     static_cast<double>(frames_);
            },
            std::chrono::seconds(120))) {
      return false;
    }
    reporter_->Report(
        "resume",
        std::chrono::duration<double>(std::chrono::steady_clock::now() - synced)
            .count(),
        "s");
    ticking_ = true;
    std::this_thread::sleep_for(std::chrono::seconds(quick_ ? 3 : 15));

    // --- Taking in alone.
    bench::HttpAnswer page;
    if (!Page("", true, &page)) return false;
    const double wire = bench::MetricOn(page.body,
                                        "fodc_proxy_flight_bytes_"
                                        "total");
    const std::uint64_t samples = samples_;
    const std::uint64_t changed = changed_;
    const double cpu = proxy_->CpuSeconds();
    const auto start = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::seconds(quick_ ? 10 : 60));
    const double wall =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count();
    const double ingest_cpu = (proxy_->CpuSeconds() - cpu) / wall;
    const double new_samples = static_cast<double>(samples_ - samples);
    const double changed_share =
        static_cast<double>(changed_ - changed) / new_samples;
    if (!Page("", true, &page)) return false;
    const double new_wire =
        bench::MetricOn(page.body, "fodc_proxy_flight_bytes_total") - wire;
    const double series = bench::MetricOn(page.body, "fodc_proxy_series");
    reporter_->Report("agents", static_cast<double>(agents_.size()), "agents");
    reporter_->Report("series", series, "series");
    reporter_->Report("samples_per_second", new_samples / wall, "samples/s");
    reporter_->Report("changed_samples", changed_share, "ratio");
    reporter_->Report("ingest_cpu", ingest_cpu * 100, "% of a core", 15,
                      at_most);
    reporter_->Report("ingest_cpu_per_sample",
                      ingest_cpu * wall / new_samples * 1e9, "ns");
    reporter_->Report("wire", new_wire / new_samples, "bytes/sample", 0.5,
                      at_most);

    // --- The page, while agents go on.
    const int requests = quick_ ? 20 : 200;
    Measured plain;
    Measured gzip;
    if (!Measure("", requests, &plain) || !Measure("gzip", requests, &gzip)) {
      return false;
    }
    const double text_mb = static_cast<double>(page.body.size()) / 1e6;
    std::size_t zlib_bytes = 0;
    const double zlib = ZlibSeconds(page.body, &zlib_bytes);
    const double plain_cpu = plain.proxy_cpu - ingest_cpu * plain.wall;
    const double gzip_cpu = gzip.proxy_cpu - ingest_cpu * gzip.wall;
    reporter_->Report("page_text", text_mb, "MB");
    reporter_->Report("page_p50", bench::Percentile(plain.seconds, 0.5) * 1e3,
                      "ms");
    reporter_->Report("page_p99", bench::Percentile(plain.seconds, 0.99) * 1e3,
                      "ms", 600, at_most);
    reporter_->Report("page_cpu", plain_cpu * 1e3, "ms");
    reporter_->Report("gzip_page_p50",
                      bench::Percentile(gzip.seconds, 0.5) * 1e3, "ms");
    reporter_->Report("gzip_page_p99",
                      bench::Percentile(gzip.seconds, 0.99) * 1e3, "ms");
    reporter_->Report("gzip_page_cpu", gzip_cpu * 1e3, "ms");
    reporter_->Report("gzip_page", gzip.wire_bytes / 1e6, "MB");
    reporter_->Report("zlib6_cpu", zlib * 1e3, "ms");
    reporter_->Report("zlib6_page", static_cast<double>(zlib_bytes) / 1e6,
                      "MB");
    reporter_->Report("gzip_cpu_over_zlib6", gzip_cpu / zlib, "ratio", 0.25,
                      at_most);

    // --- Nothing lost, and what is held.
    ticking_ = false;
    if (!WaitFor(
            "every frame taken in",
            [&] {
              return Metric("fodc_proxy_frames_total") >=
                     static_cast<double>(frames_);
            },
            std::chrono::seconds(30))) {
      return false;
    }
    if (!Page("", true, &page)) return false;
    const double lost =
        static_cast<double>(frames_) -
        bench::MetricOn(page.body, "fodc_proxy_frames_total") +
        bench::MetricOn(page.body, "fodc_proxy_missing_frames_total");
    reporter_->Report("frames", static_cast<double>(frames_), "frames");
    reporter_->Report("frames_lost", lost, "frames", 0, at_most);
    reporter_->Report("gaps",
                      bench::MetricOn(page.body, "fodc_proxy_gaps_total"),
                      "gaps", 0, at_most);
    const double held =
        bench::MetricOn(page.body, "fodc_proxy_window_seconds{stat=\"least\"}");
    const double expected =
        bench::MetricOn(page.body, "fodc_proxy_window_expected_seconds");
    const double window_bytes =
        bench::MetricOn(page.body, "fodc_proxy_recording_bytes");
    const double window_samples =
        bench::MetricOn(page.body, "fodc_proxy_recording_samples");
    reporter_->Report("window_held", held / 60, "min",
                      quick_ ? std::optional<double>() : 20);
    reporter_->Report("window_expected", expected / 60, "min",
                      quick_ ? std::optional<double>() : 20);
    reporter_->Report("window_bytes", Mib(window_bytes), "MiB");
    reporter_->Report("window_bytes_per_sample", window_bytes / window_samples,
                      "bytes");
    reporter_->Report("rss", Mib(proxy_->MemoryBytes("VmRSS")), "MiB");
    reporter_->Report("rss_peak", Mib(proxy_->MemoryBytes("VmHWM")), "MiB",
                      kBudgetMib + 200, at_most);
    reporter_->Report("load_missed_ticks", static_cast<double>(missed_),
                      "ticks");
    reporter_->Report("samples", static_cast<double>(samples_), "samples");
    return true;
  }();
  loop_.Stop();
  load.join();
  ticks_.clear();
  agents_.clear();
  proxy_.reset();
  return ok;
}

}  // namespace
}  // namespace fodc

int main(int argc, char** argv) {
  using fodc::bench::HasFlag;
  fodc::SetLogLevel(fodc::LogLevel::kWarn);
  fodc::bench::PinToOneCore();
  fodc::bench::Reporter reporter("bench_fleet");
  const bool quick = HasFlag(argc, argv, "--quick");
  // For a closer look: --agents=N and --history=SECONDS.
  std::size_t agents = quick ? 50 : 500;
  int history = quick ? 60 : 1260;
  for (int i = 1; i < argc; ++i) {
    std::string_view flag = argv[i];
    if (fodc::ConsumePrefix(&flag, "--agents=")) {
      agents = fodc::ParseUint(flag).value_or(agents);
    } else if (fodc::ConsumePrefix(&flag, "--history=")) {
      history = static_cast<int>(fodc::ParseInt(flag).value_or(history));
    }
  }
  fodc::FleetBench fleet(quick, agents, history, &reporter);
  if (!fleet.Run()) return 1;
  return reporter.ExitCode(HasFlag(argc, argv, "--check"));
}
