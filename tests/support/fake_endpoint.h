// SPDX-License-Identifier: Apache-2.0
// An HTTP endpoint that does what the test says, well or badly.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fodc::test {

// The connection of one request, to be answered in any way.
class Exchange {
 public:
  explicit Exchange(int fd, const std::atomic<bool>* stopping)
      : fd_(fd), stopping_(stopping) {}
  // False when the client has gone or the endpoint stops.
  bool Send(std::string_view bytes) const;
  // A whole answer with Content-Length.
  bool Answer(int status, std::string_view body,
              std::string_view content_type = "text/plain; version=0.0.4",
              std::string_view more_headers = {}) const;
  // Waits until the client closes or the endpoint stops.
  void Hang() const;
  // Ends the connection after this request.
  void Close() { close_ = true; }
  bool closing() const { return close_; }

 private:
  int fd_;
  const std::atomic<bool>* stopping_;
  bool close_ = false;
};

// Listens on 127.0.0.1; one thread per connection, which stays open between
// requests. The handler runs on those threads.
class FakeEndpoint {
 public:
  // `request`: the head, as sent.
  using Handler = std::function<void(std::string_view request, Exchange&)>;
  // Port 0 takes a free one. Aborts if the port is taken.
  explicit FakeEndpoint(Handler handler, std::uint16_t port = 0);
  // Always the same page.
  explicit FakeEndpoint(std::string page);
  ~FakeEndpoint();
  FakeEndpoint(const FakeEndpoint&) = delete;
  FakeEndpoint& operator=(const FakeEndpoint&) = delete;

  std::uint16_t port() const;
  std::uint64_t requests() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Forwards a port of 127.0.0.1 to another, until it is cut.
class TcpRelay {
 public:
  explicit TcpRelay(std::uint16_t target_port);
  ~TcpRelay();
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;

  std::uint16_t port() const;
  // Closes every connection; new ones are closed at once.
  void Cut();
  // As a cable that is pulled: connections stay open, bytes go nowhere, and
  // what was held back is lost with its connection when healed.
  void Freeze();
  void Heal();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::test
