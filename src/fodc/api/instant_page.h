// SPDX-License-Identifier: Apache-2.0
// The page of an instant of the past (/metrics?at=), gathered node by node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fodc/api/agent_round.h"
#include "fodc/api/api.h"
#include "fodc/api/node_frames.h"
#include "fodc/api/page.h"
#include "fodc/api/page_gatherer.h"
#include "fodc/base/clock.h"
#include "fodc/fleet/fleet.h"

namespace fodc::api {

// What it refers to must outlive it. Of an agent that goes while the page is
// gathered nothing is shown.
class InstantPage {
 public:
  InstantPage(const fleet::Fleet& fleet, const Clock& clock,
              const NodeFrameReader& frames, PageGatherer* gatherer,
              ApiStats* stats, std::vector<fleet::Agent> agents,
              std::vector<AgentAnswer> answers, std::int64_t unix_ms);

  // Reads one node, which takes some milliseconds, or appends what comes next.
  // Returns whether something is left.
  bool Append(std::string* out, std::size_t max_bytes);

 private:
  // Whether there was anything to read.
  bool Gather(const fleet::Agent& agent);

  const fleet::Fleet& fleet_;
  const Clock& clock_;
  const NodeFrameReader& frames_;
  PageGatherer* const gatherer_;
  ApiStats* const stats_;
  const std::vector<fleet::Agent> agents_;
  std::vector<AgentAnswer> answers_;
  const std::int64_t unix_ms_;
  std::size_t next_ = 0;
  std::vector<PagePart> parts_;
  std::unique_ptr<PageText> text_;
};

}  // namespace fodc::api
