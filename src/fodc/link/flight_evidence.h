// SPDX-License-Identifier: Apache-2.0
// For this room only: evidence in one conversation over the flight link, the
// agent's end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>

#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/event_news.h"
#include "fodc/link/evidence_sender.h"
#include "fodc/link/evidence_source.h"

namespace fodc::link {

// The loop only.
class FlightEvidence {
 public:
  // `source` may be null: there is no evidence. `wake` is called when Take may
  // have something; `send` for short answers that need not wait for their turn.
  FlightEvidence(EvidenceSource* source, std::function<void()> wake,
                 std::function<void(const flight::v1::AgentMessage&)> send);

  // The proxy has the feature. `room`: what its messages bear.
  void Begin(std::size_t room) {
    // Beside its data a piece has names and numbers.
    sender_.set_max_piece(room - std::min<std::size_t>(room, 256));
    news_.Begin();
  }
  void OnChanged() { news_.OnChanged(); }
  // From time to time: what failed is tried again.
  void OnTick() { news_.LookAgain(); }
  // One of the messages of evidence.
  void OnMessage(const flight::v1::ProxyMessage& message);

  // The next message, when nothing else waits to be sent; false: nothing now.
  // News are told first. `max_bytes`, `left_out`: as EventNews::Take.
  bool Take(std::size_t max_bytes,
            const std::function<void(std::size_t bytes)>& left_out,
            flight::v1::AgentMessage* out);

 private:
  void OnFetch(const flight::v1::EvidenceFetch& fetch);
  void OnPin(const flight::v1::EventPin& pin);
  void Answer(std::uint64_t number, const Status& status);

  EvidenceSource* const source_;
  const std::function<void(const flight::v1::AgentMessage&)> send_;
  EventNews news_;
  EvidenceSender sender_;
  int pins_ = 0;  // that wait for the disk
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fodc::link
