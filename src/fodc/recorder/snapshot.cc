// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/snapshot.h"

#include <algorithm>
#include <set>

#include "fodc/recorder/frame_reader.h"
#include "fodc/recorder/series_reader.h"
#include "fodc/recorder/snapshot_state.h"

namespace fodc::recorder {

Snapshot::Snapshot(std::shared_ptr<const State> state)
    : state_(std::move(state)) {}
Snapshot::Snapshot(const Snapshot&) = default;
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(const Snapshot&) = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

const SourceInfo& Snapshot::State::Source(const LifeView& life,
                                          SourceId source) {
  static const SourceInfo kUnknown;
  const auto found = life.sources->find(source);
  return found == life.sources->end() ? kUnknown : found->second;
}

std::vector<Snapshot::State::Part> Snapshot::State::Parts(
    TimeRange range) const {
  std::vector<Part> parts;
  const auto add = [&](const LifeView& life,
                       const std::shared_ptr<const Chunk>& chunk) {
    if (chunk->max_unix_ms() < range.from_unix_ms ||
        chunk->min_unix_ms() > range.to_unix_ms) {
      return;
    }
    parts.push_back({&life, chunk});
  };
  for (const LifeView& life : lives) {
    for (const auto& chunk : life.chunks) add(life, chunk);
  }
  if (!open.empty()) {
    MutexLock lock(mutex_);
    if (open_chunk_ == nullptr) {
      open_chunk_ = ChunkOf(lives.back().incarnation, open);
    }
    if (open_chunk_ != nullptr) add(lives.back(), open_chunk_);
  }
  return parts;
}

std::vector<SourceFrame> Snapshot::Latest() const { return state_->latest; }

Result<std::vector<SourceFrame>> Snapshot::At(std::int64_t unix_ms,
                                              std::int64_t max_age_ms) const {
  std::vector<SourceFrame> frames;
  std::set<std::string_view> seen;
  const std::int64_t from =
      unix_ms < INT64_MIN + max_age_ms ? INT64_MIN : unix_ms - max_age_ms;
  const std::vector<State::Part> parts = state_->Parts({from, unix_ms});
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const Chunk& chunk = *part->chunk;
    for (std::size_t i = 0; i < chunk.sections().size(); ++i) {
      const SourceInfo& source =
          State::Source(*part->life, chunk.sections()[i].source);
      if (seen.contains(source.name)) continue;
      FODC_ASSIGN_OR_RETURN(const auto section, chunk.Open(i));
      for (std::size_t row = section->rows(); row-- > 0;) {
        const std::int64_t t = section->times()[row].unix_ms;
        if (t > unix_ms || t < from) continue;
        SectionFrames reader(*part->life, *section);
        SourceFrame frame;
        reader.Read(row, &frame);
        frames.push_back(std::move(frame));
        seen.insert(source.name);
        break;
      }
    }
  }
  std::sort(frames.begin(), frames.end(),
            [](const SourceFrame& a, const SourceFrame& b) {
              return a.source_name < b.source_name;
            });
  return frames;
}

void Snapshot::ReadSeries(TimeRange range, const SeriesFilter& filter,
                          const SeriesSink& sink, int* damaged) const {
  const std::unique_ptr<SeriesReader> reader = OpenSeriesReader(range, filter);
  SeriesView view;
  std::span<const std::int64_t> times;
  std::span<const double> values;
  while (reader->Next(&view, &times, &values)) {
    if (!sink(view, times, values)) break;
  }
  if (damaged != nullptr) *damaged = reader->damaged();
}

void Snapshot::ReadFrames(TimeRange range, const FrameSink& sink,
                          int* damaged) const {
  if (damaged != nullptr) *damaged = 0;
  // The newest layout of each source, so that equal ones stay one.
  std::map<std::string_view, std::shared_ptr<const std::vector<SeriesRef>>>
      layouts;
  for (const State::Part& part : state_->Parts(range)) {
    const Chunk& chunk = *part.chunk;
    std::vector<std::unique_ptr<const Section>> sections;
    bool good = true;
    for (std::size_t i = 0; good && i < chunk.sections().size(); ++i) {
      auto section = chunk.Open(i);
      good = section.ok();
      if (good) sections.push_back(*std::move(section));
    }
    if (!good) {
      if (damaged != nullptr) ++*damaged;
      continue;
    }
    std::vector<SectionFrames> readers;
    std::vector<std::size_t> next(sections.size());
    readers.reserve(sections.size());
    for (const auto& s : sections) {
      readers.emplace_back(*part.life, *s).DecodeAll();
    }
    for (Sequence seq = chunk.first(); seq <= chunk.last(); ++seq) {
      for (std::size_t i = 0; i < sections.size(); ++i) {
        if (next[i] == sections[i]->rows() ||
            sections[i]->sequences()[next[i]] != seq) {
          continue;
        }
        const std::size_t row = next[i]++;
        const std::int64_t t = sections[i]->times()[row].unix_ms;
        if (t < range.from_unix_ms || t > range.to_unix_ms) continue;
        SourceFrame frame;
        readers[i].Read(row, &frame);
        auto& layout = layouts[frame.source_name];
        if (layout != nullptr && *layout == *frame.series) {
          frame.series = layout;
        }
        layout = frame.series;
        if (!sink(frame)) return;
      }
    }
  }
}

}  // namespace fodc::recorder
