// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/cpu_watch.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fodc/api/node_frames.h"

namespace fodc::api {
namespace {

constexpr std::size_t kLooks = 4;
constexpr std::size_t kTicks = CpuWatch::kInterval / CpuWatch::kTick;

}  // namespace

void CpuWatch::BeginRound(const fleet::Fleet& fleet) {
  round_.clear();
  next_ = 0;
  std::set<fleet::AgentId> here;
  for (const fleet::Agent& agent : *fleet.List()) {
    if (fleet.mirror(agent.id) == nullptr) continue;
    round_.push_back(agent.id);
    here.insert(agent.id);
  }
  std::erase_if(seen_,
                [&](const auto& seen) { return !here.contains(seen.first); });
}

void CpuWatch::Look(const fleet::Fleet& fleet, MonotonicTime now) {
  if (next_ == round_.size()) {
    if (round_began_ && now - *round_began_ < kInterval) return;
    round_began_ = now;
    BeginRound(fleet);
  }
  std::size_t n = (round_.size() + kTicks - 1) / kTicks;
  for (; n > 0 && next_ < round_.size(); --n) {
    const fleet::AgentId& id = round_[next_++];
    if (const fleet::Mirror* mirror = fleet.mirror(id)) {
      LookAt(*mirror, now, &seen_[id]);
    }
  }
}

void CpuWatch::Find(const recorder::SourceFrame& frame, Places* places) {
  places->series = frame.series;
  places->targets.clear();
  places->pages.clear();
  for (std::uint32_t i = 0; i < frame.series->size(); ++i) {
    const std::string_view name = (*frame.series)[i]->name();
    if (name == "fodc_target_cpu_seconds_total") {
      places->targets.push_back(i);
    } else if (name == "process_cpu_seconds_total") {
      places->pages.push_back(i);
    }
  }
}

void CpuWatch::LookAt(const fleet::Mirror& mirror, MonotonicTime now,
                      Seen* seen) {
  double targets = 0;
  double pages = 0;
  bool any_target = false;
  bool any_page = false;
  std::int64_t at = 0;
  recorder::Incarnation incarnation = 0;
  const auto frames = mirror.recording().Latest();
  for (const recorder::SourceFrame& frame : frames) {
    auto it = seen->places.find(frame.source_name);
    if (it == seen->places.end()) {
      it = seen->places.emplace(std::string(frame.source_name), Places()).first;
    }
    Places& places = it->second;
    if (places.series != frame.series) Find(frame, &places);
    if (places.targets.empty() && places.pages.empty()) continue;
    // What stands still tells nothing of now.
    if (!IsFresh(mirror, frame, now)) continue;
    for (const std::uint32_t i : places.targets) targets += frame.values[i];
    for (const std::uint32_t i : places.pages) pages += frame.values[i];
    any_target |= !places.targets.empty();
    any_page |= !places.pages.empty();
    at = std::max(at, frame.time.monotonic_ms);
    incarnation = frame.name.incarnation;
  }
  if (seen->places.size() > frames.size()) {
    std::erase_if(seen->places, [&](const auto& known) {
      return std::none_of(frames.begin(), frames.end(), [&](const auto& f) {
        return f.source_name == known.first;
      });
    });
  }
  if (!any_target && !any_page) {
    seen->counters.clear();
    return;
  }
  const double seconds = any_target ? targets : pages;
  // A restart begins anew, and so does what counts something else.
  if (seen->incarnation != incarnation ||
      (!seen->counters.empty() && seconds < seen->counters.back().seconds)) {
    seen->counters.clear();
  }
  seen->incarnation = incarnation;
  if (seen->counters.empty() || at > seen->counters.back().monotonic_ms) {
    seen->counters.push_back({at, seconds});
  }
  while (seen->counters.size() > kLooks) seen->counters.pop_front();
}

std::optional<double> CpuWatch::Cores(const fleet::AgentId& id) const {
  const auto it = seen_.find(id);
  if (it == seen_.end() || it->second.counters.size() < 2) return std::nullopt;
  const Counter& first = it->second.counters.front();
  const Counter& last = it->second.counters.back();
  return (last.seconds - first.seconds) * 1000 /
         static_cast<double>(last.monotonic_ms - first.monotonic_ms);
}

}  // namespace fodc::api
