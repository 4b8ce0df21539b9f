// SPDX-License-Identifier: Apache-2.0
// What a recording makes of files, of bare entries, and of rows and chunks that
// are each good but come in any order: applied, read back, and written again.
// The low bits of the first byte say which; checksums are put right.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fodc/recorder/chunk.h"
#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/log_reader.h"
#include "fodc/recorder/recording_file.h"

namespace fodc::recorder {
namespace {

constexpr std::size_t kBudget = 4u << 20;

void ReadAll(const Recording& recording) {
  const auto snapshot = recording.Take();
  snapshot.ReadSeries({}, nullptr,
                      [](const auto&, auto, auto) { return true; });
  snapshot.ReadFrames({}, [](const auto&) { return true; });
  (void)snapshot.Latest();
  (void)recording.Latest();
  Recording::Defined defined;
  recording.ReadLog({}, &defined, [](const LogEntry&) { return true; });
  FileReport report;
  const auto again = DecodeRecordingFile(EncodeRecordingFile(snapshot, {}),
                                         FileReadingOptions(), &report);
  if (!again.ok() || report.damaged_regions != 0) std::abort();
  if (again->stats().samples != recording.stats().samples) std::abort();
}

void Apply(Recording* recording, LogEntry entry) {
  if (auto* chunk = std::get_if<ChunkEntry>(&entry);
      chunk != nullptr && chunk->bytes.size() >= sizeof(std::uint64_t)) {
    std::string& bytes = chunk->bytes;
    const std::size_t body = bytes.size() - sizeof(std::uint64_t);
    const std::uint64_t sum = XXH3_64bits(bytes.data(), body);
    std::memcpy(bytes.data() + body, &sum, sizeof sum);
  }
  recording->ApplyOverGap(entry).IgnoreError();
  if (recording->memory_bytes() > kBudget) std::abort();
}

void BareEntries(std::string_view input) {
  Recording recording(1, {.budget_bytes = kBudget});
  (void)ReadEntries(input, [&](const LogEntry& e) {
    Apply(&recording, e);
    return OkStatus();
  });
  ReadAll(recording);
}

// Rows and chunks of a few lives, sources and series.
class Script {
 public:
  explicit Script(std::string_view input) : input_(input) {}

  void Run() {
    while (!input_.empty()) {
      Step(Byte());
      if (recording_.memory_bytes() > kBudget) std::abort();
    }
    ReadAll(recording_);
  }

 private:
  std::uint8_t Byte() {
    if (input_.empty()) return 0;
    const auto b = static_cast<std::uint8_t>(input_[0]);
    input_.remove_prefix(1);
    return b;
  }

  void Step(std::uint8_t op) {
    const Incarnation life = 1 + (op >> 6);
    switch (op & 7) {
      case 0:
        for (SeriesId id = 1; id <= 8; ++id) {
          Apply(&recording_, SeriesEntry{.incarnation = life,
                                         .id = id,
                                         .name = "n" + std::to_string(id),
                                         .labels = "",
                                         .family = "n",
                                         .type = {},
                                         .help = "",
                                         .unit = ""});
        }
        [[fallthrough]];
      case 1:
        return Apply(&recording_,
                     SourceEntry{.incarnation = life,
                                 .source = SourceId(op >> 5 & 1),
                                 .name = "s" + std::to_string(op >> 5 & 1),
                                 .container_name = ""});
      case 2:
        return recording_.Seal();
      case 3:
        return ReadAll(recording_);
      case 4:  // all of it leaves the window
        recording_.set_budget_bytes(1);
        return recording_.set_budget_bytes(kBudget);
      case 5:
      case 6:
        return OneRow(life, (op & 8) != 0);
      default:
        return OneChunk(life, 1 + (op >> 3 & 7));
    }
  }

  std::string Payload(bool complete, SlotState* state) {
    Row row;
    const std::uint8_t ids = Byte();
    row.complete = complete;
    if (complete) {
      for (SeriesId id = 1; id <= 8; ++id) {
        if ((ids >> (id - 1) & 1) != 0) row.added.push_back(id);
      }
    } else if ((ids & 0xc0) == 0xc0) {
      row.added.push_back(1 + (ids & 7));
    }
    const std::size_t slots = row.added.size() + (complete ? 0 : state->size());
    if (slots > 0) {
      row.changes.push_back(
          {static_cast<Slot>(ids % slots), 0, static_cast<double>(Byte())});
    }
    std::string out;
    EncodeRow(row, state, &out);
    return out;
  }

  void OneRow(Incarnation life, bool complete) {
    if (complete) stretch_ = sequence_ + 1;
    sequence_ += (Byte() & 3) == 3 ? 2 : 1;
    const auto at = static_cast<std::int64_t>(sequence_) * 1000;
    Apply(&recording_, RowEntry{.name = {life, sequence_},
                                .source = 0,
                                .stretch = stretch_,
                                .time = {at, at},
                                .payload = Payload(complete, &state_)});
  }

  void OneChunk(Incarnation life, std::size_t frames) {
    const Sequence back = Byte() & 7;
    const Sequence first = sequence_ > back ? sequence_ - back + 1 : 1;
    std::vector<std::string> payloads;
    SlotState state;
    for (std::size_t i = 0; i < frames; ++i) {
      payloads.push_back(Payload(i == 0, &state));
    }
    std::vector<SealRow> rows;
    for (std::size_t i = 0; i < frames; ++i) {
      const auto at = static_cast<std::int64_t>(first + i) * 1000;
      rows.push_back({.source = 0,
                      .sequence = first + i,
                      .time = {at, at},
                      .payload = payloads[i]});
    }
    auto bytes = SealChunk(life, rows);
    if (!bytes.ok()) return;
    sequence_ = std::max(sequence_, first + frames - 1);
    Apply(&recording_, ChunkEntry{.incarnation = life,
                                  .first = first,
                                  .last = first + frames - 1,
                                  .bytes = *std::move(bytes)});
  }

  std::string_view input_;
  Recording recording_{1, {.budget_bytes = kBudget}};
  SlotState state_;
  Sequence sequence_ = 0;
  Sequence stretch_ = 1;
};

void File(std::string_view input) {
  std::string bytes(input);
  constexpr std::size_t kHeaderBytes = 17;
  std::size_t at = 8;
  while (at + kHeaderBytes <= bytes.size()) {
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data() + at + 5, sizeof length);
    if (length > bytes.size() - at - kHeaderBytes) break;
    const std::uint64_t sum = XXH3_64bits_withSeed(
        bytes.data() + at + kHeaderBytes, length,
        static_cast<std::uint8_t>(bytes[at + 4]) + std::uint64_t{length} * 256);
    std::memcpy(bytes.data() + at + 9, &sum, sizeof sum);
    at += kHeaderBytes + length;
  }
  FileReport report;
  const auto recording =
      DecodeRecordingFile(bytes, {.budget_bytes = kBudget}, &report);
  if (recording.ok()) ReadAll(*recording);
}

}  // namespace
}  // namespace fodc::recorder

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  if ((data[0] & 1) != 0) {
    fodc::recorder::BareEntries(input);
  } else if ((data[0] & 2) != 0) {
    fodc::recorder::Script(input).Run();
  } else {
    fodc::recorder::File(input);
  }
  return 0;
}
