// SPDX-License-Identifier: Apache-2.0
// The proxy's memory of its agents: the registry, and for each flight agent one
// mirrored recording, out of one pool of bytes, and its incidents; of each
// node, its events.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/event_book.h"
#include "fodc/fleet/memory_arbiter.h"
#include "fodc/fleet/mirror.h"
#include "fodc/fleet/registry.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/series_pool.h"

namespace fodc::fleet {

// Not thread-safe: the proxy's loop owns it.
class Fleet {
 public:
  struct Options {
    Registry::Options registry;
    MemoryLimits memory;
    // Of each mirror; its budget is the arbiter's, its pool the fleet's, and
    // bytes alone bound its series.
    recorder::RecordingOptions recording;
    // Of each agent, and of all together: beyond, whose incidents take most
    // lose some.
    evidence::IncidentList::Limits incidents;
    std::size_t incident_bytes = 64u << 20;
    EventBook::Limits events;
  };

  // Of incidents; counters since the start, and where said present values.
  struct IncidentStats {
    std::uint64_t added = 0;
    std::uint64_t updated = 0;
    std::uint64_t known = 0;    // told again, or an older revision
    std::uint64_t refused = 0;  // CheckIncident
    std::uint64_t dropped = 0;  // gave way to others
    std::size_t open = 0;       // now
    std::size_t ended = 0;      // now
    std::size_t bytes = 0;      // now, about
  };

  struct Stats {
    Registry::Stats registry;
    std::size_t online = 0;
    std::size_t offline = 0;
    std::size_t conflict = 0;
    std::size_t v1 = 0;
    std::size_t flight = 0;
    // Over all mirrors, those that are gone included.
    Mirror::Stats mirrors;
    std::uint64_t evicted_samples = 0;  // of the mirrors that there are
    std::size_t memory_bytes = 0;       // held now, shared series included
    std::size_t shared_bytes = 0;       // of that, series that none pays for
    std::size_t pool_bytes = 0;         // what the mirrors may hold, shared
                                        // series not included
    std::uint64_t absences = 0;         // see Notice
    IncidentStats incidents;
    EventBook::Stats events;
  };

  // `clock` must outlive the fleet.
  Fleet(const Clock& clock, const Options& options);

  // Registry::Admit, and what follows for the mirrors: a flight agent gets
  // one, its predecessor's if it takes its place. What an earlier life of it
  // left open has ended unseen.
  Registry::Admission Admit(const Registry::Claim& claim);
  // Registry::Sweep with its mirrors, and a fresh share of the memory.
  std::vector<AgentId> Sweep();
  // Registry::Disconnect and Remove, with the mirrors of those that are gone.
  void Disconnect(const AgentId& id);
  void Remove(const AgentId& id);

  // Takes in entries of the log of `id`, until the first error (see
  // Mirror::Apply); kNotFound for an agent without a mirror,
  // kResourceExhausted once its mirror had to be emptied: it begins anew.
  Status Apply(const AgentId& id, std::span<const recorder::LogEntry> entries);

  // Takes in what `id` tells of its incidents; of one id the greater revision
  // holds. They stay for as long as the agent's recording does.
  // Errors: kNotFound for an agent that has none (v1); else the first of those
  // of CheckIncident: what may not be kept is left out and counted, the rest is
  // taken in.
  Status TakeIncidents(const AgentId& id,
                       std::vector<evidence::Incident> incidents);

  // Call it every kWatchPeriod, for Notice.
  void Watch();
  // Notices when the loop was away (a paused machine, a process that was
  // stopped or got no processor). What agents sent meanwhile lies unread:
  // their mirrors are then catching up, and agents that hang up after a long
  // absence are awaited. Call it before nodes are shown, for the timer of
  // Watch may come later; nothing happens before the first Watch.
  void Notice();
  static constexpr std::chrono::milliseconds kWatchPeriod{250};
  // Away is who is later than that.
  static constexpr std::chrono::milliseconds kAway{350};
  // After such an absence agents may have taken the proxy for dead; they come
  // back within kReturn.
  static constexpr std::chrono::seconds kLongAway{4};
  static constexpr std::chrono::seconds kReturn{10};
  // The end of the last absence, or the beginning of time.
  MonotonicTime returned_at() const { return returned_at_; }

  Registry& registry() { return registry_; }
  const Registry& registry() const { return registry_; }

  // They stay when their agent goes, from the registry too.
  EventBook& events() { return events_; }
  const EventBook& events() const { return events_; }

  // --- Views.
  AgentList List() const { return registry_.List(); }
  // Null for an agent without one (v1).
  const Mirror* mirror(const AgentId& id) const;
  // Null for the same.
  const evidence::IncidentList* incidents(const AgentId& id) const;
  Stats stats() const;

 private:
  struct Held {
    std::unique_ptr<Mirror> mirror;
    evidence::IncidentList incidents;
    recorder::Incarnation life = 0;  // the one that the agent is in now
    std::size_t bytes = 0;           // when last looked at
    std::size_t text_bytes = 0;      // of that, in the pool
    // It holds frames or incidents, and the registry knows.
    bool precious = false;
    bool emptied = false;  // it did not fit, and its session must know
  };
  // Of the pool, what no mirror pays for.
  std::size_t SharedBytes() const;
  bool IsOver() const;
  void Look(Held* held);
  void ClaimText();
  std::unique_ptr<Mirror> NewMirror() const;
  void Empty(const AgentId& id, Held* held, std::size_t budget_bytes);
  void Drop(const AgentId& id);
  void Share();
  void Keep(const AgentId& id, Held* held);
  void CountIncidents(const evidence::IncidentList& list,
                      std::size_t bytes_before, std::uint64_t dropped_before);
  void DropIncident();

  const Clock& clock_;
  const Options options_;
  // Before the mirrors: they refer to it.
  const std::shared_ptr<recorder::SeriesPool> series_pool_;
  Registry registry_;
  EventBook events_;
  std::map<AgentId, Held> mirrors_;
  std::size_t used_bytes_ = 0;  // sum of Held::bytes
  std::size_t text_bytes_ = 0;  // sum of Held::text_bytes
  std::size_t pool_bytes_ = 0;
  std::size_t claimed_bytes_ = 0;  // SharedBytes() after the last ClaimText
  Mirror::Stats gone_;
  IncidentStats incident_stats_;  // counters, and `bytes`
  std::optional<MonotonicTime> watched_at_;
  MonotonicTime returned_at_;
  std::uint64_t absences_ = 0;
};

}  // namespace fodc::fleet
