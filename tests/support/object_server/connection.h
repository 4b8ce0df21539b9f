// SPDX-License-Identifier: Apache-2.0
// One client's connection: HTTP/1.1 with streamed bodies both ways.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/object_server/control.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

// What connections share. Outlives them.
struct Shared {
  World* world = nullptr;
  Service* service = nullptr;
  Controls* controls = nullptr;
};

// Own parser instead of a library's: targets must be seen as they were sent,
// for they are signed, and a benchmark's requests must cost little.
class Connection {
 public:
  Connection(boost::asio::ip::tcp::socket socket, Shared shared);

  // Until the client goes, an answer says so or a fault ends it. `self` keeps
  // it alive.
  boost::asio::awaitable<void> Run(std::shared_ptr<Connection> self);

 private:
  template <typename T>
  using Task = boost::asio::awaitable<T>;

  Task<bool> ReadHead();
  // The body into `body`; null throws it away. False if the client went.
  Task<bool> ReadBody(Body* body);
  // As much of it as is polite, after an answer that did not want it.
  Task<bool> SkipBody();
  Task<bool> Fill();
  Task<bool> SendContinue();
  Task<bool> Serve();
  Task<bool> ServeControl();
  Task<std::optional<Response>> Answer(Call* call, const FaultRule* fault);
  Task<bool> Send(const Call& call, Response* response, const FaultRule* fault);
  Task<bool> SendContent(const Response& response, std::uint64_t length,
                         const FaultRule* fault);
  Task<bool> Write(std::string_view bytes);
  Task<void> Wait(std::chrono::nanoseconds time);
  void Reset();

  boost::asio::ip::tcp::socket socket_;
  Shared shared_;
  Request request_;
  std::string head_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what was read and not yet used
  std::size_t end_ = 0;
  std::uint64_t body_left_ = 0;
  bool continue_due_ = false;
  bool close_ = false;
  std::string out_;
};

}  // namespace fodc::object_server
