// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/client_stream.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <cstddef>
#include <new>
#include <optional>
#include <utility>

#include "fodc/base/tsan.h"

namespace fodc::link {
namespace {

class ClientStream final : public Stream {
 public:
  ClientStream(net::EventLoop& loop, Decoder decoder)
      : Stream(loop, std::move(decoder)) {}

  void Open(std::shared_ptr<Pending> open_streams,
            const std::shared_ptr<grpc::Channel>& channel,
            const std::string& method,
            const std::map<std::string, std::string>& headers) {
    auto* reactor =
        new Reactor(std::static_pointer_cast<ClientStream>(shared_from_this()));
    open_streams->Add();
    reactor->open_streams = std::move(open_streams);
    MutexLock lock(mutex_);
    reactor_ = reactor;
    for (const auto& [key, value] : headers) {
      reactor->context->AddMetadata(key, value);
    }
    grpc::GenericStub stub(channel);
    stub.PrepareBidiStreamingCall(&*reactor->context, method, {}, reactor);
    // Operations start outside of reactions too, until the hold goes.
    reactor->AddHold();
    TsanRelease(reactor);
    reactor->StartCall();
  }

 private:
  struct Reactor final
      : grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
    explicit Reactor(std::shared_ptr<ClientStream> s) : stream(std::move(s)) {
      context.emplace();
    }
    void OnReadDone(bool ok) override {
      const TsanCallback order(this);
      stream->ReadDone(ok);
      if (!ok) stream->LetGo();
    }
    void OnWriteDone(bool ok) override {
      const TsanCallback order(this);
      stream->WriteDone(ok);
      if (!ok) stream->LetGo();
    }
    void OnDone(const grpc::Status& status) override {
      TsanAcquire(this);
      {
        MutexLock lock(stream->mutex_);
        stream->reactor_ = nullptr;
      }
      stream->Done(FromGrpc(status));
      const auto open = open_streams;
      DropContext();
      delete this;
      open->Remove();
    }
    // May drop the channel's last reference. Apart, for tools/tsan.supp.
    void DropContext() { context.reset(); }
    const std::shared_ptr<ClientStream> stream;
    std::shared_ptr<Pending> open_streams;
    std::optional<grpc::ClientContext> context;
  };

  // The stream is broken or over: nothing more will be started.
  void LetGo() {
    MutexLock lock(mutex_);
    if (Ended() && reactor_ != nullptr) {
      TsanRelease(reactor_);
      reactor_->RemoveHold();
    }
  }

  void StartRead(grpc::ByteBuffer* into) override FODC_REQUIRES(mutex_) {
    TsanRelease(reactor_);
    reactor_->StartRead(into);
  }
  void StartWrite(const grpc::ByteBuffer* from) override FODC_REQUIRES(mutex_) {
    TsanRelease(reactor_);
    reactor_->StartWrite(from);
  }
  void StartClose(const Status& status) override FODC_REQUIRES(mutex_) {
    if (status.ok()) {
      TsanRelease(reactor_);
      reactor_->StartWritesDone();
    } else if (!std::exchange(cancelled_, true)) {
      StartCancel();
    }
  }
  void StartCancel() override FODC_REQUIRES(mutex_) {
    if (reactor_ == nullptr) return;
    TsanRelease(reactor_);
    reactor_->context->TryCancel();
    if (Ended()) reactor_->RemoveHold();
  }

  Reactor* reactor_ FODC_GUARDED_BY(mutex_) = nullptr;  // deletes itself
};

// gRPC calls back on the threads of a queue that goes with the process's last
// channel. If that channel goes on one of these threads, as it may when a
// stream ends, the queue waits for itself and aborts (grpc/grpc#32584, in
// Debian 12's 1.51). A call that is never begun keeps the queue for ever.
void KeepCallbackQueue() {
  struct Reactor final
      : grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {};
  struct Kept {
    std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel(
        "unix:/nowhere", grpc::InsecureChannelCredentials());
    grpc::ClientContext context;
    Reactor reactor;
    Kept() {
      grpc::GenericStub(channel).PrepareBidiStreamingCall(&context, "/none", {},
                                                          &reactor);
    }
  };
  // In place, so that leak checkers see who holds it.
  alignas(Kept) static std::byte place[sizeof(Kept)];
  [[maybe_unused]] static const Kept* const kKept = new (place) Kept();
}

}  // namespace

std::shared_ptr<Stream> OpenClientStream(
    net::EventLoop& loop, std::shared_ptr<Pending> open_streams,
    const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
    const std::map<std::string, std::string>& headers, Decoder decoder) {
  KeepCallbackQueue();
  auto stream = std::make_shared<ClientStream>(loop, std::move(decoder));
  stream->Open(std::move(open_streams), channel, method, headers);
  return stream;
}

}  // namespace fodc::link
