// SPDX-License-Identifier: Apache-2.0
// Puts together what /metrics shows: frames of mirrored recordings, answers of
// v1 agents, and the proxy's own metrics.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/api/agent_round.h"
#include "fodc/api/answered_series.h"
#include "fodc/api/api.h"
#include "fodc/api/line_cache.h"
#include "fodc/api/node_frames.h"
#include "fodc/api/page.h"
#include "fodc/exposition/identity.h"

namespace fodc::api {

// Keeps what is the same from page to page: lines, layouts and identities.
// Not thread-safe.
class PageGatherer {
 public:
  explicit PageGatherer(std::size_t line_cache_bytes);

  void AddFrames(NodeFrames node, std::vector<PagePart>* parts);
  // Newest sample of each series of each answer.
  void AddAnswers(const std::vector<AgentAnswer>& answers,
                  std::vector<PagePart>* parts);
  void AddOwn(const std::function<void(const OwnSink&)>& own,
              std::vector<PagePart>* parts);
  // Forgets nodes that were not shown for a while. Call it now and then.
  void Sweep();

  LineCache* lines() { return &lines_; }
  const LineCache& lines() const { return lines_; }
  recorder::SeriesPool* pool() { return &pool_; }

 private:
  struct Known {
    std::string role;
    std::string pod_name;
    fleet::Labels labels;
    std::map<std::string, std::shared_ptr<const exposition::Identity>,
             std::less<>>
        by_container;
    bool used = true;
  };
  std::shared_ptr<const exposition::Identity> IdentityOf(
      const fleet::Agent& agent, std::string_view container_name);

  recorder::SeriesPool pool_;  // of answers and own metrics
  LineCache lines_;
  std::map<std::string, Known, std::less<>> known_;  // by agent id
  const std::shared_ptr<const exposition::Identity> none_;
};

}  // namespace fodc::api
