// SPDX-License-Identifier: Apache-2.0
// For this room only: the agent's dealings with one address of a proxy.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "fodc/link/agent_link.h"
#include "fodc/link/backoff.h"
#include "fodc/link/client_stream.h"
#include "fodc/net/event_loop.h"

namespace fodc::link {

// How a proxy is dialled.
grpc::ChannelArguments ChannelArguments(const AgentLink::Options& options);

// What every session of an agent needs; outlives them all.
struct AgentContext {
  net::EventLoop& loop;
  const recorder::Recording& recording;
  const evidence::IncidentList& incidents;
  const std::function<fleet::AgentIdentity()> identity;
  const AgentLink::Options options;
  EvidenceSource* evidence = nullptr;  // null: there is none
  const std::shared_ptr<Pending> open_streams = std::make_shared<Pending>();

  MonotonicTime Now() const { return loop.clock().Monotonic(); }
};

// One conversation, from its first word to its end.
class Conversation {
 public:
  // What it tells of itself. Called on the loop, from within its methods.
  struct Events {
    std::function<void()> welcomed;
    // It is over. `retry_after`: what the proxy wishes; 0: nothing.
    std::function<void(const Status&, std::chrono::milliseconds retry_after)>
        over;
  };
  virtual ~Conversation() = default;
  virtual void OnAppended() = 0;
  virtual void OnIncident() {}  // v1 has no word for it
  virtual void OnEvidence() {}  // a v1 proxy asks
  virtual void OnIdentityChanged() = 0;
  // Ends it in good order; `over` follows, or the owner loses patience.
  virtual void Goodbye(const std::string& reason) = 0;
};

std::unique_ptr<Conversation> StartFlightConversation(
    AgentContext& context, const std::shared_ptr<grpc::Channel>& channel,
    Conversation::Events events, ProxyLinkStats* stats);
std::unique_ptr<Conversation> StartV1Conversation(
    AgentContext& context, const std::shared_ptr<grpc::Channel>& channel,
    Conversation::Events events, ProxyLinkStats* stats);

// Keeps a conversation going: dials, tries flight, falls back to v1, waits and
// dials again, until stopped.
class ProxySession {
 public:
  // `target`: "ipv4:10.0.0.7:17912".
  ProxySession(AgentContext& context, std::string target);
  ~ProxySession();

  void OnAppended();
  void OnIncident();
  void OnEvidence();
  void OnIdentityChanged();
  void Stop(const std::string& reason);
  bool stopped() const { return stopped_ && conversation_ == nullptr; }
  const ProxyLinkStats& stats() const { return stats_; }

 private:
  void Attempt();
  void Converse(bool flight);
  void Over(bool flight, const Status& status,
            std::chrono::milliseconds retry_after);

  AgentContext& context_;
  const std::string target_;
  ProxyLinkStats stats_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Conversation> conversation_;
  Backoff backoff_;
  MonotonicTime welcomed_at_;
  bool welcomed_ = false;
  bool stopped_ = false;
  net::EventLoop::Handle timer_;
};

}  // namespace fodc::link
