// SPDX-License-Identifier: Apache-2.0
// Which backups are old enough to go, and their going.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

// A time directory that any of them keeps is kept. All zero: nothing goes.
struct RetentionRules {
  std::int64_t last = 0;               // the newest ones
  std::int64_t daily = 0;              // the newest one of so many days
  std::int64_t hourly = 0;             // the newest one of so many hours
  std::chrono::nanoseconds within{0};  // all that are no older

  bool is_empty() const {
    return last == 0 && daily == 0 && hourly == 0 &&
           within == std::chrono::nanoseconds(0);
  }
};

struct AgedBackup {
  enum class State : std::uint8_t {
    kComplete,  // all catalogs of it are
    kPartial,   // some are not
    kUnknown,   // nothing says so: it was made by another tool
    kGoing,     // a removal of it was broken off
  };
  std::string time_dir{};
  State state = State::kUnknown;
};

// Those that go, the oldest first. What is not complete counts for no rule but
// `within`. Nothing goes that has no complete newer one; what is kUnknown stays
// always, and what is kGoing goes always. Ages are of the names, in the
// process's zone. `all` ascends by name.
std::vector<std::string> WhatGoes(const std::vector<AgedBackup>& all,
                                  const RetentionRules& rules, UnixTime now);

// What there is, in the order of names; names that are no time directory's are
// left out. Those of another node are, too, unless `node_id` is empty.
// Errors: those of the store.
Result<std::vector<AgedBackup>> ListAged(object_store::ObjectStore& store,
                                         const std::string& node_id,
                                         const std::stop_token& stop);

// Removes all of a time directory: first it is marked, so that one that is
// broken off is no backup any more, and is gone on with. Errors: those of the
// store.
Status RemoveBackup(object_store::ObjectStore& store,
                    const std::string& time_dir, const std::stop_token& stop);

}  // namespace fodc::backup
