// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/instant_page.h"

#include <utility>

namespace fodc::api {

InstantPage::InstantPage(const fleet::Fleet& fleet, const Clock& clock,
                         const NodeFrameReader& frames, PageGatherer* gatherer,
                         ApiStats* stats, std::vector<fleet::Agent> agents,
                         std::vector<AgentAnswer> answers, std::int64_t unix_ms)
    : fleet_(fleet),
      clock_(clock),
      frames_(frames),
      gatherer_(gatherer),
      stats_(stats),
      agents_(std::move(agents)),
      answers_(std::move(answers)),
      unix_ms_(unix_ms) {}

bool InstantPage::Gather(const fleet::Agent& agent) {
  const fleet::Mirror* mirror = fleet_.mirror(agent.id);
  if (mirror == nullptr || !Covers(agent, *mirror, unix_ms_, clock_.Monotonic(),
                                   ToUnixMillis(clock_.Unix()))) {
    return false;  // whether it was up then, nobody knows
  }
  gatherer_->AddFrames(frames_.At(agent, *mirror, unix_ms_), &parts_);
  return true;
}

bool InstantPage::Append(std::string* out, std::size_t max_bytes) {
  if (text_ != nullptr) return text_->Append(out, max_bytes);
  while (next_ < agents_.size()) {
    if (Gather(agents_[next_++])) return true;
  }
  gatherer_->AddAnswers(answers_, &parts_);
  answers_.clear();
  if (parts_.empty()) return false;
  text_ = std::make_unique<PageText>(gatherer_->lines(), std::move(parts_));
  stats_->page_samples += text_->samples();
  return true;
}

}  // namespace fodc::api
