// SPDX-License-Identifier: Apache-2.0
// A capture of a target whose profile has 512 MiB: what it takes of memory, and
// how fast it is on disk. The target is a process of its own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/file.h"
#include "fodc/base/mutex.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/capture/capture_runner.h"
#include "tests/support/gzip.h"

namespace fodc::bench {
namespace {

using capture::CaptureRequest;
using capture::CaptureResult;
using capture::CaptureRunner;

constexpr std::uint64_t kProfileBytes = 512ULL << 20;
constexpr std::uint64_t kSmallBytes = 1ULL << 20;
constexpr std::size_t kPieceBytes = 1 << 20;
constexpr double kMostGrowthMib = 2;
constexpr double kLeastMbPerSecond = 300;
constexpr int kRepeats = 3;
constexpr int kSmallCaptures = 100;

// What a target does: "/debug/pprof/heap" is a profile of as many bytes as the
// process was told, anything else is not there.
class Target {
 public:
  Target() {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    FODC_CHECK(
        ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&a), n) == 0 &&
        ::listen(listener_.get(), 8) == 0 &&
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&a), &n) ==
            0);
    port_ = ntohs(a.sin_port);
    pid_ = ::fork();
    FODC_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      (void)::signal(SIGPIPE, SIG_IGN);
      Serve();
    }
    listener_.reset();
  }
  ~Target() {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  pid_t pid() const { return pid_; }
  std::string Url(std::uint64_t bytes) const {
    return StrCat("http://127.0.0.1:", port_, "/", bytes, "/{type}");
  }

 private:
  static bool SendAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), 0);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  [[noreturn]] void Serve() const {
    std::string noise(2 * kPieceBytes, '\0');
    std::mt19937_64 random(42);
    for (std::size_t i = 0; i + 8 <= noise.size(); i += 8) {
      const std::uint64_t word = random();
      noise.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
    }
    // Its beginning is taken apart by whoever gets it.
    const std::string head =
        test::Gzip(StrCat("heap profile: 1: 2 [ 3: 4] @ heapprofile\n", noise));
    noise.resize(kPieceBytes);
    for (;;) {
      const UniqueFd fd(
          ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      char request[4096];
      const ssize_t n = ::recv(fd.get(), request, sizeof request, 0);
      if (n <= 0) continue;
      std::string_view path(request, static_cast<std::size_t>(n));
      path = path.substr(0, path.find(" HTTP"));
      ConsumePrefix(&path, "GET /");
      const auto bytes = ParseUint(path.substr(0, path.find('/')));
      if (!bytes || !path.ends_with("/heap")) {
        SendAll(fd.get(),
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        continue;
      }
      SendAll(fd.get(), StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", *bytes,
                               "\r\n\r\n"));
      std::uint64_t left = *bytes;
      std::string_view piece = head;
      while (left > 0) {
        piece = piece.substr(0, left);
        if (!SendAll(fd.get(), piece)) break;
        left -= piece.size();
        piece = noise;
      }
    }
  }

  UniqueFd listener_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

struct Measured {
  double heap_mb_per_second = 0;
  double capture_mb_per_second = 0;  // with the sync at its end
  double growth_mib = 0;
  double first_byte_ms = 0;  // on disk, from the request
};

double PeakRssMib() {
  const auto text = ReadFile("/proc/self/status");
  const auto status = ParseProcessStatus(text.value());
  return static_cast<double>(status->resident_peak_bytes.value_or(0)) /
         (1 << 20);
}

double Seconds(std::chrono::nanoseconds d) {
  return std::chrono::duration<double>(d).count();
}

class Bench {
 public:
  explicit Bench(const std::string& root)
      : store_(evidence::EventStore::Open({.root = root, .keep_free_bytes = 0})
                   .value()) {}

  Measured Run(std::uint64_t bytes) {
    capture::CaptureRunnerOptions options;
    options.targets = {
        {.profiles = *capture::ProfileSource::Parse(target_.Url(bytes))}};
    options.profiles = *capture::ChooseProfileTypes({});
    options.plan.wall_budget = std::chrono::minutes(2);
    options.plan.profile_timeout = std::chrono::minutes(1);
    options.plan.max_profile_bytes = 1ULL << 30;
    options.budget.max_bytes = 1ULL << 30;
    options.retention.max_events = 1;
    options.threads = 1;

    Mutex mutex;
    CondVar there;
    std::optional<CaptureResult> result;
    CaptureRunner runner(std::move(options),
                         {.on_captured =
                              [&](CaptureResult r) {
                                MutexLock lock(mutex);
                                result = std::move(r);
                                there.NotifyAll();
                              }},
                         store_.get(), SystemClock());
    CaptureRequest request = {.at = SystemClock().Unix(), .target = "bench"};
    request.processes = {
        {.pid = target_.pid(),
         .start_ticks =
             ReadProcessStat(kProcRoot, target_.pid())->start_ticks}};
    // The peak from here on.
    FODC_CHECK(WriteSelf("/proc/self/clear_refs", "5"));
    const double before = PeakRssMib();
    FODC_CHECK(runner.Begin(std::move(request)).ok());
    {
      MutexLock lock(mutex);
      while (!result) there.Wait(mutex);
    }
    FODC_CHECK(result->status.ok());
    Measured out;
    out.growth_mib = PeakRssMib() - before;
    const auto meta = store_->Read(result->event_id)->meta;
    for (const evidence::EventStep& step : meta.steps) {
      if (step.step != "heap") continue;
      if (step.bytes != bytes) {
        std::fprintf(stderr, "heap: %s\n", step.reason.c_str());
        std::abort();
      }
      out.heap_mb_per_second =
          static_cast<double>(step.bytes) / 1e6 / Seconds(step.duration);
    }
    out.first_byte_ms =
        Seconds(result->first_byte_at - result->decided_at) * 1e3;
    out.capture_mb_per_second =
        static_cast<double>(bytes) / 1e6 /
        Seconds(result->finished_at - result->decided_at);
    return out;
  }

 private:
  static bool WriteSelf(const std::string& path, std::string_view text) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return fd.ok() && WriteAll(fd.get(), text, path).ok();
  }

  Target target_;  // first: it is forked while there are no threads
  std::unique_ptr<evidence::EventStore> store_;
};

int Main(int argc, char** argv) {
  const TempDirectory directory("bench_capture");
  Bench bench(directory.File("events"));
  // What the first capture of a life takes is no growth with the profile.
  std::vector<double> first_byte;
  for (int i = 0; i < kSmallCaptures; ++i)
    first_byte.push_back(bench.Run(kSmallBytes).first_byte_ms);
  std::vector<double> heap;
  std::vector<double> whole;
  double growth = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const Measured m = bench.Run(kProfileBytes);
    heap.push_back(m.heap_mb_per_second);
    whole.push_back(m.capture_mb_per_second);
    growth = std::max(growth, m.growth_mib);
  }
  Reporter report("bench_capture");
  report.Report("heap_to_disk", Median(heap), "MB/s", kLeastMbPerSecond);
  report.Report("capture_with_sync", Median(whole), "MB/s");
  report.Report("first_byte_p99", Percentile(first_byte, 0.99), "ms");
  report.Report("rss_growth", growth, "MiB", kMostGrowthMib,
                Reporter::Floor::kAtMost);
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
