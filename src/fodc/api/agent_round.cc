// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/agent_round.h"

namespace fodc::api {
namespace {

struct Round {
  std::vector<AgentAnswer> answers;
  std::size_t open = 0;
  std::size_t room = 0;  // bytes
  net::UniqueFunction<void(std::vector<AgentAnswer>)> done;
};

}  // namespace

void AskAgents(fleet::AgentCommander& commander, const Clock& clock,
               std::vector<fleet::Agent> agents,
               const fleet::MetricsQuestion& question, MonotonicTime deadline,
               std::size_t max_bytes,
               net::UniqueFunction<void(std::vector<AgentAnswer>)> done) {
  if (agents.empty()) return done({});
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  round->open = agents.size();
  round->room = max_bytes;
  for (fleet::Agent& agent : agents) {
    round->answers.push_back({std::move(agent), nullptr, {}, false});
  }
  for (std::size_t i = 0; i < round->answers.size(); ++i) {
    commander.RequestMetrics(
        round->answers[i].agent.id, question, deadline,
        [round, i, &clock, asked = clock.Monotonic()](
            Result<std::shared_ptr<const fleet::MetricsAnswer>> answer) {
          AgentAnswer& to = round->answers[i];
          to.took = clock.Monotonic() - asked;
          if (answer.ok() && (*answer)->bytes > round->room) {
            to.too_large = true;
          } else if (answer.ok()) {
            to.answer = *std::move(answer);
            round->room -= to.answer->bytes;
          }
          if (--round->open == 0) round->done(std::move(round->answers));
        });
  }
}

}  // namespace fodc::api
