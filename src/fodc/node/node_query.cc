// SPDX-License-Identifier: Apache-2.0
#include "fodc/node/node_query.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_buffer_reader.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "banyandb/database/v1/rpc.pb.h"
#include "fodc/base/log.h"
#include "fodc/base/pending.h"
#include "fodc/base/strings.h"
#include "fodc/base/tsan.h"

namespace fodc::node {
namespace {

namespace v1 = banyandb::database::v1;

NodeInfo TakeNode(const v1::Node& node) {
  NodeInfo info;
  info.name = node.metadata().name();
  // The first role that says what the node does; META says nothing of that.
  info.role = v1::Role_Name(v1::ROLE_UNSPECIFIED);
  for (const int role : node.roles()) {
    if (role == v1::ROLE_LIAISON || role == v1::ROLE_DATA) {
      info.role = v1::Role_Name(static_cast<v1::Role>(role));
      break;
    }
  }
  info.labels.insert(node.labels().begin(), node.labels().end());
  return info;
}

// On gRPC's threads. An answer without a node leaves *node empty.
Status Decode(grpc::ByteBuffer* bytes, std::optional<NodeInfo>* node) {
  grpc::ProtoBufferReader reader(bytes);
  v1::GetCurrentNodeResponse response;
  if (!reader.status().ok() || !response.ParseFromZeroCopyStream(&reader)) {
    return DataLoss("the answer is damaged");
  }
  if (response.has_node()) *node = TakeNode(response.node());
  return OkStatus();
}

// One try. Deletes itself when gRPC is done with it.
class Try final : public grpc::ClientUnaryReactor {
 public:
  using Done = std::function<void(const Status&, std::optional<NodeInfo>)>;

  // `done` runs on a thread of gRPC's.
  static std::shared_ptr<Try> Start(
      const std::shared_ptr<grpc::Channel>& channel, UnixTime deadline,
      Done done) {
    auto call = std::make_shared<Try>();
    call->done_ = std::move(done);
    call->self_ = call;
    call->context_.set_deadline(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(
            deadline));
    const grpc::Slice nothing;  // GetCurrentNodeRequest has no fields
    call->request_ = grpc::ByteBuffer(&nothing, 1);
    grpc::GenericStub stub(channel);
    stub.PrepareUnaryCall(
        &call->context_,
        "/banyandb.database.v1.NodeQueryService/GetCurrentNode", {},
        &call->request_, &call->response_, call.get());
    TsanRelease(call.get());
    call->StartCall();
    return call;
  }
  void Cancel() { context_.TryCancel(); }

 private:
  void OnDone(const grpc::Status& status) override {
    TsanAcquire(this);
    std::optional<NodeInfo> node;
    Status told(static_cast<Code>(status.error_code()), status.error_message());
    if (told.ok()) told = Decode(&response_, &node);
    const Done done = std::move(done_);
    // Our context holds the channel: it goes before the owner learns of it, who
    // lets its own go only then.
    std::exchange(self_, nullptr).reset();
    done(told, std::move(node));
  }

  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  Done done_;
  std::shared_ptr<Try> self_;  // until OnDone
};

}  // namespace

struct NodeQuery::Impl : std::enable_shared_from_this<NodeQuery::Impl> {
  struct Port {
    PortStats stats;
    std::shared_ptr<grpc::Channel> channel;
    std::chrono::nanoseconds backoff{0};
    std::optional<NodeInfo> node;
    std::shared_ptr<Try> call;
    net::EventLoop::Handle timer;
  };

  Impl(net::EventLoop& l, const Options& o,
       std::function<void(const NodeInfo&)> c)
      : loop(l), options(o), changed(std::move(c)) {}

  void Ask(std::size_t i);
  void Tried(std::size_t i, const Status& status,
             const std::optional<NodeInfo>& node);
  void Choose();

  net::EventLoop& loop;
  const Options options;
  const std::function<void(const NodeInfo&)> changed;
  std::vector<Port> ports;
  std::optional<NodeInfo> current;
  // Tries under way.
  const std::shared_ptr<Pending> pending = std::make_shared<Pending>();
  bool stopped = false;
};

void NodeQuery::Impl::Ask(std::size_t i) {
  pending->Add();
  ports[i].call =
      Try::Start(ports[i].channel, loop.clock().Unix() + options.timeout,
                 // Keeps nothing of ours alive: on gRPC's thread, the last
                 // channel must not go.
                 [weak = weak_from_this(), tries = pending, &to = loop, i](
                     const Status& status, std::optional<NodeInfo> node) {
                   to.Post([weak, i, status, node = std::move(node)] {
                     const auto impl = weak.lock();
                     if (impl != nullptr && !impl->stopped)
                       impl->Tried(i, status, node);
                   });
                   tries->Remove();
                 });
}

void NodeQuery::Impl::Tried(std::size_t i, const Status& status,
                            const std::optional<NodeInfo>& node) {
  Port& port = ports[i];
  port.call = nullptr;
  std::chrono::nanoseconds wait = options.interval;
  if (status.ok() && node) {
    ++port.stats.answers;
    if (!port.stats.last_failure.ok()) {
      LogInfo("node answers", {{"port", port.stats.port}});
    }
    port.stats.last_failure = OkStatus();
    port.backoff = options.min_backoff;
    port.node = node;
    Choose();
  } else {
    ++port.stats.failures;
    Status failure =
        status.ok() ? NotFound("the node does not say what it is") : status;
    if (port.stats.last_failure.ok()) {  // the change, not each try
      LogWarn("node does not answer",
              {{"port", port.stats.port}, {"status", failure}});
    }
    port.stats.last_failure = std::move(failure);
    wait = std::min(port.backoff, options.interval);
    port.backoff = std::min(port.backoff * 2, options.interval);
  }
  port.timer = loop.RunAfter(wait, [this, i] { Ask(i); });
}

void NodeQuery::Impl::Choose() {
  const NodeInfo* chosen = nullptr;
  for (const Port& port : ports) {
    if (!port.node) continue;
    if (port.node->role != v1::Role_Name(v1::ROLE_UNSPECIFIED)) {
      chosen = &*port.node;
      break;
    }
    if (chosen == nullptr) chosen = &*port.node;
  }
  if (chosen == nullptr || current == *chosen) return;
  current = *chosen;
  changed(*current);
}

NodeQuery::NodeQuery(net::EventLoop& loop, const Options& options,
                     std::function<void(const NodeInfo&)> changed)
    : impl_(std::make_shared<Impl>(loop, options, std::move(changed))) {
  impl_->ports.resize(options.ports.size());
  for (std::size_t i = 0; i < options.ports.size(); ++i) {
    Impl::Port& port = impl_->ports[i];
    port.stats.port = options.ports[i];
    port.backoff = options.min_backoff;
    grpc::ChannelArguments args;
    // A node that comes back is noticed at our pace, not at gRPC's.
    const int ms =
        static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                             options.min_backoff)
                             .count());
    args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, std::max(ms, 100));
    args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, std::max(ms, 100));
    args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
    // IPv4 on purpose: that is where nodes listen.
    port.channel =
        grpc::CreateCustomChannel(StrCat("ipv4:127.0.0.1:", options.ports[i]),
                                  grpc::InsecureChannelCredentials(), args);
  }
}

NodeQuery::~NodeQuery() {
  impl_->stopped = true;
  for (Impl::Port& port : impl_->ports) {
    port.timer.Cancel();
    if (port.call != nullptr) port.call->Cancel();
  }
  impl_->pending->WaitForNone();
}

void NodeQuery::Start() {
  for (std::size_t i = 0; i < impl_->ports.size(); ++i) impl_->Ask(i);
}

std::vector<NodeQuery::PortStats> NodeQuery::stats() const {
  std::vector<PortStats> out;
  for (const Impl::Port& port : impl_->ports) out.push_back(port.stats);
  return out;
}

}  // namespace fodc::node
