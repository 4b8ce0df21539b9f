// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/proxy_session.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <random>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::link {
namespace {

std::shared_ptr<grpc::Channel> Dial(const AgentContext& context,
                                    const std::string& target) {
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   ChannelArguments(context.options));
}

}  // namespace

grpc::ChannelArguments ChannelArguments(const AgentLink::Options& options) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  grpc::ChannelArguments args;
  // Each session has a connection of its own, for a proxy binds streams to it.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  args.SetMaxSendMessageSize(-1);
  // Pings no more often than a Go server bears; but they make gRPC set TCP's
  // user timeout, which ends a link that swallows our heartbeats.
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 300'000);
  args.SetInt(
      GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
      static_cast<int>(
          duration_cast<milliseconds>(options.tcp_user_timeout).count()));
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // see server.cc
  return args;
}

std::string_view LinkStateName(LinkState state) {
  switch (state) {
    case LinkState::kWaiting:
      return "waiting";
    case LinkState::kConnecting:
      return "connecting";
    case LinkState::kFlight:
      return "flight";
    case LinkState::kV1:
      return "v1";
  }
  return "waiting";
}

ProxySession::ProxySession(AgentContext& context, std::string target)
    : context_(context),
      target_(std::move(target)),
      backoff_(context.options.min_backoff, context.options.max_backoff,
               std::random_device{}()) {
  stats_.address = target_.substr(target_.find(':') + 1);
  timer_ = context_.loop.RunAfter(std::chrono::nanoseconds::zero(),
                                  [this] { Attempt(); });
}

ProxySession::~ProxySession() = default;

void ProxySession::Attempt() {
  channel_ = Dial(context_, target_);
  stats_.state = LinkState::kConnecting;
  welcomed_ = false;
  Converse(context_.options.allow_flight);
}

void ProxySession::Converse(bool flight) {
  Conversation::Events events;
  events.welcomed = [this, flight] {
    welcomed_ = true;
    welcomed_at_ = context_.Now();
    ++stats_.connects;
    stats_.state = flight ? LinkState::kFlight : LinkState::kV1;
    LogInfo("connected to proxy", {{"address", stats_.address},
                                   {"protocol", flight ? "flight" : "v1"}});
  };
  events.over = [this, flight](const Status& status,
                               std::chrono::milliseconds retry_after) {
    Over(flight, status, retry_after);
  };
  const auto start = flight ? &StartFlightConversation : &StartV1Conversation;
  conversation_ = start(context_, channel_, std::move(events), &stats_);
}

// Called from within the conversation: it must not die here.
void ProxySession::Over(bool flight, const Status& status,
                        std::chrono::milliseconds retry_after) {
  auto finished =
      std::make_shared<std::unique_ptr<Conversation>>(std::move(conversation_));
  context_.loop.Post([finished] {});
  if (stopped_) {
    channel_.reset();
    stats_.state = LinkState::kWaiting;
    return;
  }
  if (flight && !welcomed_ && status.code() == Code::kUnimplemented) {
    timer_ = context_.loop.RunAfter(std::chrono::nanoseconds::zero(),
                                    [this] { Converse(/*flight=*/false); });
    return;
  }
  ++stats_.failures;
  const bool first = welcomed_ || stats_.failures == 1;
  stats_.last_failure = status;
  stats_.state = LinkState::kWaiting;
  channel_.reset();
  if (first) {  // a change of state, not each attempt
    // What gRPC says where an HTTP server answers.
    const bool is_http =
        status.message().find("http1.x server") != std::string::npos;
    if (is_http) {
      LogWarn(
          "this is an HTTP port; agents connect to the proxy's "
          "--grpc-listen-addr (port 17912 by default)",
          {{"address", stats_.address}, {"status", status}});
    } else {
      LogWarn("proxy is not reachable",
              {{"address", stats_.address}, {"status", status}});
    }
  }
  if (welcomed_ &&
      context_.Now() - welcomed_at_ >= context_.options.good_session) {
    backoff_.Reset();
  }
  timer_ = context_.loop.RunAfter(
      std::max<std::chrono::nanoseconds>(backoff_.Next(), retry_after),
      [this] { Attempt(); });
}

void ProxySession::OnAppended() {
  if (conversation_ != nullptr) conversation_->OnAppended();
}

void ProxySession::OnIncident() {
  if (conversation_ != nullptr) conversation_->OnIncident();
}

void ProxySession::OnEvidence() {
  if (conversation_ != nullptr) conversation_->OnEvidence();
}

void ProxySession::OnIdentityChanged() {
  if (conversation_ != nullptr) conversation_->OnIdentityChanged();
}

void ProxySession::Stop(const std::string& reason) {
  if (std::exchange(stopped_, true)) return;
  timer_.Cancel();
  if (conversation_ != nullptr) conversation_->Goodbye(reason);
}

}  // namespace fodc::link
