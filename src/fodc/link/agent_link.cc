// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/agent_link.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/link/library_log.h"
#include "fodc/link/proxy_session.h"

namespace fodc::link {
namespace {

struct Address {
  std::string host;  // without brackets
  std::string port;
};

std::optional<Address> ParseAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !ParseUint(text.substr(colon + 1))) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  return Address{host.empty() ? "localhost" : std::string(host),
                 std::string(text.substr(colon + 1))};
}

// Every address of the name as a gRPC target. A name with both kinds of
// addresses gives those of IPv4: they are the same proxies. Blocks.
std::vector<std::string> Resolve(const Address& a) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(a.host.c_str(), nullptr, &hints, &found) != 0) return {};
  std::set<std::string> v4;
  std::set<std::string> v6;
  for (const addrinfo* i = found; i != nullptr; i = i->ai_next) {
    char text[INET6_ADDRSTRLEN] = "";
    if (i->ai_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(i->ai_addr);
      ::inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
      v4.insert(StrCat("ipv4:", text, ":", a.port));
    } else if (i->ai_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(i->ai_addr);
      ::inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
      v6.insert(StrCat("ipv6:[", text, "]:", a.port));
    }
  }
  ::freeaddrinfo(found);
  const std::set<std::string>& chosen = v4.empty() ? v6 : v4;
  return {chosen.begin(), chosen.end()};
}

}  // namespace

struct AgentLink::Impl {
  Impl(net::EventLoop& loop, const recorder::Recording& recording,
       std::function<fleet::AgentIdentity()> identity, const Options& options)
      : context{loop, recording, std::move(identity), options} {}

  struct Name {
    Address address;
    std::set<std::string> targets;  // as resolved last
    net::EventLoop::Handle timer;
    std::chrono::nanoseconds retry = std::chrono::milliseconds(500);
  };

  void ResolveSoon(const std::shared_ptr<Name>& name);
  void Resolved(const std::shared_ptr<Name>& name,
                const std::vector<std::string>& targets);
  void CheckStopped();

  AgentContext context;
  std::vector<std::shared_ptr<Name>> names;
  std::map<std::string, std::unique_ptr<ProxySession>> sessions;
  const std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  bool stopping = false;
  net::Task stopped;
  net::EventLoop::Handle stop_poll;
  MonotonicTime stop_limit;
};

void AgentLink::Impl::ResolveSoon(const std::shared_ptr<Name>& name) {
  const std::weak_ptr<bool> token = alive;
  const bool begun = context.loop.Offload<std::vector<std::string>>(
      [address = name->address] { return Resolve(address); },
      [this, token, name](std::vector<std::string> targets) {
        if (!token.expired()) Resolved(name, targets);
      });
  if (!begun) {
    name->timer = context.loop.RunAfter(std::chrono::seconds(1),
                                        [this, name] { ResolveSoon(name); });
  }
}

void AgentLink::Impl::Resolved(const std::shared_ptr<Name>& name,
                               const std::vector<std::string>& targets) {
  if (stopping) return;
  std::chrono::nanoseconds again = context.options.resolve_interval;
  if (targets.empty()) {
    // What was known stays: a name server may fail without the proxies.
    if (name->retry == std::chrono::milliseconds(500)) {
      LogWarn("cannot resolve the proxy's name",
              {{"host", name->address.host}});
    }
    again = name->retry;
    name->retry = std::min<std::chrono::nanoseconds>(
        name->retry * 2, context.options.resolve_interval);
  } else {
    name->retry = std::chrono::milliseconds(500);
    name->targets = {targets.begin(), targets.end()};
  }
  std::set<std::string> wanted;
  for (const auto& n : names) {
    wanted.insert(n->targets.begin(), n->targets.end());
  }
  for (const std::string& target : wanted) {
    if (!sessions.contains(target)) {
      sessions[target] =
          std::make_unique<ProxySession>(context, target, name->address.host);
    }
  }
  // An address that the name has no more goes once nobody answers there.
  std::erase_if(sessions, [&](const auto& s) {
    const LinkState state = s.second->stats().state;
    return !wanted.contains(s.first) && state == LinkState::kWaiting;
  });
  name->timer =
      context.loop.RunAfter(again, [this, name] { ResolveSoon(name); });
}

void AgentLink::Impl::CheckStopped() {
  if (!stopped) return;
  const bool all =
      std::all_of(sessions.begin(), sessions.end(),
                  [](const auto& s) { return s.second->stopped(); });
  if (!all && context.Now() < stop_limit) return;
  stop_poll.Cancel();
  sessions.clear();
  net::Task done = std::move(stopped);
  stopped = nullptr;
  done();
}

AgentLink::AgentLink(net::EventLoop& loop, const recorder::Recording& recording,
                     std::function<fleet::AgentIdentity()> identity,
                     const Options& options)
    : impl_(std::make_unique<Impl>(loop, recording, std::move(identity),
                                   options)) {}

AgentLink::~AgentLink() {
  for (const auto& name : impl_->names) name->timer.Cancel();
  impl_->sessions.clear();
  // Conversations that ended just now wait in the loop to be destroyed; their
  // streams are cancelled already.
  impl_->context.open_streams->WaitForNone();
}

void AgentLink::Start() {
  RouteLibraryLogs();
  for (const std::string& text : impl_->context.options.proxies) {
    const std::optional<Address> address = ParseAddress(text);
    if (!address) {
      LogError("not a proxy address, want HOST:PORT", {{"address", text}});
      continue;
    }
    auto name = std::make_shared<Impl::Name>();
    name->address = *address;
    impl_->names.push_back(name);
    in6_addr ignored;
    const bool v4 = ::inet_pton(AF_INET, address->host.c_str(), &ignored) == 1;
    const bool v6 = ::inet_pton(AF_INET6, address->host.c_str(), &ignored) == 1;
    if (!v4 && !v6) {
      impl_->ResolveSoon(name);
      continue;
    }
    const std::string target =
        v4 ? StrCat("ipv4:", address->host, ":", address->port)
           : StrCat("ipv6:[", address->host, "]:", address->port);
    name->targets = {target};
    if (!impl_->sessions.contains(target)) {
      impl_->sessions[target] =
          std::make_unique<ProxySession>(impl_->context, target, address->host);
    }
  }
}

void AgentLink::OnAppended() {
  for (const auto& [target, session] : impl_->sessions) session->OnAppended();
}

void AgentLink::OnIdentityChanged() {
  for (const auto& [target, session] : impl_->sessions) {
    session->OnIdentityChanged();
  }
}

void AgentLink::Stop(const std::string& reason, std::chrono::nanoseconds limit,
                     net::Task done) {
  Impl* raw = impl_.get();
  raw->stopping = true;
  raw->stopped = std::move(done);
  raw->stop_limit = raw->context.Now() + limit;
  for (const auto& name : raw->names) name->timer.Cancel();
  for (const auto& [target, session] : raw->sessions) session->Stop(reason);
  raw->stop_poll = raw->context.loop.RunEvery(
      std::chrono::milliseconds(10),
      [raw](const net::EventLoop::Tick&) { raw->CheckStopped(); });
}

std::vector<ProxyLinkStats> AgentLink::stats() const {
  std::vector<ProxyLinkStats> out;
  for (const auto& [target, session] : impl_->sessions) {
    out.push_back(session->stats());
  }
  return out;
}

bool AgentLink::connected() const {
  return std::any_of(
      impl_->sessions.begin(), impl_->sessions.end(), [](const auto& s) {
        const LinkState state = s.second->stats().state;
        return state == LinkState::kFlight || state == LinkState::kV1;
      });
}

}  // namespace fodc::link
