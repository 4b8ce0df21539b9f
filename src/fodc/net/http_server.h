// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 server on the program's loop: routes, roles, deadlines, limits,
// streamed and compressed bodies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_message.h"

namespace fodc::net {

// The role that a route needs.
enum class Access : std::uint8_t {
  kPublic,    // health and version: no credentials ever
  kViewer,    // reads
  kOperator,  // changes state, or reads bodies of evidence
  kAdmin,     // changes who may do what
};
std::string_view AccessName(Access access);  // "public", "viewer", ...

// Says who may. kUnauthenticated becomes 401, kPermissionDenied 403.
using Authorizer = std::function<Status(const HttpRequest&, Access)>;
// The rule until credentials are set: viewers may from anywhere, operators and
// admins from loopback only, and not for others: what a proxy of this machine
// hands on, and what a page in a browser of this machine asks for (a header
// Origin, or a Host of a name with dots, which any name server may give to
// 127.0.0.1), is refused. A proxy that adds no header is not seen.
Status AuthorizeOpen(const HttpRequest& request, Access access);

// Answers one request, now or later, on the loop's thread. Destroyed unused it
// answers 500.
class Responder {
 public:
  Responder() = default;
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&&) noexcept = default;
  ~Responder();  // NOLINT(bugprone-exception-escape): as its definition

  // Once. No effect if the client is gone.
  void Send(HttpResponse response);
  // Whether nobody waits for the answer any more.
  bool cancelled() const;
  // Called at most once, when the client leaves or the server stops before the
  // answer is complete. Set it before Send.
  void OnCancel(Task task);

  struct Exchange;  // http_connection.cc
  explicit Responder(std::shared_ptr<Exchange> exchange)
      : exchange_(std::move(exchange)) {}

 private:
  std::shared_ptr<Exchange> exchange_;
};

// `request` lives as long as somebody holds it.
using HttpHandler =
    std::function<void(std::shared_ptr<const HttpRequest>, Responder)>;

// Says who may come in, before anything is read or kept for them. Called on the
// loop's thread.
class HttpGate {
 public:
  virtual ~HttpGate() = default;
  // A new connection. The value is dropped when the connection has ended. A
  // failure refuses it: the message is the body of a 503, or, if empty, the
  // connection is closed without a word.
  virtual Result<std::shared_ptr<void>> Connect(
      const std::string& peer_address) = 0;
  // A request of a known route whose headers are read and whose body is not.
  // `body_bytes`: its Content-Length, absent for a chunked body. An answer
  // refuses it: the body is not read, and the connection ends behind the
  // answer.
  virtual std::optional<HttpResponse> Admit(
      HttpRequest* request, std::optional<std::uint64_t> body_bytes) = 0;
};

struct HttpServerOptions {
  // From the last request (or accept) to the first byte of the next one. Also
  // of a stream that has nothing to say to a client that sent more already.
  std::chrono::milliseconds idle_timeout{120'000};
  // From the first byte to the end of the headers.
  std::chrono::milliseconds header_timeout{3'000};
  // From the first byte to the end of the body.
  std::chrono::milliseconds read_timeout{10'000};
  // For each piece of a body (`piece_bytes`) to be taken by the client; what
  // the handler or source takes to make it does not count.
  std::chrono::milliseconds write_timeout{10'000};
  // For a whole answer, what its source takes not counted: a client that takes
  // each piece in time, but fewer bytes a second than these, must come to an
  // end within the grace.
  std::size_t min_bytes_per_second = 64 * 1024;
  std::chrono::milliseconds answer_grace{60'000};
  std::size_t max_header_bytes = 32 * 1024;  // beyond: 431
  std::size_t max_body_bytes = 1024 * 1024;  // beyond: 413
  // When reached, the connection that has been idle longest is closed for the
  // new one; if none is idle the new one gets 503 and is closed.
  std::size_t max_connections = 1024;
  std::size_t piece_bytes = 256 * 1024;
  // Smaller bodies are not compressed.
  std::size_t min_compress_bytes = 1024;
};

// Counters since the start, and where said present values.
struct HttpServerStats {
  std::uint64_t connections_open = 0;  // now
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  // at max_connections, by the gate
  std::uint64_t connections_evicted = 0;  // idle, closed for a new one
  std::uint64_t idle_timeouts = 0;
  std::uint64_t header_timeouts = 0;
  std::uint64_t read_timeouts = 0;
  std::uint64_t write_timeouts = 0;
  std::uint64_t bad_requests = 0;    // not HTTP, or over a limit
  std::uint64_t clients_gone = 0;    // left before the answer was complete
  std::uint64_t bodies_aborted = 0;  // a source failed in mid-stream
  std::uint64_t bytes_received = 0;  // headers and bodies as parsed
  std::uint64_t bytes_sent = 0;
  struct Route {
    std::uint64_t requests = 0;
    std::chrono::nanoseconds duration{0};  // sum, headers read to last byte
  };
  // By route pattern ("" where none matched) and status.
  std::map<std::pair<std::string, int>, Route> routes;
};

// Belongs to the loop's thread. Only GET unless a route says otherwise: any
// other method, HEAD and OPTIONS too, gets 405.
class HttpServer {
 public:
  // `loop` must outlive the server.
  explicit HttpServer(EventLoop& loop, HttpServerOptions options = {});
  // Cuts what is open.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `pattern`: an exact path with `{placeholder}` for whole, non-empty
  // segments, or with an ending behind it (`{id}.txt`). An exact segment goes
  // before a placeholder, a longer ending before a shorter. Aborts on a second
  // route of the same method and shape.
  void Route(std::string pattern, Access access, HttpHandler handler,
             std::string method = "GET");
  // A handler that answers at once.
  void Route(std::string pattern, Access access,
             std::function<HttpResponse(const HttpRequest&)> handler,
             std::string method = "GET");
  // The patterns and what they need, in the order of their adding.
  struct RouteInfo {
    std::string method;
    std::string pattern;
    Access access;
  };
  const std::vector<RouteInfo>& routes() const;

  // AuthorizeOpen until set.
  void SetAuthorizer(Authorizer authorizer);
  // None until set: all are let in. `gate` must outlive the server and all
  // requests.
  void SetGate(HttpGate* gate);

  // "host:port", ":port" (all addresses, both families), "[::1]:0". Port 0
  // takes a free one. May be called for several addresses.
  // Errors: kInvalidArgument naming the address; kAlreadyExists when the port
  // is taken; those of bind(2).
  Status Listen(const std::string& address);
  // Of the first Listen; 0 before.
  std::uint16_t port() const;

  // Accepts nothing more, closes idle connections, lets answers finish until
  // `grace` has passed, cuts the rest, then calls `done` on the loop.
  void Stop(std::chrono::milliseconds grace, Task done);

  const HttpServerStats& stats() const;

  class Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace fodc::net
