// SPDX-License-Identifier: Apache-2.0
// The agent's end of banyandb.fodc.v1, for proxies that know no better.
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/link/client_stream.h"
#include "fodc/link/proxy_session.h"
#include "fodc/link/v1_codec.h"
#include "fodc/link/v1_profile_answers.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;

// However rarely a proxy wants to hear of us, a link that is gone must show.
constexpr seconds kMaxHeartbeatInterval{10};
// A question waits so long for a worker before it is tried again.
constexpr milliseconds kWorkerRetry{200};

// The bytes without a copy of them.
grpc::ByteBuffer OwningBuffer(std::string bytes) {
  auto* owned = new std::string(std::move(bytes));
  grpc::Slice slice(
      owned->data(), owned->size(),
      [](void* p) { delete static_cast<std::string*>(p); }, owned);
  return grpc::ByteBuffer(&slice, 1);
}

class V1Client;

// One of the streams beside RegisterAgent.
class DataStream final : public Stream::Handler {
 public:
  using Answer =
      std::function<void(const Decoded& question, DataStream* stream)>;

  DataStream(V1Client* client, std::shared_ptr<Stream> stream, Answer answer)
      : client_(client),
        stream_(std::move(stream)),
        answer_(std::move(answer)) {
    stream_->Attach(this);
    stream_->Read();
  }
  ~DataStream() override {
    stream_->Detach();
    stream_->Cancel();
  }

  void Send(const google::protobuf::MessageLite& m) {
    stream_->Write(Encode(m));
  }
  void Send(const grpc::ByteBuffer& m) { stream_->Write(m); }
  // The question is dealt with: the next one may come, once what was answered
  // to this one has left. Whoever asks on without reading waits.
  void Next() {
    owes_read_ = true;
    OnDrained();
  }
  void HalfClose() { stream_->Close(OkStatus()); }
  void Cancel() { stream_->Cancel(); }

 private:
  void OnMessage(Decoded message, std::size_t) override {
    answer_(message, this);
  }
  void OnHalfClose() override {}  // the status follows
  void OnDrained() override {
    // The news may be of an earlier answer.
    if (stream_->queued() > 0) return;
    if (std::exchange(owes_read_, false)) stream_->Read();
  }
  void OnDone(const Status& status) override;

  V1Client* const client_;
  const std::shared_ptr<Stream> stream_;
  const Answer answer_;
  bool owes_read_ = false;
};

class V1Client final : public Conversation, private Stream::Handler {
 public:
  V1Client(AgentContext& context, std::shared_ptr<grpc::Channel> channel,
           Events events, ProxyLinkStats* stats)
      : context_(context),
        channel_(std::move(channel)),
        events_(std::move(events)),
        stats_(*stats),
        registration_(
            OpenClientStream(context.loop, context.open_streams, channel_,
                             "/banyandb.fodc.v1.FODCService/RegisterAgent", {},
                             DecoderOf<v1::RegisterAgentResponse>(kMaxParts))) {
    registration_->Attach(this);
    SendRegistration();
    registration_->Read();
    timer_ = context_.loop.RunAfter(context_.options.connect_timeout, [this] {
      Break(DeadlineExceeded("the proxy did not answer the registration"));
    });
  }

  ~V1Client() override {
    registration_->Detach();
    registration_->Cancel();
  }

  void OnAppended() override {}  // a v1 proxy asks
  // Tells the proxy at once; v1 has no other word for it than a heartbeat.
  void OnIdentityChanged() override {
    if (welcomed_ && !leaving_) SendRegistration();
  }

  void Goodbye(const std::string&) override {
    leaving_ = true;
    timer_.Cancel();
    for (const auto& s : streams_) s->HalfClose();
    if (profiles_ != nullptr) profiles_->HalfClose();
    registration_->Close(OkStatus());
  }

  void Break(const Status& status) {
    if (std::exchange(over_, true)) return;
    timer_.Cancel();
    retry_.Cancel();
    registration_->Detach();
    registration_->Cancel();
    // A stream may be telling us right now: they die with this object, but end
    // at once, for whoever lets the loop go waits for their ends.
    for (const auto& s : streams_) s->Cancel();
    if (profiles_ != nullptr) profiles_->Cancel();
    events_.over(status, {});
  }

 private:
  void SendRegistration() {
    const fleet::AgentIdentity identity = Identity();
    v1::RegisterAgentRequest m;
    m.set_node_role(ToValidUtf8(identity.role));
    m.set_pod_name(ToValidUtf8(identity.pod_name));
    for (const auto& [key, value] : identity.labels) {
      (*m.mutable_labels())[ToValidUtf8(key)] = ToValidUtf8(value);
    }
    for (const std::string& name : identity.container_names) {
      m.add_container_names(ToValidUtf8(name));
    }
    registration_->Write(Encode(m));
  }

  // The live identity; a role once known is never unsaid.
  fleet::AgentIdentity Identity() {
    fleet::AgentIdentity identity = context_.identity();
    if (identity.role.empty()) identity.role = fleet::kRoleUnspecified;
    if (identity.role != fleet::kRoleUnspecified) {
      known_ = identity;
    } else if (!known_.role.empty()) {
      identity.role = known_.role;
      identity.labels = known_.labels;
    }
    return identity;
  }

  void OnMessage(Decoded message, std::size_t) override {
    const auto& m =
        *std::static_pointer_cast<v1::RegisterAgentResponse>(message);
    registration_->Read();  // notices the end; later answers are discarded
    if (welcomed_) return;
    if (!m.success() || m.agent_id().empty()) {
      Break(Unavailable(
          StrCat("the proxy refused the registration: ", m.message())));
      return;
    }
    welcomed_ = true;
    agent_id_ = m.agent_id();
    std::chrono::nanoseconds interval = std::min<std::chrono::nanoseconds>(
        context_.options.heartbeat_interval, kMaxHeartbeatInterval);
    if (const std::int64_t told = m.heartbeat_interval_seconds(); told > 0) {
      // Compared as seconds: as nanoseconds, centuries do not fit.
      interval =
          seconds(std::min<std::int64_t>(told, kMaxHeartbeatInterval.count()));
    }
    events_.welcomed();
    OpenStreams();
    timer_ = context_.loop.RunEvery(
        interval, [this](const net::EventLoop::Tick&) { Heartbeat(); });
  }

  void Heartbeat() {
    // A heartbeat that does not even leave: the connection is stuck.
    const auto stuck = registration_->stuck_since();
    if (stuck && context_.Now() - *stuck > context_.options.tcp_user_timeout) {
      Break(DeadlineExceeded("the proxy takes no heartbeats"));
      return;
    }
    if (registration_->queued() == 0) SendRegistration();
  }

  template <typename Question>
  void Open(const char* method, DataStream::Answer answer) {
    streams_.push_back(std::make_unique<DataStream>(
        this,
        OpenClientStream(context_.loop, context_.open_streams, channel_,
                         StrCat("/banyandb.fodc.v1.FODCService/", method),
                         {{"agent_id", agent_id_}},
                         DecoderOf<Question>(kMaxParts)),
        std::move(answer)));
  }

  void OpenStreams() {
    Open<v1::StreamMetricsResponse>(
        "StreamMetrics", [this](const Decoded& question, DataStream* stream) {
          AnswerMetrics(
              std::static_pointer_cast<v1::StreamMetricsResponse>(question),
              stream);
        });
    Open<v1::StreamClusterTopologyResponse>(
        "StreamClusterTopology",
        [this](const Decoded& question, DataStream* stream) {
          if (std::static_pointer_cast<v1::StreamClusterTopologyResponse>(
                  question)
                  ->request_topology()) {
            v1::StreamClusterTopologyRequest answer;
            SetNow(answer.mutable_timestamp());
            answer.mutable_topology();
            stream->Send(answer);
          }
          stream->Next();
        });
    if (context_.options.open_lifecycle_streams) {
      Open<v1::StreamLifecycleResponse>(
          "StreamLifecycle",
          [this](const Decoded& question, DataStream* stream) {
            if (std::static_pointer_cast<v1::StreamLifecycleResponse>(question)
                    ->request_lifecycle()) {
              v1::StreamLifecycleRequest answer;
              SetNow(answer.mutable_timestamp());
              answer.set_pod_name(ToValidUtf8(context_.identity().pod_name));
              answer.mutable_lifecycle_data();
              stream->Send(answer);
            }
            stream->Next();
          });
      Open<v1::StreamSchemaRegistryResponse>(
          "StreamSchemaRegistry",
          [](const Decoded& question, DataStream* stream) {
            if (std::static_pointer_cast<v1::StreamSchemaRegistryResponse>(
                    question)
                    ->request_registry()) {
              v1::StreamSchemaRegistryRequest answer;
              answer.mutable_group()->set_error(
                  "this agent reads no schema registry");
              stream->Send(answer);
              answer.Clear();
              answer.set_done(true);
              stream->Send(answer);
            }
            stream->Next();
          });
    }
    // No artifacts, so nothing to answer: v1 has no end marker here.
    Open<v1::StreamCrashDiagnosticsResponse>(
        "StreamCrashDiagnostics",
        [](const Decoded&, DataStream* stream) { stream->Next(); });
    if (context_.options.open_pressure_stream) {
      profiles_ = std::make_unique<V1ProfileAnswers>(
          context_.evidence,
          OpenClientStream(
              context_.loop, context_.open_streams, channel_,
              "/banyandb.fodc.v1.FODCService/StreamPressureProfiles",
              {{"agent_id", agent_id_}},
              DecoderOf<v1::StreamPressureProfilesResponse>(kMaxParts)),
          [this](std::size_t bytes) { stats_.evidence_bytes_sent += bytes; },
          [this](const Status& status) {
            Break(status.ok() ? Unavailable("the proxy ended a stream")
                              : status);
          });
    }
  }

  void SetNow(google::protobuf::Timestamp* out) const {
    const std::int64_t ns =
        context_.loop.clock().Unix().time_since_epoch().count();
    out->set_seconds(ns / 1'000'000'000);
    out->set_nanos(static_cast<std::int32_t>(ns % 1'000'000'000));
  }

  // Reads the window on a worker: minutes of it take a while to decode.
  void AnswerMetrics(
      const std::shared_ptr<const v1::StreamMetricsResponse>& asked,
      DataStream* stream) {
    struct Built {
      std::string bytes;
      V1AnswerStats stats;
    };
    V1AnswerOptions options;
    options.max_bytes = context_.options.max_message_bytes;
    if (context_.options.stale_after > std::chrono::nanoseconds::zero()) {
      options.incarnation = context_.recording.incarnation();
      options.fresh_from_ms =
          std::chrono::duration_cast<milliseconds>(
              (context_.Now() - context_.options.stale_after)
                  .time_since_epoch())
              .count();
    }
    auto build = [snapshot = context_.recording.Take(), identity = Identity(),
                  question = TakeQuestion(*asked), options,
                  &clock = context_.loop.clock()] {
      Built built;
      built.bytes = EncodeV1Answer(snapshot, identity, question, clock.Unix(),
                                   options, &built.stats);
      return built;
    };
    const std::weak_ptr<bool> alive = alive_;
    const auto finish = [this, alive, stream](Built built) {
      if (alive.expired() || over_) return;
      ++stats_.v1_answers;
      stats_.v1_dropped_samples += built.stats.dropped_samples;
      stats_.bytes_sent += built.bytes.size();
      stream->Send(OwningBuffer(std::move(built.bytes)));
      stream->Next();
    };
    if (!context_.loop.Offload<Built>(build, finish)) {
      // The workers are busy. There is one question at a time.
      retry_ = context_.loop.RunAfter(kWorkerRetry, [this, asked, stream] {
        AnswerMetrics(asked, stream);
      });
    }
  }

  void OnHalfClose() override {}  // the status follows
  void OnDone(const Status& status) override {
    Break(status.ok() ? Unavailable("the proxy ended the registration")
                      : status);
  }

  AgentContext& context_;
  const std::shared_ptr<grpc::Channel> channel_;
  Events events_;
  ProxyLinkStats& stats_;
  const std::shared_ptr<Stream> registration_;
  net::EventLoop::Handle timer_;
  net::EventLoop::Handle retry_;  // of a question
  std::string agent_id_;
  fleet::AgentIdentity known_;
  bool welcomed_ = false;
  bool leaving_ = false;
  bool over_ = false;
  std::vector<std::unique_ptr<DataStream>> streams_;
  std::unique_ptr<V1ProfileAnswers> profiles_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// v1 knows no re-opening of one stream: all of them begin anew.
void DataStream::OnDone(const Status& status) {
  client_->Break(status.ok() ? Unavailable("the proxy ended a stream")
                             : status);
}

}  // namespace

std::unique_ptr<Conversation> StartV1Conversation(
    AgentContext& context, const std::shared_ptr<grpc::Channel>& channel,
    Conversation::Events events, ProxyLinkStats* stats) {
  return std::make_unique<V1Client>(context, channel, std::move(events), stats);
}

}  // namespace fodc::link
