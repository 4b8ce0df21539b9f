// SPDX-License-Identifier: Apache-2.0
#include "bench/trigger/crossings.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <random>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/file.h"
#include "fodc/base/memory_gauge.h"
#include "fodc/base/mutex.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/capture/capture_runner.h"
#include "fodc/detect/memory_watch.h"
#include "tests/guard/memory_child.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using test::WaitUntil;

constexpr char kGo[] = "/usr/bin/go";  // Debian's
constexpr int kTriggerPercent = 75;
constexpr int kStartPercent = 60;  // what the child has when it is first seen

// Readable when the group runs out of memory: before the kernel chooses whom to
// kill. A dead process is seen only when its memory has been given back.
class OutOfMemory {
 public:
  explicit OutOfMemory(const std::string& group)
      : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        control_(::open((group + "/memory.oom_control").c_str(),
                        O_RDONLY | O_CLOEXEC)) {
    const std::string path = group + "/cgroup.event_control";
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    FODC_CHECK(
        WriteAll(fd.get(), StrCat(event_.get(), " ", control_.get()), path)
            .ok());
  }

  void Drain() const {
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
  }
  MonotonicTime Await(std::chrono::milliseconds limit) const {
    pollfd fd = {.fd = event_.get(), .events = POLLIN, .revents = 0};
    FODC_CHECK(::poll(&fd, 1, static_cast<int>(limit.count())) == 1);
    return SystemClock().Monotonic();
  }

 private:
  UniqueFd event_;
  UniqueFd control_;
};

// What the child said: "<word> <nanoseconds> <bytes>".
struct Note {
  MonotonicTime at;
  std::uint64_t bytes = 0;
};

std::optional<Note> FindNote(std::string_view text, std::string_view word) {
  for (const std::string_view line : Split(text, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ' ');
    if (fields.size() != 3 || fields[0] != word) continue;
    const auto nanoseconds = ParseUint(fields[1]);
    const auto bytes = ParseUint(fields[2]);
    if (!nanoseconds || !bytes) continue;
    return Note{.at = MonotonicTime(std::chrono::nanoseconds(
                    static_cast<std::int64_t>(*nanoseconds))),
                .bytes = *bytes};
  }
  return {};
}

double Seconds(std::chrono::nanoseconds d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

class Crossings::Impl {
 public:
  Impl();
  Crossing Run(int megabytes_per_second, bool has_events);

 private:
  // What the threads of the trigger and of the capture tell.
  struct Heard {
    std::optional<detect::PressureFiring> firing;
    std::optional<MonotonicTime> committed_at;  // the first revision
    std::optional<capture::CaptureResult> result;
  };

  void Build();
  void OnFire(const detect::PressureFiring& firing);
  test::Process StartChild(int megabytes_per_second);
  void Follow(pid_t pid, bool has_events);
  Heard AwaitCapture();
  bool Opens(const std::string& event_id);

  const TempDirectory dir_{"bench_trigger"};
  const std::string child_ = dir_.File("child");
  const std::string said_ = dir_.File("said");
  const std::uint16_t port_ = test::FreePort();
  const test::MemoryGroup group_{"bench-trigger", kLimitBytes};
  const OutOfMemory out_of_memory_{group_.group().path()};
  std::mt19937 random_{42};

  Mutex mutex_;
  CondVar there_;
  Heard heard_ FODC_GUARDED_BY(mutex_);
  std::unique_ptr<evidence::EventStore> store_;
  std::unique_ptr<capture::CaptureRunner> runner_;
  std::unique_ptr<detect::MemoryWatch> watch_;  // the last: it uses the others
};

void Crossings::Impl::Build() {
  // What the user set up for another Go is of no use to this one.
  const test::Output built = test::RunToEnd(
      {kGo, "build", "-o", child_, test::SourcePath("bench/trigger/child.go")},
      5min,
      {{"GOCACHE", dir_.File("cache")},
       {"GO111MODULE", "off"},
       {"GOFLAGS", ""},
       {"GOROOT", ""}});
  if (built.exit_code == 0) return;
  std::fprintf(stderr, "%s build: %s\n", kGo, built.err.c_str());
  std::abort();
}

Crossings::Impl::Impl() {
  Build();
  store_ = evidence::EventStore::Open({.root = dir_.File("events")}).value();
  capture::CaptureRunnerOptions options;
  options.pod_name = "bench";
  options.targets = {{.profiles = capture::ProfileSource::OfPort(port_)}};
  options.profiles = *capture::ChooseProfileTypes({});
  runner_ = std::make_unique<capture::CaptureRunner>(
      std::move(options),
      capture::CaptureRunner::Callbacks{
          .on_captured =
              [this](capture::CaptureResult result) {
                const MutexLock lock(mutex_);
                heard_.result = std::move(result);
                there_.NotifyAll();
              },
          .on_committed =
              [this](const std::string&, std::uint32_t) {
                const MonotonicTime now = SystemClock().Monotonic();
                const MutexLock lock(mutex_);
                if (!heard_.committed_at) heard_.committed_at = now;
              }},
      store_.get(), SystemClock());
  detect::MemoryWatchOptions watch;
  watch.pressure.trigger_percent = kTriggerPercent;
  watch.pressure.pace.cooldown = 0s;
  watch_ =
      detect::MemoryWatch::Start(
          watch, SystemClock(),
          {.on_fire = [this](const detect::PressureFiring& f) { OnFire(f); },
           .on_calm = [](std::size_t) {}})
          .value();
}

void Crossings::Impl::OnFire(const detect::PressureFiring& firing) {
  capture::CaptureRequest request;
  request.at = SystemClock().Unix();
  request.target = "bench";
  request.trigger.kind = "memory_pressure";
  request.bytes = firing.decision.sample.bytes;
  request.limit_bytes = firing.decision.sample.limit_bytes;
  request.threshold_bytes = firing.decision.threshold_bytes;
  request.trigger_percent = kTriggerPercent;
  request.seconds_to_limit = firing.seconds_to_limit;
  request.processes = {{.pid = firing.pid, .start_ticks = firing.start_ticks}};
  FODC_CHECK(runner_->Begin(std::move(request)).ok());
  const MutexLock lock(mutex_);
  heard_.firing = firing;
}

test::Process Crossings::Impl::StartChild(int megabytes_per_second) {
  // What the line is compared with does not count page cache.
  const auto gauge = [&] {
    const auto text = ReadFile(group_.group().path() + "/memory.stat");
    FODC_CHECK(text.ok());
    std::uint64_t bytes = 0;
    for (const std::string_view line : Split(*text, '\n')) {
      for (const std::string_view name :
           {"total_active_file ", "total_inactive_file "}) {
        if (line.starts_with(name))
          bytes += ParseUint(line.substr(name.size())).value_or(0);
      }
    }
    return bytes;
  };
  test::Process child = test::Process::Start(
      {.name = "child",
       .argv = {"/bin/sh", "-c", "echo $$ >$0/cgroup.procs && exec \"$@\"",
                group_.group().path(), child_, StrCat("-port=", port_),
                StrCat("-usage=", group_.group().path(),
                       "/memory.usage_in_bytes"),
                StrCat("-from=", kLimitBytes / 100 * kStartPercent),
                StrCat("-line=", kLimitBytes / 100 * kTriggerPercent + gauge()),
                StrCat("-rate=", megabytes_per_second, "e6")},
       .env = {},
       .log_path = dir_.File("log"),
       .stdout_path = said_});
  FODC_CHECK(WaitUntil(
      [&] { return ReadFile(said_).value_or("").starts_with("ready"); }, 20s,
      2ms));
  return child;
}

void Crossings::Impl::Follow(pid_t pid, bool has_events) {
  const auto stat = ReadProcessStat(kProcRoot, pid);
  FODC_CHECK(stat.ok());
  auto source = detect::KernelMemory::Open(
      pid, stat->start_ticks,
      {.trigger_percent = kTriggerPercent, .has_events = has_events});
  FODC_CHECK(source.ok() && ((*source)->event_fd() >= 0) == has_events);
  watch_->Follow(0, *std::move(source));
  FODC_CHECK(
      WaitUntil([&] { return watch_->States()[0].last.is_armed(); }, 10s, 1ms));
}

Crossings::Impl::Heard Crossings::Impl::AwaitCapture() {
  const MutexLock lock(mutex_);
  if (heard_.firing) {
    while (!heard_.result) there_.Wait(mutex_);
  }
  return std::exchange(heard_, {});
}

bool Crossings::Impl::Opens(const std::string& event_id) {
  const auto event = store_->Read(event_id);
  if (!event.ok()) return false;
  int opened = 0;
  for (const evidence::EventProfile& profile : event->meta.profiles) {
    if (profile.type != "heap" && profile.type != "goroutine") continue;
    const test::Output out = test::RunToEnd(
        {kGo, "tool", "pprof", "-top", "-symbolize=none",
         StrCat(store_->root(), "/", event_id, "/", profile.filename)},
        30s, {{"GOROOT", ""}, {"PPROF_TMPDIR", dir_.path()}});
    if (out.exit_code == 0 && out.out.find("flat%") != std::string::npos)
      ++opened;
  }
  return opened == 2;
}

Crossing Crossings::Impl::Run(int megabytes_per_second, bool has_events) {
  out_of_memory_.Drain();
  test::Process child = StartChild(megabytes_per_second);
  Follow(child.pid(), has_events);
  // Any moment between two looks.
  std::this_thread::sleep_for(std::chrono::microseconds(random_() % 200'000));
  child.Signal(SIGUSR1);
  const MonotonicTime killed_at = out_of_memory_.Await(60s);
  FODC_CHECK(child.WaitExitCode(20s) == 128 + SIGKILL);
  const Heard heard = AwaitCapture();
  watch_->LetGo(0, detect::PressureReason::kNoTarget, "it was killed");
  if (heard.firing) watch_->OnCaptured(0, true);
  FODC_CHECK(WaitUntil(
      [&] {
        return watch_->States()[0].last.reason ==
               detect::PressureReason::kNoTarget;
      },
      10s, 1ms));

  const std::string said = ReadFile(said_).value();
  const auto went = FindNote(said, "went");
  const auto crossed = FindNote(said, "crossed");
  FODC_CHECK(went && crossed);
  const auto since = [&](MonotonicTime t) {
    return Seconds(t - crossed->at) * 1e3;
  };
  Crossing out;
  out.kill_ms = since(killed_at);
  out.mb_per_second = static_cast<double>(crossed->bytes - went->bytes) / 1e6 /
                      Seconds(crossed->at - went->at);
  if (!heard.firing) return out;
  out.decision_ms = since(heard.firing->decided_at);
  if (heard.result->first_byte_at != MonotonicTime{})
    out.first_byte_ms = since(heard.result->first_byte_at);
  if (heard.committed_at) out.commit_ms = since(*heard.committed_at);
  out.end_ms = since(heard.result->finished_at);
  out.opens = heard.result->status.ok() && Opens(heard.result->event_id);
  return out;
}

std::string Crossings::WhyNone() {
  if (std::string why = test::WhyNoMemoryGroups(); !why.empty()) return why;
  if (::access(kGo, X_OK) != 0)
    return StrCat("there is no ", kGo, ": install golang-go");
  return {};
}

Crossings::Crossings() : impl_(std::make_unique<Impl>()) {}
Crossings::~Crossings() = default;

Crossing Crossings::Run(int megabytes_per_second, bool has_events) {
  return impl_->Run(megabytes_per_second, has_events);
}

}  // namespace fodc::bench
