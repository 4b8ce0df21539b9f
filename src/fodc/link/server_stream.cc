// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/server_stream.h"

#include <grpc/support/time.h>

#include <chrono>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {
namespace {

// What one wakeup of the accepting thread gathers. Frames come once a second
// and nobody waits for them; waking for each would cost a fleet more than
// taking them in.
constexpr auto kGather = std::chrono::milliseconds(20);
// A poll may find a piece of a message only: so many in a row that find
// nothing whole mean that nothing is there.
constexpr int kIdlePolls = 4;

}  // namespace

// One call: gRPC's objects, and our tags for its operations. Deletes itself
// when its last operation is over; the stream stays as long as anybody wants.
class ServerStreams::Incoming final : public ServerStreams::Call {
 public:
  struct Tag {
    void (Incoming::*done)(bool ok);
    Incoming* call;
  };

  explicit Incoming(ServerStreams& owner) : owner_(owner) {
    owner_.calls_.fetch_add(1);
    // Comes with the end of the call, and not at all if none arrives.
    context_.AsyncNotifyWhenDone(&gone_);
    owner_.service_.RequestCall(&context_, &operations_, owner_.queue_.get(),
                                owner_.queue_.get(), &arrived_);
  }

  static void Finish(void* tag, bool ok) {
    const Tag& t = *static_cast<Tag*>(tag);
    (t.call->*t.done)(ok);
  }

  const std::string& method() const override { return context_.method(); }
  std::shared_ptr<ServerStream> Take(net::EventLoop& loop,
                                     Decoder decoder) override;
  void Refuse(const Status& status) override {
    ++pending_;
    operations_.Finish(ToGrpc(status), &finished_);
  }

 private:
  class OnQueue;

  void OnArrived(bool ok) {
    if (!ok) {  // the server ends
      Delete();
      return;
    }
    ++pending_;  // of gone_
    if (!owner_.closing_) new Incoming(owner_);
    owner_.accept_(*this);
  }
  void OnGone(bool);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool) { Over(); }

  // One operation fewer. The end of the call is one until it comes.
  void Over();
  void Delete() {
    ServerStreams& owner = owner_;
    delete this;
    owner.calls_.fetch_sub(1);
  }

  ServerStreams& owner_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter operations_{&context_};
  Tag arrived_{&Incoming::OnArrived, this};
  Tag gone_{&Incoming::OnGone, this};
  Tag read_{&Incoming::OnRead, this};
  Tag written_{&Incoming::OnWritten, this};
  Tag finished_{&Incoming::OnFinished, this};
  std::atomic<int> pending_{0};
  std::shared_ptr<OnQueue> stream_;
};

class ServerStreams::Incoming::OnQueue final : public ServerStream {
 public:
  OnQueue(net::EventLoop& loop, Decoder decoder, Incoming* call)
      : ServerStream(loop, std::move(decoder)), call_(call) {
    peer_ = call->context_.peer();
    const auto& metadata = call->context_.client_metadata();
    if (const auto it = metadata.find("agent_id"); it != metadata.end()) {
      agent_id_.assign(it->second.data(), it->second.size());
    }
  }

  using Stream::ReadDone;
  using Stream::WriteDone;

  // The peer has left, or we cut.
  void Gone() {
    MutexLock lock(mutex_);
    StartClose(Cancelled("the peer left"));
  }
  void Over() {
    {
      MutexLock lock(mutex_);
      call_ = nullptr;
    }
    Done(OkStatus());
  }

 private:
  void StartRead(grpc::ByteBuffer* into) override FODC_REQUIRES(mutex_) {
    ++call_->pending_;
    call_->operations_.Read(into, &call_->read_);
  }
  void StartWrite(const grpc::ByteBuffer* from) override FODC_REQUIRES(mutex_) {
    ++call_->pending_;
    call_->operations_.Write(*from, &call_->written_);
  }
  void StartClose(const Status& status) override FODC_REQUIRES(mutex_) {
    if (Ended()) call_->Refuse(status);
  }
  void StartCancel() override FODC_REQUIRES(mutex_) {
    if (call_ == nullptr) return;
    call_->context_.TryCancel();
    StartClose(Cancelled("cut"));
  }

  Incoming* call_ FODC_GUARDED_BY(mutex_);  // null once it is over
};

std::shared_ptr<ServerStream> ServerStreams::Incoming::Take(
    net::EventLoop& loop, Decoder decoder) {
  stream_ = std::make_shared<OnQueue>(loop, std::move(decoder), this);
  owner_.open_.fetch_add(1);
  return stream_;
}

void ServerStreams::Incoming::OnGone(bool) {
  if (stream_ != nullptr) stream_->Gone();
  Over();
}

void ServerStreams::Incoming::OnRead(bool ok) {
  stream_->ReadDone(ok);
  Over();
}

void ServerStreams::Incoming::OnWritten(bool ok) {
  stream_->WriteDone(ok);
  Over();
}

void ServerStreams::Incoming::Over() {
  if (--pending_ > 0) return;
  if (stream_ != nullptr) {
    owner_.open_.fetch_sub(1);
    stream_->Over();
  }
  Delete();
}

ServerStreams::ServerStreams(
    grpc::ServerBuilder& builder, Accept accept,
    std::shared_ptr<const std::atomic<std::size_t>> hurries)
    : accept_(std::move(accept)),
      hurries_(std::move(hurries)),
      queue_(builder.AddCompletionQueue()) {
  builder.RegisterAsyncGenericService(&service_);
}

void ServerStreams::Start(std::unique_ptr<grpc::Server> server) {
  server_ = std::move(server);
  new Incoming(*this);
  thread_ = std::thread([this] { Run(); });
}

void ServerStreams::Stop() {
  if (closing_.exchange(true)) return;
  if (!thread_.joinable()) {
    queue_->Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
    }
    return;
  }
  server_->Shutdown(gpr_inf_past(GPR_CLOCK_REALTIME));
  // No operation may begin once the queue closes: let all end first.
  while (calls_.load() > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  queue_->Shutdown();
  thread_.join();
}

ServerStreams::~ServerStreams() { Stop(); }

void ServerStreams::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    Incoming::Finish(tag, ok);
    for (bool more = true; more && hurries_->load() == 0;) {
      std::this_thread::sleep_for(kGather);
      more = false;
      for (int idle = 0; idle < kIdlePolls; ++idle) {
        while (queue_->AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_REALTIME)) ==
               grpc::CompletionQueue::GOT_EVENT) {
          Incoming::Finish(tag, ok);
          more = true;
          idle = 0;
        }
      }
    }
  }
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
