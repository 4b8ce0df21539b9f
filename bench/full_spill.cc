// SPDX-License-Identifier: Apache-2.0
#include "bench/full_spill.h"

#include <algorithm>
#include <span>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/spill.h"

namespace fodc::bench {
namespace {

// Everything that is new, also if it takes several batches.
Status SpillAll(recorder::Spill* spill, const recorder::Recording& recording) {
  for (;;) {
    const recorder::Spill::Batch batch = spill->Collect(recording);
    if (batch.empty()) return OkStatus();
    const Status written = spill->Write(batch);
    spill->Finish(batch, written);
    FODC_RETURN_IF_ERROR(written);
  }
}

}  // namespace

Result<FullSpill> WriteFullSpill(const std::string& directory,
                                 const std::string& source_name,
                                 const std::string& container_name,
                                 const std::vector<std::string>& pages,
                                 std::size_t budget_bytes) {
  recorder::RecordingOptions options;
  options.budget_bytes = budget_bytes;
  // A life at one frame a second, of about so many until the budget is full.
  const std::int64_t now_ms = ToUnixMillis(SystemClock().Unix());
  recorder::Recording recording(
      static_cast<recorder::Incarnation>(now_ms - 86'400'000) * 1'000'000,
      options);
  const recorder::SourceId source =
      recording.OpenSource(source_name, container_name);
  FODC_ASSIGN_OR_RETURN(const auto spill,
                        recorder::Spill::Open({.directory = directory,
                                               .max_bytes = 64u << 20,
                                               .segment_bytes = 1u << 20},
                                              SystemClock()));
  (void)spill->Load(&recording);
  exposition::PageReader reader;
  exposition::PageBuffer buffer(64u << 20);
  FullSpill made;
  // Until the oldest has begun to go: then it is as full as it ever is.
  constexpr std::int64_t kUsualFrames = 9'500;
  constexpr std::int64_t kMostFrames = 40'000;
  for (std::int64_t n = 0;
       n < kMostFrames && recording.stats().evicted_samples == 0; ++n) {
    buffer.Clear();
    FODC_RETURN_IF_ERROR(
        buffer.Append(pages[static_cast<std::size_t>(n) % pages.size()]));
    reader.Read(exposition::Format::kText, &buffer);
    recording.EditLines(source, reader.edits(), [&reader](std::size_t line) {
      return reader.Describe(static_cast<std::uint32_t>(line));
    });
    const std::int64_t ago =
        std::max<std::int64_t>(kUsualFrames - n, 60) * 1000;
    recording.Append(source,
                     {.monotonic_ms = n * 1000 + 1, .unix_ms = now_ms - ago},
                     reader.values(), reader.changed());
    if (n % 500 == 499) FODC_RETURN_IF_ERROR(SpillAll(spill.get(), recording));
  }
  FODC_RETURN_IF_ERROR(SpillAll(spill.get(), recording));
  const recorder::RecordingStats stats = recording.stats();
  if (stats.evicted_samples == 0) {
    return Internal(StrCat("the window is not full: ", stats.bytes, " bytes"));
  }
  made.frames = stats.frames;
  made.bytes_per_sample =
      static_cast<double>(stats.bytes) / static_cast<double>(stats.samples);
  return made;
}

}  // namespace fodc::bench
