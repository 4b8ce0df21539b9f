// SPDX-License-Identifier: Apache-2.0
// Where commands speak: what was asked for to standard output, what went wrong
// to standard error.
#pragma once

#include <cstdio>
#include <string_view>

#include "fodc/backup/run.h"
#include "fodc/base/status.h"

namespace fodc::backup {

inline void Print(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
  (void)std::fflush(stdout);
}

// What is wrong with what was asked is kUsage, whatever `outcome` says.
inline Outcome Fail(const Status& status, Outcome outcome = Outcome::kFailure) {
  (void)std::fprintf(stderr, "fodc-backup: %s\n", status.message().c_str());
  return status.code() == Code::kInvalidArgument ? Outcome::kUsage : outcome;
}

}  // namespace fodc::backup
