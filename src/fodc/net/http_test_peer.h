// SPDX-License-Identifier: Apache-2.0
// The other end of HTTP in tests: plain sockets that behave as badly as told.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/listen.h"

namespace fodc::net {

struct RawResponse {
  int status = 0;
  std::string head;       // status line and headers
  std::string body;       // chunks joined
  bool complete = false;  // to its length or last chunk
  // The first value, "" if none.
  std::string Header(std::string_view name) const {
    for (std::string_view line : Split(head, '\n')) {
      const std::size_t colon = line.find(':');
      if (colon != std::string_view::npos &&
          EqualsIgnoreCase(line.substr(0, colon), name)) {
        return std::string(Trim(line.substr(colon + 1)));
      }
    }
    return {};
  }
};

// A client on the thread of the loop that serves it: it waits by running that
// loop.
class RawClient {
 public:
  RawClient(EventLoop& loop, std::uint16_t port, int receive_buffer = 0)
      : loop_(loop), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) {
      (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                         sizeof receive_buffer);
    }
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&a),
                           sizeof a) == 0;
  }

  bool connected() const { return connected_; }
  void Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_.get(), text.data(), text.size(),
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) {
        text.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {
        loop_.RunReady();
      } else {
        return;
      }
    }
  }
  void Get(std::string_view target, std::string_view headers = "") {
    Send(StrCat("GET ", target, " HTTP/1.1\r\nHost: x\r\n", headers, "\r\n"));
  }
  void ShutdownWrite() { ::shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_.reset(); }

  // The next response; incomplete if the connection ends before.
  RawResponse Read(bool is_head = false) {
    RawResponse r;
    loop_.RunUntil([&] {
      Receive();
      return TakeResponse(is_head, &r) || ended_;
    });
    return r;
  }
  // Whether the server has ended the connection (waits for it).
  bool WaitForEnd() {
    return loop_.RunUntil([&] {
      Receive();
      return ended_;
    });
  }
  // Takes what has come, up to so many bytes, and forgets it.
  void Discard(std::size_t bytes) {
    std::string buffer(bytes, 0);
    (void)::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  }
  bool reset() const { return reset_; }
  bool Ended() {
    Receive();
    return ended_;
  }

 private:
  void Receive() {
    char buffer[65536];
    while (fd_.ok() && !ended_) {
      const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) {
        in_.append(buffer, static_cast<std::size_t>(n));
        continue;
      }
      if (n < 0 && errno == EAGAIN) return;
      ended_ = true;
      reset_ = n < 0;
    }
  }

  bool TakeResponse(bool is_head, RawResponse* r) {
    const std::size_t end = in_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    r->head = in_.substr(0, end + 2);
    r->status = std::atoi(r->head.c_str() + 9);
    std::size_t at = end + 4;
    r->body.clear();
    const std::string length = r->Header("Content-Length");
    if (is_head || r->status == 100) {
      r->complete = true;
    } else if (!length.empty()) {
      const std::size_t n = *ParseUint(length);
      r->body = in_.substr(at, n);
      r->complete = in_.size() - at >= n;
      at += n;
    } else if (r->Header("Transfer-Encoding") == "chunked") {
      while (!r->complete) {
        const std::size_t line = in_.find("\r\n", at);
        if (line == std::string::npos) return false;
        const std::size_t n = std::strtoul(in_.c_str() + at, nullptr, 16);
        if (in_.size() < line + 2 + n + 2) return false;
        r->body += in_.substr(line + 2, n);
        at = line + 2 + n + 2;
        r->complete = n == 0;
      }
    } else {
      r->body = in_.substr(at);
      r->complete = ended_;
    }
    if (r->complete) in_.erase(0, at);
    return r->complete;
  }

  EventLoop& loop_;
  UniqueFd fd_;
  bool connected_ = false;
  bool ended_ = false;
  bool reset_ = false;
  std::string in_;
};

// Of a Unix socket. Without a descriptor if that fails.
inline Listener ListenUnix(const std::string& path) {
  Listener listener;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) return listener;
  path.copy(name.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) ==
          0 &&
      ::listen(fd.get(), 16) == 0) {
    listener.fd = std::move(fd);
  }
  return listener;
}

// A server on a thread of its own. `serve` gets each connection's descriptor
// after a request has been read, again for each further request; it returns
// whether to read another.
class RawServer {
 public:
  using Serve = std::function<bool(int fd, const std::string& request)>;
  explicit RawServer(Serve serve)
      : RawServer(*ListenTcp("127.0.0.1:0"), std::move(serve)) {}
  RawServer(Listener listener, Serve serve)
      : listener_(std::move(listener)), serve_(std::move(serve)) {
    const int flags = ::fcntl(listener_.fd.get(), F_GETFL);
    (void)::fcntl(listener_.fd.get(), F_SETFL, flags & ~O_NONBLOCK);
    thread_ = std::jthread([this] { Run(); });
  }
  ~RawServer() {
    ending_ = true;
    ::shutdown(listener_.fd.get(), SHUT_RDWR);
    const int fd = current_.load();
    if (fd >= 0) ::shutdown(fd, SHUT_RDWR);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  std::uint16_t port() const { return listener_.port; }
  std::string Url(std::string_view path = "/metrics") const {
    return StrCat("http://127.0.0.1:", port(), path);
  }
  int connections() const { return connections_; }

  static bool Send(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Blocks until the client has left.
  static void WaitForClient(int fd) {
    char c = 0;
    while (::recv(fd, &c, 1, 0) > 0) {
    }
  }

 private:
  void Run() {
    while (!ending_) {
      const UniqueFd fd(
          ::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.ok()) return;
      current_ = fd.get();
      if (ending_) return;
      ++connections_;
      std::string in;
      while (true) {
        std::size_t end = 0;
        char buffer[4096];
        while ((end = in.find("\r\n\r\n")) == std::string::npos) {
          const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
          if (n <= 0) break;
          in.append(buffer, static_cast<std::size_t>(n));
        }
        if (end == std::string::npos) break;
        const std::string request = in.substr(0, end + 4);
        in.erase(0, end + 4);
        if (!serve_(fd.get(), request)) break;
      }
      current_ = -1;
    }
  }

  Listener listener_;
  Serve serve_;
  std::atomic<bool> ending_ = false;
  std::atomic<int> current_ = -1;
  std::atomic<int> connections_ = 0;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace fodc::net
