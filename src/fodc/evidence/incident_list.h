// SPDX-License-Identifier: Apache-2.0
// The incidents that one side knows of an agent, each in its newest revision:
// all that are open and the latest that ended, within bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/incident.h"

namespace fodc::evidence {

// Immutable: may be kept and read on any thread.
using IncidentRef = std::shared_ptr<const Incident>;

// What it takes in memory, about.
std::size_t IncidentBytes(const Incident& incident);

// Not thread-safe.
class IncidentList {
 public:
  // Both are far above what a detector finds in a day; the greatest incident
  // that may be (36 KiB) always fits.
  struct Limits {
    std::size_t incidents = 128;
    std::size_t bytes = 256u << 10;
  };

  enum class Outcome : std::uint8_t {
    kNew,      // its id was not there
    kUpdated,  // a greater revision of one that was
    kKnown,    // that revision, or a greater one, is there: nothing changed
  };

  IncidentList() = default;
  explicit IncidentList(const Limits& limits) : limits_(limits) {}

  // Takes it in. Beyond the limits others give way (DropOldest).
  // Errors: those of CheckIncident; the list is as it was.
  Result<Outcome> Put(Incident incident);

  // Takes in what was known before all that is here, and gives way before it.
  // What CheckIncident refuses is left out.
  void PutEarlier(std::vector<Incident> earlier);

  // Lets go of the one that ended first, or, when all are open, of the one that
  // changed longest ago; in the order in which this list heard of it, for
  // clocks may be set back. False if there is none.
  bool DropOldest();

  // The life of the agent that told of them is over: what is open ends, as
  // EndUnseen says.
  void EndAllUnseen();

  // In the order of their newest change as this list heard of it, the latest
  // last.
  const std::vector<IncidentRef>& all() const { return all_; }
  // Null if there is none of that id.
  IncidentRef Find(std::string_view id) const;

  std::size_t open() const;
  std::size_t bytes() const { return bytes_; }
  // How many gave way, since the start.
  std::uint64_t dropped() const { return dropped_; }

 private:
  using Place = std::vector<IncidentRef>::const_iterator;
  Place PlaceOf(std::string_view id) const;
  void Erase(Place place);
  void Append(IncidentRef incident);

  Limits limits_;
  std::vector<IncidentRef> all_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace fodc::evidence
