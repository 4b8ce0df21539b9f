// SPDX-License-Identifier: Apache-2.0
// Listening TCP sockets.
#pragma once

#include <cstdint>
#include <string>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::net {

struct Listener {
  UniqueFd fd;  // non-blocking, close-on-exec
  std::uint16_t port = 0;
};

// "host:port", ":port" (every address of both families), "[::1]:port"; port 0
// takes a free one. A host name is resolved, which may take a while.
// Errors: kInvalidArgument naming the address; kAlreadyExists when it is
// taken; others of bind(2).
Result<Listener> ListenTcp(const std::string& address);

// The peer of a connected socket, without the port; an IPv4 peer of a socket
// of both families as IPv4. "" if it is gone or has none.
struct Peer {
  std::string address;
  bool is_loopback = false;
};
Peer PeerOf(int fd);

}  // namespace fodc::net
