// SPDX-License-Identifier: Apache-2.0
// For tests: an agent without its scraper, and the comparison of what it
// recorded with what a proxy holds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/link/agent_link.h"
#include "fodc/net/event_loop.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::link {

// Series text -> (time, bits of the value), in the order of the log.
using Samples =
    std::map<std::string, std::vector<std::pair<std::int64_t, std::uint64_t>>>;
Samples AllSamples(const recorder::Recording& recording);
// Differences, for people; empty if `part` is all in `whole`.
std::string Missing(const Samples& part, const Samples& whole);

class TestAgent {
 public:
  struct Options {
    std::string pod = "pod";
    std::string instance = "instance";
    recorder::Incarnation incarnation = 100;
    recorder::RecordingOptions recording;
    AgentLink::Options link;
    Options() { recording.stretch_rows = 8; }
  };

  TestAgent(net::EventLoop& loop, Options options);

  void StartLink();
  void StopLink() { link_.reset(); }
  // A new life of the same agent that got back what an earlier one had
  // recorded, but for its last `lost` frames; without its incidents.
  // `incarnation` 0: the next number.
  std::unique_ptr<TestAgent> Reborn(std::size_t lost,
                                    recorder::Incarnation incarnation = 0);

  // Before StartLink; outlives the agent.
  void set_evidence(EvidenceSource* source) { evidence_ = source; }
  // The list takes it, and the link is told.
  void Put(const evidence::Incident& incident);

  // One frame of each of two sources; the series change now and then.
  void Append();
  void Append(int times) {
    for (int i = 0; i < times; ++i) Append();
  }

  recorder::Recording& recording() { return *recording_; }
  evidence::IncidentList& incidents() { return incidents_; }
  AgentLink& link() { return *link_; }
  ProxyLinkStats stats() const;  // of the one proxy
  fleet::AgentIdentity& identity() { return identity_; }

 private:
  net::EventLoop& loop_;
  Options options_;
  fleet::AgentIdentity identity_;
  std::unique_ptr<recorder::Recording> recording_;
  evidence::IncidentList incidents_;
  EvidenceSource* evidence_ = nullptr;
  std::unique_ptr<AgentLink> link_;
  std::map<std::string, int> lines_;  // of each source
  int appended_ = 0;
  std::int64_t now_ms_ = 1'000'000;
};

// Options with which everything happens within fractions of a second.
AgentLink::Options QuickLinkOptions(const std::string& address);

}  // namespace fodc::link
