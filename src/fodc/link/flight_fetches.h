// SPDX-License-Identifier: Apache-2.0
// For this room only: what the proxy fetches of one flight agent, and its pins.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "fodc/fleet/evidence_commander.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/evidence_pipe.h"
#include "fodc/link/server_core.h"

namespace fodc::link {

// The loop only. An agent sends no more than was granted, and more is granted
// as bytes are taken: what waits here is kWindow of each fetch at most.
class FlightFetches {
 public:
  // Measured with bench_download: with less a fast reader waits, with more
  // those who read pages meanwhile do.
  static constexpr std::uint64_t kWindow = 800u << 10;
  // As many as an agent serves at once.
  static constexpr std::size_t kMaxFetches = 8;

  using Send = std::function<void(const flight::v1::ProxyMessage&)>;
  FlightFetches(ServerCore& core, Send send)
      : core_(core), send_(std::move(send)) {}

  void Fetch(const fleet::EvidenceQuestion& question, MonotonicTime deadline,
             fleet::EvidenceCommander::FetchCallback done);
  void Pin(const std::string& event_id, bool pinned, MonotonicTime deadline,
           fleet::EvidenceCommander::DoneCallback done);

  // Errors: kResourceExhausted for bytes that were not granted.
  Status OnPiece(flight::v1::EvidencePiece* piece);
  void OnPinAnswer(const flight::v1::PinAnswer& answer);
  void Tick(MonotonicTime now);
  // The agent has gone: everything fails.
  void Close(const Status& status);

 private:
  struct Open {
    fleet::EvidenceQuestion question;
    fleet::EvidenceCommander::FetchCallback done;  // until the first piece
    std::shared_ptr<EvidencePipe> pipe;            // from then on
    std::uint64_t received = 0;
    std::uint64_t granted = kWindow;
    net::EventLoop::Handle deadline;
    std::optional<Download> download;
  };
  struct OpenPin {
    fleet::EvidenceCommander::DoneCallback done;
    net::EventLoop::Handle deadline;
  };

  // It is over; the agent is to stop unless it has.
  void Fail(std::uint64_t fetch, const Status& status, bool agent_stops);
  void Begin(std::uint64_t fetch, Open* open,
             const flight::v1::EvidencePiece& piece);
  void Grant(std::uint64_t fetch);
  void Cancel(std::uint64_t fetch);
  void FinishPin(std::uint64_t number, const Status& status);

  ServerCore& core_;
  const Send send_;
  std::map<std::uint64_t, Open> open_;
  std::map<std::uint64_t, OpenPin> pins_;
  std::uint64_t last_number_ = 0;
};

}  // namespace fodc::link
