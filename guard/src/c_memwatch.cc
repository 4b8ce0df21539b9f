// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string_view>
#include <utility>

#include "c_event.h"
#include "c_metrics.h"
#include "c_status.h"
#include "fodc/base/strings.h"
#include "fodc/guard/c/memwatch.h"
#include "fodc/guard/c/status.h"
#include "fodc/guard/memwatch.h"

using fodc::Code;
using fodc::InvalidArgument;
using fodc::OkStatus;
using fodc::Status;
using fodc::guard::AtCEdge;
using fodc::guard::AtEdge;
using fodc::guard::ExitCause;
using fodc::guard::Life;
using fodc::guard::LifeOptions;
using fodc::guard::MemoryLevel;
using fodc::guard::MemoryState;
using fodc::guard::Memwatch;
using fodc::guard::MemwatchOptions;

struct fodc_guard_life {
  std::unique_ptr<Life> life;
};
struct fodc_guard_memwatch {
  std::unique_ptr<Memwatch> watch;
};

namespace {

static_assert(static_cast<int>(ExitCause::kStop) == FODC_GUARD_EXIT_STOP);
static_assert(static_cast<int>(ExitCause::kPressure) ==
              FODC_GUARD_EXIT_PRESSURE);
static_assert(static_cast<int>(ExitCause::kError) == FODC_GUARD_EXIT_ERROR);
static_assert(static_cast<int>(ExitCause::kCrash) == FODC_GUARD_EXIT_CRASH);
static_assert(static_cast<int>(ExitCause::kKilled) == FODC_GUARD_EXIT_KILLED);
static_assert(static_cast<int>(ExitCause::kOomKill) ==
              FODC_GUARD_EXIT_OOM_KILL);
static_assert(static_cast<int>(MemoryLevel::kSoft) == FODC_GUARD_MEMORY_SOFT);
static_assert(static_cast<int>(MemoryLevel::kHard) == FODC_GUARD_MEMORY_HARD);

constexpr std::uint64_t kMostMicroseconds = 86'400'000'000;

ExitCause CauseOf(int cause) {
  const bool known =
      cause >= FODC_GUARD_EXIT_STOP && cause <= FODC_GUARD_EXIT_CRASH;
  return known ? static_cast<ExitCause>(cause) : ExitCause::kError;
}

fodc_guard_memory_state ToC(const MemoryState& s) {
  fodc_guard_memory_state out = {};
  out.level = static_cast<int>(s.level);
  // Literals: they end in a zero.
  out.source = fodc::guard::MemorySourceName(s.source).data();
  out.bytes = s.bytes.value_or(FODC_GUARD_BYTES_UNKNOWN);
  out.rss_bytes = s.rss_bytes.value_or(FODC_GUARD_BYTES_UNKNOWN);
  out.cgroup_bytes = s.cgroup_bytes.value_or(FODC_GUARD_BYTES_UNKNOWN);
  out.limit_bytes = s.limit_bytes;
  out.threshold_bytes = s.threshold_bytes;
  out.seconds_to_limit = s.seconds_to_limit.value_or(-1);
  return out;
}

Status FillOptions(const fodc_guard_memwatch_options& from,
                   MemwatchOptions* to) {
  to->hard = {from.hard_bytes, from.hard_percent};
  to->soft = {from.soft_bytes, from.soft_percent};
  FODC_ASSIGN_OR_RETURN(to->source,
                        fodc::guard::ParseMemorySource(
                            from.source != nullptr ? from.source : "auto"));
  to->soft_limit_bytes = from.soft_limit_bytes;
  if (from.poll_interval_us > kMostMicroseconds ||
      from.deadline_ms > kMostMicroseconds / 1000) {
    return InvalidArgument("an interval is beyond the limit of a day");
  }
  to->poll_interval = std::chrono::microseconds(from.poll_interval_us);
  to->adaptive = from.adaptive != 0;
  to->predict = from.predict != 0;
  to->deadline = std::chrono::milliseconds(from.deadline_ms);
  to->reserve_bytes = from.reserve_bytes;
  to->life = from.life != nullptr ? from.life->life.get() : nullptr;
  to->crash_loop_guard = from.crash_loop_guard != 0;
  to->kernel_events = from.kernel_events != 0;
  to->realtime_priority = from.realtime_priority;
  to->pressure_profiler_gauges = from.pressure_profiler_gauges != 0;
  if (from.on_pressure != nullptr) {
    to->on_pressure = [f = from.on_pressure,
                       user = from.user](const MemoryState& s) {
      const fodc_guard_memory_state state = ToC(s);
      f(user, &state);
    };
  }
  if (from.flush != nullptr) {
    to->flush = [f = from.flush, user = from.user] { f(user); };
  }
  to->events = fodc::guard::ToSink(from.on_event, from.on_event_user);
  to->metrics = fodc::guard::MetricsOf(from.metrics);
  return OkStatus();
}

}  // namespace

void fodc_guard_life_options_init(fodc_guard_life_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->pressure_exit_code = LifeOptions().pressure_exit_code;
}

int fodc_guard_life_begin(const fodc_guard_life_options* options,
                          fodc_guard_life** out) {
  return AtCEdge([&]() -> Status {
    if (options == nullptr || out == nullptr) {
      return InvalidArgument("options or out is null");
    }
    *out = nullptr;
    LifeOptions filled;
    if (options->directory != nullptr) filled.directory = options->directory;
    filled.pressure_exit_code = options->pressure_exit_code;
    filled.events =
        fodc::guard::ToSink(options->on_event, options->on_event_user);
    filled.metrics = fodc::guard::MetricsOf(options->metrics);
    FODC_ASSIGN_OR_RETURN(std::unique_ptr<Life> life,
                          Life::Begin(std::move(filled)));
    *out = new fodc_guard_life{std::move(life)};
    return OkStatus();
  });
}

void fodc_guard_life_destroy(fodc_guard_life* life) { delete life; }

int fodc_guard_life_previous(const fodc_guard_life* life) {
  if (life == nullptr || !life->life->previous()) return FODC_GUARD_EXIT_NONE;
  return static_cast<int>(life->life->previous()->cause);
}

void fodc_guard_life_last_exit(const fodc_guard_life* life,
                               fodc_guard_last_exit* out) {
  if (out == nullptr) return;
  *out = {};
  if (life == nullptr) return;
  out->pressure_streak = life->life->pressure_streak();
  if (!life->life->previous()) return;
  const fodc::guard::LastExit& before = *life->life->previous();
  out->cause = static_cast<int>(before.cause);
  out->unix_ms = before.unix_ms;
  out->run_seconds = before.run_seconds;
  out->rss_bytes = before.numbers.rss_bytes;
  out->limit_bytes = before.numbers.limit_bytes;
  out->threshold_bytes = before.numbers.threshold_bytes;
}

int fodc_guard_life_end(fodc_guard_life* life, int cause) {
  if (life == nullptr) return 0;
  return life->life->End(CauseOf(cause)) ? 1 : 0;
}

int fodc_guard_life_claim(fodc_guard_life* life, int cause) {
  if (life == nullptr) return 0;
  return life->life->Claim(CauseOf(cause)) ? 1 : 0;
}

int fodc_guard_life_conclude(fodc_guard_life* life, int code,
                             const char* error) {
  const bool failed = code != 0 || error != nullptr;
  if (life == nullptr) return failed ? 1 : 0;
  Status run;
  if (failed) {
    const bool known = code > 0 && code <= FODC_GUARD_UNAUTHENTICATED;
    const Code kind = known ? static_cast<Code>(code) : Code::kUnknown;
    run = AtEdge([&] { return Status(kind, error != nullptr ? error : ""); });
  }
  return life->life->Conclude(run);
}

void fodc_guard_memwatch_options_init(fodc_guard_memwatch_options* options) {
  if (options == nullptr) return;
  const MemwatchOptions defaults;
  *options = {};
  options->source = "auto";
  options->poll_interval_us = static_cast<std::uint64_t>(
      std::chrono::microseconds(
          std::chrono::duration_cast<std::chrono::microseconds>(
              defaults.poll_interval))
          .count());
  options->adaptive = defaults.adaptive ? 1 : 0;
  options->predict = defaults.predict ? 1 : 0;
  options->deadline_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(defaults.deadline)
          .count());
  options->reserve_bytes = defaults.reserve_bytes;
  options->crash_loop_guard = defaults.crash_loop_guard ? 1 : 0;
  options->kernel_events = defaults.kernel_events ? 1 : 0;
}

void fodc_guard_memwatch_read_environment(fodc_guard_memwatch_options* options,
                                          const char* prefix) {
  if (options == nullptr) return;
  fodc::guard::Quietly([&] {
    MemwatchOptions read;
    read.hard = {options->hard_bytes, options->hard_percent};
    read.poll_interval = std::chrono::microseconds(options->poll_interval_us);
    read.events =
        fodc::guard::ToSink(options->on_event, options->on_event_user);
    fodc::guard::ReadMemwatchEnvironment(
        &read, prefix != nullptr ? prefix : "FODC_GUARD");
    options->hard_bytes = read.hard.bytes;
    options->hard_percent = read.hard.percent;
    // Less than this unit is no zero, which would be a second.
    options->poll_interval_us = static_cast<std::uint64_t>(
        std::chrono::ceil<std::chrono::microseconds>(read.poll_interval)
            .count());
  });
}

int fodc_guard_memwatch_create(const fodc_guard_memwatch_options* options,
                               fodc_guard_memwatch** out) {
  return AtCEdge([&]() -> Status {
    if (options == nullptr || out == nullptr) {
      return InvalidArgument("options or out is null");
    }
    *out = nullptr;
    MemwatchOptions filled;
    FODC_RETURN_IF_ERROR(FillOptions(*options, &filled));
    FODC_ASSIGN_OR_RETURN(std::unique_ptr<Memwatch> watch,
                          Memwatch::Create(std::move(filled)));
    if (options->on_level != nullptr) {
      FODC_RETURN_IF_ERROR(
          watch->Subscribe([f = options->on_level, user = options->user](
                               MemoryLevel before, const MemoryState& s) {
            const fodc_guard_memory_state state = ToC(s);
            f(user, static_cast<int>(before), &state);
          }));
    }
    *out = new fodc_guard_memwatch{std::move(watch)};
    return OkStatus();
  });
}

void fodc_guard_memwatch_destroy(fodc_guard_memwatch* watch) { delete watch; }

int fodc_guard_memwatch_start(fodc_guard_memwatch* watch) {
  return AtCEdge([&]() -> Status {
    if (watch == nullptr) return InvalidArgument("watch is null");
    return watch->watch->Start();
  });
}

void fodc_guard_memwatch_stop(fodc_guard_memwatch* watch) {
  if (watch != nullptr) watch->watch->Stop();
}

int fodc_guard_memwatch_done(const fodc_guard_memwatch* watch) {
  return watch == nullptr || watch->watch->done() ? 1 : 0;
}

void fodc_guard_memwatch_wait(const fodc_guard_memwatch* watch) {
  if (watch != nullptr) watch->watch->WaitDone();
}

void fodc_guard_memwatch_state(const fodc_guard_memwatch* watch,
                               fodc_guard_memory_state* out) {
  if (out == nullptr) return;
  *out = ToC(watch != nullptr ? watch->watch->state() : MemoryState());
}
