// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/agent_link.h"

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/link/library_log.h"
#include "fodc/link/proxy_session.h"
#include "fodc/net/resolver.h"

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

// An address as gRPC wants it; nullopt for a name.
std::optional<std::string> TargetOf(const std::string& host,
                                    const std::string& port) {
  in6_addr ignored;
  if (::inet_pton(AF_INET, host.c_str(), &ignored) == 1) {
    return StrCat("ipv4:", host, ":", port);
  }
  if (::inet_pton(AF_INET6, host.c_str(), &ignored) == 1) {
    return StrCat("ipv6:[", host, "]:", port);
  }
  return std::nullopt;
}

}  // namespace

struct AgentLink::Impl {
  Impl(net::EventLoop& loop, const recorder::Recording& recording,
       const evidence::IncidentList& incidents,
       std::function<fleet::AgentIdentity()> identity, const Options& options)
      : context{loop, recording, incidents, std::move(identity), options},
        resolver(loop) {}

  struct Name {
    Address address;
    std::set<std::string> targets;  // as resolved last
    net::EventLoop::Handle timer;
    std::chrono::nanoseconds retry = std::chrono::milliseconds(500);
  };

  void Resolve(Name& name);
  void Resolved(Name& name, const Result<std::vector<std::string>>& addresses);
  void CheckStopped();

  AgentContext context;
  net::Resolver resolver;
  std::vector<std::unique_ptr<Name>> names;  // until the end
  std::map<std::string, std::unique_ptr<ProxySession>> sessions;
  bool stopping = false;
  net::Task stopped;
  net::EventLoop::Handle stop_poll;
  MonotonicTime stop_limit;
};

void AgentLink::Impl::Resolve(Name& name) {
  resolver.Resolve(
      name.address.host,
      [this, &name](const Result<std::vector<std::string>>& addresses) {
        Resolved(name, addresses);
      });
}

void AgentLink::Impl::Resolved(
    Name& name, const Result<std::vector<std::string>>& addresses) {
  if (stopping) return;
  std::chrono::nanoseconds again = context.options.resolve_interval;
  if (!addresses.ok()) {
    // What was known stays: a name server may fail without the proxies.
    if (name.retry == std::chrono::milliseconds(500)) {
      LogWarn("no address of the proxy", {{"status", addresses.status()}});
    }
    again = name.retry;
    name.retry = std::min<std::chrono::nanoseconds>(
        name.retry * 2, context.options.resolve_interval);
  } else {
    name.retry = std::chrono::milliseconds(500);
    name.targets.clear();
    for (const std::string& address : *addresses) {
      name.targets.insert(*TargetOf(address, name.address.port));
    }
  }
  std::set<std::string> wanted;
  for (const auto& n : names) {
    wanted.insert(n->targets.begin(), n->targets.end());
  }
  for (const std::string& target : wanted) {
    if (!sessions.contains(target)) {
      sessions[target] = std::make_unique<ProxySession>(context, target);
    }
  }
  // An address that the name has no more goes once nobody answers there.
  std::erase_if(sessions, [&](const auto& s) {
    const LinkState state = s.second->stats().state;
    return !wanted.contains(s.first) && state == LinkState::kWaiting;
  });
  name.timer = context.loop.RunAfter(again, [this, &name] { Resolve(name); });
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
                     const evidence::IncidentList& incidents,
                     std::function<fleet::AgentIdentity()> identity,
                     const Options& options)
    : impl_(std::make_unique<Impl>(loop, recording, incidents,
                                   std::move(identity), options)) {}

AgentLink::~AgentLink() {
  for (const auto& name : impl_->names) name->timer.Cancel();
  impl_->sessions.clear();
  // Conversations that ended just now wait in the loop to be destroyed; their
  // streams are cancelled already.
  impl_->context.open_streams->WaitForNone();
}

void AgentLink::set_evidence(EvidenceSource* source) {
  impl_->context.evidence = source;
}

void AgentLink::Start() {
  RouteLibraryLogs();
  for (const std::string& text : impl_->context.options.proxies) {
    const std::optional<Address> address = ParseAddress(text);
    if (!address) {
      LogError("not a proxy address, want HOST:PORT", {{"address", text}});
      continue;
    }
    Impl::Name& name =
        *impl_->names.emplace_back(std::make_unique<Impl::Name>());
    name.address = *address;
    const auto target = TargetOf(address->host, address->port);
    if (!target) {
      impl_->Resolve(name);
      continue;
    }
    name.targets = {*target};
    if (!impl_->sessions.contains(*target)) {
      impl_->sessions[*target] =
          std::make_unique<ProxySession>(impl_->context, *target);
    }
  }
}

void AgentLink::OnAppended() {
  for (const auto& [target, session] : impl_->sessions) session->OnAppended();
}

void AgentLink::OnIncident() {
  for (const auto& [target, session] : impl_->sessions) session->OnIncident();
}

void AgentLink::OnEvidence() {
  for (const auto& [target, session] : impl_->sessions) session->OnEvidence();
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
