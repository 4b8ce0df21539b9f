// SPDX-License-Identifier: Apache-2.0
// Rows: one frame of one source as what changed against its previous row. The
// bytes are specified in docs/formats/recording.md, "Rows".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::recorder {

using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = 0xffffffff;
// Bounds of what a decoder accepts, and an encoder makes.
// Slots: of all sources of one stretch.
inline constexpr std::size_t kMaxSlots = std::size_t{1} << 20;
inline constexpr std::size_t kMaxStretchRows = 4096;
// Slots times rows, over all sources of one stretch.
inline constexpr std::size_t kMaxStretchCells = std::size_t{1} << 24;

// What a row refers to: the series of a source in this stretch and their
// values after its newest row. A slot keeps its number for the whole stretch,
// also while its series is away.
struct SlotState {
  std::vector<SeriesId> ids;
  std::vector<double> values;          // of an absent slot: the last one
  std::vector<std::int8_t> exponents;  // of the row codec; kRawExponent
  std::vector<std::uint8_t> present;   // 0 or 1
  std::vector<std::uint64_t> changed;  // one bit per slot, newest row
  std::size_t active = 0;              // slots present

  std::size_t size() const { return ids.size(); }
  void Clear();
  std::size_t bytes() const;  // capacities
};

// A slot and its new value. `exponent`: a hint for the encoder, the outcome
// from the decoder.
struct RowChange {
  Slot slot = 0;
  std::int8_t exponent = 0;
  double value = 0;
};

// A row in words. A complete row lists all its series under `added`, and its
// slots are counted from 0; those that are away at the time are `gone`, too.
struct Row {
  bool complete = false;
  std::vector<SeriesId> added;     // get the next slots, in this order
  std::vector<Slot> returned;      // ascending
  std::vector<Slot> gone;          // ascending
  std::vector<RowChange> changes;  // ascending; a new slot starts at +0.0

  void Clear();
};

// Appends the bytes of `row` and brings `*state` to what holds after it.
// Requires: the row fits the state.
void EncodeRow(const Row& row, SlotState* state, std::string* out);

// Reads a row that follows `state`. Untrusted bytes.
// Errors: kDataLoss naming the offset; `*row` is then unspecified.
Status DecodeRow(std::string_view bytes, const SlotState& state, Row* row);

// Only whether the row is complete, and the series that it adds. Untrusted
// bytes; as DecodeRow.
Status DecodeRowSeries(std::string_view bytes, Row* row);

// Brings `*state` to what holds after `row`. Requires: DecodeRow gave `row`
// for this state.
void ApplyRow(const Row& row, SlotState* state);

// Lists of numbers as rows and chunks hold them.
class ByteReader;
void AppendIdRuns(std::string* out, std::span<const SeriesId> ids);
bool ReadIdRuns(ByteReader* in, std::vector<SeriesId>* ids);
void AppendAscending(std::string* out, std::span<const Slot> slots);
bool ReadAscending(ByteReader* in, std::size_t limit, std::vector<Slot>* slots);

}  // namespace fodc::recorder
