// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/retention.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace fodc::evidence {
namespace {

using EventRef = const KeptEvent*;

bool IsNewer(EventRef a, EventRef b) {
  return std::pair(a->at, std::string_view(a->id)) >
         std::pair(b->at, std::string_view(b->id));
}

bool GoesFirstInGo(EventRef a, EventRef b) {
  if (a->rss_bytes != b->rss_bytes) return a->rss_bytes > b->rss_bytes;
  return IsNewer(a, b);
}

std::uint64_t LimitOf(std::int64_t flag) {
  return flag > 0 ? static_cast<std::uint64_t>(flag)
                  : std::numeric_limits<std::uint64_t>::max();
}

// What stays, and what it takes of the limits.
class Kept {
 public:
  explicit Kept(const RetentionLimits& limits)
      : max_events_(LimitOf(limits.max_events)),
        max_bytes_(LimitOf(limits.max_bytes)) {}

  void Keep(EventRef e) {
    if (!ids_.insert(e).second) return;
    bytes_ +=
        std::min(e->bytes, std::numeric_limits<std::uint64_t>::max() - bytes_);
  }
  // Whether it stays.
  bool KeepIfItFits(EventRef e) {
    if (Has(e)) return true;
    if (ids_.size() >= max_events_ || bytes_ > max_bytes_ ||
        e->bytes > max_bytes_ - bytes_) {
      return false;
    }
    Keep(e);
    return true;
  }
  bool Has(EventRef e) const { return ids_.contains(e); }

 private:
  std::uint64_t max_events_;
  std::uint64_t max_bytes_;
  std::set<EventRef> ids_;
  std::uint64_t bytes_ = 0;
};

// The newest event of each group, the newest group first. Events are newest
// first; `group` gives nothing for what is in none.
template <typename Group>
std::vector<EventRef> NewestOfEach(const std::vector<EventRef>& events,
                                   const Group& group) {
  std::vector<EventRef> newest;
  std::set<decltype(group(events.front()))> seen;
  for (const EventRef e : events) {
    auto g = group(e);
    if (g && seen.insert(std::move(g)).second) newest.push_back(e);
  }
  return newest;
}

}  // namespace

std::vector<std::string> ChooseEventsToDelete(
    const std::vector<KeptEvent>& events, const RetentionLimits& limits,
    UnixTime now) {
  std::vector<EventRef> all;
  for (const KeptEvent& e : events) {
    if (!e.is_busy) all.push_back(&e);
  }
  if (all.empty()) return {};
  std::sort(all.begin(), all.end(), IsNewer);
  Kept kept(limits);
  for (const EventRef e : all) {
    if (e->is_pinned) kept.Keep(e);
  }
  kept.Keep(all.front());
  kept.Keep(*std::min_element(all.begin(), all.end(), GoesFirstInGo));

  std::vector<EventRef> young;
  for (const EventRef e : all) {
    if (limits.max_age.count() <= 0 || e->at >= now - limits.max_age)
      young.push_back(e);
  }
  std::vector<EventRef> firsts = NewestOfEach(young, [](EventRef e) {
    return std::optional(std::string_view(e->pod));
  });
  using Death =
      std::optional<std::tuple<std::string_view, std::string_view, UnixTime>>;
  const std::vector<EventRef> deaths =
      NewestOfEach(young, [](EventRef e) -> Death {
        if (!e->has_death) return {};
        return std::tuple(std::string_view(e->pod), std::string_view(e->target),
                          e->died_at);
      });
  using RampUp = std::optional<
      std::tuple<std::string_view, std::string_view, std::string_view>>;
  const std::vector<EventRef> ramps =
      NewestOfEach(young, [](EventRef e) -> RampUp {
        if (e->ramp_up.empty()) return {};
        return std::tuple(std::string_view(e->pod), std::string_view(e->target),
                          std::string_view(e->ramp_up));
      });
  firsts.insert(firsts.end(), deaths.begin(), deaths.end());
  firsts.insert(firsts.end(), ramps.begin(), ramps.end());
  const std::uint64_t share =
      std::max<std::uint64_t>(1, LimitOf(limits.max_events) / 4 * 3);
  std::uint64_t taken = 0;
  for (const EventRef e : firsts) {
    if (kept.Has(e) || taken >= share) continue;
    if (kept.KeepIfItFits(e)) ++taken;
  }
  std::sort(young.begin(), young.end(), GoesFirstInGo);
  for (const EventRef e : young) (void)kept.KeepIfItFits(e);

  std::vector<std::string> gone;
  for (const KeptEvent& e : events) {
    if (!e.is_busy && !kept.Has(&e)) gone.push_back(e.id);
  }
  return gone;
}

bool MayPin(const std::vector<KeptEvent>& events, std::uint64_t bytes,
            const RetentionLimits& limits) {
  std::uint64_t pinned = 0;
  std::uint64_t pinned_bytes = bytes;
  for (const KeptEvent& e : events) {
    if (!e.is_pinned) continue;
    ++pinned;
    pinned_bytes += e.bytes;
  }
  if (pinned == 0) return true;
  return pinned < LimitOf(limits.max_events) / 2 &&
         pinned_bytes <= LimitOf(limits.max_bytes) / 2;
}

}  // namespace fodc::evidence
