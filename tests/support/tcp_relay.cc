// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tcp_relay.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/base/strings.h"

namespace fodc::test {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(static_cast<std::uint16_t>(port));
  return a;
}

void Reset(UniqueFd* fd) {
  const linger hard{1, 0};
  (void)::setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd->reset();
}

}  // namespace

struct TcpRelay::Pair {
  std::array<UniqueFd, 2> ends;       // who came, whom it wanted
  std::array<std::string, 2> toward;  // bytes on their way to ends[i]
  bool dead = false;
};

TcpRelay::TcpRelay(int target_port) : target_port_(target_port) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in a = Loopback(0);
  socklen_t n = sizeof a;
  FODC_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&a), n) == 0);
  FODC_CHECK(::listen(listener_.get(), 64) == 0);
  FODC_CHECK(
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&a), &n) == 0);
  port_ = ntohs(a.sin_port);
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { Run(); });
}

TcpRelay::~TcpRelay() {
  stop_ = true;
  Wake();
  thread_.join();
}

std::string TcpRelay::address() const { return StrCat("127.0.0.1:", port_); }

void TcpRelay::Wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void TcpRelay::Retarget(int target_port) { target_port_ = target_port; }

void TcpRelay::Cut() {
  mode_ = Mode::kCut;
  Wake();
}

void TcpRelay::Freeze() {
  mode_ = Mode::kFrozen;
  Wake();
}

void TcpRelay::Vanish() {
  mode_ = Mode::kVanished;
  Wake();
}

// A socket filter that takes nothing runs before TCP sees the packet.
void TcpRelay::DropPackets(bool drop) {
  if (std::exchange(dropping_, drop) == drop) return;
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program{1, nothing};
  const auto apply = [&](const UniqueFd& fd) {
    const int done = ::setsockopt(fd.get(), SOL_SOCKET,
                                  drop ? SO_ATTACH_FILTER : SO_DETACH_FILTER,
                                  &program, sizeof program);
    // One that came just before has none to detach.
    FODC_CHECK(done == 0 || !drop);
  };
  apply(listener_);
  for (const auto& p : pairs_) apply(p->ends[0]);
}

void TcpRelay::Heal() {
  mode_ = Mode::kFlow;
  Wake();
}

void TcpRelay::Run() {
  std::array<char, 65536> buffer;
  while (!stop_) {
    const Mode mode = mode_;
    DropPackets(mode == Mode::kVanished);
    if (mode == Mode::kCut) {
      for (auto& p : pairs_) {
        for (UniqueFd& fd : p->ends) Reset(&fd);
      }
      pairs_.clear();
    }
    std::vector<pollfd> fds;
    fds.push_back({wake_.get(), POLLIN, 0});
    fds.push_back({listener_.get(), POLLIN, 0});
    for (auto& p : pairs_) {
      for (std::size_t i = 0; i < 2; ++i) {
        short events = 0;
        if (mode == Mode::kFlow) {
          // What comes from end i goes toward the other.
          if (p->toward[1 - i].size() < (1u << 20)) events |= POLLIN;
          if (!p->toward[i].empty()) events |= POLLOUT;
        }
        fds.push_back({events != 0 ? p->ends[i].get() : -1, events, 0});
      }
    }
    (void)::poll(fds.data(), fds.size(), 1000);
    if (fds[0].revents != 0) {
      std::uint64_t ignored;
      (void)!::read(wake_.get(), &ignored, sizeof ignored);
    }
    for (std::size_t k = 0; k < pairs_.size(); ++k) {
      Pair& p = *pairs_[k];
      for (std::size_t i = 0; i < 2; ++i) {
        const short got = fds[2 + 2 * k + i].revents;
        if ((got & (POLLIN | POLLHUP | POLLERR)) != 0) {
          const ssize_t n = ::recv(p.ends[i].get(), buffer.data(),
                                   buffer.size(), MSG_DONTWAIT);
          if (n > 0) {
            p.toward[1 - i].append(buffer.data(), static_cast<std::size_t>(n));
            bytes_ += static_cast<std::uint64_t>(n);
          } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            p.dead = true;
          }
        }
      }
      for (std::size_t i = 0; i < 2; ++i) {
        std::string& out = p.toward[i];
        if (out.empty() || mode != Mode::kFlow) continue;
        const ssize_t n = ::send(p.ends[i].get(), out.data(), out.size(),
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
          out.erase(0, static_cast<std::size_t>(n));
        } else if (errno != EAGAIN && errno != EINTR) {
          p.dead = true;
        }
      }
    }
    std::erase_if(pairs_, [](const auto& p) { return p->dead; });
    if ((fds[1].revents & POLLIN) != 0) {
      UniqueFd came(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!came.ok()) continue;
      if (mode == Mode::kCut) {
        Reset(&came);
        continue;
      }
      ++connections_;
      UniqueFd wanted(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in a = Loopback(target_port_);
      if (::connect(wanted.get(), reinterpret_cast<const sockaddr*>(&a),
                    sizeof a) != 0) {
        Reset(&came);
        continue;
      }
      const int one = 1;
      for (const UniqueFd* fd : {&came, &wanted}) {
        (void)::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &one,
                           sizeof one);
      }
      auto pair = std::make_unique<Pair>();
      pair->ends[0] = std::move(came);
      pair->ends[1] = std::move(wanted);
      pairs_.push_back(std::move(pair));
    }
  }
}

}  // namespace fodc::test
