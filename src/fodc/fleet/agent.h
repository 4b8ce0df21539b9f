// SPDX-License-Identifier: Apache-2.0
// An agent as the proxy knows it: plain data.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::fleet {

// UUID v4 text, minted by the proxy for each registration.
using AgentId = std::string;
using Labels = std::map<std::string, std::string>;

// A fresh random UUID v4, lower case.
std::string NewUuid();

inline constexpr std::string_view kRoleUnspecified = "ROLE_UNSPECIFIED";

enum class AgentKind : std::uint8_t {
  kV1,      // banyandb.fodc.v1: its samples are asked for on demand
  kFlight,  // fodc.flight.v1: its recording is mirrored here
};
std::string_view AgentKindName(AgentKind kind);  // "v1", "flight"

enum class AgentStatus : std::uint8_t {
  kOnline,
  kOffline,   // its stream has ended, or it was silent for too long
  kConflict,  // alive, but another live agent has the same pod name
};
std::string_view AgentStatusName(AgentStatus status);  // "online", ...

// What an agent says of itself.
struct AgentIdentity {
  std::string node_name;
  std::string instance_id;                // flight only; stable over restarts
  recorder::Incarnation incarnation = 0;  // flight only; another each life
  std::string role;                       // "ROLE_DATA", ...
  Labels labels;                          // of the node, e.g. type=hot
  std::string pod_name;
  std::vector<std::string> container_names;
  std::uint32_t http_port = 0;    // of the agent's own server; 0: none
  std::string advertise_address;  // "HOST:PORT" of it; empty: see http_port
  friend bool operator==(const AgentIdentity&, const AgentIdentity&) = default;
};

// Beyond any real identity; it is kept for every agent and shown with each
// sample, so that a peer that says more is refused.
inline constexpr std::size_t kMaxIdentityBytes = 64u << 10;
inline constexpr std::size_t kMaxIdentityLabels = 64;

// What an identity takes when it is encoded, at most; and one of its labels.
std::size_t EncodedBytes(const AgentIdentity& identity);
std::size_t EncodedLabelBytes(std::string_view key, std::string_view value);

// What a proxy takes, for both ends. `bytes`: encoded.
// Errors: kInvalidArgument naming the limit.
Status CheckIdentitySize(std::size_t bytes, std::size_t labels);

// An entry of the registry at one moment.
struct Agent {
  AgentId id;
  AgentKind kind = AgentKind::kV1;
  AgentStatus status = AgentStatus::kOnline;
  AgentIdentity identity;
  std::string version;       // of the agent's program; v1 does not tell
  std::string peer_address;  // IP text, no port
  UnixTime registered_at;
  UnixTime last_heartbeat;                  // wall clock, to show
  MonotonicTime last_heard;                 // for ages
  MonotonicTime awaited_until;              // it may come back (Fleet::Notice)
  std::chrono::microseconds round_trip{0};  // 0: not known (v1 never tells)
};

// "HOST:PORT" of the agent's own HTTP server; empty if it has none.
std::string AgentEndpoint(const Agent& agent);
// The same, or the address it came from.
std::string AgentAddress(const Agent& agent);

// Immutable: may be kept and read on any thread. Sorted by pod name; of one pod
// who is online comes first, then who registered first.
using AgentList = std::shared_ptr<const std::vector<Agent>>;

}  // namespace fodc::fleet
