// SPDX-License-Identifier: Apache-2.0
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "fodc/base/strings.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/chunk.h"
#include "fodc/recorder/chunk_format.h"
#include "fodc/recorder/decimal.h"

namespace fodc::recorder {
namespace {

struct Event {
  Slot slot = 0;
  std::uint16_t row = 0;
  std::int8_t exponent = 0;
  double value = 0;
};

// One source's rows on their way into columns. The columns are made of so many
// events at a time: an agent with many series would take more memory for its
// moment of sealing than for its window. If there are more, the rows are
// decoded again for each range of slots, but not without end.
constexpr std::size_t kEventsAtOnce = 40'000;
constexpr std::size_t kMaxRanges = 8;

struct SectionBuilder {
  std::vector<const SealRow*> rows;
  SlotState state;
  // In order of rows: all, if they are so few; or those of a range of slots.
  std::vector<Event> events;
  std::size_t event_count = 0;        // of all
  std::vector<std::uint32_t> counts;  // events per slot
  std::vector<std::uint16_t> born;    // first row of each slot
  std::string presence;
  std::size_t layouts = 0;
  std::uint32_t last_layout = 0;
  std::uint64_t samples = 0;
  Row row;

  Status Add(const SealRow& r) {
    const auto at = static_cast<std::uint32_t>(rows.size());
    if (at >= kMaxStretchRows) return ResourceExhausted("too many rows");
    FODC_RETURN_IF_ERROR(DecodeRow(r.payload, state, &row));
    if (row.complete != (at == 0)) {
      return DataLoss("a stretch begins with a complete row, and only so");
    }
    rows.push_back(&r);
    const auto old_size = static_cast<Slot>(state.size());
    ApplyRow(row, &state);
    counts.resize(state.size());
    born.resize(state.size(), static_cast<std::uint16_t>(at));
    samples += state.active;
    const std::size_t added = at == 0 ? 0 : state.size() - old_size;
    if (added > 0 || !row.returned.empty() || !row.gone.empty()) {
      AppendVarint(&presence, at - last_layout);
      AppendVarint(&presence, added);
      AppendAscending(&presence, row.returned);
      AppendAscending(&presence, row.gone);
      last_layout = at;
      ++layouts;
    }
    for (const RowChange& c : row.changes) ++counts[c.slot];
    event_count += row.changes.size();
    if (event_count <= kEventsAtOnce) {
      Collect(static_cast<std::uint16_t>(at), 0, counts.size());
    } else {
      events = std::vector<Event>();
    }
    return OkStatus();
  }

  // Adds the events of `row`, which is row `at`, in slots `from` to `to`.
  void Collect(std::uint16_t at, std::size_t from, std::size_t to) {
    for (const RowChange& c : row.changes) {
      if (c.slot < from || c.slot >= to) continue;
      events.push_back({c.slot, at, c.exponent, c.value});
    }
  }

  // Decodes all rows, which Add has seen, for their events in these slots.
  Status CollectAgain(std::size_t from, std::size_t to, std::size_t expected) {
    events.clear();
    events.reserve(expected);
    SlotState before;
    for (std::size_t at = 0; at < rows.size(); ++at) {
      FODC_RETURN_IF_ERROR(DecodeRow(rows[at]->payload, before, &row));
      Collect(static_cast<std::uint16_t>(at), from, to);
      ApplyRow(row, &before);
    }
    return OkStatus();
  }

  void PutTimes(Sequence first, std::int64_t from_monotonic_ms,
                std::int64_t min_unix_ms, std::string* out) const {
    Sequence next = first;
    for (const SealRow* r : rows) {
      AppendVarint(out, r->sequence - next);
      next = r->sequence + 1;
    }
    std::int64_t last = from_monotonic_ms;
    std::int64_t step = 0;
    for (const SealRow* r : rows) {
      const std::int64_t d = r->time.monotonic_ms - last;
      AppendSigned(out, d - step);
      step = d;
      last = r->time.monotonic_ms;
    }
    std::int64_t offset = WrapSub(min_unix_ms, from_monotonic_ms);
    for (const SealRow* r : rows) {
      const std::int64_t o = WrapSub(r->time.unix_ms, r->time.monotonic_ms);
      AppendSigned(out, WrapSub(o, offset));
      offset = o;
    }
  }

  Status PutColumns(std::string* out) {
    ColumnEncoder encoder(rows.size());
    if (event_count <= kEventsAtOnce) {
      EncodeSlots(0, counts.size(), &encoder);
    } else {
      const std::size_t at_once =
          std::max(kEventsAtOnce, event_count / kMaxRanges);
      for (std::size_t from = 0; from < counts.size();) {
        std::size_t to = from;
        std::size_t expected = 0;
        do {
          expected += counts[to++];
        } while (to < counts.size() && expected + counts[to] <= at_once);
        FODC_RETURN_IF_ERROR(CollectAgain(from, to, expected));
        EncodeSlots(from, to, &encoder);
        from = to;
      }
    }
    events = std::vector<Event>();
    encoder.Finish(out);
    return OkStatus();
  }

  // Of `events`, which are those of slots `from` to `to`.
  void EncodeSlots(std::size_t from, std::size_t to, ColumnEncoder* encoder) {
    // Events by slot: a counting sort, stable in the rows.
    std::vector<std::uint32_t> begin(to - from + 1);
    for (std::size_t s = from; s < to; ++s) {
      begin[s - from + 1] = begin[s - from] + counts[s];
    }
    std::vector<std::uint32_t> order(events.size());
    {
      std::vector<std::uint32_t> next(begin.begin(), begin.end() - 1);
      for (std::uint32_t i = 0; i < events.size(); ++i) {
        order[next[events[i].slot - from]++] = i;
      }
    }
    std::vector<ColumnChange> changes;
    for (std::size_t s = from; s < to; ++s) {
      changes.clear();
      double first = 0;
      int high = 0;
      int low = 0;
      for (std::uint32_t i = begin[s - from]; i < begin[s - from + 1]; ++i) {
        const Event& e = events[order[i]];
        high = std::max<int>(high, e.exponent);
        low = std::min<int>(low, e.exponent);
        // Rows before a slot's birth repeat its first value.
        if (e.row == born[s]) {
          first = e.value;
        } else {
          changes.push_back({e.row, e.value});
        }
      }
      encoder->Add(first, changes, high > 0 ? high : low);
    }
  }
};

struct FreeContext {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
};

Result<std::string> Compress(std::string_view plain) {
  // Half a megabyte that would be mapped and cleared anew for every section.
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(
      ZSTD_createCCtx());
  std::string stored(ZSTD_compressBound(plain.size()), '\0');
  const std::size_t n =
      ZSTD_compressCCtx(context.get(), stored.data(), stored.size(),
                        plain.data(), plain.size(), 1);
  if (ZSTD_isError(n) != 0) return Internal(ZSTD_getErrorName(n));
  if (n >= plain.size()) return std::string(plain);
  stored.resize(n);
  return stored;
}

}  // namespace

Result<std::string> SealChunk(Incarnation incarnation,
                              std::span<const SealRow> rows) {
  FODC_CHECK(!rows.empty());
  std::map<SourceId, SectionBuilder> sections;
  std::int64_t min_unix = rows[0].time.unix_ms;
  std::int64_t max_unix = min_unix;
  for (const SealRow& r : rows) {
    FODC_RETURN_IF_ERROR(
        sections[r.source].Add(r).WithContext(StrCat("frame ", r.sequence)));
    min_unix = std::min(min_unix, r.time.unix_ms);
    max_unix = std::max(max_unix, r.time.unix_ms);
  }
  const std::int64_t from = rows.front().time.monotonic_ms;
  std::string out(kChunkMagic);
  out.push_back(static_cast<char>(kChunkVersion));
  AppendFixed(&out, incarnation);
  AppendVarint(&out, rows.front().sequence);
  AppendVarint(&out, rows.size());
  AppendSigned(&out, from);
  AppendVarint(
      &out, static_cast<std::uint64_t>(rows.back().time.monotonic_ms - from));
  AppendSigned(&out, min_unix);
  AppendVarint(&out, static_cast<std::uint64_t>(WrapSub(max_unix, min_unix)));
  AppendVarint(&out, sections.size());
  std::string bodies;
  std::string plain;
  for (auto& [source, section] : sections) {
    plain.clear();
    section.PutTimes(rows.front().sequence, from, min_unix, &plain);
    AppendIdRuns(&plain, section.state.ids);
    AppendVarint(&plain, static_cast<std::uint64_t>(std::count(
                             section.born.begin(), section.born.end(), 0)));
    AppendVarint(&plain, section.layouts);
    plain += section.presence;
    FODC_RETURN_IF_ERROR(section.PutColumns(&plain));
    FODC_ASSIGN_OR_RETURN(const std::string stored, Compress(plain));
    AppendVarint(&out, source);
    AppendVarint(&out, section.rows.size());
    AppendVarint(&out, section.state.size());
    AppendVarint(&out, section.samples);
    AppendVarint(&out, plain.size());
    AppendVarint(&out, stored.size());
    bodies += stored;
  }
  out += bodies;
  AppendFixed(&out, std::uint64_t{XXH3_64bits(out.data(), out.size())});
  out.shrink_to_fit();
  return out;
}

}  // namespace fodc::recorder
