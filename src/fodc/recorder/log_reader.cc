// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/log_reader.h"

#include <algorithm>

#include "fodc/recorder/recording_impl.h"

namespace fodc::recorder {

void Recording::Defined::Enter(Incarnation incarnation, Sequence stretch) {
  if (incarnation != incarnation_) {
    *this = Defined();
    incarnation_ = incarnation;
    stretch_ = stretch;
    return;
  }
  if (stretch == stretch_) return;
  std::sort(current_.begin(), current_.end());
  previous_ = std::move(current_);
  current_.clear();
  sorted_ = 0;
  stretch_ = stretch;
}

bool Recording::Defined::Add(SeriesId id) {
  if (std::binary_search(current_.begin(),
                         current_.begin() + static_cast<long>(sorted_), id)) {
    return false;
  }
  // Few are not sorted yet, or all come in ascending order.
  if (current_.size() - sorted_ > 32) {
    std::sort(current_.begin(), current_.end());
    sorted_ = current_.size();
    if (std::binary_search(current_.begin(), current_.end(), id)) return false;
  } else if (std::find(current_.begin() + static_cast<long>(sorted_),
                       current_.end(), id) != current_.end()) {
    return false;
  }
  if (sorted_ == current_.size() &&
      (current_.empty() || current_.back() < id)) {
    ++sorted_;
  }
  current_.push_back(id);
  return !std::binary_search(previous_.begin(), previous_.end(), id);
}

bool Recording::Defined::AddSource(SourceId source, std::uint32_t version) {
  std::uint32_t& known = sources_[source];
  if (known == version) return false;
  known = version;
  return true;
}

// Hands out what the frames of a source need. False when the sink had enough.
bool Recording::Impl::Define(
    const Life& life, SourceId source, std::span<const SeriesId> ids,
    Defined* defined, const std::function<bool(const LogEntry&)>& sink) const {
  const auto info = life.sources->find(source);
  if (info != life.sources->end() &&
      defined->AddSource(source, info->second.version) &&
      !sink(SourceEntry{.incarnation = life.incarnation,
                        .source = source,
                        .name = info->second.name,
                        .container_name = info->second.container_name})) {
    return false;
  }
  for (const SeriesId id : ids) {
    if (!defined->Add(id)) continue;
    const Series* series = life.table->Get(id);
    if (series == nullptr) continue;
    if (!sink(EntryOf(life.incarnation, id, *series))) {
      return false;
    }
  }
  return true;
}

LogPosition Recording::Impl::Read(
    LogPosition from, Defined* defined,
    const std::function<bool(const LogEntry&)>& sink) const {
  std::size_t at = 0;
  for (std::size_t i = 0; i < lives.size(); ++i) {
    if (lives[i].incarnation == from.incarnation) at = i;
  }
  if (at >= lives.size() || lives[at].incarnation != from.incarnation) {
    from = {};
  }
  LogPosition position = from;
  for (; at < lives.size(); ++at) {
    const Life& life = lives[at];
    const bool newest = &life == &lives.back();
    Sequence after =
        life.incarnation == from.incarnation ? from.sequence : Sequence{0};
    const auto rows = [&](const OpenRows& stored) {
      bool more = true;
      const Sequence stretch = stored.stretch();
      Row layout;
      stored.ForEach([&](const SealRow& r) {
        if (r.sequence <= after) return true;
        defined->Enter(life.incarnation, stretch);
        const Status parsed = DecodeRowSeries(r.payload, &layout);
        FODC_CHECK(parsed.ok());  // a row of ours
        more = Define(life, r.source, layout.added, defined, sink);
        if (!more) return false;
        more = sink(RowEntry{.name = {life.incarnation, r.sequence},
                             .source = r.source,
                             .stretch = stretch,
                             .time = r.time,
                             .payload = std::string(r.payload)});
        position = {life.incarnation, r.sequence};
        after = r.sequence;
        return more;
      });
      return more;
    };
    // A reader that is just behind the end of a stretch continues in its rows.
    if (newest && !sealed_tail.empty() && after + 1 >= sealed_tail.first() &&
        after < sealed_tail.last() && after != 0 &&
        life.incarnation == from.incarnation &&
        sealed_tail.stretch() <= after) {
      if (!rows(sealed_tail)) return position;
    }
    for (const HeldChunk& held : life.chunks) {
      const Chunk& chunk = *held.chunk;
      if (chunk.last() <= after) continue;
      defined->Enter(life.incarnation, chunk.first());
      for (std::size_t i = 0; i < chunk.sections().size(); ++i) {
        const auto section = chunk.Open(i);
        FODC_CHECK(section.ok());  // checked when it came
        if (!Define(life, (*section)->source(), (*section)->ids(), defined,
                    sink)) {
          return position;
        }
      }
      position = {life.incarnation, chunk.last()};
      after = chunk.last();
      if (!sink(ChunkEntry{.incarnation = life.incarnation,
                           .first = chunk.first(),
                           .last = chunk.last(),
                           .bytes = chunk.bytes()})) {
        return position;
      }
    }
    if (newest && !rows(open)) return position;
  }
  return position;
}

}  // namespace fodc::recorder
