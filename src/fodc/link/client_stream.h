// SPDX-License-Identifier: Apache-2.0
// For this room only: the calling end of a stream.
#pragma once

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>

#include "fodc/base/pending.h"
#include "fodc/link/stream.h"

namespace fodc::link {

// Opens the stream at once: call headers leave without waiting for a message.
// `method`: "/package.Service/Method". `open_streams` counts it until gRPC is
// done with it: until then it posts to the loop.
std::shared_ptr<Stream> OpenClientStream(
    net::EventLoop& loop, std::shared_ptr<Pending> open_streams,
    const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
    const std::map<std::string, std::string>& headers, Decoder decoder);

}  // namespace fodc::link
