// SPDX-License-Identifier: Apache-2.0
// For this room only: the proxy's end of fodc.flight.v1, one agent.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fodc/link/evidence_codec.h"
#include "fodc/link/flight_fetches.h"
#include "fodc/link/server_core.h"

namespace fodc::flight::v1 {
class EventChanges;
class EventList;
class Heartbeat;
class Hello;
}  // namespace fodc::flight::v1

namespace fodc::link {

Decoder FlightAgentDecoder(std::size_t max_message_bytes);

class FlightSession final : public AgentSession, private Stream::Handler {
 public:
  FlightSession(ServerCore& core, std::shared_ptr<ServerStream> stream);
  ~FlightSession() override;
  void Start();

  void Probe(std::function<void(bool alive)> done) override;
  void Dismiss(const Status& status, std::uint32_t retry_after_ms) override;
  void Tick(MonotonicTime now) override;
  void AddStats(LinkServer::Stats* stats) const override;
  void RefreshEvents(MonotonicTime deadline,
                     std::function<void(const Status&)> done) override;
  void Fetch(const fleet::EvidenceQuestion& question, MonotonicTime deadline,
             fleet::EvidenceCommander::FetchCallback done) override;
  void Pin(const std::string& event_id, bool pinned, MonotonicTime deadline,
           fleet::EvidenceCommander::DoneCallback done) override;

 private:
  void OnMessage(Decoded message, std::size_t bytes) override;
  void OnHalfClose() override;
  void OnRefused(const Status& status) override { Refuse(status); }
  void OnDrained() override;
  void OnDone(const Status& status) override;

  Status OnHello(const flight::v1::Hello& hello);
  void OnHeartbeat(const flight::v1::Heartbeat& heartbeat);
  void Welcome(bool conflict, bool resumed);
  Status TakeIn(std::span<const recorder::LogEntry> entries);
  void TakeIn(std::vector<evidence::Incident> incidents);
  void TakeIn(const flight::v1::EventList& list,
              std::vector<fleet::ListedEvent> events);
  void TakeIn(const flight::v1::EventChanges& changes,
              std::vector<fleet::ListedEvent> events);
  void TellRefusedEvent(const Status& status);
  void Acknowledge();
  void Refuse(const Status& status);
  void Finish(const Status& status);

  ServerCore& core_;
  std::shared_ptr<ServerStream> stream_;
  bool ended_ = false;
  bool leaves_in_order_ = false;  // it said goodbye, or was told to go
  bool admitting_ = false;
  bool told_unusable_ = false;  // in the log
  bool told_refused_incident_ = false;
  MonotonicTime last_heard_;
  std::uint64_t heartbeat_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t acknowledged_bytes_ = 0;
  bool owes_acknowledgement_ = false;
  bool told_conflict_ = false;  // what the agent knows
  bool has_incidents_ = false;  // it has the feature
  bool has_evidence_ = false;
  bool told_refused_event_ = false;  // in the log
  EventStage stage_;
  FlightFetches fetches_;
  std::vector<std::function<void(bool)>> probes_;
  MonotonicTime probe_until_;
  std::uint64_t probe_number_ = 0;
};

}  // namespace fodc::link
