// SPDX-License-Identifier: Apache-2.0
// The page of one endpoint as a source of the recording.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/collect/endpoint.h"
#include "fodc/exposition/format.h"
#include "fodc/exposition/page_buffer.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/exposition/page_stats.h"
#include "fodc/recorder/recording.h"

namespace fodc::collect {

// Not thread-safe. `recording` must outlive it.
class Page {
 public:
  Page(recorder::Recording& recording, const Endpoint& endpoint,
       exposition::PageReader::Options options = {});

  // Reads the page, moves the source's layout as the page's moved, appends one
  // frame. `*buffer` comes back empty, with the memory of the page before.
  // Returns how many samples there were.
  std::size_t Record(exposition::PageBuffer* buffer, exposition::Format format,
                     recorder::FrameTime time);

  // Of the last page.
  const exposition::PageStats& stats() const { return reader_.stats(); }
  // The first line of the last page that was lost for this reason, if the
  // reader remembers it.
  const exposition::ProblemLine* FirstBadLine(
      exposition::LineProblem problem) const;

  // Lines of the last page that the recording has no room for.
  std::size_t refused_lines() const {
    return recording_.refused_lines(source_);
  }

  std::size_t memory_bytes() const;

 private:
  // Of a line, as it is recorded. Valid until the next call.
  exposition::SeriesDesc Describe(std::uint32_t line);

  recorder::Recording& recording_;
  const std::string endpoint_label_;  // empty: none is added
  const std::string endpoint_name_;
  recorder::SourceId source_;
  exposition::PageReader reader_;
  std::vector<exposition::Label> labels_;  // of Describe
  std::array<std::string, 3> renamed_;
};

}  // namespace fodc::collect
