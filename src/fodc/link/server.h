// SPDX-License-Identifier: Apache-2.0
// The proxy's end of the link: a gRPC server for agents that speak
// banyandb.fodc.v1 (Go's, and ours where it must) or fodc.flight.v1.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/fleet/agent_commander.h"
#include "fodc/fleet/evidence_commander.h"
#include "fodc/fleet/fleet.h"
#include "fodc/fleet/question_queue.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/unique_function.h"

namespace fodc::link {

// Every method belongs to the loop's thread. A thread of the server's decodes
// and checks each message and posts it; no more than one per stream waits.
class LinkServer final : public fleet::AgentCommander,
                         public fleet::EvidenceCommander {
 public:
  struct Options {
    std::string listen_address = ":17912";  // "HOST:PORT"; port 0: any
    std::string version;                    // of this program
    std::string instance_id;                // of this proxy; empty: made up
    std::size_t max_message_bytes = 32u << 20;

    // Told to v1 agents, in whole seconds.
    std::chrono::nanoseconds heartbeat_interval = std::chrono::seconds(10);
    // Told to flight agents.
    std::chrono::nanoseconds flight_heartbeat = std::chrono::seconds(2);
    // A flight agent not heard of for so long is cut off.
    std::chrono::nanoseconds flight_dead_after = std::chrono::seconds(7);
    // HTTP/2 pings to every agent: what notices a v1 agent that is gone.
    std::chrono::nanoseconds keepalive_time = std::chrono::seconds(10);
    std::chrono::nanoseconds keepalive_timeout = std::chrono::seconds(5);
    // A connection without any stream is closed after this.
    std::chrono::nanoseconds connection_idle = std::chrono::minutes(5);
    // A rival for a pod name is asked whether it lives.
    std::chrono::nanoseconds probe_timeout = std::chrono::seconds(2);
    // From opening a stream to its first message.
    std::chrono::nanoseconds first_message_timeout = std::chrono::seconds(10);
    // A stream that was told to end but does not take the news.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds(2);

    // Unacknowledged entries that a flight agent may have under way.
    std::size_t in_flight_bytes = 1u << 20;
    std::size_t flight_message_bytes = 4u << 20;

    // Of a download: from asking for more to its coming.
    std::chrono::nanoseconds evidence_piece_timeout = std::chrono::seconds(30);
    // So long a slow reader may keep a v1 agent from saying anything else.
    std::chrono::nanoseconds v1_stall_timeout = std::chrono::seconds(10);
    // Downloads under way, of all agents.
    std::size_t max_fetches = 64;

    // Bounds against hostile or broken peers.
    std::size_t max_streams = 16384;
    std::size_t max_unregistered_streams = 256;
    // 0: half of the registry, at least 16.
    std::size_t max_agents_per_connection = 0;
    // Registrations from one address: a burst as large as the registry, then
    // so many a second.
    double registrations_per_second = 50;
    // A data stream must come on its registration's own connection. False: its
    // address is enough (for deployments behind a proxy that multiplexes).
    bool bind_to_connection = true;

    fleet::QuestionQueue::Options questions;
  };

  // Counters since the start and, where said, present values.
  struct Stats {
    std::uint64_t streams_opened = 0;
    std::uint64_t streams_refused = 0;   // unknown, foreign, too many
    std::uint64_t messages_refused = 0;  // undecodable, out of order
    std::uint64_t dead_peers = 0;        // cut off for silence
    std::uint64_t probes = 0;
    std::uint64_t flight_messages = 0;  // of entries
    std::uint64_t flight_bytes = 0;     // ... encoded
    std::uint64_t flight_frames = 0;    // rows, and frames of chunks
    std::uint64_t acknowledgements = 0;
    std::uint64_t resumes = 0;  // sessions that went on with a mirror
    std::uint64_t v1_refused_samples = 0;  // of answers, for their names
    std::uint64_t v1_not_waited_for = 0;   // questions to agents long silent
    fleet::QuestionQueue::Stats questions;
    std::size_t open_streams = 0;  // now
    std::size_t sessions = 0;      // now, registered
    // Downloads now for whose sake messages are read as they come.
    std::size_t hurried = 0;
  };

  // Listens, and sweeps `fleet` from now on. `loop` and `fleet` must outlive
  // the server.
  // Errors: kAlreadyExists when the port is taken, or what else is in the way
  // of the address.
  static Result<std::unique_ptr<LinkServer>> Start(net::EventLoop& loop,
                                                   fleet::Fleet& fleet,
                                                   const Options& options);
  // Cuts what is left and waits for the server's thread to be done with it.
  ~LinkServer() override;

  // The port listened on.
  int port() const;

  // Takes no more streams, says goodbye on those there are, and calls `done`
  // once they have ended or `limit` has passed.
  void Drain(const std::string& reason, std::chrono::nanoseconds limit,
             net::Task done);

  void RequestMetrics(const fleet::AgentId& agent,
                      const fleet::MetricsQuestion& question,
                      MonotonicTime deadline, MetricsCallback done) override;

  void RefreshEvents(const std::vector<fleet::AgentId>& agents,
                     MonotonicTime deadline, DoneCallback done) override;
  void Fetch(const fleet::AgentId& agent,
             const fleet::EvidenceQuestion& question, MonotonicTime deadline,
             FetchCallback done) override;
  void Pin(const fleet::AgentId& agent, const std::string& event_id,
           bool pinned, MonotonicTime deadline, DoneCallback done) override;

  Stats stats() const;

 private:
  struct Impl;
  explicit LinkServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace fodc::link
