// SPDX-License-Identifier: Apache-2.0
// For this room only: events, to and from the wire of both protocols.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/status.h"
#include "fodc/fleet/event_book.h"
#include "fodc/flight/v1/flight.pb.h"

namespace fodc::link {

// Of one message.
inline constexpr int kMaxEvents = 256;

// No path of the agent is in it.
void PutEvent(const fleet::ListedEvent& event, flight::v1::StoredEvent* out);
// One whose meta.json cannot be read comes without an id: the event book
// refuses and counts it.
// Errors: kInvalidArgument for more than kMaxEvents; nothing is taken then.
Result<std::vector<fleet::ListedEvent>> TakeEvents(
    google::protobuf::RepeatedPtrField<flight::v1::StoredEvent>* from);

// As Go's agent tells it. `root`: of the event store, for v1 has paths.
void PutRecord(const fleet::ListedEvent& event, std::string_view root,
               banyandb::fodc::v1::PressureProfileRecord* out);
// It is still to be checked (CheckEventMeta).
fleet::ListedEvent TakeRecord(banyandb::fodc::v1::PressureProfileRecord* from);

// Whether a path, its "." and ".." taken away, is `root` or below it: what Go's
// agent asks of the paths that it gets. It says nothing about the disk, and no
// file is opened by such a path. Errors: kInvalidArgument in Go's words.
Status CheckPathBelow(std::string_view root, std::string_view path);

// The text in quotes, cut at 4 KiB, with what is no UTF-8 and control
// characters made visible.
std::string Quoted(std::string_view text);

// What of a node's events waits for their end, within bounds.
class EventStage {
 public:
  // One that does not fit is left out: what it broke is told by TakeAll.
  void Add(fleet::ListedEvent event);
  void Clear();
  // `left_out` gets how many did not fit.
  std::vector<fleet::ListedEvent> TakeAll(std::size_t* left_out);
  bool empty() const { return events_.empty(); }

  static constexpr std::size_t kEvents = 256;
  static constexpr std::size_t kBytes = 4u << 20;

 private:
  std::vector<fleet::ListedEvent> events_;
  std::size_t bytes_ = 0;
  std::size_t left_out_ = 0;
};

}  // namespace fodc::link
