// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/flight_server.h"

#include <utility>
#include <variant>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/flight_codec.h"

namespace fodc::link {

using flight::v1::AgentMessage;
using flight::v1::ProxyMessage;

namespace {

// What the decoding thread hands over.
struct AgentWord {
  AgentMessage message;
  std::vector<recorder::LogEntry> entries;
  std::vector<evidence::Incident> incidents;
  std::vector<fleet::ListedEvent> events;
};

}  // namespace

Decoder FlightAgentDecoder(std::size_t max_message_bytes) {
  return [max_message_bytes](const grpc::ByteBuffer& bytes) -> Result<Decoded> {
    if (bytes.Length() > max_message_bytes) {
      return ResourceExhausted(StrCat("message of ", bytes.Length(),
                                      " bytes; the limit is ",
                                      max_message_bytes));
    }
    auto word = std::make_shared<AgentWord>();
    FODC_RETURN_IF_ERROR(DecodeBounded(bytes, kMaxParts, &word->message));
    if (word->message.body_case() == AgentMessage::kEntries) {
      FODC_ASSIGN_OR_RETURN(word->entries,
                            TakeEntries(word->message.mutable_entries()));
    }
    if (word->message.body_case() == AgentMessage::kIncidents) {
      FODC_ASSIGN_OR_RETURN(word->incidents,
                            TakeIncidents(word->message.mutable_incidents()));
    }
    if (word->message.body_case() == AgentMessage::kEventList) {
      FODC_ASSIGN_OR_RETURN(
          word->events,
          TakeEvents(word->message.mutable_event_list()->mutable_events()));
    }
    if (word->message.body_case() == AgentMessage::kEventChanges) {
      FODC_ASSIGN_OR_RETURN(
          word->events,
          TakeEvents(word->message.mutable_event_changes()->mutable_events()));
    }
    return Decoded(std::move(word));
  };
}

FlightSession::FlightSession(ServerCore& core,
                             std::shared_ptr<ServerStream> stream)
    : AgentSession(stream->peer()),
      core_(core),
      stream_(std::move(stream)),
      last_heard_(core.Now()),
      fetches_(core,
               [this](const ProxyMessage& m) { stream_->Write(Encode(m)); }) {}

FlightSession::~FlightSession() { stream_->Detach(); }

void FlightSession::Start() {
  stream_->Attach(this);
  stream_->Read();
}

void FlightSession::OnMessage(Decoded message, std::size_t bytes) {
  const auto self = shared_from_this();
  const auto word = std::static_pointer_cast<AgentWord>(message);
  AgentMessage& m = word->message;
  last_heard_ = core_.Now();
  if (id_.empty()) {
    Status status = m.body_case() == AgentMessage::kHello
                        ? OnHello(m.hello())
                        : FailedPrecondition("the first message must be Hello");
    if (!status.ok()) Refuse(status);
    return;
  }
  Status status = core_.fleet.registry().Heartbeat(id_);
  if (!status.ok()) {
    Finish(status);
    return;
  }
  switch (m.body_case()) {
    case AgentMessage::kHello:
      Refuse(FailedPrecondition("a second Hello"));
      return;
    case AgentMessage::kHeartbeat:
      OnHeartbeat(m.heartbeat());
      break;
    case AgentMessage::kEntries: {
      received_bytes_ += bytes;
      ++core_.stats.flight_messages;
      core_.stats.flight_bytes += bytes;
      for (const recorder::LogEntry& e : word->entries) {
        core_.stats.flight_frames += recorder::EntryFrames(e).count();
      }
      status = TakeIn(word->entries);
      if (!status.ok()) {
        Refuse(status.WithContext("entries"));
        return;
      }
      if (m.entries().has_heartbeat()) {
        OnHeartbeat(m.entries().heartbeat());
      } else if (received_bytes_ - acknowledged_bytes_ >
                 core_.options.in_flight_bytes / 4) {
        Acknowledge();
      }
      break;
    }
    case AgentMessage::kIdentity: {
      Result<fleet::AgentIdentity> identity = TakeIdentity(m.identity());
      if (!identity.ok()) {
        Refuse(identity.status());
        return;
      }
      (void)core_.fleet.registry().UpdateIdentity(id_, *identity);
      break;
    }
    case AgentMessage::kIncidents:
      TakeIn(std::move(word->incidents));
      break;
    case AgentMessage::kEventList:
      TakeIn(m.event_list(), std::move(word->events));
      break;
    case AgentMessage::kEventChanges:
      TakeIn(m.event_changes(), std::move(word->events));
      break;
    case AgentMessage::kEvidencePiece:
      status = fetches_.OnPiece(m.mutable_evidence_piece());
      if (!status.ok()) {
        Refuse(status);
        return;
      }
      break;
    case AgentMessage::kPinAnswer:
      fetches_.OnPinAnswer(m.pin_answer());
      break;
    case AgentMessage::kProbeAnswer:
      if (m.probe_answer().number() == probe_number_) {
        const auto probes = std::exchange(probes_, {});
        for (const auto& probe : probes) probe(true);
      }
      break;
    case AgentMessage::kGoodbye:
      LogInfo("agent says goodbye",
              {{"agent_id", id_}, {"reason", m.goodbye().reason()}});
      leaves_in_order_ = true;
      Finish(OkStatus());
      return;
    case AgentMessage::BODY_NOT_SET:
      break;  // of a later version
  }
  if (!ended_) stream_->Read();
}

Status FlightSession::TakeIn(std::span<const recorder::LogEntry> entries) {
  const auto left_out = [this]() -> std::uint64_t {
    const fleet::Mirror* mirror = core_.fleet.mirror(id_);
    if (mirror == nullptr) return 0;
    return mirror->stats().unusable + mirror->stats().refused_series;
  };
  const std::uint64_t before = left_out();
  Status status = core_.fleet.Apply(id_, entries);
  if (!told_unusable_ && left_out() != before) {
    told_unusable_ = true;  // the rest is in the metrics
    const fleet::Mirror::Stats& s = core_.fleet.mirror(id_)->stats();
    LogWarn("what an agent sends cannot all be used",
            {{"agent_id", id_},
             {"pod_name", core_.fleet.registry().Find(id_)->identity.pod_name},
             {"unusable_frames", s.unusable},
             {"refused_series", s.refused_series}});
  }
  return status;
}

// One that may not be kept is no reason to lose the recording with the stream.
void FlightSession::TakeIn(std::vector<evidence::Incident> incidents) {
  const Status status = core_.fleet.TakeIncidents(id_, std::move(incidents));
  if (status.ok() || std::exchange(told_refused_incident_, true)) return;
  LogWarn("an incident that an agent sends cannot be kept",
          {{"agent_id", id_},
           {"pod_name", core_.fleet.registry().Find(id_)->identity.pod_name},
           {"status", status}});
}

void FlightSession::TakeIn(const flight::v1::EventList& list,
                           std::vector<fleet::ListedEvent> events) {
  if (list.is_first()) stage_.Clear();
  for (fleet::ListedEvent& e : events) stage_.Add(std::move(e));
  const fleet::Agent* agent = core_.fleet.registry().Find(id_);
  if (!list.is_last() || agent == nullptr) return;
  std::size_t left_out = 0;
  std::vector<fleet::ListedEvent> all = stage_.TakeAll(&left_out);
  TellRefusedEvent(core_.fleet.events().Replace(*agent, std::move(all)));
  if (left_out > 0) {
    TellRefusedEvent(ResourceExhausted(StrCat(left_out, " are too many")));
  }
}

void FlightSession::TakeIn(const flight::v1::EventChanges& changes,
                           std::vector<fleet::ListedEvent> events) {
  const fleet::Agent* agent = core_.fleet.registry().Find(id_);
  if (agent == nullptr) return;
  for (fleet::ListedEvent& e : events) {
    TellRefusedEvent(core_.fleet.events().Put(*agent, std::move(e)));
  }
  for (const std::string& id : changes.gone()) {
    core_.fleet.events().Erase(*agent, id);
  }
}

void FlightSession::TellRefusedEvent(const Status& status) {
  if (status.ok() || std::exchange(told_refused_event_, true)) return;
  LogWarn("not all events that an agent lists can be kept",
          {{"agent_id", id_},
           {"pod_name", core_.fleet.registry().Find(id_)->identity.pod_name},
           {"status", status}});
}

// A flight agent tells by itself.
void FlightSession::RefreshEvents(MonotonicTime,
                                  std::function<void(const Status&)> done) {
  done(OkStatus());
}

void FlightSession::Fetch(const fleet::EvidenceQuestion& question,
                          MonotonicTime deadline,
                          fleet::EvidenceCommander::FetchCallback done) {
  if (!has_evidence_) {
    done(Unavailable(StrCat("agent ", id_, " keeps no evidence")));
    return;
  }
  fetches_.Fetch(question, deadline, std::move(done));
}

void FlightSession::Pin(const std::string& event_id, bool pinned,
                        MonotonicTime deadline,
                        fleet::EvidenceCommander::DoneCallback done) {
  if (!has_evidence_) {
    done(Unavailable(StrCat("agent ", id_, " keeps no evidence")));
    return;
  }
  fetches_.Pin(event_id, pinned, deadline, std::move(done));
}

Status FlightSession::OnHello(const flight::v1::Hello& hello) {
  auto claim = std::make_shared<fleet::Registry::Claim>();
  claim->kind = fleet::AgentKind::kFlight;
  FODC_ASSIGN_OR_RETURN(claim->identity, TakeIdentity(hello.identity()));
  claim->version = hello.agent_version();
  has_incidents_ = HasFeature(hello, kIncidentsFeature);
  has_evidence_ = HasFeature(hello, kEvidenceFeature);
  const std::weak_ptr<AgentSession> weak = shared_from_this();
  admitting_ = true;
  core_.Admit(
      claim, peer(), [weak, this] { return !weak.expired() && !ended_; },
      [weak, this](const fleet::Registry::Admission& admission) {
        const auto kept = weak.lock();
        if (kept == nullptr) return;
        admitting_ = false;
        if (!admission.status.ok()) {
          Refuse(admission.status);
          return;
        }
        id_ = admission.id;
        last_heard_ = core_.Now();
        core_.Registered(kept);
        Welcome(admission.conflict, admission.heir_of.has_value());
        stream_->Read();
      });
  return OkStatus();
}

void FlightSession::Welcome(bool conflict, bool resumed) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  ProxyMessage out;
  flight::v1::Welcome* w = out.mutable_welcome();
  w->set_proxy_version(core_.options.version);
  w->set_protocol(kFlightProtocol);
  w->add_features(std::string(kIncidentsFeature));
  w->add_features(std::string(kEvidenceFeature));
  w->set_proxy_instance_id(core_.options.instance_id);
  w->set_session_id(id_);
  w->set_heartbeat_interval_ms(static_cast<std::uint32_t>(
      duration_cast<milliseconds>(core_.options.flight_heartbeat).count()));
  w->set_dead_after_ms(static_cast<std::uint32_t>(
      duration_cast<milliseconds>(core_.options.flight_dead_after).count()));
  if (const fleet::Mirror* mirror = core_.fleet.mirror(id_)) {
    for (const recorder::LogPosition& p : mirror->Positions()) {
      flight::v1::Position* position = w->add_positions();
      position->set_incarnation(p.incarnation);
      position->set_sequence(p.sequence);
    }
  }
  if (const evidence::IncidentList* incidents = core_.fleet.incidents(id_);
      incidents != nullptr && has_incidents_) {
    for (const evidence::IncidentRef& incident : incidents->all()) {
      flight::v1::HeldIncident* held = w->add_incidents();
      held->set_id(incident->id);
      held->set_revision(incident->revision);
    }
  }
  w->mutable_limits()->set_in_flight_bytes(core_.options.in_flight_bytes);
  w->mutable_limits()->set_message_bytes(core_.options.flight_message_bytes);
  w->set_conflict(conflict);
  told_conflict_ = conflict;
  stream_->Write(Encode(out));
  if (resumed) ++core_.stats.resumes;
  const fleet::Agent* agent = core_.fleet.registry().Find(id_);
  LogInfo("agent registered", {{"kind", "flight"},
                               {"agent_id", id_},
                               {"pod_name", agent->identity.pod_name},
                               {"peer", agent->peer_address},
                               {"version", agent->version},
                               {"resumed", resumed}});
}

void FlightSession::OnHeartbeat(const flight::v1::Heartbeat& heartbeat) {
  heartbeat_ = heartbeat.number();
  core_.fleet.registry().SetRoundTrip(
      id_, std::chrono::microseconds(heartbeat.round_trip_us()));
  Acknowledge();
}

// One acknowledgement at most waits to leave: a newer one says all that an
// older one does.
void FlightSession::Acknowledge() {
  if (stream_->queued() > 0) {
    owes_acknowledgement_ = true;
    return;
  }
  owes_acknowledgement_ = false;
  ProxyMessage out;
  flight::v1::Acknowledgement* a = out.mutable_acknowledgement();
  a->set_heartbeat(heartbeat_);
  if (const fleet::Mirror* mirror = core_.fleet.mirror(id_)) {
    const recorder::FrameName newest = mirror->recording().newest();
    a->set_incarnation(newest.incarnation);
    a->set_sequence(newest.sequence);
  }
  a->set_received_bytes(received_bytes_);
  const fleet::Agent* agent = core_.fleet.registry().Find(id_);
  const bool conflict =
      agent != nullptr && agent->status == fleet::AgentStatus::kConflict;
  if (std::exchange(told_conflict_, conflict) != conflict)
    a->set_conflict(conflict);
  acknowledged_bytes_ = received_bytes_;
  ++core_.stats.acknowledgements;
  stream_->Write(Encode(out));
}

void FlightSession::OnDrained() {
  if (owes_acknowledgement_ && !ended_) Acknowledge();
}

void FlightSession::OnHalfClose() { Finish(OkStatus()); }
void FlightSession::OnDone(const Status& status) { Finish(status); }

void FlightSession::Refuse(const Status& status) {
  ++core_.stats.messages_refused;
  LogWarn("flight stream refused",
          {{"agent_id", id_}, {"peer", peer()}, {"status", status}});
  Finish(status);
}

void FlightSession::Finish(const Status& status) {
  if (std::exchange(ended_, true)) return;
  const auto self = shared_from_this();
  core_.CloseSoon(stream_, status);
  const auto probes = std::exchange(probes_, {});
  for (const auto& probe : probes) probe(false);
  fetches_.Close(
      Unavailable(StrCat("agent ", id_, " disconnected during profile fetch")));
  if (!id_.empty()) core_.TellLeft(id_, status, leaves_in_order_);
  core_.End(this);
}

void FlightSession::Dismiss(const Status& status,
                            std::uint32_t retry_after_ms) {
  if (!id_.empty() && !ended_) {
    ProxyMessage out;
    out.mutable_goodbye()->set_reason(status.message());
    out.mutable_goodbye()->set_retry_after_ms(retry_after_ms);
    stream_->Write(Encode(out));
  }
  leaves_in_order_ = true;
  Finish(status);
}

void FlightSession::Probe(std::function<void(bool)> done) {
  if (probes_.empty()) {
    ProxyMessage out;
    out.mutable_probe()->set_number(++probe_number_);
    stream_->Write(Encode(out));
    probe_until_ = core_.Now() + core_.options.probe_timeout;
  }
  probes_.push_back(std::move(done));
}

void FlightSession::AddStats(LinkServer::Stats*) const {}

void FlightSession::Tick(MonotonicTime now) {
  if (!probes_.empty() && now >= probe_until_) {
    const auto probes = std::exchange(probes_, {});
    for (const auto& probe : probes) probe(false);
    if (ended_) return;
  }
  fetches_.Tick(now);
  const auto silence = now - last_heard_;
  if (id_.empty() ? !admitting_ && silence > core_.options.first_message_timeout
                  : silence > core_.options.flight_dead_after) {
    if (!id_.empty()) ++core_.stats.dead_peers;
    Finish(DeadlineExceeded(id_.empty() ? "no Hello came"
                                        : "nothing was heard for too long"));
  }
}

}  // namespace fodc::link
