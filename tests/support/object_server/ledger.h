// SPDX-License-Identifier: Apache-2.0
// What was asked of the server, for tests to look at.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "tests/support/object_server/service.h"

namespace fodc::object_server {

// Not thread-safe.
class Ledger {
 public:
  static constexpr std::size_t kKept = 100'000;

  void Begin() {
    ++in_flight_;
    if (in_flight_ > max_in_flight_) max_in_flight_ = in_flight_;
  }
  // `status` 0: the connection ended without an answer.
  void End(Operation operation, std::string_view key, int status,
           std::uint64_t bytes);
  void Clear();

  // The last `limit` requests; `key`: only those whose key has it in it.
  std::string AsJson(std::size_t limit, std::string_view key,
                     bool per_key) const;

 private:
  struct Entry {
    Operation operation;
    int status;
    std::uint64_t bytes;  // of the body, whichever way it went
    std::string key;
  };

  std::deque<Entry> entries_;
  std::array<std::map<int, std::uint64_t>, kOperations> counts_;
  std::uint64_t in_flight_ = 0;
  std::uint64_t max_in_flight_ = 0;
};

}  // namespace fodc::object_server
