// SPDX-License-Identifier: Apache-2.0
// For this room only: the answering end of a stream, and what accepts it.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "fodc/link/stream.h"

namespace fodc::link {

class ServerStream : public Stream {
 public:
  // "ipv4:10.0.0.7:51234": one per connection.
  const std::string& peer() const { return peer_; }
  // First value of request metadata `agent_id`; empty if there is none.
  const std::string& agent_id() const { return agent_id_; }

 protected:
  using Stream::Stream;
  std::string peer_;
  std::string agent_id_;
};

// Accepts the calls of one server on one thread, whatever their method. gRPC's
// own callback threads would hand every message to each other, which costs a
// fleet more than all else that is done with it.
class ServerStreams {
 public:
  // A call that asks to be answered, on the accepting thread: take it or
  // refuse it, once, before returning.
  class Call {
   public:
    virtual ~Call() = default;
    virtual const std::string& method() const = 0;
    virtual std::shared_ptr<ServerStream> Take(net::EventLoop& loop,
                                               Decoder decoder) = 0;
    virtual void Refuse(const Status& status) = 0;
  };
  using Accept = std::function<void(Call&)>;

  // While `*hurries` is not 0, messages are taken one by one as they come, and
  // not several at once a little later.
  ServerStreams(grpc::ServerBuilder& builder, Accept accept,
                std::shared_ptr<const std::atomic<std::size_t>> hurries =
                    std::make_shared<std::atomic<std::size_t>>(0));
  ~ServerStreams();
  ServerStreams(const ServerStreams&) = delete;
  ServerStreams& operator=(const ServerStreams&) = delete;

  // Begins to accept at what the builder built.
  void Start(std::unique_ptr<grpc::Server> server);

  // Cuts what is still open and waits for its end. What has arrived by then is
  // still offered to `accept`, which may ask for open().
  void Stop();

  // Streams that gRPC is not done with. Thread-safe.
  std::size_t open() const { return open_.load(); }

 private:
  class Incoming;
  void Run();

  const Accept accept_;
  const std::shared_ptr<const std::atomic<std::size_t>> hurries_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
  std::atomic<bool> closing_{false};
  std::atomic<std::size_t> open_{0};
  std::atomic<std::size_t> calls_{0};  // open ones, and the one awaited
};

// "10.0.0.7" of "ipv4:10.0.0.7:51234", "::1" of "ipv6:[::1]:51234".
std::string PeerHost(const std::string& peer);

}  // namespace fodc::link
