// SPDX-License-Identifier: Apache-2.0
#include "examples/kvload/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "fodc/base/strings.h"

namespace kvload {

using fodc::DeadlineExceeded;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;
using fodc::Unavailable;

namespace {

// The value of a header in an HTTP head; empty if there is none.
std::string_view HeaderOf(std::string_view head, std::string_view name) {
  for (std::string_view line : fodc::Split(head, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos &&
        fodc::EqualsIgnoreCase(line.substr(0, colon), name)) {
      return fodc::Trim(line.substr(colon + 1));
    }
  }
  return {};
}

Status SocketError(std::string_view what) {
  if (errno == EAGAIN) return DeadlineExceeded(StrCat(what, ": no answer"));
  return Unavailable(fodc::ErrnoStatus(errno, what).message());
}

}  // namespace

Status Client::Connect() {
  in_.clear();
  fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd_.ok()) return SocketError("socket");
  const timeval limit{
      .tv_sec = timeout_.count() / 1000,
      .tv_usec = static_cast<suseconds_t>(timeout_.count() % 1000 * 1000)};
  const int on = 1;
  (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  (void)::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (::inet_pton(AF_INET, from_.c_str(), &address.sin_addr) != 1) {
    return fodc::InvalidArgument(StrCat("no address: '", from_, "'"));
  }
  // The port is chosen by connect, which knows all that are in use.
  (void)::setsockopt(fd_.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
                     sizeof on);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof address) != 0) {
    return SocketError("bind to " + from_);
  }
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof address) != 0) {
    Status failed = SocketError("connect");
    fd_.reset();
    return failed;
  }
  return OkStatus();
}

Status Client::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n =
        ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      Status failed = SocketError("send");
      fd_.reset();
      return failed;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return OkStatus();
}

Status Client::Receive() {
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      in_.append(buffer, static_cast<std::size_t>(n));
      return OkStatus();
    }
    Status failed = n == 0 ? Unavailable("the node closed the connection")
                           : SocketError("receive");
    fd_.reset();
    return failed;
  }
}

Status Client::Begin(std::string_view method, std::string_view target,
                     std::uint64_t body_bytes) {
  if (!fd_.ok()) FODC_RETURN_IF_ERROR(Connect());
  std::string head =
      StrCat(method, ' ', target, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
  if (body_bytes > 0) head += StrCat("Content-Length: ", body_bytes, "\r\n");
  return Send(head + "\r\n");
}

Status Client::SendBody(std::string_view piece) { return Send(piece); }

bool Client::HasAnswer() const {
  pollfd p{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return !fd_.ok() || ::poll(&p, 1, 0) != 0;
}

Result<Answer> Client::ReadAnswer() {
  std::size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    FODC_RETURN_IF_ERROR(Receive());
  }
  const std::string head = in_.substr(0, end + 2);
  in_.erase(0, end + 4);
  Answer answer;
  // "HTTP/1.1 200 ..."
  const auto status = fodc::ParseUint(std::string_view(head).substr(9, 3));
  const auto length = fodc::ParseUint(HeaderOf(head, "Content-Length"));
  if (!status || !length) {
    fd_.reset();
    return Unavailable("not an answer of kvnode: " + head);
  }
  answer.status = static_cast<int>(*status);
  answer.next = HeaderOf(head, "Kvnode-Next");
  while (in_.size() < *length) FODC_RETURN_IF_ERROR(Receive());
  answer.body = in_.substr(0, *length);
  in_.erase(0, *length);
  if (HeaderOf(head, "Connection") == "close") fd_.reset();
  return answer;
}

Result<Answer> Client::Do(std::string_view method, std::string_view target,
                          std::string_view body) {
  FODC_RETURN_IF_ERROR(Begin(method, target, body.size()));
  FODC_RETURN_IF_ERROR(SendBody(body));
  return ReadAnswer();
}

}  // namespace kvload
