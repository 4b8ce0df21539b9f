// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/guard_parts.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/log.h"
#include "fodc/guard/crash.h"

namespace kvnode {

namespace guard = fodc::guard;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;

guard::EventSink ToNodeLog() {
  return [](const guard::Event& event) {
    std::string text;
    fodc::LogLevel level = fodc::LogLevel::kInfo;
    if (event.level == guard::EventLevel::kWarn) level = fodc::LogLevel::kWarn;
    if (event.level == guard::EventLevel::kError) {
      level = fodc::LogLevel::kError;
    }
    std::vector<fodc::LogField> fields;
    for (const guard::EventField& f : event.fields) {
      fields.emplace_back(f.key, f.value).is_literal = f.is_number;
    }
    fodc::Log(level, event.message, fields);
  };
}

void ArmCrash(const std::string& directory) {
  guard::CrashOptions crash;
  crash.directory = directory;
  crash.component = "kvnode";
  crash.sink = ToNodeLog();
  // A node without evidence is better than no node.
  const Status armed = guard::ArmCrashHandler(crash);
  if (!armed.ok()) {
    fodc::LogWarn("crash handler is not armed", {{"error", armed}});
  }
}

Result<std::unique_ptr<GuardParts>> GuardParts::Start(const Options& options,
                                                      guard::Metrics* metrics,
                                                      guard::Life* life) {
  std::unique_ptr<GuardParts> parts(new GuardParts(metrics, life));
  FODC_RETURN_IF_ERROR(parts->StartPanics(options));
  FODC_RETURN_IF_ERROR(parts->StartIsolation(options));
  FODC_RETURN_IF_ERROR(parts->StartMemory(options));
  FODC_RETURN_IF_ERROR(parts->StartProfiles(options));
  return parts;
}

Status GuardParts::StartPanics(const Options& options) {
  guard::PanicOptions o;
  o.directory = options.data_dir + "/crash";
  o.write_in_background = true;
  o.sink = ToNodeLog();
  o.metrics = metrics_;
  FODC_ASSIGN_OR_RETURN(panics_, guard::PanicRecorder::Create(std::move(o)));
  return OkStatus();
}

GuardParts::~GuardParts() {
  StopGivingBack();
  if (memwatch_) memwatch_->Stop();
}

Status GuardParts::StartIsolation(const Options& options) {
  guard::IsolationOptions o;
  o.slots = GateSlots(static_cast<unsigned>(options.heavy_slots));
  // A body is held twice while it is committed, as it came and as a record, and
  // what is committed fills the memtables.
  FODC_ASSIGN_OR_RETURN(o.bytes.budget_bytes,
                        guard::CacheSize(12.5, options.inflight_bytes));
  if (options.inflight_bytes == 0) {
    o.bytes.budget_bytes =
        std::min(o.bytes.budget_bytes, guard::ByteBudgetOptions().budget_bytes);
  }
  o.on_event = ToNodeLog();
  o.metrics = metrics_;
  FODC_ASSIGN_OR_RETURN(isolation_, guard::Isolation::Create(o));
  constexpr std::string_view kHeldBack = "kvnode_connections_held_back_total";
  FODC_RETURN_IF_ERROR(metrics_->Declare(
      kHeldBack,
      "Connections closed without a word because their address came back at "
      "once whenever it was refused.",
      guard::MetricType::kCounter));
  FODC_ASSIGN_OR_RETURN(guard::Counter * held_back,
                        metrics_->FindCounter(kHeldBack));
  gate_ =
      std::make_unique<Gate>(isolation_.get(), held_back, fodc::SystemClock());
  return OkStatus();
}

Status GuardParts::StartMemory(const Options& options) {
  guard::SoftLimiterOptions soft;
  std::optional<std::string_view> given;
  if (options.soft_limit != "auto") given = options.soft_limit;
  FODC_ASSIGN_OR_RETURN(soft.limit,
                        guard::ChooseSoftLimit(given, {}, "KVNODE"));
  soft.events = ToNodeLog();
  soft.metrics = metrics_;
  FODC_ASSIGN_OR_RETURN(soft_limiter_,
                        guard::SoftLimiter::Create(std::move(soft)));

  guard::MemwatchOptions watch;
  watch.events = ToNodeLog();
  watch.hard.percent = options.memory_threshold_percent;
  // KVNODE_MEMORY_SHUTDOWN_THRESHOLD_MB, if somebody set it, is what he wants;
  // 0 is off.
  guard::ReadMemwatchEnvironment(&watch, "KVNODE");
  watch.metrics = metrics_;
  watch.life = life_;
  watch.pressure_profiler_gauges = true;
  watch.soft_limit_bytes = soft_limiter_->limit_bytes();
  watch.on_pressure = [](const guard::MemoryState&) {
    (void)::kill(::getpid(), SIGTERM);
  };
  FODC_ASSIGN_OR_RETURN(memwatch_, guard::Memwatch::Create(std::move(watch)));
  // Near the limit the node lets in less and gives back more.
  FODC_RETURN_IF_ERROR(memwatch_->Subscribe(
      [this](guard::MemoryLevel, const guard::MemoryState& state) {
        isolation_->SetMemoryLevel(state.level);
        soft_limiter_->OnLevel(state.level);
      }));
  return memwatch_->Start();
}

Status GuardParts::StartProfiles(const Options& options) {
  if (options.profile_listen.empty()) return OkStatus();
  guard::ProfileServerOptions o;
  o.listen = options.profile_listen;
  o.events = ToNodeLog();
  o.metrics = metrics_;
  auto server = guard::ProfileServer::Create(std::move(o));
  if (!server.ok()) return server.status().WithContext("--profile-listen");
  profiles_ = *std::move(server);
  fodc::LogInfo("profiles are served", {{"address", profiles_->address()}});
  return OkStatus();
}

Status GuardParts::GiveBackFrom(Store* store, std::uint64_t cache_bytes) {
  constexpr std::uint64_t kMinimumBytes = 8u << 20;
  FODC_RETURN_IF_ERROR(soft_limiter_->AddCache(
      {.name = "block_cache",
       .budget_bytes = cache_bytes,
       .minimum_bytes = std::min(cache_bytes, kMinimumBytes),
       .set_budget = [store](std::uint64_t bytes) {
         store->SetBlockCacheBytes(bytes);
       }}));
  return soft_limiter_->Start();
}

void GuardParts::StopGivingBack() {
  if (soft_limiter_) soft_limiter_->Stop();
}

}  // namespace kvnode
