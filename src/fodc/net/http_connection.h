// SPDX-License-Identifier: Apache-2.0
// One connection of the HTTP server; for the sources of this room only: it
// includes Asio and Beast.
//
// States and what leads on:
//   idle      -> header (a first byte) | closed (idle timeout, eviction)
//   header    -> body | handling | sending (a refusal)
//   body      -> handling | sending
//   handling  -> sending (the responder is used)
//   sending   -> sending (next piece) | waiting | idle | lingering
//   waiting   -> sending (the source's wake)
//   lingering -> closed: our side is shut, the client's rest is read away so
//                that it sees the answer and no reset
// Every state but handling and waiting has a deadline; these two watch whether
// the client leaves. One that has sent more than its request cannot be watched:
// then waiting has a deadline too, and handling lasts as long as its handler.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "fodc/net/compression.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"
#include "fodc/net/listen.h"
#include "fodc/net/router.h"

namespace fodc::net {

class Connection;

// What the connections of one server share. It outlives every connection that
// is not closed.
// How often clients are sent away, and so may be back at once.
class RefusalRate {
 public:
  void Count(MonotonicTime now) {
    if (now - second_ >= std::chrono::seconds(1)) {
      before_ = now - second_ < std::chrono::seconds(2) ? count_ : 0;
      count_ = 0;
      second_ = now;
    }
    ++count_;
  }
  // More than a few in this second or the one before.
  bool IsHigh(MonotonicTime now) const {
    constexpr int kFew = 10;
    const auto age = now - second_;
    if (age >= std::chrono::seconds(2)) return false;
    return count_ > kFew || (age < std::chrono::seconds(1) && before_ > kFew);
  }

 private:
  MonotonicTime second_;
  int count_ = 0;
  int before_ = 0;
};

struct ServerState {
  ServerState(EventLoop& l, HttpServerOptions o) : loop(l), options(o) {}

  EventLoop& loop;
  const HttpServerOptions options;
  HttpServerStats stats;
  Router router;
  Authorizer authorizer = AuthorizeOpen;
  HttpGate* gate = nullptr;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::list<Connection*> idle;  // longest first
  bool stopping = false;
  RefusalRate refusals;
  std::function<void()> on_closed;  // after each connection's end

  // The Date header's value, made once a second.
  std::string_view Date();

 private:
  std::int64_t date_second_ = -1;
  std::string date_;
};

struct Responder::Exchange {
  std::weak_ptr<Connection> connection;
  Task on_cancel;
  bool sent = false;
  bool cancelled = false;
  // Nobody waits any more: tells the handler, once.
  void Cancel();
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket =
      boost::asio::basic_stream_socket<boost::asio::ip::tcp,
                                       boost::asio::io_context::executor_type>;

  // `held`: what the gate took for it.
  Connection(ServerState& server, Socket socket, Peer peer,
             std::shared_ptr<void> held);

  void Start() { AwaitRequest(); }
  void Respond(HttpResponse response);
  // Now, whatever goes on; `reset` so that the client sees that it is cut.
  void Close(bool reset = false);
  bool idle() const { return state_ == State::kIdle; }

 private:
  enum class State {
    kIdle,
    kHeader,
    kBody,
    kHandling,
    kSending,
    kWaiting,
    kLingering,
    kClosed,
  };
  using Step = void (Connection::*)();
  using Parser =
      boost::beast::http::request_parser<boost::beast::http::string_body>;

  void SetDeadline(std::chrono::nanoseconds after, std::uint64_t* counter);
  void AwaitRequest();
  void LeaveIdle();
  void WaitReadable();
  void OnReadable(bool failed);
  void BoundWaiting();
  void ClientLeft(bool for_good);

  void ReadHeader();
  void OnHeader(const boost::system::error_code& ec, std::size_t bytes);
  void ReadBody();
  void OnBody(const boost::system::error_code& ec, std::size_t bytes);
  void OnBadRead(const boost::system::error_code& ec);
  void TakeHeader();
  // The answer to a request that no handler gets.
  std::optional<HttpResponse> Resolve();
  std::optional<HttpResponse> AskGate();
  void Dispatch();
  void Refuse(HttpResponse response);

  ContentCoding ChooseCoding();
  std::string MakeHeader(std::optional<std::size_t> content_length) const;
  void SendSlice();
  void OnSlice();
  void Pump();
  void SendPiece(bool last, Step next);
  void EnterWaiting();
  void OnWake(std::uint64_t request_number);
  void AbortBody(const Status& why);
  template <typename Buffers>
  void Write(const Buffers& buffers, Step next);
  void Finish();
  void Linger();
  void Drain();

  ServerState& server_;
  Socket socket_;
  const Peer peer_;
  std::shared_ptr<void> held_;
  State state_ = State::kIdle;
  EventLoop::Handle deadline_;
  std::list<Connection*>::iterator idle_at_;
  bool read_wait_pending_ = false;
  bool peer_left_ = false;
  std::size_t drained_bytes_ = 0;

  // The request.
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::uint64_t request_number_ = 0;
  MonotonicTime read_start_;
  MonotonicTime handle_start_;
  bool keep_alive_ = true;
  bool is_http11_ = true;
  std::shared_ptr<HttpRequest> request_;
  const Router::Entry* route_ = nullptr;
  std::shared_ptr<Responder::Exchange> exchange_;

  // The response.
  HttpResponse response_;
  std::shared_ptr<BodySource> source_;
  std::unique_ptr<Compressor> compressor_;
  std::chrono::nanoseconds taking_{0};  // time the client took, and ...
  std::size_t taken_bytes_ = 0;         // ... what it took in it
  bool header_sent_ = false;
  bool chunked_ = true;
  std::uint64_t source_left_ = 0;  // of response_.source_bytes
  bool unflushed_ = false;
  bool woken_ = false;
  std::string header_;
  std::string_view rest_;   // of a fixed body
  std::string raw_;         // what the source gave
  std::string piece_;       // what is being written
  std::string chunk_head_;  // around it
};

}  // namespace fodc::net
