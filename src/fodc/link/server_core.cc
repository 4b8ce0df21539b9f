// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/server_core.h"

#include <algorithm>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::link {

using fleet::Registry;

Status ServerCore::CheckRate(const std::string& peer) {
  const std::size_t max_agents =
      options.max_agents_per_connection != 0
          ? options.max_agents_per_connection
          : std::max<std::size_t>(16,
                                  fleet.registry().options().max_agents / 2);
  if (const auto it = agents_per_peer_.find(peer);
      it != agents_per_peer_.end() && it->second >= max_agents) {
    return ResourceExhausted(StrCat("this connection has ", it->second,
                                    " agents; the limit is ", max_agents));
  }
  const double burst = static_cast<double>(
      std::max<std::size_t>(64, fleet.registry().options().max_agents));
  const MonotonicTime now = Now();
  Bucket& bucket =
      buckets_.try_emplace(PeerHost(peer), Bucket{burst, now}).first->second;
  const std::chrono::duration<double> since = now - bucket.at;
  bucket.at = now;
  bucket.tokens = std::min(
      burst, bucket.tokens + since.count() * options.registrations_per_second);
  if (bucket.tokens < 1) {
    return ResourceExhausted("too many registrations from this address");
  }
  bucket.tokens -= 1;
  return OkStatus();
}

void ServerCore::Admit(const std::shared_ptr<Registry::Claim>& claim,
                       const std::string& peer, std::function<bool()> alive,
                       std::function<void(const Registry::Admission&)> done) {
  claim->peer_address = PeerHost(peer);
  Registry::Admission refused;
  refused.status =
      draining ? Unavailable("the proxy is shutting down") : CheckRate(peer);
  if (!refused.status.ok()) {
    done(refused);
    return;
  }
  Settle(claim, std::move(alive), std::move(done));
}

void ServerCore::Settle(const std::shared_ptr<Registry::Claim>& claim,
                        std::function<bool()> alive,
                        std::function<void(const Registry::Admission&)> done) {
  for (;;) {
    if (!alive()) return;
    const Registry::Admission admission = fleet.Admit(*claim);
    if (!admission.probe) {
      for (const auto* gone : {&admission.replaced, &admission.evicted}) {
        for (const fleet::AgentId& id : *gone) {
          if (AgentSession* s = Find(id)) {
            // A twin that returns at once would only be replaced again.
            s->Dismiss(Status(Code::kAborted,
                              "another registration took this agent's place"),
                       30'000);
          }
        }
      }
      if (admission.conflict) TellConflict(admission.id);
      done(admission);
      return;
    }
    AgentSession* rival = Find(*admission.probe);
    if (rival == nullptr) {
      claim->found_dead.insert(*admission.probe);
      continue;
    }
    ++stats.probes;
    rival->Probe([this, claim, alive = std::move(alive), done = std::move(done),
                  id = *admission.probe](bool lives) {
      (lives ? claim->found_alive : claim->found_dead).insert(id);
      Settle(claim, alive, done);
    });
    return;
  }
}

void ServerCore::TellConflict(const fleet::AgentId& id) {
  const fleet::Agent* newcomer = fleet.registry().Find(id);
  if (newcomer == nullptr) return;
  for (const fleet::Agent& agent : *fleet.List()) {
    if (agent.identity.pod_name != newcomer->identity.pod_name ||
        agent.status != fleet::AgentStatus::kOnline) {
      continue;
    }
    LogWarn("two live agents claim one pod: the second is left out",
            {{"pod_name", agent.identity.pod_name},
             {"agent_id", agent.id},
             {"address", fleet::AgentAddress(agent)},
             {"second_agent_id", id},
             {"second_address", fleet::AgentAddress(*newcomer)}});
    return;
  }
}

void ServerCore::Begin(std::shared_ptr<AgentSession> session) {
  ++unregistered;
  sessions.insert(std::move(session));
}

void ServerCore::Registered(const std::shared_ptr<AgentSession>& session) {
  --unregistered;
  by_id_[session->id()] = session;
  ++agents_per_peer_[session->peer()];
}

void ServerCore::End(AgentSession* session) {
  const auto it = sessions.find(session->shared_from_this());
  if (it == sessions.end()) return;
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): outlives *it
  const std::shared_ptr<AgentSession> kept = *it;
  sessions.erase(it);
  if (session->id().empty()) {
    --unregistered;
    return;
  }
  by_id_.erase(session->id());
  const auto count = agents_per_peer_.find(session->peer());
  if (count != agents_per_peer_.end() && --count->second == 0) {
    agents_per_peer_.erase(count);
  }
  fleet.Disconnect(session->id());
  // The caller is a member of *session: let it return first.
  loop.Post([kept] {});
}

LinkServer::Stats ServerCore::TakeStats() const {
  LinkServer::Stats s = stats;
  for (const auto& session : sessions) session->AddStats(&s);
  s.hurried = downloads_->hurried.load();
  return s;
}

AgentSession* ServerCore::Find(const fleet::AgentId& id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second.get();
}

Download::Download(std::shared_ptr<Downloads> all) : all_(std::move(all)) {
  ++all_->open;
  SetHurried(true);
}

Download::~Download() {
  SetHurried(false);
  --all_->open;
}

void Download::SetHurried(bool is_hurried) {
  if (std::exchange(is_hurried_, is_hurried) == is_hurried) return;
  if (is_hurried) {
    ++all_->hurried;
  } else {
    --all_->hurried;
  }
}

void ServerCore::CloseSoon(std::shared_ptr<Stream> stream,
                           const Status& status) {
  if (stream == nullptr) return;
  stream->Detach();
  stream->Close(status);
  closing_.emplace_back(std::move(stream), Now() + options.close_timeout);
}

void ServerCore::TellLeft(const fleet::AgentId& id, const Status& status,
                          bool in_order) {
  const fleet::Agent* agent = fleet.registry().Find(id);
  const std::string pod_name = agent == nullptr ? "" : agent->identity.pod_name;
  if (in_order || draining) {
    LogInfo("agent left",
            {{"agent_id", id}, {"pod_name", pod_name}, {"status", status}});
  } else {
    LogWarn(
        "agent lost",
        {{"agent_id", id},
         {"pod_name", pod_name},
         {"status", status.ok() ? Unavailable("the stream ended without a word")
                                : status}});
  }
}

void ServerCore::Sweep() {
  fleet.Notice();
  // As in Tick: a proxy that was away must not take its own silence for that of
  // its agents, whose words still wait behind this sweep. The next one will do.
  if (Now() - fleet.returned_at() < std::chrono::seconds(1)) return;
  // Streams of those that go stay open; their next heartbeat is told.
  (void)fleet.Sweep();
}

void ServerCore::Tick() {
  const MonotonicTime now = Now();
  std::erase_if(closing_, [now](auto& c) {
    if (c.first->done()) return true;
    if (c.second > now) return false;
    c.first->Cancel();
    return true;
  });
  std::erase_if(buckets_, [now](const auto& b) {
    return now - b.second.at > std::chrono::minutes(5);
  });
  // After a stall of the loop what agents said still waits behind this tick.
  const bool stalled = now - last_tick_ > 4 * tick_period;
  last_tick_ = now;
  if (stalled) return;
  const std::vector<std::shared_ptr<AgentSession>> all(sessions.begin(),
                                                       sessions.end());
  for (const auto& session : all) session->Tick(now);
}

}  // namespace fodc::link
