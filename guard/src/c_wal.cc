// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "c_event.h"
#include "c_metrics.h"
#include "c_status.h"
#include "fodc/base/strings.h"
#include "fodc/guard/c/wal.h"
#include "fodc/guard/wal.h"

using fodc::Code;
using fodc::InvalidArgument;
using fodc::OkStatus;
using fodc::Status;
using fodc::guard::AtCEdge;
using fodc::guard::Wal;
using fodc::guard::WalOptions;

struct fodc_guard_wal {
  std::unique_ptr<Wal> wal;
};

static_assert(static_cast<int>(fodc::wal::Mode::kTail) == FODC_GUARD_WAL_TAIL);
static_assert(static_cast<int>(fodc::wal::Mode::kStrict) ==
              FODC_GUARD_WAL_STRICT);
static_assert(static_cast<int>(fodc::wal::Mode::kPointInTime) ==
              FODC_GUARD_WAL_POINT_IN_TIME);

void fodc_guard_wal_options_init(fodc_guard_wal_options* options) {
  if (options == nullptr) return;
  const fodc::wal::Options defaults;
  *options = {};
  options->segment_bytes = defaults.segment_bytes;
  options->first_sequence = defaults.first_sequence;
}

int fodc_guard_wal_open(const fodc_guard_wal_options* options,
                        fodc_guard_wal** out) {
  return AtCEdge([&]() -> Status {
    if (options == nullptr || out == nullptr) {
      return InvalidArgument("options or out is null");
    }
    *out = nullptr;
    if (options->mode < FODC_GUARD_WAL_TAIL ||
        options->mode > FODC_GUARD_WAL_POINT_IN_TIME) {
      return InvalidArgument(
          fodc::StrCat("mode ", options->mode, " of a log is not known"));
    }
    WalOptions filled;
    if (options->directory != nullptr) filled.directory = options->directory;
    filled.log.segment_bytes = options->segment_bytes;
    filled.log.first_sequence = options->first_sequence;
    filled.log.mode = static_cast<fodc::wal::Mode>(options->mode);
    filled.log.preallocate = options->preallocate != 0;
    filled.log.must_exist = options->must_exist != 0;
    filled.on_event =
        fodc::guard::ToSink(options->on_event, options->on_event_user);
    filled.metrics = fodc::guard::MetricsOf(options->metrics);
    FODC_ASSIGN_OR_RETURN(std::unique_ptr<Wal> wal, Wal::Create(filled));
    *out = new fodc_guard_wal{std::move(wal)};
    return OkStatus();
  });
}

void fodc_guard_wal_close(fodc_guard_wal* wal) { delete wal; }

int fodc_guard_wal_read(fodc_guard_wal* wal, const char* phase,
                        fodc_guard_wal_record_fn record, void* user,
                        fodc_guard_wal_summary* summary) {
  return AtCEdge([&]() -> Status {
    if (wal == nullptr) return InvalidArgument("wal is null");
    fodc::wal::RecordSink sink;
    if (record != nullptr) {
      sink = [record, user](const fodc::wal::Record& r) -> Status {
        const fodc_guard_wal_record given = {r.sequence, r.payload.data(),
                                             r.payload.size(), r.kind};
        const int code = record(user, &given);
        if (code == 0) return OkStatus();
        return {Code::kAborted, fodc::StrCat("the reader ended at record ",
                                             r.sequence, " with ", code)};
      };
    }
    fodc::wal::ReadOptions options;
    if (phase != nullptr) options.phase = phase;
    FODC_ASSIGN_OR_RETURN(const fodc::wal::ReadSummary read,
                          wal->wal->Read(sink, options));
    if (summary != nullptr) {
      summary->records = read.records;
      summary->last_sequence = read.last_sequence;
      summary->payload_bytes = read.payload_bytes;
      summary->flipped_end_marks = read.flipped_end_marks;
      summary->repaired = read.repaired ? 1 : 0;
    }
    return OkStatus();
  });
}

int fodc_guard_wal_append(fodc_guard_wal* wal,
                          const fodc_guard_wal_record* records, size_t count) {
  return AtCEdge([&]() -> Status {
    if (wal == nullptr || (records == nullptr && count > 0)) {
      return InvalidArgument("wal or records is null");
    }
    std::vector<fodc::wal::NewRecord> batch(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (records[i].payload == nullptr && records[i].payload_bytes > 0) {
        return InvalidArgument(
            fodc::StrCat("payload of record ", i, " of the batch is null"));
      }
      batch[i].kind = records[i].kind;
      batch[i].payload = {static_cast<const char*>(records[i].payload),
                          records[i].payload_bytes};
    }
    return wal->wal->Append(batch);
  });
}

int fodc_guard_wal_sync(fodc_guard_wal* wal) {
  return AtCEdge([&]() -> Status {
    if (wal == nullptr) return InvalidArgument("wal is null");
    return wal->wal->Sync();
  });
}

int fodc_guard_wal_drop_before(fodc_guard_wal* wal, uint64_t sequence) {
  return AtCEdge([&]() -> Status {
    if (wal == nullptr) return InvalidArgument("wal is null");
    return wal->wal->DropBefore(sequence).status();
  });
}

uint64_t fodc_guard_wal_last_sequence(const fodc_guard_wal* wal) {
  return wal != nullptr ? wal->wal->last_sequence() : 0;
}

int fodc_guard_wal_roll(fodc_guard_wal* wal) {
  return AtCEdge([&]() -> Status {
    if (wal == nullptr) return InvalidArgument("wal is null");
    return wal->wal->Roll();
  });
}

uint64_t fodc_guard_wal_next_sequence(const fodc_guard_wal* wal) {
  return wal != nullptr ? wal->wal->next_sequence() : 0;
}

uint64_t fodc_guard_wal_size_bytes(const fodc_guard_wal* wal) {
  return wal != nullptr ? wal->wal->size_bytes() : 0;
}

void fodc_guard_wal_count(const fodc_guard_wal* wal,
                          fodc_guard_wal_counters* out) {
  if (out == nullptr) return;
  *out = {};
  if (wal == nullptr) return;
  const fodc::wal::Counters& c = wal->wal->counters();
  out->repaired = c.repaired;
  out->unrepairable = c.unrepairable;
  out->unrepairable_after_repair = c.unrepairable_after_repair;
  out->dropped_bytes = c.dropped_bytes;
  out->appended_records = c.appended_records;
  out->appended_bytes = c.appended_bytes;
  out->syncs = c.syncs;
}
