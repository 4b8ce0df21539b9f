// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/node_frames.h"

#include <algorithm>
#include <utility>

namespace fodc::api {
namespace {

constexpr std::string_view kUp = "up";

}  // namespace

bool IsCatchingUp(const fleet::Agent& agent, const fleet::Mirror& mirror,
                  MonotonicTime now) {
  return agent.status != fleet::AgentStatus::kOffline
             ? mirror.IsCatchingUp(now)
             : now < agent.awaited_until;
}

bool IsFresh(const fleet::Mirror& mirror, const recorder::SourceFrame& frame,
             MonotonicTime now) {
  return mirror.pace().IsFresh(frame.name, frame.time, now);
}

bool Covers(const fleet::Agent& agent, const fleet::Mirror& mirror,
            std::int64_t unix_ms, MonotonicTime now, std::int64_t now_unix_ms) {
  const recorder::RecordingStats s = mirror.recording().stats();
  if (IsCatchingUp(agent, mirror, now)) now_unix_ms = s.to_unix_ms;
  // The agent's wall clock may be ahead of ours.
  return s.frames > 0 && unix_ms >= s.from_unix_ms &&
         unix_ms <= std::max(now_unix_ms, s.to_unix_ms);
}

NodeNews NewestOf(const fleet::Agent& agent, const fleet::Mirror& mirror,
                  MonotonicTime now, std::int64_t now_unix_ms) {
  NodeNews news;
  news.frames = mirror.recording().Latest();
  for (const recorder::SourceFrame& frame : news.frames) {
    auto age = mirror.pace().AgeOf(frame.name, frame.time, now);
    if (age == std::chrono::milliseconds::max()) {
      // It came in a chunk, after the proxy's restart for one.
      age = std::chrono::milliseconds(
          std::max<std::int64_t>(0, now_unix_ms - frame.time.unix_ms));
    }
    news.age = std::min(news.age.value_or(age), age);
  }
  std::vector<recorder::SourceFrame> fresh;
  for (recorder::SourceFrame& frame : news.frames) {
    if (IsFresh(mirror, frame, now)) fresh.push_back(std::move(frame));
  }
  news.is_silent = fresh.empty();
  if (!news.is_silent) news.frames = std::move(fresh);
  news.is_catching_up = news.is_silent && IsCatchingUp(agent, mirror, now);
  return news;
}

NodeFrameReader::NodeFrameReader() {
  exposition::SeriesDesc desc;
  desc.name = kUp;
  desc.family = kUp;
  desc.type = exposition::MetricType::kGauge;
  desc.help = "Whether the last scrape of the endpoint succeeded.";
  up_ = pool_.Intern(desc);
}

void NodeFrameReader::AddDown(const std::vector<recorder::SourceFrame>& stale,
                              std::int64_t unix_ms, NodeFrames* node) const {
  node->is_down = true;
  bool any = false;
  for (const recorder::SourceFrame& frame : stale) {
    auto series = std::make_shared<std::vector<recorder::SeriesRef>>();
    for (const recorder::SeriesRef& s : *frame.series) {
      if (s->name() == kUp) series->push_back(s);
    }
    if (series->empty()) continue;
    any = true;
    recorder::SourceFrame down;
    down.source_name = frame.source_name;
    down.container_name = frame.container_name;
    down.name = frame.name;
    down.time.unix_ms = unix_ms;
    down.values.assign(series->size(), 0.0);
    down.series = std::move(series);
    node->frames.push_back(std::move(down));
  }
  if (any) return;
  recorder::SourceFrame down;
  down.source_name = kUp;
  down.time.unix_ms = unix_ms;
  down.series = std::make_shared<const std::vector<recorder::SeriesRef>>(
      std::vector<recorder::SeriesRef>{up_});
  down.values = {0.0};
  node->frames.push_back(std::move(down));
}

NodeFrames NodeFrameReader::Latest(const fleet::Agent& agent,
                                   const fleet::Mirror& mirror,
                                   MonotonicTime now, std::int64_t now_unix_ms,
                                   bool keeps) const {
  NodeFrames node;
  node.agent = agent;
  std::vector<recorder::SourceFrame> newest;
  if (keeps) {
    node.keep =
        std::make_shared<const recorder::Snapshot>(mirror.recording().Take());
    newest = node.keep->Latest();
  } else {
    newest = mirror.recording().Latest();
  }
  std::vector<recorder::SourceFrame> stale;
  for (recorder::SourceFrame& frame : newest) {
    (IsFresh(mirror, frame, now) ? node.frames : stale)
        .push_back(std::move(frame));
  }
  if (!node.frames.empty()) return node;
  node.is_catching_up = IsCatchingUp(agent, mirror, now);
  if (!node.is_catching_up) AddDown(stale, now_unix_ms, &node);
  return node;
}

NodeFrames NodeFrameReader::At(const fleet::Agent& agent,
                               const fleet::Mirror& mirror,
                               std::int64_t unix_ms) const {
  NodeFrames node;
  node.agent = agent;
  node.keep =
      std::make_shared<const recorder::Snapshot>(mirror.recording().Take());
  auto frames = node.keep->At(unix_ms, mirror.pace().patience().count());
  if (frames.ok()) node.frames = *std::move(frames);
  if (node.frames.empty()) AddDown({}, unix_ms, &node);
  return node;
}

NodeFrames NodeFrameReader::Down(const fleet::Agent& agent,
                                 std::int64_t unix_ms) const {
  NodeFrames node;
  node.agent = agent;
  AddDown({}, unix_ms, &node);
  return node;
}

}  // namespace fodc::api
