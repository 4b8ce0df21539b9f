// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/exit_cause.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "edge.h"
#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "life_crash.h"
#include "life_lock.h"
#include "life_text.h"

namespace fodc::guard {
namespace {

// A life that ended by pressure before this may be one of a loop.
constexpr double kShortLifeSeconds = 60;
constexpr std::size_t kMaxLifeBytes = 64u << 10;

// Whom a crash ends; the last that began.
constinit std::atomic<Life*> g_living{nullptr};

// What this life looks like at its beginning, streak aside.
LifeBegin LookAround(const Clock& clock) {
  LifeBegin b;
  b.unix_ms = ToUnixMillis(clock.Unix());
  b.boot_id = ReadBootId(kProcRoot).value_or("");
  auto place = FindCgroup(kProcRoot, ::getpid());
  if (!place.ok() || !place->memory) return b;
  const std::string group = place->memory->path;
  const auto memory = CgroupReader(*std::move(place)).ReadMemory();
  if (!memory.ok() || !memory->oom_kill_events) return b;
  b.group = group;
  b.oom_kills = *memory->oom_kill_events;
  return b;
}

LastExit EndOf(const LifeRecord& before, const LifeBegin& now) {
  if (before.end) return *before.end;
  LastExit e;
  const bool oom = before.begin.boot_id == now.boot_id && !now.group.empty() &&
                   before.begin.group == now.group &&
                   now.oom_kills > before.begin.oom_kills;
  e.cause = oom ? ExitCause::kOomKill : ExitCause::kKilled;
  return e;
}

std::string_view JsonOf(const LastExit& e, std::int64_t pid,
                        std::array<char, kMaxEndBytes>* buffer) {
  const std::size_t size = FormatLastExitJson(e, pid, *buffer);
  return {buffer->data(), size};
}

}  // namespace

std::string_view ExitCauseName(ExitCause cause) noexcept {
  switch (cause) {
    case ExitCause::kNone:
      return "none";
    case ExitCause::kStop:
      return "stop";
    case ExitCause::kPressure:
      return "pressure";
    case ExitCause::kError:
      return "error";
    case ExitCause::kCrash:
      return "crash";
    case ExitCause::kKilled:
      return "killed";
    case ExitCause::kOomKill:
      return "oom_kill";
  }
  return "none";
}

struct Life::Impl {
  enum Written : int { kNot, kBusy, kDone };

  LifeOptions options;
  const Clock* clock = nullptr;
  MonotonicTime started;
  std::optional<LastExit> previous;
  int streak = 0;

  const pid_t pid = ::getpid();
  LifeLock lock;
  std::string json_path;
  std::string temp_path;
  UniqueFd life;  // appended to
  UniqueFd json;  // under temp_path until the end

  std::atomic<ExitCause> cause{ExitCause::kNone};
  std::atomic<std::uint64_t> rss_bytes{0};
  std::atomic<std::uint64_t> limit_bytes{0};
  std::atomic<std::uint64_t> threshold_bytes{0};
  std::atomic<int> written{kNot};

  // A child made by fork has a copy of this life, which is not its own.
  bool IsOwn() const noexcept { return ::getpid() == pid; }

  void Warn(std::string_view message, const Status& error) const {
    const std::string text = error.ToString();
    const EventField fields[] = {{"directory", options.directory},
                                 {"error", text}};
    Tell(options.events, {EventLevel::kWarn, message, fields});
  }

  std::string File(std::string_view name) const {
    return StrCat(options.directory, "/", name);
  }

  // Whatever fails, this life goes on without what could not be read.
  void ReadPrevious(const LifeBegin& now) {
    const auto text = ReadFile(File("life"), kMaxLifeBytes);
    if (!text.ok()) {
      if (text.status().code() != Code::kNotFound) {
        Warn("the life before is not known", text.status());
      }
      return;
    }
    const Result<LifeRecord> before = ParseLife(*text);
    if (!before.ok()) {
      Warn("the life before is not known", before.status());
      return;
    }
    previous = EndOf(*before, now);
    if (previous->cause == ExitCause::kPressure &&
        previous->run_seconds < kShortLifeSeconds) {
      streak = before->begin.pressure_streak + 1;
    }
    const bool was_killed = previous->cause == ExitCause::kKilled ||
                            previous->cause == ExitCause::kOomKill;
    if (was_killed && before->begin.pressure_streak >= kPressureLoop) {
      streak = before->begin.pressure_streak;
    }
  }

  Status WriteBegin(const LifeBegin& now) {
    if (previous && !previous->unix_ms) {
      // What is there tells of a life before that one.
      std::array<char, kMaxEndBytes> buffer;
      FODC_RETURN_IF_ERROR(
          WriteFileAtomically(json_path, JsonOf(*previous, 0, &buffer)));
    }
    const std::string path = File("life");
    FODC_RETURN_IF_ERROR(WriteFileAtomically(path, FormatLifeBegin(now)));
    life.reset(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!life.ok()) return ErrnoStatus(errno, "open " + path);
    json.reset(::open(temp_path.c_str(),
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!json.ok()) return ErrnoStatus(errno, "open " + temp_path);
    return OkStatus();
  }

  Status Begin() {
    clock = options.clock != nullptr ? options.clock : &SystemClock();
    started = clock->Monotonic();
    if (options.directory.empty()) return OkStatus();
    json_path = File("last-exit.json");
    temp_path = json_path + ".tmp";
    const Status made = MakeDirectories(options.directory);
    if (!made.ok()) {
      Warn("this life leaves no trace", made);
      return OkStatus();
    }
    const Status locked = lock.Take(options.directory);
    if (locked.code() == Code::kFailedPrecondition) return locked;
    if (!locked.ok()) Warn("the directory of lives is not locked", locked);
    LifeBegin now = LookAround(*clock);
    ReadPrevious(now);
    now.pressure_streak = streak;
    const Status begun = WriteBegin(now);
    if (!begun.ok()) Warn("this life leaves no trace", begun);
    if (options.metrics == nullptr || !previous) return OkStatus();
    const auto gauge =
        options.metrics->FindGauge("fodc_guard_last_exit_info",
                                   {{"cause", ExitCauseName(previous->cause)}});
    if (gauge.ok()) (*gauge)->Set(1);
    return OkStatus();
  }

  LastExit Now() const {
    LastExit e;
    e.cause = cause.load();
    e.unix_ms = ToUnixMillis(clock->Unix());
    e.run_seconds =
        std::chrono::duration<double>(clock->Monotonic() - started).count();
    e.numbers = {rss_bytes.load(), limit_bytes.load(), threshold_bytes.load()};
    return e;
  }

  // Errors have nobody to go to any more.
  void Write() noexcept {
    int expected = kNot;
    if (!written.compare_exchange_strong(expected, kBusy)) return;
    const LastExit e = Now();
    std::array<char, kMaxEndBytes> buffer;
    if (life.ok()) {
      const std::size_t size = FormatLifeEnd(e, buffer);
      (void)!::write(life.get(), buffer.data(), size);
    }
    if (json.ok()) {
      const std::string_view text = JsonOf(e, ::getpid(), &buffer);
      if (::pwrite(json.get(), text.data(), text.size(), 0) ==
          static_cast<ssize_t>(text.size())) {
        (void)::rename(temp_path.c_str(), json_path.c_str());
      }
    }
    written.store(kDone);
    written.notify_all();
  }
};

Life::Life(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Life::~Life() {
  Life* self = this;
  (void)g_living.compare_exchange_strong(self, nullptr);
}

void EndLifeByCrash() noexcept {
  if (Life* const living = g_living.load()) {
    (void)living->End(ExitCause::kCrash);
  }
}

Result<std::unique_ptr<Life>> Life::Begin(LifeOptions options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<Life>> {
    if (options.pressure_exit_code < 1 || options.pressure_exit_code > 125) {
      return InvalidArgument(StrCat("pressure_exit_code ",
                                    options.pressure_exit_code,
                                    " is not from 1 to 125"));
    }
    auto impl = std::make_unique<Impl>();
    impl->options = std::move(options);
    FODC_RETURN_IF_ERROR(impl->Begin());
    std::unique_ptr<Life> life(new Life(std::move(impl)));
    g_living.store(life.get());
    return life;
  });
}

const std::optional<LastExit>& Life::previous() const noexcept {
  return impl_->previous;
}
int Life::pressure_streak() const noexcept { return impl_->streak; }
int Life::pressure_exit_code() const noexcept {
  return impl_->options.pressure_exit_code;
}
std::chrono::nanoseconds Life::age() const noexcept {
  return impl_->clock->Monotonic() - impl_->started;
}
ExitCause Life::cause() const noexcept { return impl_->cause.load(); }

void Life::Note(const ExitNumbers& numbers) noexcept {
  impl_->rss_bytes.store(numbers.rss_bytes, std::memory_order_relaxed);
  impl_->limit_bytes.store(numbers.limit_bytes, std::memory_order_relaxed);
  impl_->threshold_bytes.store(numbers.threshold_bytes,
                               std::memory_order_relaxed);
}

bool Life::Claim(ExitCause cause) noexcept {
  if (!impl_->IsOwn()) return false;
  ExitCause expected = ExitCause::kNone;
  return impl_->cause.compare_exchange_strong(expected, cause);
}

bool Life::End(ExitCause cause) noexcept {
  if (!impl_->IsOwn()) return false;
  const bool first = Claim(cause);
  impl_->Write();
  return first;
}

int Life::Conclude(const Status& run) noexcept {
  const ExitCause before = cause();
  const bool own_cancel =
      run.code() == Code::kCancelled && before != ExitCause::kNone;
  const bool failed = !run.ok() && !own_cancel;
  if (!impl_->IsOwn()) return failed ? 1 : 0;
  (void)End(failed ? ExitCause::kError : ExitCause::kStop);
  // The watchdog's thread may be at it.
  impl_->written.wait(Impl::kBusy);
  if (cause() != ExitCause::kPressure) return failed ? 1 : 0;
  if (failed) {
    Quietly([&] {
      const std::string text = run.ToString();
      const EventField fields[] = {{"error", text}};
      Tell(impl_->options.events,
           {EventLevel::kWarn, "shutdown error after memory pressure", fields});
    });
  }
  return impl_->options.pressure_exit_code;
}

}  // namespace fodc::guard
