// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/mirror.h"

#include <variant>

namespace fodc::fleet {
namespace {

// A mirror appends nothing of its own; the number only has to be nobody else's.
constexpr recorder::Incarnation kNobody = 1;

}  // namespace

Mirror::Mirror(const recorder::RecordingOptions& options)
    : recording_(kNobody, options) {}

Status Mirror::Apply(const recorder::LogEntry& entry, MonotonicTime now) {
  ++stats_.entries;
  const recorder::FrameName newest = recording_.newest();
  Status status = recording_.Apply(entry);
  if (status.code() == Code::kOutOfRange) {
    recording_.AcceptGap();
    status = recording_.Apply(entry);
    if (status.code() == Code::kOutOfRange) {
      // Built on frames that are lost, or of a life that is over: of no use,
      // and asking for it again would not help.
      ++stats_.unusable;
      return OkStatus();
    }
  }
  const auto* row = std::get_if<recorder::RowEntry>(&entry);
  const auto* chunk = std::get_if<recorder::ChunkEntry>(&entry);
  if (chunk != nullptr && status.code() == Code::kDataLoss) {
    ++stats_.damaged;
    return OkStatus();
  }
  if (!status.ok() || (row == nullptr && chunk == nullptr)) return status;
  const recorder::FrameName first =
      row != nullptr ? row->name
                     : recorder::FrameName{chunk->incarnation, chunk->first};
  if (row != nullptr) pace_.OnRow(*row, now);
  stats_.frames += row != nullptr ? 1 : chunk->last - chunk->first + 1;
  if (first.incarnation == newest.incarnation &&
      first.sequence > newest.sequence + 1) {
    ++stats_.gaps;
    stats_.missing_frames += first.sequence - newest.sequence - 1;
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
