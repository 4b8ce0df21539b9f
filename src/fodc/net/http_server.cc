// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/net/event_loop_internal.h"
#include "fodc/net/http_connection.h"
#include "fodc/net/listen.h"

namespace fodc::net {
namespace {

// Connections taken per round of the loop, so that others get their turn.
constexpr int kAcceptsPerRound = 64;
// After the process or the kernel has run out of descriptors or watches.
constexpr std::chrono::milliseconds kAcceptPause{100};
// While many are refused, who come again at once: between two connections. The
// others wait in the kernel, and who has a connection gets his turn.
constexpr std::chrono::milliseconds kRefusingPause{1};
constexpr std::string_view kBusyHead =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\nContent-Length: ";

}  // namespace

class HttpServer::Impl {
 public:
  Impl(EventLoop& loop, HttpServerOptions options) : state_(loop, options) {
    state_.on_closed = [this] { OnClosed(); };
  }
  ~Impl() {
    state_.on_closed = nullptr;
    Cut();
  }

  Status Listen(const std::string& address) {
    FODC_ASSIGN_OR_RETURN(Listener listener, ListenTcp(address));
    if (port_ == 0) port_ = listener.port;
    auto& entry = *listeners_.emplace_back(std::make_unique<Listening>());
    entry.fd = std::move(listener.fd);
    return Watch(entry);
  }

  void Stop(std::chrono::milliseconds grace, Task done) {
    state_.stopping = true;
    listeners_.clear();
    stop_done_ = std::move(done);
    while (!state_.idle.empty()) state_.idle.front()->Close();
    grace_ = state_.loop.RunAfter(grace, [this] { Cut(); });
    OnClosed();
  }

  ServerState& state() { return state_; }
  std::uint16_t port() const { return port_; }

 private:
  struct Listening {
    UniqueFd fd;
    EventLoop::Handle watch;  // of fd, which must be open longer
  };

  Status Watch(Listening& l) {
    FODC_ASSIGN_OR_RETURN(l.watch, state_.loop.WatchReadable(
                                       l.fd.get(), [this, &l] { Accept(l); }));
    return OkStatus();
  }

  // What refused a descriptor may refuse the watch as well.
  void Pause(Listening& l, std::chrono::milliseconds pause) {
    l.watch = state_.loop.RunAfter(pause, [this, &l] {
      if (!Watch(l).ok()) Pause(l, kAcceptPause);
    });
  }

  void Accept(Listening& l) {
    for (int i = 0; i < kAcceptsPerRound; ++i) {
      UniqueFd fd(::accept4(l.fd.get(), nullptr, nullptr,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd.ok()) {
        Take(std::move(fd));
        if (!state_.refusals.IsHigh(state_.loop.clock().Monotonic())) continue;
        return Pause(l, kRefusingPause);
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
          errno == ENOMEM) {
        ++state_.stats.connections_refused;
        if (Evict()) continue;
        // The waiting connection stays readable: look again later.
        Pause(l, kAcceptPause);
        return;
      }
      // EAGAIN: no more. What else can happen befell one connection only.
      if (errno == EAGAIN) return;
    }
  }

  void Take(UniqueFd fd) {
    ++state_.stats.connections_accepted;
    if (state_.connections.size() >= state_.options.max_connections &&
        !Evict()) {
      return Refuse(fd, "too many connections");
    }
    Peer peer = PeerOf(fd.get());
    std::shared_ptr<void> held;
    if (state_.gate != nullptr) {
      Result<std::shared_ptr<void>> let_in = state_.gate->Connect(peer.address);
      if (!let_in.ok()) return Refuse(fd, let_in.status().message());
      held = *std::move(let_in);
    }
    const int on = 1;
    (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection::Socket socket(state_.loop.impl().io);
    boost::system::error_code ec;
    // The family is of no consequence for a socket that is connected.
    socket.assign(boost::asio::ip::tcp::v6(), fd.get(), ec);
    if (ec) return;
    (void)fd.release();
    auto connection = std::make_shared<Connection>(
        state_, std::move(socket), std::move(peer), std::move(held));
    state_.connections.insert(connection);
    state_.stats.connections_open = state_.connections.size();
    connection->Start();
  }

  // Without a word if there is no text.
  void Refuse(const UniqueFd& fd, std::string_view text) {
    ++state_.stats.connections_refused;
    state_.refusals.Count(state_.loop.clock().Monotonic());
    if (text.empty()) return;
    const std::string answer =
        StrCat(kBusyHead, text.size() + 1, "\r\n\r\n", text, '\n');
    (void)::send(fd.get(), answer.data(), answer.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)::shutdown(fd.get(), SHUT_WR);
  }

  // Makes room at the cost of the connection that is idle longest.
  bool Evict() {
    if (state_.idle.empty()) return false;
    ++state_.stats.connections_evicted;
    state_.idle.front()->Close();
    return true;
  }

  void Cut() {
    while (!state_.connections.empty()) {
      const auto connection = *state_.connections.begin();
      connection->Close(!connection->idle());
    }
  }

  void OnClosed() {
    if (!state_.connections.empty() || !stop_done_) return;
    grace_.Cancel();
    state_.loop.Post(std::exchange(stop_done_, nullptr));
  }

  ServerState state_;
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<Listening>> listeners_;
  Task stop_done_;
  EventLoop::Handle grace_;
};

std::string_view AccessName(Access access) {
  switch (access) {
    case Access::kPublic:
      return "public";
    case Access::kViewer:
      return "viewer";
    case Access::kOperator:
      return "operator";
    case Access::kAdmin:
      return "admin";
  }
  return "admin";
}

HttpServer::HttpServer(EventLoop& loop, HttpServerOptions options)
    : impl_(std::make_shared<Impl>(loop, options)) {}
HttpServer::~HttpServer() = default;

void HttpServer::Route(std::string pattern, Access access, HttpHandler handler,
                       std::string method) {
  impl_->state().router.Add({std::move(method), std::move(pattern), access},
                            std::move(handler));
}

void HttpServer::Route(std::string pattern, Access access,
                       std::function<HttpResponse(const HttpRequest&)> handler,
                       std::string method) {
  Route(
      std::move(pattern), access,
      [h = std::move(handler)](
          const std::shared_ptr<const HttpRequest>& request,
          Responder responder) { responder.Send(h(*request)); },
      std::move(method));
}

const std::vector<HttpServer::RouteInfo>& HttpServer::routes() const {
  return impl_->state().router.routes();
}

void HttpServer::SetAuthorizer(Authorizer authorizer) {
  impl_->state().authorizer = std::move(authorizer);
}

void HttpServer::SetGate(HttpGate* gate) { impl_->state().gate = gate; }

Status HttpServer::Listen(const std::string& address) {
  return impl_->Listen(address);
}

std::uint16_t HttpServer::port() const { return impl_->port(); }

void HttpServer::Stop(std::chrono::milliseconds grace, Task done) {
  impl_->Stop(grace, std::move(done));
}

const HttpServerStats& HttpServer::stats() const {
  return impl_->state().stats;
}

}  // namespace fodc::net
