// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/listen.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::net {
namespace {

constexpr int kBacklog = 511;

struct AddressInfoDeleter {
  void operator()(addrinfo* a) const { ::freeaddrinfo(a); }
};

Result<Listener> Bind(const sockaddr* address, socklen_t bytes, int family,
                      const std::string& name) {
  Listener l;
  l.fd.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!l.fd.ok()) return ErrnoStatus(errno, "socket for " + name);
  const int on = 1;
  const int off = 0;
  (void)::setsockopt(l.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) {
    (void)::setsockopt(l.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(l.fd.get(), address, bytes) != 0 ||
      ::listen(l.fd.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) {
      return AlreadyExists("listen on " + name + ": the port is taken");
    }
    return ErrnoStatus(errno, "listen on " + name);
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(l.fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) !=
      0) {
    return ErrnoStatus(errno, "getsockname of " + name);
  }
  // The port is at the same place in both families.
  l.port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return l;
}

}  // namespace

Result<Listener> ListenTcp(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return InvalidArgument("listen address \"" + address +
                           "\" is not host:port");
  }
  std::string host = address.substr(0, colon);
  const auto port = ParseUint(std::string_view(address).substr(colon + 1));
  if (!port || *port > 65535) {
    return InvalidArgument("listen address \"" + address +
                           "\": the port is not a number from 0 to 65535");
  }
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return InvalidArgument("listen address \"" + address +
                           "\": an IPv6 host needs brackets");
  }
  if (host.empty()) {
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(static_cast<std::uint16_t>(*port));
    Result<Listener> both = Bind(reinterpret_cast<const sockaddr*>(&any),
                                 sizeof any, AF_INET6, address);
    if (both.ok() || both.status().code() == Code::kAlreadyExists) return both;
    // A machine without IPv6.
    sockaddr_in any4{};
    any4.sin_family = AF_INET;
    any4.sin_port = any.sin6_port;
    return Bind(reinterpret_cast<const sockaddr*>(&any4), sizeof any4, AF_INET,
                address);
  }
  if (IsLocalhost(host)) host = "127.0.0.1";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(host.c_str(), StrCat(*port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, AddressInfoDeleter> owner(found);
  if (error != 0 || found == nullptr) {
    return InvalidArgument("listen address \"" + address +
                           "\": " + ::gai_strerror(error));
  }
  return Bind(found->ai_addr, found->ai_addrlen, found->ai_family, address);
}

Peer PeerOf(int fd) {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&from), &size) != 0) {
    return {};
  }
  Peer peer;
  char text[INET6_ADDRSTRLEN] = {};
  if (from.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&from);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    peer.is_loopback = (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  } else if (from.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      const std::uint8_t* v4 = &v6->sin6_addr.s6_addr[12];
      ::inet_ntop(AF_INET, v4, text, sizeof text);
      peer.is_loopback = v4[0] == 127;
    } else {
      ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
      peer.is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
    }
  } else if (from.ss_family == AF_UNIX) {
    peer.is_loopback = true;
  }
  peer.address = text;
  return peer;
}

}  // namespace fodc::net
