// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/server.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/link/evidence_desk.h"
#include "fodc/link/flight_server.h"
#include "fodc/link/library_log.h"
#include "fodc/link/server_core.h"
#include "fodc/link/server_stream.h"
#include "fodc/link/v1_server.h"
#include "fodc/net/listen.h"

namespace fodc::link {
namespace {

constexpr std::string_view kV1Service = "/banyandb.fodc.v1.FODCService/";
constexpr std::string_view kFlightMethod =
    "/fodc.flight.v1.FlightService/Connect";

std::optional<V1Stream> V1StreamOf(std::string_view method) {
  if (!ConsumePrefix(&method, kV1Service)) return std::nullopt;
  for (std::size_t i = 0; i < kV1Streams; ++i) {
    if (V1StreamName(static_cast<V1Stream>(i)) == method) {
      return static_cast<V1Stream>(i);
    }
  }
  return std::nullopt;
}

// gRPC wants a host; an empty one means every address, as in Go.
std::string ListenAddress(const std::string& address) {
  return address.starts_with(":") ? StrCat("[::]", address) : address;
}

int Milliseconds(std::chrono::nanoseconds d) {
  return static_cast<int>(std::clamp<std::int64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(d).count(), 1,
      1 << 30));
}

}  // namespace

struct LinkServer::Impl : std::enable_shared_from_this<LinkServer::Impl> {
  Impl(net::EventLoop& loop, fleet::Fleet& fleet, const Options& options)
      : core(loop, fleet, options) {}

  // On the accepting thread.
  void Accept(ServerStreams::Call& call);
  // On the loop.
  void Open(std::shared_ptr<ServerStream> stream, bool flight,
            std::optional<V1Stream> kind, std::shared_ptr<V1Shared> shared);
  Status BindData(V1Stream kind, const std::shared_ptr<ServerStream>& stream,
                  std::shared_ptr<V1Shared> shared);
  V1Session* FindV1(const std::string& agent_id, const std::string& peer,
                    Status* error);
  void CheckDrained();

  ServerCore core;
  std::unique_ptr<ServerStreams> streams;
  int port = 0;
  std::atomic<std::uint64_t> opened{0};
  std::atomic<std::uint64_t> refused{0};
  net::EventLoop::Handle tick;
  net::EventLoop::Handle sweep;
  net::EventLoop::Handle drain_limit;
  net::EventLoop::Handle drain_poll;
  net::Task drained;
};

void LinkServer::Impl::Accept(ServerStreams::Call& call) {
  const std::string& method = call.method();
  const bool flight = method == kFlightMethod;
  const std::optional<V1Stream> kind = V1StreamOf(method);
  if (!flight && !kind && method != StrCat(kV1Service, "RegisterAgent")) {
    refused.fetch_add(1);
    call.Refuse(Unimplemented(StrCat("unknown method ", method)));
    return;
  }
  if (streams->open() >= core.options.max_streams) {
    refused.fetch_add(1);
    call.Refuse(ResourceExhausted(
        StrCat("too many streams; the limit is ", core.options.max_streams)));
    return;
  }
  auto shared = std::make_shared<V1Shared>();
  Decoder decoder = flight
                        ? FlightAgentDecoder(core.options.flight_message_bytes)
                    : kind ? V1StreamDecoder(*kind, shared, core.loop.clock())
                           : V1RegisterDecoder();
  const auto stream = call.Take(core.loop, std::move(decoder));
  const bool posted =
      core.loop.TryPost([self = shared_from_this(), stream, flight, kind,
                         shared] { self->Open(stream, flight, kind, shared); });
  if (!posted) {
    refused.fetch_add(1);
    stream->Close(ResourceExhausted("the proxy is overloaded"));
    return;
  }
  opened.fetch_add(1);
}

void LinkServer::Impl::Open(std::shared_ptr<ServerStream> stream, bool flight,
                            std::optional<V1Stream> kind,
                            std::shared_ptr<V1Shared> shared) {
  if (core.draining) {
    core.CloseSoon(std::move(stream),
                   Unavailable("the proxy is shutting down"));
    return;
  }
  if (kind) {
    Status status = BindData(*kind, stream, std::move(shared));
    if (!status.ok()) {
      refused.fetch_add(1);
      LogWarn("stream refused", {{"stream", V1StreamName(*kind)},
                                 {"peer", stream->peer()},
                                 {"status", status}});
      core.CloseSoon(std::move(stream), status);
    }
    return;
  }
  if (core.unregistered >= core.options.max_unregistered_streams) {
    refused.fetch_add(1);
    core.CloseSoon(std::move(stream),
                   ResourceExhausted("too many agents are registering"));
    return;
  }
  if (flight) {
    auto session = std::make_shared<FlightSession>(core, std::move(stream));
    core.Begin(session);
    session->Start();
  } else {
    auto session = std::make_shared<V1Session>(core, std::move(stream));
    core.Begin(session);
    session->Start();
  }
}

// The registration that a data stream belongs to; without the header, that of
// the same peer whose pod name is its address.
V1Session* LinkServer::Impl::FindV1(const std::string& agent_id,
                                    const std::string& peer, Status* error) {
  std::string id = agent_id;
  if (id.empty()) {
    const std::string host = PeerHost(peer);
    for (const fleet::Agent& agent : *core.fleet.List()) {
      if (agent.identity.pod_name == host &&
          agent.kind == fleet::AgentKind::kV1) {
        id = agent.id;
      }
    }
    if (id.empty()) {
      *error = Unauthenticated("agent ID not found in context or peer address");
      return nullptr;
    }
  }
  auto* session = dynamic_cast<V1Session*>(core.Find(id));
  if (session == nullptr) {
    *error = Unauthenticated("agent ID is not that of a registered agent");
    return nullptr;
  }
  const bool same = core.options.bind_to_connection
                        ? session->peer() == peer
                        : PeerHost(session->peer()) == PeerHost(peer);
  if (!same) {
    *error = PermissionDenied(
        "the stream is not of the peer that registered "
        "this agent ID");
    return nullptr;
  }
  return session;
}

Status LinkServer::Impl::BindData(V1Stream kind,
                                  const std::shared_ptr<ServerStream>& stream,
                                  std::shared_ptr<V1Shared> shared) {
  Status error;
  V1Session* session = FindV1(stream->agent_id(), stream->peer(), &error);
  if (session == nullptr) return error;
  return session->Bind(kind, stream, std::move(shared));
}

void LinkServer::Impl::CheckDrained() {
  if (!drained) return;
  if (streams->open() > 0 && drain_limit) return;
  drain_poll.Cancel();
  drain_limit.Cancel();
  net::Task done = std::move(drained);
  drained = nullptr;
  done();
}

LinkServer::LinkServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<LinkServer>> LinkServer::Start(net::EventLoop& loop,
                                                      fleet::Fleet& fleet,
                                                      const Options& options) {
  RouteLibraryLogs();
  Options o = options;
  if (o.instance_id.empty()) o.instance_id = fleet::NewUuid();
  auto impl = std::make_shared<Impl>(loop, fleet, o);
  grpc::ServerBuilder builder;
  impl->streams = std::make_unique<ServerStreams>(
      builder,
      [raw = impl.get()](ServerStreams::Call& call) { raw->Accept(call); },
      impl->core.hurries());
  builder.SetMaxReceiveMessageSize(static_cast<int>(o.max_message_bytes));
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Milliseconds(o.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(o.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             Milliseconds(o.connection_idle));
  // Small messages come evenly: measuring the bandwidth would answer each of
  // them with a ping. What it would find is given: enough for a resuming
  // agent far away.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 256 * 1024);
  builder.AddListeningPort(ListenAddress(o.listen_address),
                           grpc::InsecureServerCredentials(), &impl->port);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || impl->port == 0) {
    // gRPC does not say why.
    FODC_RETURN_IF_ERROR(net::ListenTcp(o.listen_address).status());
    return Unavailable(
        StrCat("gRPC cannot listen on ", o.listen_address, " for agents"));
  }
  impl->streams->Start(std::move(server));
  const auto period = std::clamp<std::chrono::nanoseconds>(
      o.flight_heartbeat / 2, std::chrono::milliseconds(10),
      std::chrono::milliseconds(500));
  Impl* raw = impl.get();
  raw->core.tick_period = period;
  impl->tick = loop.RunEvery(
      period, [raw](const net::EventLoop::Tick&) { raw->core.Tick(); });
  impl->sweep =
      loop.RunEvery(fleet.registry().options().heartbeat_timeout / 2,
                    [raw](const net::EventLoop::Tick&) { raw->core.Sweep(); });
  return std::unique_ptr<LinkServer>(new LinkServer(std::move(impl)));
}

LinkServer::~LinkServer() {
  impl_->core.draining = true;
  impl_->tick.Cancel();
  impl_->sweep.Cancel();
  impl_->drain_poll.Cancel();
  impl_->drain_limit.Cancel();
  const auto sessions = impl_->core.sessions;
  for (const auto& session : sessions) {
    session->Dismiss(Unavailable("the proxy is shutting down"), 0);
  }
  // Whatever has not ended is cut; callbacks post to the loop and return. Calls
  // that had arrived still come to Accept: the pointer stays until they are
  // through.
  impl_->streams->Stop();
  impl_->streams.reset();
}

int LinkServer::port() const { return impl_->port; }

void LinkServer::Drain(const std::string& reason,
                       std::chrono::nanoseconds limit, net::Task done) {
  Impl* raw = impl_.get();
  raw->core.draining = true;
  raw->drained = std::move(done);
  const auto sessions = raw->core.sessions;
  for (const auto& session : sessions) {
    session->Dismiss(Unavailable(reason), 0);
  }
  raw->drain_limit = raw->core.loop.RunAfter(limit, [raw] {
    raw->drain_limit = {};
    raw->CheckDrained();
  });
  raw->drain_poll = raw->core.loop.RunEvery(
      std::chrono::milliseconds(10),
      [raw](const net::EventLoop::Tick&) { raw->CheckDrained(); });
}

void LinkServer::RequestMetrics(const fleet::AgentId& agent,
                                const fleet::MetricsQuestion& question,
                                MonotonicTime deadline, MetricsCallback done) {
  auto* session = dynamic_cast<V1Session*>(impl_->core.Find(agent));
  net::EventLoop& loop = impl_->core.loop;
  // Never inside the call.
  auto later = [&loop, done = std::make_shared<MetricsCallback>(
                           std::move(done))](auto result) {
    loop.Post([done, result = std::move(result)]() mutable {
      (*done)(std::move(result));
    });
  };
  if (session == nullptr) {
    later(Result<std::shared_ptr<const fleet::MetricsAnswer>>(
        NotFound(StrCat("agent ", agent, " cannot be asked"))));
    return;
  }
  session->Ask(question, deadline, std::move(later));
}

void LinkServer::RefreshEvents(const std::vector<fleet::AgentId>& agents,
                               MonotonicTime deadline, DoneCallback done) {
  link::RefreshEvents(impl_->core, agents, deadline, std::move(done));
}

void LinkServer::Fetch(const fleet::AgentId& agent,
                       const fleet::EvidenceQuestion& question,
                       MonotonicTime deadline, FetchCallback done) {
  FetchEvidence(impl_->core, agent, question, deadline, std::move(done));
}

void LinkServer::Pin(const fleet::AgentId& agent, const std::string& event_id,
                     bool pinned, MonotonicTime deadline, DoneCallback done) {
  PinEvent(impl_->core, agent, event_id, pinned, deadline, std::move(done));
}

LinkServer::Stats LinkServer::stats() const {
  Stats s = impl_->core.TakeStats();
  s.streams_opened = impl_->opened.load();
  s.streams_refused = impl_->refused.load();
  s.open_streams = impl_->streams->open();
  s.sessions = impl_->core.sessions.size() - impl_->core.unregistered;
  return s;
}

}  // namespace fodc::link
