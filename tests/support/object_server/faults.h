// SPDX-License-Identifier: Apache-2.0
// What goes wrong, when and how, as a test says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "tests/support/object_server/service.h"

namespace fodc::object_server {

enum class FaultAction : std::uint8_t {
  kStatus,        // an answer with that status, nothing done
  kResetBefore,   // the connection is reset, nothing done
  kResetAfter,    // done, then reset without an answer
  kShortBody,     // half of the announced body, then the connection ends
  kSlowBody,      // the answer's body at bytes_per_second
  kErrorIn200,    // 200 with an error document, nothing done
  kCorrupt,       // a byte of the answer's body is another one
  kExpiredToken,  // as if the credentials had expired
  kRegionRedirect,
  kRepeatPage,   // the listing gives the same page and its token again
  kEndlessList,  // the listing starts over instead of ending
  kPartStatus,   // as kStatus, of the first request in a batch
  kFull,         // no room, or the quota is used up
};

struct FaultRule {
  std::optional<Operation> operation;  // nothing: every one
  std::string key;                     // a part of it; empty: every one
  FaultAction action = FaultAction::kStatus;
  std::uint64_t every = 1;
  std::uint64_t first = 1;             // of the requests that match
  std::optional<std::uint64_t> count;  // how often; nothing: for ever
  int status = 503;
  std::string code;  // empty: the vendor's usual one of that status
  std::optional<std::uint64_t> retry_after_seconds;
  std::uint64_t bytes_per_second = 1024;
  std::string region = "eu-central-2";
  // So far.
  std::uint64_t seen = 0;
  std::uint64_t fired = 0;
};

// A JSON array of objects with the names above ("retry_after" in seconds).
// Errors: kInvalidArgument naming what is wrong; unknown names are.
Result<std::vector<FaultRule>> ParseFaults(std::string_view json);
std::string FaultsAsJson(const std::vector<FaultRule>& rules);

// The first rule that fires; each that is asked counts the request.
const FaultRule* MatchFault(std::vector<FaultRule>* rules, Operation operation,
                            std::string_view key);

// The answer of a rule that gives one instead of doing anything; nothing for
// the others.
std::optional<Response> FaultAnswer(const FaultRule& rule, const Call& call,
                                    Service* service);

}  // namespace fodc::object_server
