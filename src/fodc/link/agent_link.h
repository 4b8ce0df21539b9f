// SPDX-License-Identifier: Apache-2.0
// The agent's end of the link: to every proxy that there is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/fleet/agent.h"
#include "fodc/link/evidence_source.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/unique_function.h"
#include "fodc/recorder/recording.h"

namespace fodc::link {

enum class LinkState : std::uint8_t {
  kWaiting,     // for the next attempt
  kConnecting,  // dialling, or waiting for the proxy's first word
  kFlight,      // entries flow
  kV1,          // the proxy is one that speaks v1 only
};
std::string_view LinkStateName(LinkState state);  // "waiting", ...

// Of one proxy, since the start and, where said, now.
struct ProxyLinkStats {
  std::string address;
  LinkState state = LinkState::kWaiting;    // now
  std::chrono::microseconds round_trip{0};  // newest; 0: unknown
  std::uint64_t connects = 0;               // sessions that were welcomed
  std::uint64_t failures = 0;               // attempts and sessions that broke
  std::uint64_t resumes = 0;                // ... that went on where one broke
  std::uint64_t frames_sent = 0;            // a chunk counts its frames
  std::uint64_t bytes_sent = 0;             // of entries and of v1 answers
  // The window had moved on, or a frame was larger than the proxy's messages,
  // ...
  std::uint64_t gaps = 0;
  std::uint64_t gap_frames = 0;      // ... and so many frames are lost
                                     // to this proxy
  std::uint64_t incidents_sent = 0;  // revisions of them
  std::uint64_t evidence_bytes_sent = 0;
  std::uint64_t v1_answers = 0;
  std::uint64_t v1_dropped_samples = 0;  // beyond v1's message size
  std::size_t in_flight_bytes = 0;       // now, not acknowledged
  // Now: another live agent has this pod, and the proxy shows that one's
  // samples. Only a flight proxy tells.
  bool conflict = false;
  Status last_failure;
};

// Every method belongs to the loop's thread.
class AgentLink {
 public:
  struct Options {
    // "HOST:PORT"; a name stands for every address that it resolves to.
    std::vector<std::string> proxies;
    std::string agent_version;
    bool allow_flight = true;  // false: speaks v1 to everybody

    std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);
    // See Backoff.
    std::chrono::nanoseconds min_backoff = std::chrono::milliseconds(200);
    std::chrono::nanoseconds max_backoff = std::chrono::seconds(15);
    // A session that lasted so long was a good one: the next attempt is quick.
    std::chrono::nanoseconds good_session = std::chrono::seconds(5);
    std::chrono::nanoseconds resolve_interval = std::chrono::seconds(30);

    // --- With a v1 proxy.
    std::chrono::nanoseconds heartbeat_interval = std::chrono::seconds(10);
    // A word of ours that TCP does not get across for so long ends the link.
    std::chrono::nanoseconds tcp_user_timeout = std::chrono::seconds(8);
    std::size_t max_message_bytes = 32u << 20;
    bool open_lifecycle_streams = false;  // --lifecycle-port > 0
    bool open_pressure_stream = false;    // --pressure-profiler-enabled
    // Newest frames older than this (two scrape intervals) are not told as
    // current. 0: all are.
    std::chrono::nanoseconds stale_after{0};

    // --- With ours.
    std::size_t batch_bytes = 256u << 10;
  };

  // `recording` and `incidents` are read on the loop, and must outlive the
  // link, as must `loop`. `identity` is asked whenever a session begins and on
  // OnIdentityChanged. Incidents are told whole, those of earlier lives too:
  // each proxy of ours gets what it does not hold, in the newest revision,
  // whenever a session begins and on OnIncident. One that left the list before
  // a proxy could be told is lost to it; a v1 proxy gets none.
  AgentLink(net::EventLoop& loop, const recorder::Recording& recording,
            const evidence::IncidentList& incidents,
            std::function<fleet::AgentIdentity()> identity,
            const Options& options);
  ~AgentLink();

  // Before Start. What proxies get of the events on disk; it must outlive the
  // link. Without it they are told of none, and get none.
  void set_evidence(EvidenceSource* source);

  void Start();
  // A frame was appended: it goes out now.
  void OnAppended();
  // The list of incidents has changed: every proxy is told.
  void OnIncident();
  // There is another event on disk, or one has changed or gone: every proxy of
  // ours is told. A v1 proxy asks.
  void OnEvidence();
  // Role, labels, ... changed: every proxy is told.
  void OnIdentityChanged();
  // Says goodbye, ends every session and calls `done`, at `limit` the latest.
  void Stop(const std::string& reason, std::chrono::nanoseconds limit,
            net::Task done);

  // One per address dialled.
  std::vector<ProxyLinkStats> stats() const;
  // Whether any proxy is connected.
  bool connected() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::link
