// SPDX-License-Identifier: Apache-2.0
// /__control: how a test steers the server and sees what it was asked.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "tests/support/object_server/faults.h"
#include "tests/support/object_server/ledger.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

inline constexpr std::string_view kControlPath = "/__control/";

// What a test can change while the server runs. On the server's thread.
struct Controls {
  std::vector<FaultRule> faults;
  std::chrono::seconds skew{0};
  std::chrono::nanoseconds latency{0};
  Ledger ledger;
};

Response HandleControl(const Request& request, std::string_view body,
                       Controls* controls, World* world, Service* service);

// The world as it was at the start: the bucket, the generated objects.
void MakeWorld(World* world);

}  // namespace fodc::object_server
