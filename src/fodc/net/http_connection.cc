// SPDX-License-Identifier: Apache-2.0
// Reading requests and the connection's life; http_response.cc writes.
#include "fodc/net/http_connection.h"

#include <sys/socket.h>

#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <cerrno>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/net/event_loop_internal.h"

namespace fodc::net {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using std::chrono::nanoseconds;

namespace {

// What one read may take in beyond the headers' limit.
constexpr std::size_t kReadAheadBytes = 64 * 1024;
// A larger buffer is given back while a connection is idle.
constexpr std::size_t kIdleBufferBytes = 8 * 1024;
constexpr std::size_t kMaxDrainBytes = 256 * 1024;
constexpr std::chrono::seconds kLingerTime{2};

std::string_view View(boost::core::string_view s) {
  return {s.data(), s.size()};
}

// Bytes that a browser could take for something else in a Location.
std::string SafeLocation(std::string_view path, std::string_view query) {
  std::string out;
  for (const char c : path) {
    if (c == '\\' || c == '"' || c == '<' || c == '>' || c <= ' ' ||
        c == 0x7f) {
      out += PercentEncode(std::string_view(&c, 1));
    } else {
      out.push_back(c);
    }
  }
  if (!query.empty()) out += StrCat('?', query);
  return out;
}

}  // namespace

void Responder::Exchange::Cancel() {
  if (cancelled) return;
  cancelled = true;
  if (Task task = std::move(on_cancel)) task();
}

Connection::Connection(ServerState& server, Socket socket, Peer peer,
                       std::shared_ptr<void> held)
    : server_(server),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      held_(std::move(held)),
      buffer_(server.options.max_header_bytes + kReadAheadBytes) {}

void Connection::SetDeadline(nanoseconds after, std::uint64_t* counter) {
  deadline_ = server_.loop.RunAfter(after, [this, counter] {
    const auto self = shared_from_this();
    if (counter != nullptr) ++*counter;
    Close();
  });
}

void Connection::AwaitRequest() {
  request_.reset();
  exchange_.reset();
  route_ = nullptr;
  parser_.reset();
  if (server_.stopping) return Linger();
  if (buffer_.size() > 0) return ReadHeader();  // pipelined
  if (buffer_.capacity() > kIdleBufferBytes) buffer_.shrink_to_fit();
  state_ = State::kIdle;
  idle_at_ = server_.idle.insert(server_.idle.end(), this);
  SetDeadline(server_.options.idle_timeout, &server_.stats.idle_timeouts);
  WaitReadable();
}

void Connection::LeaveIdle() {
  if (state_ == State::kIdle) server_.idle.erase(idle_at_);
}

void Connection::WaitReadable() {
  if (read_wait_pending_) return;
  read_wait_pending_ = true;
  socket_.async_wait(
      Socket::wait_read,
      [self = shared_from_this()](const boost::system::error_code& ec) {
        self->read_wait_pending_ = false;
        if (self->state_ != State::kClosed) self->OnReadable(bool(ec));
      });
}

void Connection::OnReadable(bool failed) {
  switch (state_) {
    case State::kIdle:
      LeaveIdle();
      ReadHeader();
      return;
    case State::kHandling:
    case State::kSending:
    case State::kWaiting: {
      char c = 0;
      const ssize_t n = failed ? -1
                               : ::recv(socket_.native_handle(), &c, 1,
                                        MSG_PEEK | MSG_DONTWAIT);
      if (n == 0) {
        ClientLeft(false);
      } else if (n < 0 && (failed || (errno != EAGAIN && errno != EINTR))) {
        ClientLeft(true);
      } else if (n < 0) {
        WaitReadable();
      } else if (state_ == State::kWaiting) {
        BoundWaiting();
      }
      return;
    }
    default:
      return;
  }
}

// The next request is there: a client that has sent it is not watched until it
// is read.
void Connection::BoundWaiting() {
  SetDeadline(server_.options.idle_timeout, &server_.stats.idle_timeouts);
}

// `for_good`: not even its reading side is there. A client that has only shut
// its writing side still gets what is ready, but nobody waits for it.
void Connection::ClientLeft(bool for_good) {
  if (!std::exchange(peer_left_, true)) ++server_.stats.clients_gone;
  if (for_good || state_ == State::kWaiting) return Close();
  if (exchange_) exchange_->Cancel();
}

void Connection::ReadHeader() {
  state_ = State::kHeader;
  ++request_number_;
  parser_.emplace();
  parser_->header_limit(
      static_cast<std::uint32_t>(server_.options.max_header_bytes));
  parser_->body_limit(server_.options.max_body_bytes);
  read_start_ = server_.loop.clock().Monotonic();
  SetDeadline(server_.options.header_timeout, &server_.stats.header_timeouts);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](const boost::system::error_code& ec,
                                  std::size_t bytes) {
        if (self->state_ != State::kClosed) self->OnHeader(ec, bytes);
      });
}

void Connection::OnHeader(const boost::system::error_code& ec,
                          std::size_t bytes) {
  server_.stats.bytes_received += bytes;
  handle_start_ = server_.loop.clock().Monotonic();
  if (ec) return OnBadRead(ec);
  TakeHeader();
  if (std::optional<HttpResponse> refusal = Resolve()) {
    return Refuse(*std::move(refusal));
  }
  if (std::optional<HttpResponse> refusal = AskGate()) {
    keep_alive_ = false;
    return Refuse(*std::move(refusal));
  }
  if (parser_->is_done()) return Dispatch();
  if (EqualsIgnoreCase(request_->Header("Expect"), "100-continue")) {
    header_ = "HTTP/1.1 100 Continue\r\n\r\n";
    return Write(asio::const_buffer(asio::buffer(header_)),
                 &Connection::ReadBody);
  }
  ReadBody();
}

void Connection::TakeHeader() {
  const auto& message = parser_->get();
  keep_alive_ = parser_->keep_alive();
  is_http11_ = message.version() >= 11;
  request_ = std::make_shared<HttpRequest>();
  request_->method = View(message.method_string());
  for (const auto& field : message) {
    request_->headers.emplace_back(View(field.name_string()),
                                   View(field.value()));
  }
  request_->peer_address = peer_.address;
  request_->peer_is_loopback = peer_.is_loopback;
  const std::string_view accept = request_->Header("Accept-Encoding");
  request_->coding = NegotiateCoding(accept);
  request_->accepts_gzip = AcceptsCoding(accept, ContentCoding::kGzip);
}

std::optional<HttpResponse> Connection::Resolve() {
  const std::string target(View(parser_->get().target()));
  const Result<Target> split = SplitTarget(target);
  if (!split.ok()) return StatusError(split.status());
  const std::string clean = CleanPath(split->path);
  if (clean != split->path) {
    HttpResponse moved = TextError(301, "Moved Permanently");
    moved.headers.emplace_back("Location", SafeLocation(clean, split->query));
    return moved;
  }
  request_->path = clean;
  Result<Router::Match> match =
      server_.router.Find(request_->method, request_->path);
  if (!match.ok()) return StatusError(match.status().WithContext("path"));
  if (!match->path_known) return TextError(404, "404 page not found");
  if (match->entry == nullptr) return TextError(405, "Method not allowed");
  route_ = match->entry;
  request_->route = route_->info.pattern;
  request_->path_values = std::move(match->path_values);
  Result<Query> query = Query::Parse(split->query);
  if (!query.ok()) return StatusError(query.status().WithContext("query"));
  request_->query = *std::move(query);
  if (route_->info.access != Access::kPublic) {
    const Status may = server_.authorizer(*request_, route_->info.access);
    if (!may.ok()) {
      HttpResponse no = StatusError(may);
      if (no.status == 401) {
        no.headers.emplace_back("WWW-Authenticate", "Bearer");
      }
      return no;
    }
  }
  return std::nullopt;
}

std::optional<HttpResponse> Connection::AskGate() {
  if (server_.gate == nullptr) return std::nullopt;
  std::optional<std::uint64_t> body_bytes;
  if (!parser_->chunked()) {
    const auto length = parser_->content_length();
    body_bytes = length ? *length : 0;
  }
  return server_.gate->Admit(request_.get(), body_bytes);
}

void Connection::ReadBody() {
  state_ = State::kBody;
  const nanoseconds spent = server_.loop.clock().Monotonic() - read_start_;
  SetDeadline(server_.options.read_timeout - spent,
              &server_.stats.read_timeouts);
  http::async_read(socket_, buffer_, *parser_,
                   [self = shared_from_this()](
                       const boost::system::error_code& ec, std::size_t bytes) {
                     if (self->state_ != State::kClosed)
                       self->OnBody(ec, bytes);
                   });
}

void Connection::OnBody(const boost::system::error_code& ec,
                        std::size_t bytes) {
  server_.stats.bytes_received += bytes;
  if (ec) return OnBadRead(ec);
  request_->body = std::move(parser_->get().body());
  Dispatch();
}

void Connection::OnBadRead(const boost::system::error_code& ec) {
  // The network, or a client that ended between two requests.
  if (ec == http::error::end_of_stream || ec == http::error::partial_message ||
      ec.category() !=
          http::make_error_code(http::error::end_of_stream).category()) {
    return Close();
  }
  ++server_.stats.bad_requests;
  const HttpServerOptions& o = server_.options;
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return Refuse(TextError(
        431, StrCat("the request's headers are larger than the limit of ",
                    o.max_header_bytes, " bytes")));
  }
  if (ec == http::error::body_limit) {
    return Refuse(
        TextError(413, StrCat("the request's body is larger than the limit of ",
                              o.max_body_bytes, " bytes")));
  }
  Refuse(TextError(400, StrCat("not an HTTP/1.1 request: ", ec.message())));
}

void Connection::Refuse(HttpResponse response) {
  if (!parser_->is_done()) keep_alive_ = false;
  state_ = State::kHandling;
  Respond(std::move(response));
}

void Connection::Dispatch() {
  state_ = State::kHandling;
  deadline_.Cancel();
  parser_.reset();
  exchange_ = std::make_shared<Responder::Exchange>();
  exchange_->connection = weak_from_this();
  route_->handler(request_, Responder(exchange_));
  if (state_ == State::kHandling && buffer_.size() == 0) WaitReadable();
}

void Connection::Finish() {
  deadline_.Cancel();
  HttpServerStats::Route& r = server_.stats.routes[{
      route_ ? route_->info.pattern : std::string(), response_.status}];
  ++r.requests;
  r.duration += server_.loop.clock().Monotonic() - handle_start_;
  if (exchange_) exchange_->on_cancel = nullptr;
  source_.reset();
  compressor_.reset();
  response_ = {};
  rest_ = {};
  if (keep_alive_ && !peer_left_) return AwaitRequest();
  Linger();
}

void Connection::Linger() {
  if (peer_left_) return Close();
  state_ = State::kLingering;
  boost::system::error_code ec;
  socket_.shutdown(Socket::shutdown_send, ec);
  if (ec) return Close();
  SetDeadline(kLingerTime, nullptr);
  Drain();
}

void Connection::Drain() {
  raw_.resize(4096);
  socket_.async_read_some(
      asio::buffer(raw_),
      [self = shared_from_this()](const boost::system::error_code& ec,
                                  std::size_t bytes) {
        if (self->state_ == State::kClosed) return;
        self->drained_bytes_ += bytes;
        if (ec || self->drained_bytes_ > kMaxDrainBytes) return self->Close();
        self->Drain();
      });
}

void Connection::Close(bool reset) {
  if (state_ == State::kClosed) return;
  const auto self = shared_from_this();
  LeaveIdle();
  state_ = State::kClosed;
  deadline_.Cancel();
  boost::system::error_code ec;
  if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ec);
  socket_.close(ec);
  source_.reset();
  held_.reset();
  server_.connections.erase(self);
  server_.stats.connections_open = server_.connections.size();
  if (const auto exchange = std::exchange(exchange_, nullptr)) {
    exchange->Cancel();
  }
  if (server_.on_closed) server_.on_closed();
}

}  // namespace fodc::net
