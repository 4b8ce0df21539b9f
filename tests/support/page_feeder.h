// SPDX-License-Identifier: Apache-2.0
// Appends pages to a recording as the agent does, without the agent.
#pragma once

#include <cstdint>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/recorder/recording.h"

namespace fodc::test {

class PageFeeder {
 public:
  PageFeeder(recorder::Recording* recording, std::string_view source)
      : recording_(recording), source_(recording->OpenSource(source, "")) {}

  // Reads the page; Splice and Append may follow.
  void Read(std::string_view page) {
    FODC_CHECK(buffer_.Append(page).ok());
    reader_.Read(exposition::Format::kText, &buffer_);
  }

  void Append(recorder::FrameTime time) {
    recording_->EditLines(source_, reader_.edits(), [this](std::size_t line) {
      return reader_.Describe(static_cast<std::uint32_t>(line));
    });
    recording_->Append(source_, time, reader_.values(), reader_.changed());
  }

  exposition::PageReader& reader() { return reader_; }

 private:
  recorder::Recording* recording_;
  recorder::SourceId source_;
  exposition::PageReader reader_;
  exposition::PageBuffer buffer_;
};

}  // namespace fodc::test
