// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/recording.h"

#include <algorithm>

#include "fodc/recorder/recording_impl.h"
#include "fodc/recorder/snapshot_state.h"

namespace fodc::recorder {
namespace {

constexpr std::int64_t kLongestMs = 1'000'000'000'000'000;  // 30,000 years

// From the least to the greatest instant.
struct Extent {
  std::int64_t from = INT64_MAX;
  std::int64_t to = INT64_MIN;

  void Take(std::int64_t first, std::int64_t last) {
    from = std::min(from, first);
    to = std::max(to, last);
  }
  bool empty() const { return to < from; }
  std::int64_t length() const { return empty() ? 0 : to - from; }
};

}  // namespace

Recording::Recording(Incarnation incarnation, RecordingOptions options)
    : impl_(std::make_unique<Impl>(incarnation, std::move(options))) {}
Recording::~Recording() = default;
Recording::Recording(Recording&&) noexcept = default;
Recording& Recording::operator=(Recording&&) noexcept = default;

SourceId Recording::OpenSource(std::string_view name,
                               std::string_view container_name,
                               Admission admission) {
  return impl_->OpenSource(name, container_name, admission);
}

void Recording::EditLines(
    SourceId source, std::span<const exposition::LineEdit> edits,
    const std::function<exposition::SeriesDesc(std::size_t)>& describe) {
  impl_->Edit(source, edits, describe);
}

void Recording::SpliceLines(SourceId source, std::size_t at,
                            std::size_t removed,
                            std::span<const exposition::SeriesDesc> inserted) {
  impl_->Splice(source, at, removed, inserted);
}

void Recording::Readmit(
    SourceId source,
    const std::function<exposition::SeriesDesc(std::size_t)>& describe) {
  impl_->Readmit(source, describe);
}

std::size_t Recording::refused_lines(SourceId source) const {
  const auto found = impl_->states.find(source);
  return found == impl_->states.end() ? 0 : found->second.refused_lines;
}

FrameName Recording::Append(
    SourceId source, FrameTime time, std::span<const double> values,
    std::optional<std::span<const std::uint32_t>> changed) {
  return impl_->Append(source, time, values, changed);
}

void Recording::Seal() {
  impl_->SealOpen(!impl_->appending);
  impl_->Trim();
}

Status Recording::Apply(const LogEntry& entry) { return impl_->Apply(entry); }

Status Recording::ApplyOverGap(const LogEntry& entry) {
  Status status = impl_->Apply(entry);
  if (status.code() != Code::kOutOfRange) return status;
  impl_->gap_accepted = true;
  status = impl_->Apply(entry);
  impl_->gap_accepted = false;
  return status;
}

void Recording::Follow(Incarnation incarnation) { impl_->Follow(incarnation); }

LogPosition Recording::ReadLog(
    LogPosition from, Defined* defined,
    const std::function<bool(const LogEntry&)>& sink) const {
  return impl_->Read(from, defined, sink);
}

FrameName Recording::newest() const {
  for (auto life = impl_->lives.rbegin(); life != impl_->lives.rend(); ++life) {
    if (life->last > 0) return {life->incarnation, life->last};
  }
  return {};
}

FrameName Recording::newest_sealed() const {
  for (auto life = impl_->lives.rbegin(); life != impl_->lives.rend(); ++life) {
    if (!life->chunks.empty()) {
      return {life->incarnation, life->chunks.back().chunk->last()};
    }
  }
  return {};
}

std::vector<HeldRange> Recording::held() const {
  std::vector<HeldRange> all;
  for (const Life& life : impl_->lives) {
    if (life.last == 0) continue;
    HeldRange r{.incarnation = life.incarnation,
                .first = life.last + 1,
                .last = life.last,
                .missing = 0};
    Sequence frames = 0;
    for (const HeldChunk& c : life.chunks) frames += c.chunk->frames();
    if (!life.chunks.empty()) r.first = life.chunks.front().chunk->first();
    if (&life == &impl_->lives.back()) {
      frames += impl_->open.rows();
      if (!impl_->open.empty())
        r.first = std::min(r.first, impl_->open.first());
    }
    r.missing = r.last + 1 - r.first - frames;
    all.push_back(r);
  }
  return all;
}

RecordingStats Recording::stats() const {
  const Impl& s = *impl_;
  RecordingStats r;
  r.sealed_bytes = s.sealed_bytes;
  r.reading_bytes = s.reading_bytes;
  r.open_bytes = s.open.memory_bytes() + s.sealed_tail.memory_bytes();
  r.index_bytes = s.IndexBytes();
  r.bytes = r.sealed_bytes + r.open_bytes + r.index_bytes;
  r.samples = s.sealed_samples + s.open_samples;
  r.frames = s.open.rows();
  r.chunks = s.chunk_count;
  r.appended_samples = s.appended_samples;
  r.evicted_samples = s.evicted_samples;
  r.refused_series = s.refused_series;
  std::int64_t span_ms = 0;
  Extent unix_ms;
  for (const Life& life : s.lives) {
    r.series += life.table->ids.size();
    Extent monotonic_ms;
    for (const HeldChunk& c : life.chunks) {
      r.frames += c.chunk->frames();
      span_ms += c.chunk->to_monotonic_ms() - c.chunk->from_monotonic_ms();
      unix_ms.Take(c.chunk->min_unix_ms(), c.chunk->max_unix_ms());
      monotonic_ms.Take(c.chunk->from_monotonic_ms(),
                        c.chunk->to_monotonic_ms());
    }
    if (&life == &s.lives.back() && !s.open.empty()) {
      unix_ms.Take(s.open_min_unix_ms, s.open_max_unix_ms);
      monotonic_ms.Take(s.open_from_monotonic_ms, s.newest_monotonic_ms);
    }
    // A peer's times may be anything.
    r.window_ms = std::min(r.window_ms + monotonic_ms.length(), kLongestMs);
  }
  if (!unix_ms.empty()) {
    r.from_unix_ms = unix_ms.from;
    r.to_unix_ms = unix_ms.to;
  }
  for (const auto& [id, state] : s.states) {
    r.active_series += state.slots.active;
    r.refused_lines += state.refused_lines;
  }
  const std::size_t fixed = r.open_bytes + r.index_bytes;
  if (s.sealed_bytes > 0 && s.options.budget_bytes > fixed) {
    r.expected_window_ms = static_cast<std::int64_t>(
        std::min(static_cast<double>(kLongestMs),
                 static_cast<double>(span_ms) *
                     static_cast<double>(s.options.budget_bytes - fixed) /
                     static_cast<double>(s.sealed_bytes)));
  }
  return r;
}

void Recording::set_budget_bytes(std::size_t bytes) {
  impl_->options.budget_bytes = bytes;
  impl_->Trim();
}

std::size_t Recording::memory_bytes() const { return impl_->MemoryBytes(); }
Incarnation Recording::incarnation() const { return impl_->own; }

Snapshot Recording::Take() const {
  auto state = std::make_shared<Snapshot::State>();
  for (Life& life : impl_->lives) {
    life.table_shared = true;
    life.sources_shared = true;
    Snapshot::State::LifeView& view = state->lives.emplace_back();
    view.incarnation = life.incarnation;
    view.sources = life.sources;
    view.table = life.table;
    view.chunks.reserve(life.chunks.size());
    for (const HeldChunk& c : life.chunks) view.chunks.push_back(c.chunk);
  }
  state->open = impl_->open;
  state->latest = Latest();
  return Snapshot(std::move(state));
}
std::size_t Recording::pool_text_bytes() const {
  return impl_->PoolTextBytes();
}
void Recording::ClaimPoolText(
    const std::function<bool(const void* text)>& first) {
  impl_->ClaimPoolText(first);
}

std::vector<SourceFrame> Recording::Latest() const {
  std::vector<SourceFrame> frames;
  frames.reserve(impl_->states.size());
  for (auto& [id, source] : impl_->states) {
    const Life* life = impl_->FindLife(source.newest.incarnation);
    if (source.newest.sequence == 0 || life == nullptr) continue;
    const auto info = life->sources->find(id);
    if (info == life->sources->end()) continue;
    impl_->RefreshLayout(&source);
    SourceFrame& frame = frames.emplace_back();
    frame.source_name = info->second.name;
    frame.container_name = info->second.container_name;
    frame.name = source.newest;
    frame.time = source.time;
    frame.series = source.layout;
    frame.values.reserve(source.slots.active);
    for (std::size_t i = 0; i < source.slots.size(); ++i) {
      if (source.slots.present[i] != 0) {
        frame.values.push_back(source.slots.values[i]);
      }
    }
  }
  return frames;
}

}  // namespace fodc::recorder
