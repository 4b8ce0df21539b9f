// SPDX-License-Identifier: Apache-2.0
// Why work was not admitted, and what its client is told. Nothing here waits:
// who is refused may try again later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fodc::guard {

enum class Refusal : std::uint8_t {
  kNone,       // admitted
  kFull,       // all that this class may use is in use
  kMemory,     // would fit, were the memory level lower
  kPeer,       // this peer has its share
  kPeerTable,  // as many peers are counted as there is room for
  kTooLarge,   // larger than could ever be admitted: no use to try again
  kCancelled,  // its deadline has passed, or its client is gone
};
inline constexpr std::size_t kRefusals = 7;

// "full", "memory", "peer", "peer_table", "too_large", "cancelled"; "none".
// The values of the label `reason`.
std::string_view RefusalName(Refusal refusal) noexcept;

// Answers of protocols that speak in lines (RESP: with "-" before and CR LF
// behind).
inline constexpr std::string_view kBusyText = "BUSY server overloaded";
inline constexpr std::string_view kConnectionsText =
    "ERR max connections per client exceeded";

// Answers of HTTP.
inline constexpr int kSlowDownStatus = 503;
inline constexpr std::string_view kSlowDownCode = "SlowDown";
inline constexpr std::string_view kSlowDownHeaders =
    "Retry-After: 1\r\nConnection: close\r\n";
inline constexpr int kTooLargeStatus = 413;
inline constexpr std::string_view kTooLargeCode = "EntityTooLarge";

// kSlowDownStatus, or kTooLargeStatus; 0 for kNone.
int HttpStatusOf(Refusal refusal) noexcept;

}  // namespace fodc::guard
