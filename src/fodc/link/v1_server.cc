// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/v1_server.h"

#include <utility>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/link/v1_codec.h"

namespace fodc::link {

namespace v1 = banyandb::fodc::v1;

std::string_view V1StreamName(V1Stream kind) {
  switch (kind) {
    case V1Stream::kMetrics:
      return "StreamMetrics";
    case V1Stream::kTopology:
      return "StreamClusterTopology";
    case V1Stream::kLifecycle:
      return "StreamLifecycle";
    case V1Stream::kCrash:
      return "StreamCrashDiagnostics";
    case V1Stream::kPressure:
      return "StreamPressureProfiles";
    case V1Stream::kSchema:
      return "StreamSchemaRegistry";
  }
  return "";
}

void V1Shared::Set(fleet::Labels labels) {
  auto shared = std::make_shared<const fleet::Labels>(std::move(labels));
  MutexLock lock(mutex_);
  labels_ = std::move(shared);
}

std::shared_ptr<const fleet::Labels> V1Shared::Get() const {
  MutexLock lock(mutex_);
  return labels_;
}

Decoder V1RegisterDecoder() {
  return [](const grpc::ByteBuffer& bytes) -> Result<Decoded> {
    FODC_RETURN_IF_ERROR(fleet::CheckIdentitySize(bytes.Length(), 0));
    auto m = std::make_shared<v1::RegisterAgentRequest>();
    FODC_RETURN_IF_ERROR(DecodeInto(bytes, m.get()));
    FODC_RETURN_IF_ERROR(
        fleet::CheckIdentitySize(bytes.Length(), m->labels().size()));
    return Decoded(std::move(m));
  };
}

// Of an answer: metrics, and their labels and timestamps. What the largest
// message that is taken holds has two dozen bytes for each.
constexpr std::size_t kMaxAnswerParts = 2'000'000;
// An answer up to this is looked at even if nobody asked for it: what is no
// message at all ends the stream.
constexpr std::size_t kSmallAnswerBytes = 64u << 10;

// Of pressure profiles: a piece has 1 MiB.
constexpr std::size_t kMaxPressureBytes = 2u << 20;

Decoder V1StreamDecoder(V1Stream kind, std::shared_ptr<V1Shared> shared,
                        const Clock& clock) {
  switch (kind) {
    case V1Stream::kMetrics:
      return [shared = std::move(shared),
              &clock](const grpc::ByteBuffer& bytes) -> Result<Decoded> {
        if (!shared->awaits_answer && bytes.Length() > kSmallAnswerBytes) {
          return Decoded();
        }
        V1Answer answer;
        FODC_RETURN_IF_ERROR(DecodeBounded(bytes, kMaxAnswerParts, &answer));
        const auto registered = shared->Get();
        static const fleet::Labels kNone;
        return Decoded(
            std::const_pointer_cast<fleet::MetricsAnswer>(TakeV1Answer(
                &answer, registered ? *registered : kNone, clock.Unix())));
      };
    case V1Stream::kTopology:
      return DecoderOf<v1::StreamClusterTopologyRequest>(kMaxParts);
    case V1Stream::kLifecycle:
      return DecoderOf<v1::StreamLifecycleRequest>(kMaxParts);
    case V1Stream::kCrash:
      return DecoderOf<v1::StreamCrashDiagnosticsRequest>(kMaxParts);
    case V1Stream::kPressure:
      return [](const grpc::ByteBuffer& bytes) -> Result<Decoded> {
        if (bytes.Length() > kMaxPressureBytes) {
          return ResourceExhausted(StrCat("message of ", bytes.Length(),
                                          " bytes; the limit is ",
                                          kMaxPressureBytes));
        }
        auto m = std::make_shared<v1::StreamPressureProfilesRequest>();
        FODC_RETURN_IF_ERROR(DecodeBounded(bytes, kMaxParts, m.get()));
        return Decoded(std::move(m));
      };
    case V1Stream::kSchema:
      return DecoderOf<v1::StreamSchemaRegistryRequest>(kMaxParts);
  }
  return nullptr;
}

// So many questions in a row unanswered: nobody waits for the next answer.
constexpr int kSilentRounds = 3;

V1Session::V1Session(ServerCore& core,
                     std::shared_ptr<ServerStream> registration)
    : AgentSession(registration->peer()),
      core_(core),
      registration_(std::move(registration)),
      opened_at_(core.Now()),
      profiles_(core, id_, [this] {
        Data& pressure = At(V1Stream::kPressure);
        if (pressure.stream != nullptr &&
            std::exchange(pressure.owes_read, false)) {
          pressure.stream->Read();
        }
      }) {
  for (std::size_t i = 0; i < kV1Streams; ++i) {
    data_[i].session = this;
    data_[i].kind = static_cast<V1Stream>(i);
  }
  questions_ = std::make_unique<fleet::QuestionQueue>(
      core_.loop.clock(), core_.options.questions,
      [this](const fleet::MetricsQuestion& question) {
        v1::StreamMetricsResponse request;
        PutQuestion(question, &request);
        At(V1Stream::kMetrics).shared->awaits_answer = true;
        At(V1Stream::kMetrics).stream->Write(Encode(request));
      });
}

V1Session::~V1Session() {
  if (registration_ != nullptr) registration_->Detach();
  for (Data& d : data_) {
    if (d.stream != nullptr) d.stream->Detach();
  }
}

void V1Session::Start() {
  registration_->Attach(this);
  registration_->Read();
}

void V1Session::OnMessage(Decoded message, std::size_t) {
  const auto self = shared_from_this();
  const auto& m = *std::static_pointer_cast<v1::RegisterAgentRequest>(message);
  if (!id_.empty()) {  // a heartbeat; never answered
    Status status = core_.fleet.registry().Heartbeat(id_);
    if (!status.ok()) {
      // In the words and with the code of v1: the agent registers anew.
      Finish(Status(Code::kUnknown, status.message()));
      return;
    }
    const fleet::Labels labels(m.labels().begin(), m.labels().end());
    (void)core_.fleet.registry().RefreshRole(id_, m.node_role(), labels);
    if (auto& shared = At(V1Stream::kMetrics).shared; shared != nullptr) {
      if (const fleet::Agent* agent = core_.fleet.registry().Find(id_)) {
        shared->Set(agent->identity.labels);
      }
    }
    Heard();
    registration_->Read();
    return;
  }
  auto claim = std::make_shared<fleet::Registry::Claim>();
  claim->kind = fleet::AgentKind::kV1;
  claim->identity.role = m.node_role();
  claim->identity.pod_name = m.pod_name();
  claim->identity.node_name = m.pod_name();
  claim->identity.labels.insert(m.labels().begin(), m.labels().end());
  claim->identity.container_names.assign(m.container_names().begin(),
                                         m.container_names().end());
  const std::weak_ptr<AgentSession> weak = self;
  core_.Admit(
      claim, peer(), [weak, this] { return !weak.expired() && !ended_; },
      [weak, this](const fleet::Registry::Admission& admission) {
        const auto kept = weak.lock();
        if (kept == nullptr) return;
        v1::RegisterAgentResponse response;
        if (!admission.status.ok()) {
          response.set_message(admission.status.message());
          registration_->Write(Encode(response));
          Finish(Status(Code::kUnknown, admission.status.message()));
          return;
        }
        id_ = admission.id;
        core_.Registered(kept);
        response.set_success(true);
        response.set_message("Agent registered successfully");
        response.set_heartbeat_interval_seconds(
            std::chrono::duration_cast<std::chrono::seconds>(
                core_.options.heartbeat_interval)
                .count());
        response.set_agent_id(id_);
        registration_->Write(Encode(response));
        registration_->Read();
        const fleet::Agent* agent = core_.fleet.registry().Find(id_);
        LogInfo("agent registered", {{"kind", "v1"},
                                     {"agent_id", id_},
                                     {"pod_name", agent->identity.pod_name},
                                     {"peer", agent->peer_address}});
      });
}

void V1Session::OnHalfClose() { Finish(OkStatus()); }

void V1Session::Refused(std::string_view stream, const Status& status) {
  ++core_.stats.messages_refused;
  LogWarn("message of a v1 agent refused", {{"stream", stream},
                                            {"agent_id", id_},
                                            {"peer", peer()},
                                            {"status", status}});
}

void V1Session::OnRefused(const Status& status) {
  Refused("RegisterAgent", status);
  Finish(status);
}

void V1Session::OnDone(const Status& status) {
  // Nobody ever learnt of this registration: as if it had never come.
  if (!id_.empty() && registration_->written() == 0) {
    core_.fleet.Remove(id_);
  }
  Finish(status);
}

// The registration is over, and with it every stream that it opened.
void V1Session::Finish(const Status& status) {
  if (std::exchange(ended_, true)) return;
  const auto self = shared_from_this();
  core_.CloseSoon(registration_, status);
  for (Data& d : data_) {
    if (d.stream != nullptr) {
      core_.CloseSoon(std::exchange(d.stream, nullptr), status);
    }
  }
  profiles_.SetStream(nullptr);
  const auto probes = std::exchange(probes_, {});
  for (const auto& probe : probes) probe(false);
  questions_timer_.Cancel();
  questions_->Close(Unavailable(StrCat("agent ", id_, " left")));
  // v1 has no goodbye but the end of its stream.
  if (!id_.empty()) core_.TellLeft(id_, status, status.ok());
  AddStats(&core_.stats);
  core_.End(this);
}

void V1Session::AddStats(LinkServer::Stats* stats) const {
  const fleet::QuestionQueue::Stats& from = questions_->stats();
  fleet::QuestionQueue::Stats& to = stats->questions;
  to.asked += from.asked;
  to.shared += from.shared;
  to.answered += from.answered;
  to.timed_out += from.timed_out;
  to.late += from.late;
  to.unasked += from.unasked;
}

void V1Session::Dismiss(const Status& status, std::uint32_t) { Finish(status); }

Status V1Session::Bind(V1Stream kind, std::shared_ptr<ServerStream> stream,
                       std::shared_ptr<V1Shared> shared) {
  Data& d = At(kind);
  if (d.stream != nullptr) {
    return PermissionDenied(StrCat("agent ", id_, " has a live ",
                                   V1StreamName(kind), " stream already"));
  }
  if (const fleet::Agent* agent = core_.fleet.registry().Find(id_)) {
    shared->Set(agent->identity.labels);
  }
  d.stream = std::move(stream);
  d.shared = std::move(shared);
  d.stream->Attach(&d);
  d.stream->Read();
  if (kind == V1Stream::kPressure) {
    d.owes_read = false;
    profiles_.SetStream([this](const auto& command) {
      At(V1Stream::kPressure).stream->Write(Encode(command));
    });
  }
  return OkStatus();
}

void V1Session::Data::OnMessage(Decoded message, std::size_t) {
  const auto self = session->shared_from_this();
  session->Heard();
  if (kind == V1Stream::kPressure) {
    session->profiles_.OnMessage(
        std::static_pointer_cast<v1::StreamPressureProfilesRequest>(message)
            .get());
    if (session->profiles_.is_full()) {
      owes_read = true;
      return;
    }
  }
  // What other streams bring has no reader yet; it proves life, no more.
  if (kind == V1Stream::kMetrics) {
    if (message == nullptr) {
      session->questions_->OnUnasked();
    } else {
      auto answer = std::static_pointer_cast<fleet::MetricsAnswer>(message);
      session->core_.stats.v1_refused_samples += answer->refused_samples;
      session->questions_->OnAnswer(std::move(answer));
    }
    session->ArmQuestions();
  }
  if (stream != nullptr) stream->Read();
}

void V1Session::Data::OnHalfClose() {
  const auto self = session->shared_from_this();
  session->core_.CloseSoon(stream, OkStatus());
  session->Lost(this);
}

void V1Session::Data::OnRefused(const Status& status) {
  const auto self = session->shared_from_this();
  session->Refused(V1StreamName(kind), status);
  session->core_.CloseSoon(stream, status);
  session->Lost(this);
}

void V1Session::Data::OnDone(const Status&) {
  const auto self = session->shared_from_this();
  session->Lost(this);
}

void V1Session::Lost(Data* data) {
  data->stream = nullptr;
  if (data->kind == V1Stream::kPressure) profiles_.SetStream(nullptr);
  if (data->kind == V1Stream::kMetrics) {
    questions_->Close(
        Unavailable(StrCat("agent ", id_, " closed its metrics stream")));
  }
}

// A sign of life.
void V1Session::Heard() {
  const auto probes = std::exchange(probes_, {});
  for (const auto& probe : probes) probe(true);
}

void V1Session::Probe(std::function<void(bool)> done) {
  Data& topology = At(V1Stream::kTopology);
  if (topology.stream == nullptr) {
    // It cannot be asked: two missed heartbeats are death.
    const fleet::Agent* agent = core_.fleet.registry().Find(id_);
    done(agent != nullptr && core_.Now() - agent->last_heard <=
                                 2 * core_.options.heartbeat_interval);
    return;
  }
  if (probes_.empty()) {
    // The cheapest question of v1, and one that is always answered.
    v1::StreamClusterTopologyResponse request;
    request.set_request_topology(true);
    if (topology.stream->queued() == 0) {
      topology.stream->Write(Encode(request));
    }
    probe_until_ = core_.Now() + core_.options.probe_timeout;
  }
  probes_.push_back(std::move(done));
}

void V1Session::Ask(const fleet::MetricsQuestion& question,
                    MonotonicTime deadline,
                    fleet::AgentCommander::MetricsCallback done) {
  if (At(V1Stream::kMetrics).stream == nullptr) {
    done(Unavailable(StrCat("agent ", id_, " has no metrics stream")));
    return;
  }
  if (silent_rounds_ < kSilentRounds) {
    Try(question, deadline, std::move(done));
    return;
  }
  ++core_.stats.v1_not_waited_for;
  if (!trying_) {
    trying_ = true;
    // The cheapest question; whoever asked this one comes again.
    Try({}, deadline, [this, weak = weak_from_this()](auto) {
      if (!weak.expired()) trying_ = false;
    });
  }
  done(Unavailable(StrCat("agent ", id_, " left its last ", silent_rounds_,
                          " questions unanswered")));
}

void V1Session::Try(const fleet::MetricsQuestion& question,
                    MonotonicTime deadline,
                    fleet::AgentCommander::MetricsCallback done) {
  const std::weak_ptr<AgentSession> weak = shared_from_this();
  // By its start: callers that share one round are one.
  const MonotonicTime asked = core_.Now();
  questions_->Ask(
      question, deadline,
      [this, weak, asked, done = std::move(done)](auto answer) mutable {
        if (const auto kept = weak.lock(); kept != nullptr) {
          if (answer.ok()) {
            silent_rounds_ = 0;
          } else if (answer.status().code() == Code::kDeadlineExceeded &&
                     asked >= silent_since_) {
            silent_since_ = core_.Now();
            ++silent_rounds_;
          }
        }
        done(std::move(answer));
      });
  ArmQuestions();
}

void V1Session::ArmQuestions() {
  const MonotonicTime next = questions_->OnTick();
  if (const auto& shared = At(V1Stream::kMetrics).shared; shared != nullptr) {
    shared->awaits_answer = questions_->open();
  }
  if (next == MonotonicTime::max()) {
    questions_timer_.Cancel();
    return;
  }
  questions_timer_ = core_.loop.RunAt(next, [this] { ArmQuestions(); });
}

void V1Session::RefreshEvents(std::function<void(const Status&)> done) {
  profiles_.List(std::move(done));
}

void V1Session::Fetch(const fleet::EvidenceQuestion& question,
                      MonotonicTime deadline,
                      fleet::EvidenceCommander::FetchCallback done) {
  if (question.artifact.empty() || question.offset != 0 || question.length) {
    done(Unimplemented(StrCat("agent ", id_,
                              " speaks v1: of an event it sends whole profiles "
                              "and nothing else")));
    return;
  }
  const fleet::Agent* agent = core_.fleet.registry().Find(id_);
  const auto nodes = core_.fleet.events().Find(
      agent == nullptr ? "" : agent->identity.pod_name);
  for (const auto& node : nodes) {
    if (node->kind != fleet::AgentKind::kV1) continue;
    for (const auto& event : node->events) {
      if (event->id != question.event_id) continue;
      for (const evidence::EventProfile& p : event->meta.profiles) {
        if (p.filename != question.artifact) continue;
        profiles_.Fetch({event->id, p.type, p.filepath, p.size_bytes}, deadline,
                        question.withdrawal, std::move(done));
        return;
      }
    }
  }
  done(NotFound(StrCat("no ", question.artifact, " of event ",
                       question.event_id, " is listed")));
}

void V1Session::Pin(const std::string&, bool, MonotonicTime,
                    fleet::EvidenceCommander::DoneCallback done) {
  done(Unimplemented(StrCat("agent ", id_, " speaks v1, which pins nothing")));
}

void V1Session::Tick(MonotonicTime now) {
  profiles_.Tick(now);
  if (id_.empty() && now - opened_at_ > core_.options.first_message_timeout +
                                            2 * core_.options.probe_timeout) {
    Finish(DeadlineExceeded("no registration came"));
    return;
  }
  if (!probes_.empty() && now >= probe_until_) {
    const auto probes = std::exchange(probes_, {});
    for (const auto& probe : probes) probe(false);
  }
}

}  // namespace fodc::link
