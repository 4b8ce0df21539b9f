// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/page_import.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/frame_file.h"
#include "fodc/exposition/names.h"
#include "fodc/exposition/page_reader.h"

namespace fodc::ctl {
namespace {

using exposition::Label;
using exposition::SeriesDesc;

// Says which file a series is of.
constexpr std::string_view kLabel = "recording";

// A description that keeps its text.
class OwnedDesc {
 public:
  OwnedDesc(const SeriesDesc& d, std::string_view recording)
      : name_(d.name), family_(d.family), help_(d.help), unit_(d.unit) {
    const auto is_taken = [&d](std::string_view name) {
      return std::ranges::find(d.labels, name, &Label::name) != d.labels.end();
    };
    for (const Label& l : d.labels) {
      text_.push_back(l.name == kLabel
                          ? exposition::ExportedName(l.name, is_taken)
                          : std::string(l.name));
      text_.emplace_back(l.value);
    }
    text_.emplace_back(kLabel);
    text_.emplace_back(recording);
    for (std::size_t i = 0; i < text_.size(); i += 2) {
      labels_.push_back({text_[i], text_[i + 1]});
    }
    desc_ = {name_, labels_, family_, d.type, help_, unit_};
  }
  OwnedDesc(const OwnedDesc&) = delete;
  OwnedDesc& operator=(const OwnedDesc&) = delete;
  const SeriesDesc& desc() const { return desc_; }

 private:
  std::string name_, family_, help_, unit_;
  std::deque<std::string> text_;
  std::vector<Label> labels_;
  SeriesDesc desc_;
};

// One file, its next frame read ahead.
class Importer {
 public:
  Importer(FrameFile file, std::string stem, ImportedFile* summary,
           recorder::Recording* recording)
      : file_(std::move(file)),
        stem_(std::move(stem)),
        summary_(summary),
        recording_(recording),
        source_(recording->OpenSource(stem_, "")),
        buffer_(FrameFile::kMaxBodyBytes) {}

  bool has_frame() const { return has_frame_; }
  std::int64_t unix_ms() const { return frame_.unix_ms; }

  // Goes to the next frame that has a page.
  void Advance() {
    for (;;) {
      const Result<bool> has_frame = file_.Next(&frame_);
      has_frame_ = has_frame.ok() && *has_frame;
      if (!has_frame.ok()) summary_->damage = has_frame.status().message();
      if (!has_frame_ || frame_.http_status == 200) return;
      ++summary_->failed;
    }
  }

  // Records the frame at hand. `monotonic_ms`: on the scale of all files.
  Status Record(std::int64_t monotonic_ms) {
    buffer_.Clear();
    FODC_RETURN_IF_ERROR(buffer_.Append(frame_.body).WithContext(file_.path()));
    // Saved pages carry no content type; only OpenMetrics ends so.
    const bool openmetrics = Trim(frame_.body).ends_with("\n# EOF");
    reader_.Read(openmetrics ? exposition::Format::kOpenMetrics
                             : exposition::Format::kText,
                 &buffer_);
    std::optional<OwnedDesc> desc;
    recording_->EditLines(
        source_, reader_.edits(), [&](std::size_t line) -> SeriesDesc {
          desc.emplace(reader_.Describe(static_cast<std::uint32_t>(line)),
                       stem_);
          return desc->desc();
        });
    recording_->Append(source_, {monotonic_ms, frame_.unix_ms},
                       reader_.values(), reader_.changed());
    ++summary_->frames;
    summary_->lost_lines += reader_.stats().lost_lines();
    return OkStatus();
  }

 private:
  FrameFile file_;
  std::string stem_;
  ImportedFile* summary_;
  recorder::Recording* recording_;
  recorder::SourceId source_;
  exposition::PageBuffer buffer_;
  exposition::PageReader reader_;
  SavedFrame frame_;
  bool has_frame_ = false;
};

}  // namespace

Result<ImportSummary> ImportPages(const std::string& directory,
                                  recorder::Recording* recording) {
  ImportSummary summary;
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListDirectory(directory));
  std::vector<std::pair<std::string, std::string>> chosen;  // name, stem
  for (const std::string& name : names) {
    const std::string_view stem = FrameFileStem(name);
    const bool taken =
        std::any_of(chosen.begin(), chosen.end(),
                    [&](const auto& c) { return c.second == stem; });
    if (stem.empty()) {
      summary.left_out.push_back(name + ": not *.frames or *.frames.zst");
    } else if (taken) {
      summary.left_out.push_back(
          StrCat(name, ": there is another file '", stem, "' in this folder"));
    } else {
      chosen.emplace_back(name, stem);
    }
  }
  if (chosen.empty()) {
    return NotFound(directory + ": no *.frames or *.frames.zst in it");
  }
  summary.files.resize(chosen.size());
  std::vector<std::unique_ptr<Importer>> importers;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    summary.files[i].name = chosen[i].first;
    FODC_ASSIGN_OR_RETURN(
        FrameFile file,
        FrameFile::Open(StrCat(directory, "/", chosen[i].first)));
    importers.push_back(std::make_unique<Importer>(
        std::move(file), chosen[i].second, &summary.files[i], recording));
    importers.back()->Advance();
  }
  if (std::ranges::none_of(importers,
                           [](const auto& i) { return i->has_frame(); })) {
    for (const ImportedFile& file : summary.files) {
      if (!file.damage.empty()) return DataLoss(file.damage);
    }
  }
  // The saved pages have no monotonic time: theirs is the wall clock, which
  // here never goes back.
  std::int64_t monotonic_ms = 0;
  for (;;) {
    Importer* next = nullptr;
    for (const auto& i : importers) {
      if (i->has_frame() &&
          (next == nullptr || i->unix_ms() < next->unix_ms())) {
        next = i.get();
      }
    }
    if (next == nullptr) return summary;
    monotonic_ms = std::max(monotonic_ms, next->unix_ms());
    FODC_RETURN_IF_ERROR(next->Record(monotonic_ms));
    next->Advance();
  }
}

}  // namespace fodc::ctl
