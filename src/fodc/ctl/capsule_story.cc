// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/capsule_story.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/pprof/profile.h"
#include "fodc/recorder/recording_file.h"

namespace fodc::ctl {
namespace {

using evidence::EventMeta;
using evidence::EventStep;

constexpr pprof::ProfileLimits kProfileLimits = {
    .bytes = 256u << 20, .items = 8u << 20, .frames = 1u << 20};
constexpr std::string_view kTooLarge =
    "too large to be looked into here; extract it";

UnixTime StartOf(const EventMeta& meta, std::string_view file) {
  for (const EventStep& s : meta.steps) {
    if (s.file == file) return s.started;
  }
  return meta.captured_at;
}

// Of the shared table of a guard, too, for it has the same kinds of values.
bool IsHeap(const EventMeta& meta, std::string_view file) {
  return std::any_of(meta.profiles.begin(), meta.profiles.end(),
                     [file](const evidence::EventProfile& p) {
                       return p.filename == file && p.type.starts_with("heap");
                     });
}

struct Heap {
  std::string file;
  pprof::Profile profile;
};

class Teller {
 public:
  Teller(const StoryOptions& options, CapsuleStory* story)
      : options_(options), story_(*story) {
    top_options_.max_rows = options.top_rows;
  }

  void Take(CapsulePart part) {
    switch (part.kind) {
      case CapsulePart::Kind::kProfile:
        return TakeProfile(std::move(part));
      case CapsulePart::Kind::kRecording:
        return TakeRecording(part);
      case CapsulePart::Kind::kLog:
        return TakeLog(part);
    }
  }

  void End() {
    const EventMeta& meta = story_.content.meta;
    int damaged = 0;
    story_.timeline = MakeTimeline(snapshots_, meta.target,
                                   ToUnixMillis(meta.captured_at), &damaged);
    if (damaged > 0) {
      story_.damage.push_back(
          StrCat(damaged, " damaged chunks of the recording were left out"));
    }
    CompareHeaps();
  }

 private:
  void TakeProfile(CapsulePart part) {
    CapsuleStory::Profile& told = story_.profiles.emplace_back();
    told.file = part.name;
    if (part.is_too_large) {
      told.problem = kTooLarge;
      return;
    }
    Result<pprof::Profile> profile =
        pprof::ReadProfile(std::move(part.bytes), kProfileLimits);
    Result<pprof::TopReport> top =
        profile.ok() ? pprof::Top(*profile, top_options_) : profile.status();
    if (!top.ok()) {
      told.problem = top.status().message();
      return;
    }
    told.top = *std::move(top);
    if (IsHeap(story_.content.meta, part.name))
      heaps_.push_back({part.name, *std::move(profile)});
  }

  void TakeRecording(const CapsulePart& part) {
    story_.recordings.push_back(part.name);
    const auto damaged = [&](std::string_view reason) {
      story_.damage.push_back(StrCat(part.name, ": ", reason));
    };
    if (part.is_too_large) return damaged(kTooLarge);
    recorder::FileReport report;
    const Result<recorder::Recording> recording = recorder::DecodeRecordingFile(
        part.bytes, recorder::FileReadingOptions(), &report);
    if (!recording.ok()) return damaged(recording.status().message());
    for (const recorder::FileDamage& d : report.damage) {
      damaged(StrCat("offset ", d.offset, ": ", d.length_bytes,
                     " bytes: ", d.reason));
    }
    if (!report.complete && report.damage.empty())
      damaged("the file is cut, or was never finished");
    snapshots_.push_back(recording->Take());
  }

  void TakeLog(const CapsulePart& part) {
    CapsuleStory::Log& log = story_.logs.emplace_back();
    log.file = part.name;
    std::string_view text = part.bytes;
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.empty()) return;
    const std::vector<std::string_view> lines = Split(text, '\n');
    const std::size_t shown = std::min(lines.size(), options_.log_lines);
    log.lines.assign(lines.end() - static_cast<std::ptrdiff_t>(shown),
                     lines.end());
    log.is_cut = part.is_cut || shown < lines.size();
  }

  // The last that has the values of the first: another source may count
  // others.
  void CompareHeaps() {
    if (heaps_.size() < 2) return;
    const EventMeta& meta = story_.content.meta;
    std::stable_sort(heaps_.begin(), heaps_.end(),
                     [&](const Heap& a, const Heap& b) {
                       return StartOf(meta, a.file) < StartOf(meta, b.file);
                     });
    CapsuleStory::HeapGrowth& growth = story_.growth.emplace();
    growth.base = heaps_.front().file;
    for (std::size_t i = heaps_.size() - 1; i > 0; --i) {
      Result<pprof::TopReport> diff =
          pprof::Diff(heaps_.front().profile, heaps_[i].profile, top_options_);
      if (diff.ok()) {
        growth.file = heaps_[i].file;
        growth.diff = *std::move(diff);
        growth.problem.clear();
        return;
      }
      if (!growth.problem.empty()) continue;
      growth.file = heaps_[i].file;
      growth.problem = diff.status().message();
    }
  }

  const StoryOptions& options_;
  CapsuleStory& story_;
  pprof::TopOptions top_options_;
  std::vector<Heap> heaps_;
  std::vector<recorder::Snapshot> snapshots_;
};

}  // namespace

Result<CapsuleStory> ReadCapsuleStory(const std::string& path,
                                      const StoryOptions& options) {
  PartKeeper keeper;
  CapsuleStory story;
  FODC_ASSIGN_OR_RETURN(story.content,
                        evidence::ReadCapsuleFile(path, &keeper));
  Teller teller(options, &story);
  for (CapsulePart& part : keeper.TakeParts()) teller.Take(std::move(part));
  teller.End();
  return story;
}

}  // namespace fodc::ctl
