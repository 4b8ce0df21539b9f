// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/page_gatherer.h"

#include <utility>

#include "fodc/base/strings.h"

namespace fodc::api {

PageGatherer::PageGatherer(std::size_t line_cache_bytes)
    : lines_(line_cache_bytes),
      none_(std::make_shared<const exposition::Identity>()) {}

std::shared_ptr<const exposition::Identity> PageGatherer::IdentityOf(
    const fleet::Agent& agent, std::string_view container_name) {
  Known& known = known_[agent.id];
  known.used = true;
  const fleet::AgentIdentity& now = agent.identity;
  if (known.role != now.role || known.pod_name != now.pod_name ||
      known.labels != now.labels) {
    known.role = now.role;
    known.pod_name = now.pod_name;
    known.labels = now.labels;
    known.by_container.clear();
  }
  const auto it = known.by_container.find(container_name);
  if (it != known.by_container.end()) return it->second;
  // An agent names few containers; a broken one may name many.
  if (known.by_container.size() > 64) known.by_container.clear();
  return known.by_container
      .emplace(std::string(container_name),
               std::make_shared<const exposition::Identity>(
                   now.role, now.pod_name, container_name, now.labels))
      .first->second;
}

void PageGatherer::AddFrames(NodeFrames node, std::vector<PagePart>* parts) {
  for (recorder::SourceFrame& frame : node.frames) {
    if (frame.values.empty()) continue;
    PagePart part;
    part.identity = IdentityOf(node.agent, frame.container_name);
    part.layout = lines_.Find(StrCat(node.agent.id, " ", frame.source_name),
                              frame.series, *part.identity);
    part.values = std::move(frame.values);
    parts->push_back(std::move(part));
  }
}

void PageGatherer::AddAnswers(const std::vector<AgentAnswer>& answers,
                              std::vector<PagePart>* parts) {
  TypedFamilies families;
  for (const AgentAnswer& a : answers) {
    if (a.answer) families.Add(*a.answer);
  }
  for (const AgentAnswer& a : answers) {
    if (!a.answer || a.answer->samples.empty()) continue;
    auto series = std::make_shared<std::vector<recorder::SeriesRef>>();
    PagePart part;
    for (AnsweredSeries& s :
         SeriesOfAnswer(*a.answer, families, nullptr, &pool_)) {
      series->push_back(std::move(s.series));
      part.values.push_back(s.values.back());
    }
    part.identity = none_;
    part.layout = lines_.Find(a.agent.id, std::move(series), *none_);
    parts->push_back(std::move(part));
  }
}

void PageGatherer::AddOwn(const std::function<void(const OwnSink&)>& own,
                          std::vector<PagePart>* parts) {
  if (!own) return;
  auto series = std::make_shared<std::vector<recorder::SeriesRef>>();
  PagePart part;
  own([&](const exposition::SeriesDesc& desc, double value) {
    series->push_back(pool_.Intern(desc));
    part.values.push_back(value);
  });
  if (series->empty()) return;
  part.identity = none_;
  part.layout = lines_.Find("", std::move(series), *none_);
  parts->push_back(std::move(part));
}

void PageGatherer::Sweep() {
  for (auto it = known_.begin(); it != known_.end();) {
    it = std::exchange(it->second.used, false) ? std::next(it)
                                               : known_.erase(it);
  }
  lines_.Sweep();
}

}  // namespace fodc::api
