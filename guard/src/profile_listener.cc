// SPDX-License-Identifier: Apache-2.0
#include "profile_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr int kBacklog = 16;
constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

struct Endpoint {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  bool is_loopback = false;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// "127.0.0.1:80", "[::1]:80", "localhost:80". Numbers only: a name server may
// be what is ill.
Result<Endpoint> ParseEndpoint(const std::string& address) {
  const auto bad = [&address] {
    return InvalidArgument(
        StrCat("listen address '", address,
               "': want 127.0.0.1:PORT, [::1]:PORT, localhost:PORT or "
               "unix:PATH"));
  };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return bad();
  const auto port = ParseUint(address.substr(colon + 1));
  if (!port || *port > 65535) return bad();
  std::string host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  Endpoint e;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&e.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&e.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<std::uint16_t>(*port));
    e.size = sizeof(*v4);
    e.is_loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return e;
  }
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') {
    return bad();
  }
  host = host.substr(1, host.size() - 2);
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return bad();
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<std::uint16_t>(*port));
  e.size = sizeof(*v6);
  e.is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
  return e;
}

std::string EndpointText(const Endpoint& e) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  if (e.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&e.storage);
    inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    return StrCat(text.data(), ":", ntohs(v4->sin_port));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&e.storage);
  inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  return StrCat("[", text.data(), "]:", ntohs(v6->sin6_port));
}

}  // namespace

ProfileListener::~ProfileListener() {
  if (fd_.ok() && !path_.empty()) (void)unlink(path_.c_str());
}

Result<ProfileListener> ProfileListener::Open(const std::string& address,
                                              bool has_token) {
  std::string_view path = address;
  if (ConsumePrefix(&path, "unix:")) return OpenUnix(std::string(path));
  return OpenTcp(address, has_token);
}

Result<ProfileListener> ProfileListener::OpenUnix(const std::string& path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return InvalidArgument(StrCat("listen address 'unix:", path,
                                  "': want 1 to ", sizeof(name.sun_path) - 1,
                                  " bytes of path"));
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  const auto* to = reinterpret_cast<const sockaddr*>(&name);
  struct stat st = {};
  if (lstat(path.c_str(), &st) == 0) {
    if (!S_ISSOCK(st.st_mode)) {
      return AlreadyExists(StrCat(path, " is there and no socket"));
    }
    const UniqueFd probe(socket(AF_UNIX, kSocketFlags, 0));
    if (connect(probe.get(), to, sizeof(name)) == 0 || errno == EAGAIN) {
      return AlreadyExists(StrCat("somebody listens on ", path));
    }
    if (errno != ECONNREFUSED) {
      return ErrnoStatus(errno, StrCat("connect to ", path));
    }
    (void)unlink(path.c_str());  // bind tells if it is still there
  }
  ProfileListener l;
  l.fd_.reset(socket(AF_UNIX, kSocketFlags, 0));
  if (!l.fd_.ok()) return ErrnoStatus(errno, "socket");
  if (bind(l.fd_.get(), to, sizeof(name)) != 0) {
    return ErrnoStatus(errno, StrCat("bind to ", path));
  }
  l.path_ = path;
  l.address_ = StrCat("unix:", path);
  // Before anybody can connect.
  if (chmod(path.c_str(), 0600) != 0) {
    return ErrnoStatus(errno, StrCat("chmod ", path));
  }
  if (listen(l.fd_.get(), kBacklog) != 0) {
    return ErrnoStatus(errno, StrCat("listen on ", path));
  }
  return l;
}

Result<ProfileListener> ProfileListener::OpenTcp(const std::string& address,
                                                 bool has_token) {
  FODC_ASSIGN_OR_RETURN(Endpoint e, ParseEndpoint(address));
  if (!e.is_loopback && !has_token) {
    return InvalidArgument(StrCat("listen address '", address,
                                  "' is not loopback: that needs a token"));
  }
  ProfileListener l;
  l.fd_.reset(socket(e.storage.ss_family, kSocketFlags, 0));
  if (!l.fd_.ok()) return ErrnoStatus(errno, "socket");
  const int on = 1;
  (void)setsockopt(l.fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(l.fd_.get(), e.get(), e.size) != 0 ||
      listen(l.fd_.get(), kBacklog) != 0) {
    return ErrnoStatus(errno, StrCat("listen on ", address));
  }
  e.size = sizeof(e.storage);
  if (getsockname(l.fd_.get(), e.get(), &e.size) != 0) {
    return ErrnoStatus(errno, StrCat("getsockname of ", address));
  }
  l.address_ = EndpointText(e);
  return l;
}

}  // namespace fodc::guard
