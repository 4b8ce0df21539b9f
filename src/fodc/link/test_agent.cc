// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/test_agent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/recorder/log_reader.h"

namespace fodc::link {

Samples AllSamples(const recorder::Recording& recording) {
  Samples out;
  recording.Take().ReadSeries(
      {}, nullptr,
      [&](const recorder::SeriesView& view,
          std::span<const std::int64_t> unix_ms,
          std::span<const double> values) {
        auto& samples = out[StrCat(view.source_name, " ", view.series->name(),
                                   "{", view.series->labels(), "}")];
        for (std::size_t i = 0; i < unix_ms.size(); ++i) {
          std::uint64_t bits;
          std::memcpy(&bits, &values[i], sizeof bits);
          samples.emplace_back(unix_ms[i], bits);
        }
        return true;
      });
  return out;
}

std::string Missing(const Samples& part, const Samples& whole) {
  std::string out;
  for (const auto& [series, samples] : part) {
    const auto it = whole.find(series);
    if (it == whole.end()) {
      out += StrCat(series, ": not there\n");
    } else if (!std::includes(it->second.begin(), it->second.end(),
                              samples.begin(), samples.end())) {
      out += StrCat(series, ": has ", it->second.size(),
                    " samples, not all of ", samples.size(), "\n");
    }
  }
  return out;
}

TestAgent::TestAgent(net::EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {
  recording_ = std::make_unique<recorder::Recording>(options_.incarnation,
                                                     options_.recording);
  identity_.pod_name = options_.pod;
  identity_.node_name = options_.pod;
  identity_.instance_id = options_.instance;
  identity_.incarnation = options_.incarnation;
  identity_.role = "ROLE_DATA";
}

void TestAgent::StartLink() {
  link_ = std::make_unique<AgentLink>(
      loop_, *recording_, incidents_, [this] { return identity_; },
      options_.link);
  link_->set_evidence(evidence_);
  link_->Start();
}

std::unique_ptr<TestAgent> TestAgent::Reborn(
    std::size_t lost, recorder::Incarnation incarnation) {
  Options options = options_;
  options.incarnation =
      incarnation == 0 ? options.incarnation + 1 : incarnation;
  auto next = std::make_unique<TestAgent>(loop_, options);
  next->now_ms_ = now_ms_ + 5000;
  next->appended_ = appended_;
  const recorder::FrameName newest = recording_->newest();
  recorder::Recording::Defined defined;
  recording_->ReadLog({}, &defined, [&](const recorder::LogEntry& entry) {
    if (const auto* row = std::get_if<recorder::RowEntry>(&entry);
        row != nullptr && row->name.incarnation == newest.incarnation &&
        row->name.sequence + lost > newest.sequence) {
      return false;
    }
    EXPECT_TRUE(next->recording_->Apply(entry).ok());
    return true;
  });
  return next;
}

void TestAgent::Put(const evidence::Incident& incident) {
  EXPECT_TRUE(incidents_.Put(incident).ok());
  if (link_ != nullptr) link_->OnIncident();
}

void TestAgent::Append() {
  ++appended_;
  now_ms_ += 1000;
  const recorder::FrameTime time{now_ms_, now_ms_ + 1'700'000'000'000};
  for (const char* name : {"a", "b"}) {
    const recorder::SourceId source = recording_->OpenSource(name, "data");
    // Series come, go and come back.
    const int lines = 3 + appended_ / 10 % 4;
    const auto count = static_cast<std::size_t>(lines);
    std::vector<std::string> texts;
    texts.reserve(count);
    for (int i = 0; i < lines; ++i) texts.push_back(std::to_string(i));
    std::vector<exposition::Label> labels;
    for (std::size_t i = 0; i < count; ++i) {
      labels.push_back({"line", texts[i]});
    }
    std::vector<exposition::SeriesDesc> descs;
    std::vector<double> values;
    for (std::size_t i = 0; i < count; ++i) {
      exposition::SeriesDesc d;
      d.name = "m";
      d.family = "m";
      d.labels = {&labels[i], 1};
      d.type = exposition::MetricType::kGauge;
      descs.push_back(d);
      values.push_back(appended_ * 1000.5 + static_cast<double>(i) +
                       (*name == 'b' ? 0.25 : 0));
    }
    int& known = lines_[name];
    if (known != lines) {
      recording_->SpliceLines(source, 0, static_cast<std::size_t>(known),
                              descs);
      known = lines;
    }
    (void)recording_->Append(source, time, values, std::nullopt);
  }
  if (link_ != nullptr) link_->OnAppended();
}

ProxyLinkStats TestAgent::stats() const {
  const auto all = link_->stats();
  return all.empty() ? ProxyLinkStats() : all.front();
}

AgentLink::Options QuickLinkOptions(const std::string& address) {
  AgentLink::Options o;
  o.proxies = {address};
  o.agent_version = "test";
  o.connect_timeout = std::chrono::seconds(2);
  o.min_backoff = std::chrono::milliseconds(10);
  o.max_backoff = std::chrono::milliseconds(50);
  return o;
}

}  // namespace fodc::link
