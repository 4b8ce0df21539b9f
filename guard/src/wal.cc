// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/wal.h"

#include <array>
#include <string>
#include <utility>

#include "edge.h"

namespace fodc::guard {
namespace {

void TellOfRepair(const EventSink& sink, const wal::RepairEvent& repair) {
  if (!sink) return;
  const std::string kept = std::to_string(repair.kept_bytes);
  const std::string dropped = std::to_string(repair.dropped_bytes);
  const std::string last = std::to_string(repair.last_sequence);
  const auto fields = std::to_array<EventField>({
      {"phase", repair.phase},
      {"dir", repair.directory},
      {"error", repair.error},
      {"segment", repair.segment},
      {"kept_bytes", kept, true},
      {"dropped_bytes", dropped, true},
      {"copy", repair.copy},
      {"last_index", last, true},
  });
  Tell(sink, {EventLevel::kWarn, "WAL tail truncated, repairing", fields});
}

}  // namespace

struct Wal::Impl {
  // Counts what the log has counted since the last time.
  void Count() {
    const wal::Counters& now = log->counters();
    if (repaired != nullptr) {
      repaired->Add(now.repaired - counted.repaired);
      unrepairable->Add(now.unrepairable - counted.unrepairable);
      unrepairable_after_repair->Add(now.unrepairable_after_repair -
                                     counted.unrepairable_after_repair);
      dropped_bytes->Add(now.dropped_bytes - counted.dropped_bytes);
    }
    counted = now;
  }
  Status FindSeries(Metrics* metrics);
  void TellOfFlips(const wal::ReadSummary& summary) const;

  EventSink on_event;
  std::string directory;
  std::unique_ptr<wal::Log> log;
  wal::Counters counted;
  Counter* repaired = nullptr;
  Counter* unrepairable = nullptr;
  Counter* unrepairable_after_repair = nullptr;
  Counter* dropped_bytes = nullptr;
  Counter* flipped_end_marks = nullptr;
};

Status Wal::Impl::FindSeries(Metrics* metrics) {
  constexpr std::string_view kRepairs = "fodc_guard_wal_tail_repairs_total";
  FODC_ASSIGN_OR_RETURN(
      repaired, metrics->FindCounter(kRepairs, {{"result", "repaired"}}));
  FODC_ASSIGN_OR_RETURN(
      unrepairable,
      metrics->FindCounter(kRepairs, {{"result", "unrepairable"}}));
  FODC_ASSIGN_OR_RETURN(
      unrepairable_after_repair,
      metrics->FindCounter(kRepairs,
                           {{"result", "unrepairable_after_repair"}}));
  FODC_ASSIGN_OR_RETURN(
      dropped_bytes,
      metrics->FindCounter("fodc_guard_wal_tail_dropped_bytes_total"));
  FODC_ASSIGN_OR_RETURN(
      flipped_end_marks,
      metrics->FindCounter("fodc_guard_wal_flipped_end_marks_total"));
  return OkStatus();
}

void Wal::Impl::TellOfFlips(const wal::ReadSummary& summary) const {
  if (summary.flipped_end_marks == 0) return;
  if (flipped_end_marks != nullptr) {
    flipped_end_marks->Add(summary.flipped_end_marks);
  }
  const std::string count = std::to_string(summary.flipped_end_marks);
  const auto fields = std::to_array<EventField>({
      {"dir", directory},
      {"records", count, true},
  });
  Tell(on_event, {EventLevel::kWarn,
                  "WAL records taken with a changed last byte", fields});
}

Wal::Wal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Wal::~Wal() = default;

Result<std::unique_ptr<Wal>> Wal::Create(const WalOptions& options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<Wal>> {
    if (options.directory.empty()) {
      return InvalidArgument("the log has no directory");
    }
    auto impl = std::make_unique<Impl>();
    impl->on_event = options.on_event;
    impl->directory = options.directory;
    if (options.metrics != nullptr) {
      FODC_RETURN_IF_ERROR(impl->FindSeries(options.metrics));
    }
    wal::Options log = options.log;
    log.on_repair = [sink = options.on_event, also = options.log.on_repair](
                        const wal::RepairEvent& repair) {
      // The repair goes on, whatever the host makes of it.
      Quietly([&] { TellOfRepair(sink, repair); });
      Quietly([&] {
        if (also) also(repair);
      });
    };
    const Clock& clock =
        options.clock != nullptr ? *options.clock : SystemClock();
    FODC_ASSIGN_OR_RETURN(impl->log,
                          wal::Log::Open(options.directory, log, clock));
    return std::unique_ptr<Wal>(new Wal(std::move(impl)));
  });
}

Result<wal::ReadSummary> Wal::Read(const wal::RecordSink& sink,
                                   const wal::ReadOptions& options) noexcept {
  auto summary = AtEdge([&] { return impl_->log->Read(sink, options); });
  impl_->Count();
  if (summary.ok()) {
    Quietly([&] { impl_->TellOfFlips(*summary); });
  }
  return summary;
}

Status Wal::Append(std::span<const wal::NewRecord> batch) noexcept {
  return AtEdge([&] { return impl_->log->Append(batch); });
}

Status Wal::Append(std::uint16_t kind, std::string_view payload) noexcept {
  return AtEdge([&] { return impl_->log->Append(kind, payload); });
}

Status Wal::Sync() noexcept {
  return AtEdge([&] { return impl_->log->Sync(); });
}

Status Wal::Roll() noexcept {
  return AtEdge([&] { return impl_->log->Roll(); });
}

Result<std::size_t> Wal::DropBefore(std::uint64_t sequence) noexcept {
  return AtEdge([&] { return impl_->log->DropBefore(sequence); });
}

std::uint64_t Wal::last_sequence() const noexcept {
  return impl_->log->next_sequence() - 1;
}

std::uint64_t Wal::next_sequence() const noexcept {
  return impl_->log->next_sequence();
}

std::uint64_t Wal::size_bytes() const noexcept {
  return impl_->log->size_bytes();
}

const wal::Counters& Wal::counters() const noexcept {
  return impl_->log->counters();
}

}  // namespace fodc::guard
