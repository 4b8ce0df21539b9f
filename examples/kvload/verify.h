// SPDX-License-Identifier: Apache-2.0
// Compares a node with a ledger.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "examples/kvload/client.h"
#include "examples/kvload/ledger.h"
#include "fodc/base/status.h"

namespace kvload {

struct VerifyReport {
  std::uint64_t keys = 0;
  std::uint64_t stream_entries = 0;  // acknowledged ones
  std::uint64_t lost = 0;   // acknowledged, and not there or an older one
  std::uint64_t wrong = 0;  // there, and never asked for
  std::vector<std::string> examples;  // of both, at most 10
};

// Reads every key and stream that the ledger names. A node that rejects is
// asked again. Errors: as Client::Do.
fodc::Result<VerifyReport> Verify(const Expectation& expected, Client* client);

}  // namespace kvload
