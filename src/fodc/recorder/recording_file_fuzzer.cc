// SPDX-License-Identifier: Apache-2.0
// Files and, behind an odd first byte, bare entries: applied, read back, and
// written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/recording_file.h"

namespace {

constexpr std::size_t kBudget = 4u << 20;

void ReadAll(const fodc::recorder::Recording& recording) {
  const auto snapshot = recording.Take();
  snapshot.ReadSeries({}, nullptr,
                      [](const auto&, auto, auto) { return true; });
  snapshot.ReadFrames({}, [](const auto&) { return true; });
  (void)snapshot.Latest();
  fodc::recorder::FileReport report;
  const auto again = fodc::recorder::DecodeRecordingFile(
      fodc::recorder::EncodeRecordingFile(snapshot, {}),
      fodc::recorder::FileReadingOptions(), &report);
  if (!again.ok() || report.damaged_regions != 0) std::abort();
  if (again->stats().samples != recording.stats().samples) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  fodc::recorder::RecordingOptions options;
  options.budget_bytes = kBudget;
  if ((data[0] & 1) != 0) {
    fodc::recorder::Recording recording(1, options);
    (void)fodc::recorder::ReadEntries(
        input, [&](const fodc::recorder::LogEntry& e) {
          if (recording.Apply(e).code() == fodc::Code::kOutOfRange) {
            recording.AcceptGap();
            recording.Apply(e).IgnoreError();
          }
          if (recording.memory_bytes() > kBudget) std::abort();
          return fodc::OkStatus();
        });
    ReadAll(recording);
    return 0;
  }
  fodc::recorder::FileReport report;
  const auto recording =
      fodc::recorder::DecodeRecordingFile(input, options, &report);
  if (recording.ok()) ReadAll(*recording);
  return 0;
}
