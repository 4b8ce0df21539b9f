// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/refusal.h"

#include <array>

namespace fodc::guard {

std::string_view RefusalName(Refusal refusal) noexcept {
  static constexpr std::array<std::string_view, kRefusals> kNames = {
      "none", "full", "memory", "peer", "peer_table", "too_large", "cancelled"};
  const auto i = static_cast<std::size_t>(refusal);
  return i < kNames.size() ? kNames[i] : "none";
}

int HttpStatusOf(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone:
      return 0;
    case Refusal::kTooLarge:
      return kTooLargeStatus;
    case Refusal::kFull:
    case Refusal::kMemory:
    case Refusal::kPeer:
    case Refusal::kPeerTable:
    case Refusal::kCancelled:
      break;
  }
  return kSlowDownStatus;
}

}  // namespace fodc::guard
