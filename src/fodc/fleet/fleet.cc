// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/fleet.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::fleet {
namespace {

void Add(const Mirror::Stats& from, Mirror::Stats* to) {
  to->frames += from.frames;
  to->entries += from.entries;
  to->gaps += from.gaps;
  to->missing_frames += from.missing_frames;
  to->damaged += from.damaged;
  to->unusable += from.unusable;
  to->refused_series += from.refused_series;
}

}  // namespace

Fleet::Fleet(const Clock& clock, const Options& options)
    : clock_(clock),
      options_(options),
      series_pool_(std::make_shared<recorder::SeriesPool>()),
      registry_(clock, options.registry) {}

Registry::Admission Fleet::Admit(const Registry::Claim& claim) {
  Registry::Admission admission = registry_.Admit(claim);
  if (!admission.status.ok() || admission.probe) return admission;
  if (admission.heir_of) {
    const auto it = mirrors_.find(*admission.heir_of);
    if (it != mirrors_.end()) {
      Held held = std::move(it->second);
      mirrors_.erase(it);
      mirrors_.emplace(admission.id, std::move(held));
    }
  }
  for (const AgentId& id : admission.replaced) Drop(id);
  for (const AgentId& id : admission.evicted) Drop(id);
  if (claim.kind == AgentKind::kFlight) {
    Held& held = mirrors_[admission.id];
    if (held.mirror == nullptr) {
      recorder::RecordingOptions recording = options_.recording;
      recording.budget_bytes = options_.memory.total_bytes;
      // What an agent may record is its own affair: here, bytes are the bound.
      recording.max_series = std::numeric_limits<std::size_t>::max();
      recording.pool = series_pool_;
      held.mirror = std::make_unique<Mirror>(recording);
    }
    held.mirror->Follow(claim.identity.incarnation);
  }
  Share();
  return admission;
}

void Fleet::Drop(const AgentId& id) {
  const auto it = mirrors_.find(id);
  if (it == mirrors_.end()) return;
  Add(it->second.mirror->stats(), &gone_);
  used_bytes_ -= it->second.bytes;
  mirrors_.erase(it);
}

void Fleet::Disconnect(const AgentId& id) {
  registry_.Disconnect(id);
  if (registry_.Find(id) == nullptr) {
    Drop(id);
    Share();
  }
}

void Fleet::Remove(const AgentId& id) {
  registry_.Remove(id);
  Drop(id);
  Share();
}

std::vector<AgentId> Fleet::Sweep() {
  std::vector<AgentId> dropped = registry_.Sweep();
  for (const AgentId& id : dropped) Drop(id);
  Share();
  return dropped;
}

Status Fleet::Apply(const AgentId& id,
                    std::span<const recorder::LogEntry> entries) {
  const auto it = mirrors_.find(id);
  if (it == mirrors_.end()) {
    return NotFound(StrCat("agent ", id, " not found"));
  }
  Held& held = it->second;
  Status status;
  const MonotonicTime now = clock_.Monotonic();
  for (const recorder::LogEntry& entry : entries) {
    status = held.mirror->Apply(entry, now);
    if (!status.ok()) break;
  }
  const std::size_t bytes = held.mirror->recording().memory_bytes();
  if (!held.precious && held.mirror->stats().frames > 0) {
    held.precious = true;
    registry_.SetPrecious(id, true);
  }
  used_bytes_ += bytes - held.bytes;  // modulo 2^64: may shrink
  held.bytes = bytes;
  if (used_bytes_ > pool_bytes_) Share();
  return status;
}

void Fleet::Share() {
  pool_bytes_ =
      PoolBytes(options_.memory, mirrors_.size(), series_pool_->bytes());
  std::vector<std::size_t> used;
  used.reserve(mirrors_.size());
  for (auto& [id, held] : mirrors_) {
    held.bytes = held.mirror->recording().memory_bytes();
    used.push_back(held.bytes);
  }
  // A little less than the pool, so that not every frame comes here again.
  const std::size_t level = WaterLevel(used, pool_bytes_ - pool_bytes_ / 32);
  used_bytes_ = 0;
  for (auto& [id, held] : mirrors_) {
    held.mirror->recording().set_budget_bytes(std::min(level, pool_bytes_));
    held.bytes = held.mirror->recording().memory_bytes();
    used_bytes_ += held.bytes;
  }
}

const Mirror* Fleet::mirror(const AgentId& id) const {
  const auto it = mirrors_.find(id);
  return it == mirrors_.end() ? nullptr : it->second.mirror.get();
}

Fleet::Stats Fleet::stats() const {
  Stats s;
  s.registry = registry_.stats();
  for (const Agent& agent : *List()) {
    ++(agent.kind == AgentKind::kV1 ? s.v1 : s.flight);
    switch (agent.status) {
      case AgentStatus::kOnline:
        ++s.online;
        break;
      case AgentStatus::kOffline:
        ++s.offline;
        break;
      case AgentStatus::kConflict:
        ++s.conflict;
        break;
    }
  }
  s.mirrors = gone_;
  for (const auto& [id, held] : mirrors_) {
    Add(held.mirror->stats(), &s.mirrors);
    s.memory_bytes += held.mirror->recording().memory_bytes();
    s.evicted_samples += held.mirror->recording().stats().evicted_samples;
  }
  s.shared_bytes = series_pool_->bytes();
  s.memory_bytes += s.shared_bytes;
  s.pool_bytes = pool_bytes_;
  return s;
}

}  // namespace fodc::fleet
