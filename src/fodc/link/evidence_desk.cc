// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/evidence_desk.h"

#include <memory>
#include <set>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::link {
namespace {

// One call of RefreshEvents.
struct Round {
  std::set<fleet::AgentId> open;
  std::string failures;
  fleet::EvidenceCommander::DoneCallback done;
  net::EventLoop::Handle timer;

  void Answered(const fleet::AgentId& agent, const Status& status) {
    if (!done || open.erase(agent) == 0) return;
    if (!status.ok()) {
      failures += StrCat(failures.empty() ? "" : "; ", status.message());
    }
    if (open.empty()) {
      Finish(failures.empty() ? OkStatus() : Unavailable(failures));
    }
  }
  void Finish(const Status& status) {
    timer.Cancel();
    auto callback = std::move(done);
    done = nullptr;
    callback(status);
  }
};

AgentSession* FindLive(const ServerCore& core, const fleet::AgentId& id) {
  if (AgentSession* session = core.Find(id)) return session;
  std::string pod;
  if (const fleet::Agent* agent = core.fleet.registry().Find(id)) {
    pod = agent->identity.pod_name;
  } else if (const auto node = core.fleet.events().Of(id)) {
    pod = node->pod_name;
  } else {
    return nullptr;
  }
  for (const fleet::Agent& agent : *core.fleet.List()) {
    if (agent.status != fleet::AgentStatus::kOnline ||
        !EqualsIgnoreCase(agent.identity.pod_name, pod)) {
      continue;
    }
    if (AgentSession* session = core.Find(agent.id)) return session;
  }
  return nullptr;
}

Status NotThere(const ServerCore& core, const fleet::AgentId& agent) {
  const bool is_known = core.fleet.registry().Find(agent) != nullptr ||
                        core.fleet.events().Of(agent) != nullptr;
  return is_known ? Unavailable(StrCat(
                        "agent connection not found for agent ID: ", agent))
                  : NotFound(StrCat("agent ", agent, " not found"));
}

}  // namespace

void RefreshEvents(ServerCore& core, const std::vector<fleet::AgentId>& agents,
                   MonotonicTime deadline,
                   fleet::EvidenceCommander::DoneCallback done) {
  const auto round = std::make_shared<Round>();
  // Never inside the call.
  round->done = [&loop = core.loop,
                 done = std::move(done)](const Status& status) mutable {
    loop.Post([done = std::move(done), status]() mutable { done(status); });
  };
  round->open.insert(agents.begin(), agents.end());
  if (round->open.empty()) {
    round->Finish(OkStatus());
    return;
  }
  round->timer = core.loop.RunAt(deadline, [round] {
    std::string who;
    for (const auto& agent : round->open) {
      who += StrCat(who.empty() ? "" : ", ", agent);
    }
    round->Finish(DeadlineExceeded(
        StrCat("no list of pressure profiles in time from ", who)));
  });
  const std::set<fleet::AgentId> all = round->open;
  for (const fleet::AgentId& agent : all) {
    AgentSession* session = core.Find(agent);
    if (session == nullptr) {
      round->Answered(agent, NotThere(core, agent));
      continue;
    }
    session->RefreshEvents([round, agent](const Status& status) {
      round->Answered(agent, status);
    });
  }
}

void FetchEvidence(ServerCore& core, const fleet::AgentId& agent,
                   const fleet::EvidenceQuestion& question,
                   MonotonicTime deadline,
                   fleet::EvidenceCommander::FetchCallback done) {
  auto later = [&loop = core.loop, withdrawal = question.withdrawal,
                done = std::move(done)](
                   Result<fleet::EvidenceAnswer> answer) mutable {
    if (withdrawal != nullptr) withdrawal->Listen(nullptr);
    loop.Post([done = std::move(done), answer = std::move(answer)]() mutable {
      done(std::move(answer));
    });
  };
  AgentSession* session = FindLive(core, agent);
  if (session == nullptr) {
    later(NotThere(core, agent));
  } else if (core.hurried() >= core.options.max_fetches) {
    later(Unavailable(StrCat("the proxy has ", core.options.max_fetches,
                             " downloads under way")));
  } else {
    session->Fetch(question, deadline, std::move(later));
  }
}

void PinEvent(ServerCore& core, const fleet::AgentId& agent,
              const std::string& event_id, bool pinned, MonotonicTime deadline,
              fleet::EvidenceCommander::DoneCallback done) {
  auto later = [&loop = core.loop,
                done = std::move(done)](const Status& status) mutable {
    loop.Post([done = std::move(done), status]() mutable { done(status); });
  };
  AgentSession* session = FindLive(core, agent);
  if (session == nullptr) {
    later(NotThere(core, agent));
  } else {
    session->Pin(event_id, pinned, deadline, std::move(later));
  }
}

}  // namespace fodc::link
