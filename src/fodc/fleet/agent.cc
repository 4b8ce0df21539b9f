// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/agent.h"

#include <sys/random.h>

#include <array>

#include "fodc/base/status.h"
#include "fodc/base/strings.h"

namespace fodc::fleet {

std::string NewUuid() {
  std::array<std::uint8_t, 16> b;
  std::size_t have = 0;
  while (have < b.size()) {
    const ssize_t n = ::getrandom(b.data() + have, b.size() - have, 0);
    FODC_CHECK(n > 0);
    have += static_cast<std::size_t>(n);
  }
  b[6] = static_cast<std::uint8_t>((b[6] & 0x0f) | 0x40);  // version 4
  b[8] = static_cast<std::uint8_t>((b[8] & 0x3f) | 0x80);  // RFC 4122
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    out.push_back(kHex[b[i] >> 4]);
    out.push_back(kHex[b[i] & 15]);
  }
  return out;
}

// Whatever the contract: a tag and a length of each text.
constexpr std::size_t kTextOverhead = 8;

std::size_t EncodedLabelBytes(std::string_view key, std::string_view value) {
  return 3 * kTextOverhead + key.size() + value.size();
}

std::size_t EncodedBytes(const AgentIdentity& identity) {
  constexpr std::size_t kNumbers = 64;
  std::size_t bytes = kNumbers;
  for (const std::string* text :
       {&identity.node_name, &identity.instance_id, &identity.role,
        &identity.pod_name, &identity.advertise_address}) {
    bytes += kTextOverhead + text->size();
  }
  for (const std::string& name : identity.container_names) {
    bytes += kTextOverhead + name.size();
  }
  for (const auto& [key, value] : identity.labels) {
    bytes += EncodedLabelBytes(key, value);
  }
  return bytes;
}

Status CheckIdentitySize(std::size_t bytes, std::size_t labels) {
  if (bytes > kMaxIdentityBytes) {
    return InvalidArgument(StrCat("identity of ", bytes,
                                  " bytes; the limit is ", kMaxIdentityBytes));
  }
  if (labels > kMaxIdentityLabels) {
    return InvalidArgument(StrCat("identity with ", labels,
                                  " labels; the limit is ",
                                  kMaxIdentityLabels));
  }
  return OkStatus();
}

std::string AgentEndpoint(const Agent& agent) {
  const AgentIdentity& id = agent.identity;
  if (!id.advertise_address.empty()) return id.advertise_address;
  if (id.http_port == 0 || agent.peer_address.empty()) return "";
  const bool is_v6 = agent.peer_address.find(':') != std::string::npos;
  return is_v6 ? StrCat("[", agent.peer_address, "]:", id.http_port)
               : StrCat(agent.peer_address, ":", id.http_port);
}

std::string AgentAddress(const Agent& agent) {
  std::string endpoint = AgentEndpoint(agent);
  return endpoint.empty() ? agent.peer_address : endpoint;
}

std::string_view AgentKindName(AgentKind kind) {
  return kind == AgentKind::kV1 ? "v1" : "flight";
}

std::string_view AgentStatusName(AgentStatus status) {
  switch (status) {
    case AgentStatus::kOnline:
      return "online";
    case AgentStatus::kOffline:
      return "offline";
    case AgentStatus::kConflict:
      return "conflict";
  }
  return "offline";
}

}  // namespace fodc::fleet
