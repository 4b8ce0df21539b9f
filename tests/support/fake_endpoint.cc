// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::test {
namespace {

constexpr int kPollMs = 50;  // how soon threads notice the end

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd Listen(std::uint16_t* port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address = Loopback(*port);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  FODC_CHECK(::bind(fd.get(), generic, sizeof address) == 0);
  FODC_CHECK(::listen(fd.get(), 128) == 0);
  socklen_t size = sizeof address;
  FODC_CHECK(::getsockname(fd.get(), generic, &size) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

bool Readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, kPollMs) > 0;
}

}  // namespace

bool Exchange::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    if (stopping_->load()) return false;
    pollfd p{fd_, POLLOUT, 0};
    if (::poll(&p, 1, kPollMs) == 0) continue;
    const ssize_t n =
        ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool Exchange::Answer(int status, std::string_view body,
                      std::string_view content_type,
                      std::string_view more_headers) const {
  return Send(StrCat("HTTP/1.1 ", status, " X\r\nContent-Type: ", content_type,
                     "\r\nContent-Length: ", body.size(), "\r\n", more_headers,
                     "\r\n")) &&
         Send(body);
}

void Exchange::Hang() const {
  while (!stopping_->load()) {
    if (!Readable(fd_)) continue;
    char byte = 0;
    if (::recv(fd_, &byte, 1, MSG_PEEK) <= 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
  }
}

struct FakeEndpoint::Impl {
  Handler handler;
  std::uint16_t port = 0;
  UniqueFd listener;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> requests{0};
  std::mutex mutex;
  std::list<std::thread> connections;
  std::thread acceptor;

  void Serve(UniqueFd fd) {
    std::string buffer;
    while (!stopping.load()) {
      const std::size_t end = buffer.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (!Readable(fd.get())) continue;
        char piece[4096];
        const ssize_t n = ::recv(fd.get(), piece, sizeof piece, 0);
        if (n <= 0) return;
        buffer.append(piece, static_cast<std::size_t>(n));
        continue;
      }
      const std::string head = buffer.substr(0, end + 4);
      buffer.erase(0, end + 4);
      Exchange exchange(fd.get(), &stopping);
      requests.fetch_add(1);
      handler(head, exchange);
      if (exchange.closing()) return;
    }
  }

  void Accept() {
    while (!stopping.load()) {
      if (!Readable(listener.get())) continue;
      UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.ok()) continue;
      const std::lock_guard lock(mutex);
      connections.emplace_back(
          [this, raw = fd.release()] { Serve(UniqueFd(raw)); });
    }
  }
};

FakeEndpoint::FakeEndpoint(Handler handler, std::uint16_t port)
    : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->port = port;
  impl_->listener = Listen(&impl_->port);
  impl_->acceptor = std::thread([this] { impl_->Accept(); });
}

FakeEndpoint::FakeEndpoint(std::string page)
    : FakeEndpoint([page = std::move(page)](std::string_view, Exchange& e) {
        e.Answer(200, page);
      }) {}

FakeEndpoint::~FakeEndpoint() {
  impl_->stopping.store(true);
  impl_->acceptor.join();
  for (std::thread& t : impl_->connections) t.join();
}

std::uint16_t FakeEndpoint::port() const { return impl_->port; }
std::uint64_t FakeEndpoint::requests() const { return impl_->requests.load(); }

enum class RelayMode : std::uint8_t { kOpen, kCut, kFrozen };

struct TcpRelay::Impl {
  std::uint16_t target = 0;
  std::uint16_t port = 0;
  UniqueFd listener;
  std::atomic<bool> stopping{false};
  std::atomic<RelayMode> mode{RelayMode::kOpen};
  std::atomic<std::uint64_t> epoch{0};  // changes when connections must go
  std::thread thread;

  struct Pair {
    UniqueFd client;
    UniqueFd server;
    std::uint64_t epoch = 0;
  };

  // Passes what can be read at once; false when the connection is over.
  static bool Pump(int from, int to) {
    char piece[65536];
    const ssize_t n = ::recv(from, piece, sizeof piece, MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    std::string_view bytes(piece, static_cast<std::size_t>(n));
    while (!bytes.empty()) {
      const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void AcceptOne(std::list<Pair>* pairs) const {
    UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.ok() || mode.load() == RelayMode::kCut) return;
    UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = Loopback(target);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(server.get(), generic, sizeof address) != 0) return;
    pairs->push_back({std::move(client), std::move(server), epoch.load()});
  }

  void Run() {
    std::list<Pair> pairs;
    while (!stopping.load()) {
      const RelayMode now = mode.load();
      pairs.remove_if([&](const Pair& p) { return p.epoch != epoch.load(); });
      std::vector<pollfd> polled;
      if (now != RelayMode::kFrozen) {
        polled.push_back({listener.get(), POLLIN, 0});
        for (const Pair& p : pairs) {
          polled.push_back({p.client.get(), POLLIN, 0});
          polled.push_back({p.server.get(), POLLIN, 0});
        }
      }
      if (::poll(polled.data(), polled.size(), kPollMs) <= 0) continue;
      if (mode.load() == RelayMode::kFrozen) continue;
      std::size_t i = 1;
      for (auto it = pairs.begin(); it != pairs.end(); i += 2) {
        const bool alive = (polled[i].revents == 0 ||
                            Pump(it->client.get(), it->server.get())) &&
                           (polled[i + 1].revents == 0 ||
                            Pump(it->server.get(), it->client.get()));
        it = alive ? std::next(it) : pairs.erase(it);
      }
      if (polled[0].revents != 0) AcceptOne(&pairs);
    }
  }
};

TcpRelay::TcpRelay(std::uint16_t target_port)
    : impl_(std::make_unique<Impl>()) {
  impl_->target = target_port;
  impl_->listener = Listen(&impl_->port);
  impl_->thread = std::thread([this] { impl_->Run(); });
}

TcpRelay::~TcpRelay() {
  impl_->stopping.store(true);
  impl_->thread.join();
}

std::uint16_t TcpRelay::port() const { return impl_->port; }

void TcpRelay::Cut() {
  impl_->mode.store(RelayMode::kCut);
  impl_->epoch.fetch_add(1);
}

void TcpRelay::Freeze() { impl_->mode.store(RelayMode::kFrozen); }

void TcpRelay::Heal() {
  if (impl_->mode.load() == RelayMode::kFrozen) impl_->epoch.fetch_add(1);
  impl_->mode.store(RelayMode::kOpen);
}

}  // namespace fodc::test
