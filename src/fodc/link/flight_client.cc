// SPDX-License-Identifier: Apache-2.0
// The agent's end of fodc.flight.v1.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/client_stream.h"
#include "fodc/link/flight_codec.h"
#include "fodc/link/flight_evidence.h"
#include "fodc/link/incident_news.h"
#include "fodc/link/proxy_session.h"
#include "fodc/recorder/log_reader.h"

namespace fodc::link {
namespace {

using flight::v1::AgentMessage;
using flight::v1::ProxyMessage;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// What a message needs beside its entries, a heartbeat included.
constexpr std::size_t kEnvelopeBytes = 64;

// Of those that wait to leave.
constexpr std::size_t kMaxAnswers = 64;

// One message of entries.
struct Batch {
  AgentMessage message;
  std::size_t bytes = 0;  // of its entries, at most
  recorder::Incarnation life() const { return message.entries().incarnation(); }
  std::size_t entries() const {
    return static_cast<std::size_t>(message.entries().entries_size());
  }
};

class FlightClient final : public Conversation, private Stream::Handler {
 public:
  FlightClient(AgentContext& context,
               const std::shared_ptr<grpc::Channel>& channel, Events events,
               ProxyLinkStats* stats)
      : context_(context),
        events_(std::move(events)),
        stats_(*stats),
        stream_(OpenClientStream(context.loop, context.open_streams, channel,
                                 "/fodc.flight.v1.FlightService/Connect", {},
                                 DecoderOf<ProxyMessage>(kMaxParts))),
        last_heard_(context.Now()),
        incident_news_(context.incidents),
        evidence_(
            context.evidence, [this] { Pump(); },
            [this](const AgentMessage& m) {
              // Who asks on without reading is not answered.
              if (stream_->queued() < kMaxAnswers) stream_->Write(Encode(m));
            }) {
    stream_->Attach(this);
    SendHello();
    stream_->Read();
    timer_ = context_.loop.RunAfter(context_.options.connect_timeout, [this] {
      Break(DeadlineExceeded("the proxy did not answer"));
    });
  }

  ~FlightClient() override {
    stream_->Detach();
    stream_->Cancel();
  }

  void OnAppended() override { Pump(); }

  void OnIncident() override {
    incident_news_.OnChanged();
    Pump();
  }

  void OnEvidence() override { evidence_.OnChanged(); }

  void OnIdentityChanged() override {
    identity_changed_ = true;
    Pump();
  }

  void Goodbye(const std::string& reason) override {
    // What ended with the agent is its last news.
    while (welcomed_ && TellIncidents()) {
    }
    AgentMessage m;
    m.mutable_goodbye()->set_reason(reason);
    stream_->Write(Encode(m));
    stream_->Close(OkStatus());
    leaving_ = true;
  }

 private:
  void SendHello() {
    AgentMessage m;
    flight::v1::Hello* hello = m.mutable_hello();
    hello->set_agent_kind("fodc-agent");
    hello->set_agent_version(context_.options.agent_version);
    hello->set_protocol(kFlightProtocol);
    hello->add_features(std::string(kIncidentsFeature));
    if (context_.evidence != nullptr) {
      hello->add_features(std::string(kEvidenceFeature));
    }
    PutIdentity(context_.identity(), hello->mutable_identity());
    stream_->Write(Encode(m));
  }

  void OnMessage(Decoded message, std::size_t) override {
    last_heard_ = context_.Now();
    auto& m = *std::static_pointer_cast<ProxyMessage>(message);
    if (!welcomed_ && m.body_case() != ProxyMessage::kWelcome &&
        m.body_case() != ProxyMessage::kGoodbye) {
      Break(FailedPrecondition("the proxy's first word was not Welcome"));
      return;
    }
    switch (m.body_case()) {
      case ProxyMessage::kWelcome:
        if (welcomed_) {
          Break(FailedPrecondition("a second Welcome"));
          return;
        }
        OnWelcome(m.welcome());
        break;
      case ProxyMessage::kAcknowledgement:
        OnAcknowledgement(m.acknowledgement());
        break;
      case ProxyMessage::kProbe: {
        AgentMessage answer;
        answer.mutable_probe_answer()->set_number(m.probe().number());
        stream_->Write(Encode(answer));
        break;
      }
      case ProxyMessage::kGoodbye:
        Break(Unavailable(StrCat("the proxy says: ", m.goodbye().reason())),
              milliseconds(m.goodbye().retry_after_ms()));
        return;
      case ProxyMessage::kEvidenceFetch:
      case ProxyMessage::kEvidenceCredit:
      case ProxyMessage::kEvidenceCancel:
      case ProxyMessage::kEventPin:
        evidence_.OnMessage(m);
        break;
      case ProxyMessage::BODY_NOT_SET:
        break;  // of a later version
    }
    stream_->Read();
  }

  void OnWelcome(const flight::v1::Welcome& w) {
    welcomed_ = true;
    window_bytes_ = std::max<std::uint64_t>(1, w.limits().in_flight_bytes());
    message_bytes_ = w.limits().message_bytes();
    dead_after_ = milliseconds(std::max(w.dead_after_ms(), 1u));
    StartAt(w);
    incident_news_.Begin(w);
    if (HasFeature(w, kEvidenceFeature)) evidence_.Begin(MessageRoom());
    events_.welcomed();
    SetConflict(w.conflict());
    // Twice as often as heartbeats are due: each waits one tick for entries to
    // ride on.
    timer_ = context_.loop.RunEvery(
        microseconds(500) * std::max(w.heartbeat_interval_ms(), 1u),
        [this](const net::EventLoop::Tick&) { Tick(); }, context_.Now());
    Pump();
  }

  // Where the proxy's knowledge of our log ends: in the newest of our lives
  // that it holds. What is older it has had, and may have let go.
  void StartAt(const flight::v1::Welcome& w) {
    std::map<recorder::Incarnation, recorder::Sequence> theirs;
    for (const auto& p : w.positions()) theirs[p.incarnation()] = p.sequence();
    bool resumed = false;
    position_ = {};
    for (const recorder::HeldRange& ours : context_.recording.held()) {
      const auto it = theirs.find(ours.incarnation);
      if (it == theirs.end()) continue;
      resumed = true;
      position_ = {ours.incarnation, it->second};
    }
    if (resumed) ++stats_.resumes;
    sent_ = std::move(theirs);
  }

  void OnAcknowledgement(const flight::v1::Acknowledgement& a) {
    // More than was sent is nonsense; less than before is old news.
    acknowledged_bytes_ =
        std::clamp(a.received_bytes(), acknowledged_bytes_, entry_bytes_);
    if (a.has_conflict()) SetConflict(a.conflict());
    stats_.in_flight_bytes =
        static_cast<std::size_t>(entry_bytes_ - acknowledged_bytes_);
    while (!heartbeats_.empty() && heartbeats_.front().first <= a.heartbeat()) {
      if (heartbeats_.front().first == a.heartbeat()) {
        stats_.round_trip = std::chrono::duration_cast<microseconds>(
            context_.Now() - heartbeats_.front().second);
      }
      heartbeats_.pop_front();
    }
    Pump();
  }

  void SetConflict(bool conflict) {
    if (std::exchange(stats_.conflict, conflict) == conflict) return;
    if (conflict) {
      LogWarn(
          "another live agent has this pod name; the proxy shows that one's "
          "samples, not this one's, until it ends",
          {{"address", stats_.address},
           {"pod_name", context_.identity().pod_name}});
    } else {
      LogInfo("no other agent has this pod name any more",
              {{"address", stats_.address}});
    }
  }

  void Tick() {
    const MonotonicTime now = context_.Now();
    // A stall of our own loop is no silence of the peer.
    const bool stalled = now - last_tick_ > dead_after_ / 2;
    last_tick_ = now;
    if (!stalled && now - last_heard_ > dead_after_) {
      Break(DeadlineExceeded("nothing was heard of the proxy for too long"));
      return;
    }
    constexpr std::size_t kMaxWaiting = 4;
    if (!std::exchange(past_half_, !past_half_)) {
      heartbeat_due_ = true;
      evidence_.OnTick();
    } else if (std::exchange(heartbeat_due_, false) && !leaving_ &&
               stream_->queued() < kMaxWaiting) {
      AgentMessage m;
      PutHeartbeat(m.mutable_heartbeat());
      stream_->Write(Encode(m));
    }
  }

  void PutHeartbeat(flight::v1::Heartbeat* out) {
    out->set_number(++heartbeat_);
    out->set_round_trip_us(
        static_cast<std::uint64_t>(stats_.round_trip.count()));
    heartbeats_.emplace_back(heartbeat_, context_.Now());
    if (heartbeats_.size() > 64) heartbeats_.pop_front();
  }

  void OnDrained() override { Pump(); }

  // Sends what is new, one batch at a time, while the proxy's window has room.
  // Nothing waits here: the recording itself is the queue.
  void Pump() {
    if (!welcomed_ || over_ || leaving_ || stream_->queued() > 0) return;
    if (std::exchange(identity_changed_, false)) {
      AgentMessage m;
      PutIdentity(context_.identity(), m.mutable_identity());
      stream_->Write(Encode(m));
    }
    (void)TellIncidents();
    SendEntries();
    // Frames go first, and no more than one piece is before the next of them.
    if (stream_->queued() == 0) SendEvidence();
  }

  void SendEntries() {
    const std::uint64_t in_flight = entry_bytes_ - acknowledged_bytes_;
    if (in_flight >= window_bytes_) return;
    const std::size_t room = std::min<std::size_t>(context_.options.batch_bytes,
                                                   window_bytes_ - in_flight);
    std::vector<Batch> batches;
    std::size_t bytes = 0;
    position_ = context_.recording.ReadLog(
        position_, &defined_, [&](const recorder::LogEntry& whole) {
          recorder::LogEntry entry = Fitting(whole);
          const std::size_t size = EntryBytes(entry);
          if (!Fits(entry)) {
            LeaveOut(size);
            return true;
          }
          const recorder::Incarnation life = IncarnationOf(entry);
          if (batches.empty() || batches.back().life() != life ||
              batches.back().entries() == kMaxEntries ||
              (message_bytes_ > 0 &&
               batches.back().bytes + size + kEnvelopeBytes > message_bytes_)) {
            batches.emplace_back().message.mutable_entries()->set_incarnation(
                life);
          }
          Count(entry);
          bytes += size;
          batches.back().bytes += size;
          AppendEntry(std::move(entry),
                      batches.back().message.mutable_entries());
          return bytes < room;
        });
    if (!batches.empty() && std::exchange(heartbeat_due_, false)) {
      PutHeartbeat(
          batches.front().message.mutable_entries()->mutable_heartbeat());
    }
    for (const Batch& batch : batches) {
      grpc::ByteBuffer encoded = Encode(batch.message);
      entry_bytes_ += encoded.Length();
      stats_.bytes_sent += encoded.Length();
      stream_->Write(encoded);
    }
    stats_.in_flight_bytes =
        static_cast<std::size_t>(entry_bytes_ - acknowledged_bytes_);
  }

  std::size_t MessageRoom() const {
    const std::size_t limit =
        message_bytes_ == 0 ? context_.options.batch_bytes
                            : std::min<std::size_t>(
                                  context_.options.batch_bytes, message_bytes_);
    return limit - std::min(limit, kEnvelopeBytes);
  }

  void SendEvidence() {
    AgentMessage m;
    const bool any = evidence_.Take(
        MessageRoom(), [this](std::size_t bytes) { LeaveOut(bytes); }, &m);
    if (!any) return;
    stats_.evidence_bytes_sent += m.evidence_piece().data().size();
    stream_->Write(Encode(m));
  }

  // One message of them. Whether there was any. They are few and small, and do
  // not count as bytes in flight.
  bool TellIncidents() {
    if (!incident_news_.any()) return false;
    AgentMessage m;
    incident_news_.Take(
        MessageRoom(), [this](std::size_t bytes) { LeaveOut(bytes); },
        m.mutable_incidents());
    const int count = m.incidents().incidents_size();
    if (count == 0) return false;
    stats_.incidents_sent += static_cast<std::uint64_t>(count);
    stream_->Write(Encode(m));
    return true;
  }

  bool Fits(const recorder::LogEntry& entry) const {
    return message_bytes_ == 0 ||
           EntryBytes(entry) + kEnvelopeBytes <= message_bytes_;
  }

  // A series that does not fit into a message is told without its text: every
  // frame of its source refers to it.
  recorder::LogEntry Fitting(const recorder::LogEntry& entry) {
    const auto* series = std::get_if<recorder::SeriesEntry>(&entry);
    if (series == nullptr || Fits(entry)) return entry;
    recorder::SeriesEntry brief = *series;
    brief.help.clear();
    if (Fits(brief)) return brief;
    LeaveOut(EntryBytes(entry));
    brief.name = brief.family = "fodc_series_too_long";
    brief.labels = StrCat("id=\"", brief.id, "\"");
    brief.unit.clear();
    brief.type = exposition::MetricType::kUnknown;
    return brief;
  }

  // The proxy would refuse it, and all that follows with it. What builds on it
  // the proxy leaves out, until the next stretch begins; the next frame that is
  // sent counts the gap.
  void LeaveOut(std::size_t size) {
    if (std::exchange(told_left_out_, true)) return;
    LogError("too large for the proxy's messages, left out",
             {{"address", stats_.address},
              {"bytes", size},
              {"limit_bytes", message_bytes_}});
  }

  void Count(const recorder::LogEntry& entry) {
    const recorder::EntryFrames frames(entry);
    if (frames.last == 0) return;
    stats_.frames_sent += frames.count();
    const auto [it, fresh] =
        sent_.try_emplace(frames.first.incarnation, frames.last);
    if (fresh) return;
    if (frames.first.sequence > it->second + 1) {
      ++stats_.gaps;
      stats_.gap_frames += frames.first.sequence - it->second - 1;
    }
    it->second = std::max(it->second, frames.last);
  }

  void OnHalfClose() override {}  // the status follows

  void OnDone(const Status& status) override {
    Break(status.ok() ? Unavailable("the proxy ended the stream") : status);
  }

  void Break(const Status& status, milliseconds retry_after = {}) {
    if (std::exchange(over_, true)) return;
    timer_.Cancel();
    stream_->Detach();
    stream_->Cancel();
    stats_.in_flight_bytes = 0;
    stats_.conflict = false;
    events_.over(status, retry_after);
  }

  AgentContext& context_;
  Events events_;
  ProxyLinkStats& stats_;
  const std::shared_ptr<Stream> stream_;
  net::EventLoop::Handle timer_;
  MonotonicTime last_heard_;
  IncidentNews incident_news_;
  FlightEvidence evidence_;
  MonotonicTime last_tick_;
  bool welcomed_ = false;
  bool leaving_ = false;
  bool over_ = false;
  bool identity_changed_ = false;
  bool told_left_out_ = false;  // in the log
  std::chrono::nanoseconds dead_after_{0};
  std::uint64_t window_bytes_ = 0;
  std::uint64_t message_bytes_ = 0;

  recorder::LogPosition position_;
  recorder::Recording::Defined defined_;
  // Last frame that the proxy has, or that was sent, of each life.
  std::map<recorder::Incarnation, recorder::Sequence> sent_;
  std::uint64_t entry_bytes_ = 0;
  std::uint64_t acknowledged_bytes_ = 0;
  bool past_half_ = false;      // whether the next tick is that of the half
  bool heartbeat_due_ = false;  // rides on entries, or goes at the half
  std::uint64_t heartbeat_ = 0;
  std::deque<std::pair<std::uint64_t, MonotonicTime>> heartbeats_;
};

}  // namespace

std::unique_ptr<Conversation> StartFlightConversation(
    AgentContext& context, const std::shared_ptr<grpc::Channel>& channel,
    Conversation::Events events, ProxyLinkStats* stats) {
  return std::make_unique<FlightClient>(context, channel, std::move(events),
                                        stats);
}

}  // namespace fodc::link
