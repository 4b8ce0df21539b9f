// SPDX-License-Identifier: Apache-2.0
// For this room only: the answering end of a stream.
#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "fodc/link/stream.h"

namespace fodc::link {

class ServerStream : public Stream {
 public:
  // The gRPC reactor belongs to gRPC; the stream outlives it.
  // `open_streams` is counted up now and down when gRPC is done with it.
  static grpc::ServerGenericBidiReactor* Make(
      net::EventLoop& loop, grpc::GenericCallbackServerContext* context,
      Decoder decoder, std::shared_ptr<std::atomic<std::size_t>> open_streams,
      std::shared_ptr<ServerStream>* stream);
  // A reactor that only refuses.
  static grpc::ServerGenericBidiReactor* Refuse(const Status& status);

  // "ipv4:10.0.0.7:51234": one per connection.
  const std::string& peer() const { return peer_; }
  // First value of request metadata `agent_id`; empty if there is none.
  const std::string& agent_id() const { return agent_id_; }

 protected:
  using Stream::Stream;
  std::string peer_;
  std::string agent_id_;
};

// "10.0.0.7" of "ipv4:10.0.0.7:51234", "::1" of "ipv6:[::1]:51234".
std::string PeerHost(const std::string& peer);

}  // namespace fodc::link
