// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/server_stream.h"

#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {
namespace {

class GenericServerStream final : public ServerStream {
 public:
  GenericServerStream(net::EventLoop& loop, Decoder decoder)
      : ServerStream(loop, std::move(decoder)) {}

  struct Reactor final : grpc::ServerGenericBidiReactor {
    void OnReadDone(bool ok) override { stream->ReadDone(ok); }
    void OnWriteDone(bool ok) override { stream->WriteDone(ok); }
    // The peer has gone, or we cancelled.
    void OnCancel() override { stream->FinishNow(Cancelled("the peer left")); }
    void OnDone() override {
      {
        MutexLock lock(stream->mutex_);
        stream->reactor_ = nullptr;
        stream->context_ = nullptr;
      }
      open_streams->fetch_sub(1);
      stream->Done(OkStatus());
      delete this;
    }
    std::shared_ptr<GenericServerStream> stream;
    std::shared_ptr<std::atomic<std::size_t>> open_streams;
  };

  void Bind(Reactor* reactor, grpc::GenericCallbackServerContext* context) {
    MutexLock lock(mutex_);
    reactor_ = reactor;
    context_ = context;
    peer_ = context->peer();
    const auto& metadata = context->client_metadata();
    if (const auto it = metadata.find("agent_id"); it != metadata.end()) {
      agent_id_.assign(it->second.data(), it->second.size());
    }
  }

 private:
  void FinishNow(const Status& status) {
    MutexLock lock(mutex_);
    if (reactor_ != nullptr && Ended()) reactor_->Finish(ToGrpc(status));
  }

  void StartRead(grpc::ByteBuffer* into) override { reactor_->StartRead(into); }
  void StartWrite(const grpc::ByteBuffer* from) override {
    reactor_->StartWrite(from);
  }
  void StartClose(const Status& status) override {
    if (Ended()) reactor_->Finish(ToGrpc(status));
  }
  void StartCancel() override {
    if (context_ != nullptr) context_->TryCancel();
    if (reactor_ != nullptr && Ended()) {
      reactor_->Finish(grpc::Status::CANCELLED);
    }
  }

  Reactor* reactor_ = nullptr;  // guarded by mutex_; deletes itself
  grpc::GenericCallbackServerContext* context_ = nullptr;
};

struct Refusal final : grpc::ServerGenericBidiReactor {
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerGenericBidiReactor* ServerStream::Make(
    net::EventLoop& loop, grpc::GenericCallbackServerContext* context,
    Decoder decoder, std::shared_ptr<std::atomic<std::size_t>> open_streams,
    std::shared_ptr<ServerStream>* stream) {
  auto made = std::make_shared<GenericServerStream>(loop, std::move(decoder));
  auto* reactor = new GenericServerStream::Reactor;
  reactor->stream = made;
  open_streams->fetch_add(1);
  reactor->open_streams = std::move(open_streams);
  made->Bind(reactor, context);
  *stream = std::move(made);
  return reactor;
}

grpc::ServerGenericBidiReactor* ServerStream::Refuse(const Status& status) {
  auto* reactor = new Refusal;
  reactor->Finish(ToGrpc(status));
  return reactor;
}

std::string PeerHost(const std::string& peer) {
  std::string_view rest = peer;
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    rest.remove_prefix(colon + 1);
  }
  // gRPC writes brackets as they are or percent-encoded.
  if (ConsumePrefix(&rest, "["))
    return std::string(rest.substr(0, rest.find(']')));
  if (ConsumePrefix(&rest, "%5B")) {
    return std::string(rest.substr(0, rest.find("%5D")));
  }
  return std::string(rest.substr(0, rest.rfind(':')));
}

}  // namespace fodc::link
