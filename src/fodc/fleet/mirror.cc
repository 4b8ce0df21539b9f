// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/mirror.h"

#include <algorithm>
#include <variant>

namespace fodc::fleet {
namespace {

// A mirror appends nothing of its own; the number only has to be nobody else's.
constexpr recorder::Incarnation kNobody = 1;

}  // namespace

Mirror::Mirror(const recorder::RecordingOptions& options)
    : recording_(kNobody, options) {}

void Mirror::Follow(recorder::Incarnation incarnation, MonotonicTime now) {
  followed_at_ = news_at_ = now;
  caught_up_ = false;
  recording_.Follow(incarnation);
  pace_.Follow(incarnation);
}

bool Mirror::IsCatchingUp(MonotonicTime now) const {
  return !caught_up_ && !HasFreshRow(now) &&
         now - news_at_ <= pace_.patience() &&
         now - followed_at_ <= kMostCatchingUp;
}

bool Mirror::HasFreshRow(MonotonicTime now) const {
  return last_row_ && pace_.IsFresh(last_row_->first, last_row_->second, now);
}

void Mirror::OnAbsence(MonotonicTime from, MonotonicTime to) {
  if (IsCatchingUp(from)) {
    followed_at_ += to - from;
    news_at_ += to - from;
  } else if (HasFreshRow(from)) {
    followed_at_ = news_at_ = to;
    caught_up_ = false;
  }
}

Status Mirror::Apply(const recorder::LogEntry& entry, MonotonicTime now) {
  ++stats_.entries;
  const recorder::EntryFrames frames(entry);
  const recorder::FrameName before = recording_.newest();
  Status status = recording_.ApplyOverGap(entry);
  if (status.code() == Code::kOutOfRange) {
    // Asking for it again would not help.
    stats_.unusable += frames.count();
    return OkStatus();
  }
  if (status.code() == Code::kResourceExhausted) {
    stats_.unusable += frames.count();
    stats_.refused_series += frames.count() == 0 ? 1 : 0;
    return OkStatus();
  }
  if (std::holds_alternative<recorder::ChunkEntry>(entry) &&
      status.code() == Code::kDataLoss) {
    ++stats_.damaged;
    return OkStatus();
  }
  // Of a chunk that was asked for again, a part is held already.
  if (!status.ok() || recording_.newest() == before) return status;
  if (const auto* row = std::get_if<recorder::RowEntry>(&entry)) {
    pace_.OnRow(*row, now);
    last_row_.emplace(row->name, row->time);
    caught_up_ = caught_up_ || pace_.IsFresh(row->name, row->time, now);
  }
  news_at_ = now;
  const bool goes_on = frames.first.incarnation == before.incarnation;
  const recorder::Sequence next = goes_on ? before.sequence + 1 : 1;
  stats_.frames += frames.last + 1 - std::max(next, frames.first.sequence);
  if (goes_on && frames.first.sequence > next) {
    ++stats_.gaps;
    stats_.missing_frames += frames.first.sequence - next;
  }
  return status;
}

std::vector<recorder::LogPosition> Mirror::Positions() const {
  std::vector<recorder::LogPosition> out;
  for (const recorder::HeldRange& range : recording_.held()) {
    out.push_back({range.incarnation, range.last});
  }
  return out;
}

}  // namespace fodc::fleet
